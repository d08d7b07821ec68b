use crate::{kernels::AttentionShape, stride};

/// Twin of `rotary`: turns queries and keys of `qkv` [positions.len(), stride(shape.packed())] by `table`
/// ([`super::rotary_table`]), back if `inverse`.
pub fn rotary(
    shape: AttentionShape,
    inverse: bool,
    qkv: &mut [f64],
    table: &[[f32; 2]],
    positions: &[u32],
) {
    let half = shape.head_dim / 2;
    for (row, position) in qkv.chunks_exact_mut(stride(shape.packed())).zip(positions) {
        for head in row
            .chunks_exact_mut(shape.head_dim)
            .take(shape.heads + shape.kv_heads)
        {
            for i in 0..half {
                let [cos, sin] = table[*position as usize * half + i].map(f64::from);
                let sin = if inverse { -sin } else { sin };
                (head[i], head[half + i]) = (
                    head[i] * cos - head[half + i] * sin,
                    head[half + i] * cos + head[i] * sin,
                );
            }
        }
    }
}
