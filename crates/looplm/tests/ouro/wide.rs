//! A model as wide at its ends as the published ones: 49,152 rows of embedding and head, on a device that cannot bind them whole.

use std::ops::Range;

use half::bf16;
use looplm::LoopLm;
use looplm::checkpoint::MemorySource;
use looplm::forward::{Forward, ForwardOptions};
use looplm::generate::{GenerateOptions, Generation};
use looplm::model::LoadOptions;
use looplm_gpu::{Arrangement, Format, MatrixShape};
use pollster::block_on;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::json;

const VOCABULARY: usize = 49_152;
const WIDTH: usize = 32;
/// Rows of 64 bytes: the embedding and the head become three parts each.
const BINDING: u64 = 1 << 20;

/// One layer, small but for its vocabulary, in 16 bits.
fn folder() -> MemorySource {
    let config = json!({
        "model_type": "ouro", "vocab_size": VOCABULARY, "hidden_size": WIDTH, "intermediate_size": 48, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 2, "total_ut_steps": 3, "rms_norm_eps": 1e-6, "rope_theta": 1e6,
        "max_position_embeddings": 64, "hidden_act": "silu", "tie_word_embeddings": false,
    });
    let parsed = looplm::Config::from_json(&config.to_string()).expect("a configuration");
    let mut rng = StdRng::seed_from_u64(7);
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = parsed
        .tensor_shapes()
        .map(|(name, shape)| {
            let middle = if name.contains("norm") { 1.0 } else { 0.0 };
            let bytes = (0..shape.iter().product())
                .flat_map(|_| {
                    let x: f32 = middle + rng.random_range(-0.5..0.5);
                    bf16::from_f32(x).to_le_bytes()
                })
                .collect();
            (name, shape, bytes)
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::BF16, shape.clone(), bytes);
        (name, view.expect("bytes that fit the shape"))
    });
    MemorySource::new()
        .with("config.json", config.to_string())
        .with(
            "model.safetensors",
            safetensors::serialize(views, None).expect("a checkpoint"),
        )
}

fn load(max_binding_size: Option<u64>) -> LoopLm {
    let mut options = LoadOptions::default();
    options.device.max_binding_size = max_binding_size;
    // The logits of four rows are within the smaller binding.
    options.engine.max_rows = Some(4);
    block_on(LoopLm::load(&folder(), &options, &mut |_| ())).expect("it fits")
}

fn forward(model: &LoopLm, ids: &[u32]) -> Forward {
    let options = ForwardOptions {
        logits: true,
        hidden: true,
        ..ForwardOptions::default()
    };
    block_on(model.forward(ids, &options, &|| false)).expect("it runs")
}

fn greedy(model: &LoopLm, prompt: &[u32]) -> Vec<u32> {
    let options = GenerateOptions {
        max_new_tokens: Some(3),
        temperature: Some(0.0),
        ..GenerateOptions::default()
    };
    let mut generation =
        Generation::new(model, prompt.to_vec(), options).expect("the options are fine");
    std::iter::from_fn(|| {
        block_on(generation.next(&|| false))
            .expect("it runs")
            .map(|token| token.id)
    })
    .collect()
}

#[test]
fn parts_of_embedding_and_head_make_no_difference() {
    let ends = MatrixShape {
        outputs: VOCABULARY,
        inputs: WIDTH,
        format: Format::BF16,
        arrangement: Arrangement::Plain,
    };
    let parts = ends.split("the head", BINDING).expect("it can be split");
    assert_eq!(parts, [16_384; 3]);
    let (whole, split) = (load(None), load(Some(BINDING)));
    // The first and the last row of each part.
    let ids = [0, 16_383, 16_384, 32_767, 32_768, 49_151];
    let (a, b) = (forward(&whole, &ids), forward(&split, &ids));
    let logits = a.logits.as_ref().expect("they were asked for");
    assert_eq!(logits.len(), 3 * ids.len() * VOCABULARY);
    // No part was left out: rows near each end of each have logits of their own.
    for row in logits.chunks_exact(VOCABULARY) {
        for &id in &ids {
            let near = &row[(id as usize).min(VOCABULARY - 2)..][..2];
            assert!(near[0] != near[1] && near[0] != 0.0, "{id}: {near:?}");
        }
    }
    assert_eq!(a, b, "to the bit");
    assert_eq!(greedy(&whole, &ids), greedy(&split, &ids));
    // Nor is a part the only one that tokens are chosen from.
    let chosen = |part: Range<usize>| {
        logits.chunks_exact(VOCABULARY).any(|row| {
            let best = (0..VOCABULARY).max_by(|&x, &y| row[x].total_cmp(&row[y]));
            best.is_some_and(|best| part.contains(&best))
        })
    };
    for first in (0..VOCABULARY).step_by(16_384) {
        assert!(chosen(first..first + 16_384), "from {first}");
    }
}
