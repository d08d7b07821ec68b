use crate::stride;

/// Twin of `gather`: rows of `table` [vocabulary, stride(width)] by id, zeros for an id beyond it.
pub fn gather(ids: &[u32], table: &[f32], width: usize) -> Vec<f32> {
    let stride = stride(width);
    ids.iter()
        .flat_map(|&id| match table.chunks_exact(stride).nth(id as usize) {
            Some(row) => row.to_vec(),
            None => vec![0.0; stride],
        })
        .collect()
}
