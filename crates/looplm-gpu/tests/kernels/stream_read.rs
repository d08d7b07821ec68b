//! `stream_read` against its twin.

use looplm_gpu::{cpu, kernels::StreamRead};
use rand::Rng;

use crate::support::{self, fetch, upload, wait};

#[test]
fn every_word_is_read() {
    let gpu = support::gpu();
    let mut rng = support::rng(31);
    // Less than one element an invocation, an odd number, and several rounds of all of them.
    for words in [4, 1028, 3 * 4 * 64 * 4096 + 4 * 1031] {
        let data: Vec<u32> = (0..words).map(|_| rng.random()).collect();
        let buffer = upload(gpu, &data);
        let kernel = wait(StreamRead::new(gpu, &buffer)).expect("a small buffer");
        support::run(gpu, &support::rows(1), |pass, _| {
            kernel.encode(pass).expect("the grid is small");
        });
        let sums: Vec<u32> = fetch(gpu, kernel.sums(), kernel.sums().size() as usize / 4);
        assert_eq!(
            cpu::stream_read(&sums),
            cpu::stream_read(&data),
            "{words} words"
        );
    }
}
