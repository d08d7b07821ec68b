//! Initial weights from a seed.

use looplm::Config;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

use crate::engine::layout::Layout;

/// Standard deviation of the matrices.
const MATRIX_SCALE: f64 = 0.02;

/// The gate's bias: sigmoid(-1.1) = .25, so that every step of four begins with about a quarter of the probability.
const GATE_BIAS: f32 = -1.1;

/// A number from 0 to 1, 0 excluded.
fn unit(rng: &mut ChaCha8Rng) -> f64 {
    ((rng.next_u64() >> 11) + 1) as f64 / (1u64 << 53) as f64
}

/// Two numbers from the standard normal distribution (Box and Muller).
fn normals(rng: &mut ChaCha8Rng) -> [f64; 2] {
    let radius = (-2.0 * unit(rng).ln()).sqrt();
    let (sine, cosine) = (std::f64::consts::TAU * unit(rng)).sin_cos();
    [radius * cosine, radius * sine]
}

/// Draws a model's parameters: embeddings from N(0, 1), matrices from N(0, 0.02), norms 1, the gate's weight 0 and its
/// bias -1.1. Where the head is the embedding it is drawn from N(0, 1 / D), so that the first logits are about 1.
/// Every tensor has a stream of its own, so its numbers do not depend on the other tensors' sizes.
pub(crate) fn parameters(config: &Config, layout: &Layout, seed: u64) -> Vec<f32> {
    let mut flat = vec![0.0; layout.elements];
    for (stream, entry) in layout.entries.iter().enumerate() {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream as u64 + 1);
        let scale = match entry.name.as_str() {
            "model.embed_tokens.weight" if config.tie_word_embeddings => {
                (config.hidden_size as f64).powf(-0.5)
            }
            "model.embed_tokens.weight" => 1.0,
            _ => MATRIX_SCALE,
        };
        let values: Vec<f32> = if entry.name == "model.early_exit_gate.bias" {
            vec![GATE_BIAS]
        } else if entry.name == "model.early_exit_gate.weight" {
            vec![0.0; entry.columns]
        } else if entry.name.ends_with("norm.weight") || entry.name.ends_with("norm_2.weight") {
            vec![1.0; entry.columns]
        } else {
            let mut values = Vec::with_capacity(entry.elements() + 1);
            while values.len() < entry.elements() {
                values.extend(normals(&mut rng).map(|value| (scale * value) as f32));
            }
            values.truncate(entry.elements());
            values
        };
        entry.scatter(&values, &mut flat);
    }
    flat
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            vocab_size: 50,
            hidden_size: 32,
            intermediate_size: 96,
            num_hidden_layers: 1,
            num_attention_heads: 2,
            num_key_value_heads: 2,
            head_dim: 16,
            total_ut_steps: 4,
            rms_norm_eps: 1e-6,
            rope_theta: 1e4,
            max_position_embeddings: 8,
            tie_word_embeddings: false,
            early_exit_threshold: 1.0,
            looplm_task: None,
        }
    }

    #[test]
    fn a_seed_gives_the_same_weights_and_another_seed_others() {
        let config = config();
        let layout = Layout::new(&config);
        let first = parameters(&config, &layout, 1);
        assert_eq!(first, parameters(&config, &layout, 1));
        assert_ne!(first, parameters(&config, &layout, 2));
    }

    #[test]
    fn every_tensor_has_its_scale() {
        let config = config();
        let layout = Layout::new(&config);
        let flat = parameters(&config, &layout, 1);
        for entry in &layout.entries {
            let values = entry.gather(&flat);
            let n = values.len() as f64;
            let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
            let square = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / n;
            let scale = square.sqrt();
            match entry.name.as_str() {
                "model.early_exit_gate.weight" => assert_eq!(scale, 0.0),
                "model.early_exit_gate.bias" => assert_eq!(values, [-1.1]),
                "model.embed_tokens.weight" => assert!((scale - 1.0).abs() < 0.1, "{scale}"),
                name if name.contains("norm") => assert_eq!(values, vec![1.0; 32]),
                name => {
                    assert!((scale - 0.02).abs() < 0.003, "{name}: {scale}");
                    assert!(mean.abs() < 0.003, "{name}: {mean}");
                }
            }
        }
    }
}
