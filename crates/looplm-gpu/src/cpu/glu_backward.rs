use crate::stride;

/// Twin of `glu_backward`: the gradient of `gu` [rows, stride(2 width)] from that of the product, [rows, stride(width)].
pub fn glu_backward(width: usize, gu: &[f64], dm: &[f64]) -> Vec<f64> {
    let mut dgu = vec![0.0; gu.len()];
    for ((gu, dm), dgu) in gu
        .chunks_exact(stride(2 * width))
        .zip(dm.chunks_exact(stride(width)))
        .zip(dgu.chunks_exact_mut(stride(2 * width)))
    {
        for i in 0..width {
            let s = 1.0 / (1.0 + (-gu[i]).exp());
            dgu[i] = dm[i] * gu[width + i] * s * (1.0 + gu[i] * (1.0 - s));
            dgu[width + i] = dm[i] * gu[i] * s;
        }
    }
    dgu
}
