use half::f16;

use crate::kv_format::KvFormat;

/// The nearest number that `format` keeps.
pub(super) fn rounded(format: KvFormat, value: f32) -> f32 {
    match format {
        KvFormat::F32 => value,
        KvFormat::F16 => {
            let largest = f16::MAX.to_f32();
            f16::from_f32(value.clamp(-largest, largest)).to_f32()
        }
    }
}

/// Element i and i + half of a head as the cache orders them: side by side.
pub(super) fn place(head_dim: usize, element: usize) -> usize {
    let half = head_dim / 2;
    2 * (element % half) + element / half
}

/// Elements of a cache, in its order, as the words that the kernels read.
pub fn kv_words(format: KvFormat, elements: &[f32]) -> Vec<u32> {
    match format {
        KvFormat::F32 => elements.iter().map(|e| e.to_bits()).collect(),
        KvFormat::F16 => elements
            .chunks_exact(2)
            .map(|pair| {
                let [low, high] = [0, 1].map(|i| u32::from(f16::from_f32(pair[i]).to_bits()));
                low | high << 16
            })
            .collect(),
    }
}

/// What [`kv_words`] made words of, as far as `format` keeps it.
pub fn kv_elements(format: KvFormat, words: &[u32]) -> Vec<f32> {
    match format {
        KvFormat::F32 => words.iter().copied().map(f32::from_bits).collect(),
        KvFormat::F16 => words
            .iter()
            .flat_map(|word| [*word as u16, (word >> 16) as u16])
            .map(|bits| f16::from_bits(bits).to_f32())
            .collect(),
    }
}
