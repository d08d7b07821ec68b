use crate::stride;

/// Twin of `exit_gate_backward`: adds to `dy` and `dgate`.
pub fn exit_gate_backward(
    y: &[f32],
    gate: &[f32],
    dz: &[f32],
    width: usize,
    dy: &mut [f32],
    dgate: &mut [f32],
) {
    let stride = stride(width);
    let mut sums = vec![0.0; stride + 1];
    for (r, &d) in dz.iter().enumerate() {
        for i in 0..stride {
            let at = r * stride + i;
            sums[i] += f64::from(d) * f64::from(y[at]);
            dy[at] = (f64::from(dy[at]) + f64::from(d) * f64::from(gate[i])) as f32;
        }
        sums[stride] += f64::from(d);
    }
    for (cell, sum) in dgate.iter_mut().zip(sums) {
        *cell = (f64::from(*cell) + sum) as f32;
    }
}
