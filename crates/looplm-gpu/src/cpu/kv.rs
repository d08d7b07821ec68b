use half::f16;

use crate::kv_format::KvFormat;

/// What `format` keeps of these elements of a cache, in its order.
pub(super) fn rounded(format: KvFormat, elements: &[f32]) -> Vec<f32> {
    let largest = match format {
        KvFormat::F32 => return elements.to_vec(),
        KvFormat::F16 => f16::MAX.to_f32(),
        KvFormat::Q8 => 504.0,
    };
    let bounded: Vec<f32> = elements
        .iter()
        .map(|e| e.clamp(-largest, largest))
        .collect();
    kv_elements(format, &kv_words(format, &bounded))
}

/// Four elements that share a power of two, see `shaders/shared/kv.wgsl`.
fn quad_word(quad: &[f32]) -> u32 {
    let largest = quad.iter().fold(0.0f32, |m, e| m.max(e.abs()));
    let exponent = (largest.to_bits() >> 23) as i32 - 127;
    let x = (exponent + 7).clamp(0, 15);
    let step = 2f32.powi(x - 12);
    quad.iter()
        .enumerate()
        .fold((x as u32) << 28, |word, (c, e)| {
            let n = (e / step).round_ties_even().clamp(-63.0, 63.0) as i32;
            word | (n as u32 & 127) << (7 * c)
        })
}

fn quad_elements(word: u32) -> [f32; 4] {
    let step = 2f32.powi((word >> 28) as i32 - 12);
    std::array::from_fn(|c| {
        let n = (word >> (7 * c) & 127) as i32;
        step * (n - (n & 64) * 2) as f32
    })
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
        KvFormat::Q8 => elements.chunks_exact(4).map(quad_word).collect(),
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
        KvFormat::Q8 => words.iter().copied().flat_map(quad_elements).collect(),
    }
}
