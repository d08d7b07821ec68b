//! The published `config.json`, and other ways in which the same may be written.

use looplm::Config;
use looplm::error::Coded;
use serde_json::{Value, json};

use crate::published::{LARGE, SMALL};

fn parse(json: &Value) -> Config {
    Config::from_json(&json.to_string()).expect("a valid configuration")
}

#[test]
fn both_are_read_whole() {
    for model in [SMALL, LARGE] {
        let expected = Config {
            vocab_size: 49_152,
            hidden_size: 2048,
            intermediate_size: 5632,
            num_hidden_layers: model.layers,
            num_attention_heads: 16,
            num_key_value_heads: 16,
            head_dim: 128,
            total_ut_steps: 4,
            rms_norm_eps: 1e-6,
            rope_theta: 1e6,
            max_position_embeddings: 65_536,
            tie_word_embeddings: false,
            early_exit_threshold: 1.0,
            looplm_task: None,
        };
        assert_eq!(model.config(), expected, "{}", model.name);
    }
}

/// As newer versions of Transformers write the rotary base when they save the model again.
#[test]
fn the_rotary_base_is_found_in_rope_parameters() {
    let mut json = SMALL.config_json();
    json["rope_theta"] = Value::Null;
    json["rope_parameters"] = json!({"rope_theta": 1000000.0, "rope_type": "default"});
    assert_eq!(parse(&json), SMALL.config());
    // The published class falls back on 10,000, with which the model talks nonsense.
    json["rope_parameters"] = json!({"rope_type": "default"});
    let error = Config::from_json(&json.to_string()).expect_err("there is no rotary base");
    assert_eq!(
        (error.kind(), error.details().field.as_deref()),
        ("missing-field", Some("rope_theta"))
    );
}

#[test]
fn a_layer_with_a_window_is_refused() {
    let mut json = LARGE.config_json();
    json["layer_types"][47] = json!("sliding_attention");
    let error = Config::from_json(&json.to_string()).expect_err("windows are not implemented");
    assert_eq!(
        (error.kind(), error.details().field.as_deref()),
        ("unsupported-field", Some("layer_types"))
    );
}
