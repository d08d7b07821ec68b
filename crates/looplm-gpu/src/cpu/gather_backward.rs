use crate::stride;

/// Twin of `gather_backward`, from the ids themselves: adds each row of `dy` to the row of `dtable` it was taken from.
pub fn gather_backward(ids: &[u32], dy: &[f32], width: usize, dtable: &mut [f32]) {
    let stride = stride(width);
    for (v, row) in dtable.chunks_exact_mut(stride).enumerate() {
        for (column, cell) in row.iter_mut().enumerate() {
            let takers = ids.iter().enumerate().filter(|(_, id)| **id as usize == v);
            let sum: f64 = takers
                .map(|(r, _)| f64::from(dy[r * stride + column]))
                .sum();
            *cell = (f64::from(*cell) + sum) as f32;
        }
    }
}
