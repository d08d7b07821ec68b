use crate::{cpu::dot, stride};

/// Twin of `exit_gate`: y . weight + bias for each row.
pub fn exit_gate(y: &[f32], gate: &[f32], width: usize) -> Vec<f64> {
    let (weight, bias) = gate.split_at(stride(width));
    y.chunks_exact(stride(width))
        .map(|row| dot(row, weight) + f64::from(bias[0]))
        .collect()
}
