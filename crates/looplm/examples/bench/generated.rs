//! Models made up: of Ouro's proportions, with weights of three values.
//!
//! Each weight is -s, 0 or s, drawn from its place alone. Every format holds these exactly (s times any quotient of its
//! quantisation steps is a number of half precision), so that agreement with f32 tests the arithmetic: weights of many
//! values, rounded to four bits, make another model whose best tokens are others, and would say nothing.

use looplm::checkpoint::MemorySource;
use serde_json::{Value, json};

use crate::clock::Failure;

/// A size of generated models.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) name: &'static str,
    hidden: usize,
    layers: usize,
    vocab: usize,
}

/// About 10 million parameters, and about 125 million.
const SIZES: [Size; 2] = [
    Size {
        name: "tiny",
        hidden: 384,
        layers: 4,
        vocab: 4096,
    },
    Size {
        name: "125m",
        hidden: 768,
        layers: 12,
        vocab: 25_000,
    },
];

/// The size of that name.
pub(crate) fn size(name: &str) -> Result<Size, Failure> {
    let names = SIZES.map(|size| size.name).join(" or ");
    let size = SIZES.into_iter().find(|size| size.name == name);
    size.ok_or_else(|| format!("a size is {names}, not {name:?}").into())
}

/// Seven times 127: a power of two smaller, a multiple of it is a number of half precision whatever format divides it.
const NUMERATOR: f64 = 889.0;

/// The size of weights that leave numbers of size one so, of `inputs` each: the nearest that all formats have.
fn magnitude(inputs: usize) -> f32 {
    // A third of them are 0.
    let wanted = (1.5 / inputs as f64).sqrt();
    (NUMERATOR * (wanted / NUMERATOR).log2().round().exp2()) as f32
}

/// -1, 0 or 1 by tensor and place (splitmix64).
fn draw(tensor: u64, place: u64) -> f32 {
    let mut x = (tensor << 40 | place).wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ x >> 31) % 3) as f32 - 1.0
}

/// `config.json` and `model.safetensors`.
pub(crate) fn files(size: &Size) -> Result<(String, Vec<u8>), Failure> {
    let heads = size.hidden / 64;
    let config = json!({
        "model_type": "ouro", "architectures": ["OuroForCausalLM"], "hidden_act": "silu",
        "vocab_size": size.vocab, "hidden_size": size.hidden, "intermediate_size": size.hidden * 11 / 4,
        "num_hidden_layers": size.layers, "num_attention_heads": heads, "num_key_value_heads": heads,
        "head_dim": 64, "total_ut_steps": 4, "rms_norm_eps": 1e-6, "rope_theta": 1e6, "max_position_embeddings": 8192,
        "tie_word_embeddings": false, "rope_scaling": null, "use_sliding_window": false,
    });
    let config = config.to_string();
    let parsed = looplm::Config::from_json(&config)?;
    let mut header = serde_json::Map::new();
    let mut data = Vec::with_capacity(4 * parsed.parameters() as usize);
    for (tensor, (name, shape)) in parsed.tensor_shapes().enumerate() {
        let begin = data.len();
        let norm = name.contains("norm");
        let size = magnitude(shape.last().copied().unwrap_or(1));
        for place in 0..shape.iter().product::<usize>() {
            let value = if norm {
                1.0
            } else {
                size * draw(tensor as u64, place as u64)
            };
            data.extend_from_slice(&value.to_le_bytes());
        }
        header.insert(
            name,
            json!({ "dtype": "F32", "shape": shape, "data_offsets": [begin, data.len()] }),
        );
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = Vec::with_capacity(8 + header.len() + data.len());
    file.extend_from_slice(&(header.len() as u64).to_le_bytes());
    file.extend_from_slice(&header);
    file.extend_from_slice(&data);
    Ok((config, file))
}

/// A checkpoint folder in memory.
pub(crate) fn source(size: &Size) -> Result<MemorySource, Failure> {
    let (config, weights) = files(size)?;
    Ok(MemorySource::new()
        .with("config.json", config)
        .with("model.safetensors", weights))
}
