/// Twin of `stream_read`: the exclusive or of all words, which is that of the kernel's sums.
pub fn stream_read(data: &[u32]) -> u32 {
    data.iter().fold(0, |sum, word| sum ^ word)
}
