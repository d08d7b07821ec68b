use super::normed;
use crate::{
    rows::{DRAWN, GpuRow},
    stride,
};

/// Twin of `embed`: returns (h, x) and updates `state` and `kv_map`. `embedding` is [vocabulary, width] without padding, `tokens`
/// what was drawn before.
#[allow(clippy::too_many_arguments, reason = "those of the kernel")]
pub fn embed(
    width: usize,
    epsilon: f32,
    rows: &[GpuRow],
    tokens: &[u32],
    embedding: &[f32],
    gain: &[f32],
    state: &mut [f32],
    kv_map: &mut [u32],
) -> (Vec<f32>, Vec<f32>) {
    let padded = stride(width);
    let mut h = vec![0.0; rows.len() * padded];
    let mut x = h.clone();
    for (r, row) in rows.iter().enumerate() {
        for line in 0..row.lines {
            kv_map[(row.map + line * row.pitch + row.position) as usize] = row.entry;
        }
        let slot = &mut state[row.state as usize * padded..][..padded];
        if row.step == 1 {
            slot.fill(0.0);
            let token = match row.token.checked_sub(DRAWN) {
                Some(draw) => tokens[draw as usize],
                None => row.token,
            };
            slot[..width].copy_from_slice(&embedding[token as usize * width..][..width]);
        }
        h[r * padded..][..padded].copy_from_slice(slot);
        x[r * padded..][..width].copy_from_slice(&normed(&slot[..width], gain, epsilon));
    }
    (h, x)
}
