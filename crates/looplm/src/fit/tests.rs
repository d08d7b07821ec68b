//! What would fit, for a model of the size of Ouro-1.4B.

use looplm_gpu::GpuError;

use super::*;

const MIB: u64 = 1 << 20;
const BINDING: u64 = 2 << 30;

fn ouro() -> Config {
    Config {
        vocab_size: 49152,
        hidden_size: 2048,
        intermediate_size: 5632,
        num_hidden_layers: 24,
        num_attention_heads: 16,
        num_key_value_heads: 16,
        head_dim: 128,
        total_ut_steps: 4,
        rms_norm_eps: 1e-6,
        rope_theta: 1e6,
        max_position_embeddings: 65536,
        tie_word_embeddings: false,
        early_exit_threshold: 1.0,
        looplm_task: None,
    }
}

fn fit(format: WeightFormat, stored: Option<Dtype>) -> Fit {
    Fit::new(&ouro(), &EngineOptions::default(), format.into()).stored(stored)
}

fn explained(fit: &Fit, available: u64, reached: usize) -> (String, Option<Suggestion>) {
    let error = GpuError::OutOfMemory {
        what: "lm_head.weight".into(),
        needed: 200 * MIB,
        available,
    };
    match fit.explain(error, BINDING, reached) {
        Error::OutOfMemory(e) => (e.to_string(), e.suggestion),
        other => panic!("{other}"),
    }
}

#[test]
fn the_widest_format_and_the_longest_context_are_suggested() {
    let stored = fit(WeightFormat::Stored, Some(Dtype::BF16));
    let needs = stored.needs(65536, BINDING).expect("it can be bound");
    assert_eq!(needs.weights, 2_868_903_936);
    let (message, suggestion) = explained(&stored, 2500 * MIB, 0);
    let suggestion = suggestion.expect("q8 fits");
    assert_eq!(suggestion.format, Some(WeightFormat::Q8));
    let tokens = suggestion.context_length.expect("a shorter one");
    assert_eq!(
        message,
        format!(
            "out of memory: lm_head.weight needs 209.7 MB, and 2.6 GB are known to be there for the model; what would fit is \
             q8 (1.7 GB of weights instead of 2.8 GB) and a context of {tokens} tokens (819.2 MB of keys and values instead \
             of the 51.5 GB of 65536)"
        )
    );
    let text = serde_json::to_string(&suggestion).expect("it is plain");
    assert_eq!(
        text,
        format!("{{\"format\":\"q8\",\"contextLength\":{tokens}}}")
    );
}

#[test]
fn what_has_fitted_is_suggested_as_it_was() {
    let q4 = fit(WeightFormat::Q4, Some(Dtype::BF16));
    let (_, suggestion) = explained(&q4, 1300 * MIB, 900);
    let suggestion = suggestion.expect("900 tokens fitted");
    assert_eq!(suggestion.format, None);
    assert_eq!(suggestion.context_length, Some(900));
}

#[test]
fn weights_that_stay_as_they_are_get_no_other_format() {
    // Quantised by whoever published it.
    let fixed = fit(WeightFormat::Stored, Some(Dtype::Q8));
    assert_eq!(explained(&fixed, 1500 * MIB, 0).1, None);
    // Quantised as it was asked for, so that another format can be asked for.
    let asked = fit(WeightFormat::Q8, Some(Dtype::Q8));
    let suggestion = explained(&asked, 1500 * MIB, 0).1.expect("q4 fits");
    assert_eq!(suggestion.format, Some(WeightFormat::Q4));
    // Nothing fits, or nothing is known.
    for available in [0, 100 * MIB] {
        let (message, suggestion) = explained(&asked, available, 0);
        assert_eq!(suggestion, None);
        assert!(message.ends_with("use a smaller model, or close other programs that use the GPU"));
    }
}
