//! `config.json`: what is read, what may be left out, and what is refused.

mod support;

use looplm::Config;
use looplm::config::ConfigError;
use looplm::error::Coded;
use serde_json::{Value, json};
use support::{config_json, parse};

fn with(field: &str, value: Value) -> Value {
    let mut json = config_json();
    json[field] = value;
    json
}

fn without(field: &str) -> Value {
    let mut json = config_json();
    json.as_object_mut().expect("an object").remove(field);
    json
}

fn refuse(json: &Value) -> ConfigError {
    Config::from_json(&json.to_string()).expect_err("must be refused")
}

#[test]
fn reads_every_field() {
    let json = json!({
        "model_type": "ouro", "vocab_size": 49152, "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 24,
        "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 64, "total_ut_steps": 3, "rms_norm_eps": 1e-5, "rope_theta": 1000000,
        "max_position_embeddings": 65536, "hidden_act": "silu", "tie_word_embeddings": true, "early_exit_threshold": 0.75,
        "use_sliding_window": false, "layer_types": ["full_attention"], "looplm_task": {"kind": "x"}, "eos_token_id": 0,
    });
    let c = parse(&json);
    let sizes = [
        c.vocab_size,
        c.hidden_size,
        c.intermediate_size,
        c.num_hidden_layers,
        c.num_attention_heads,
        c.num_key_value_heads,
        c.head_dim,
    ];
    assert_eq!(sizes, [49152, 2048, 5632, 24, 16, 8, 64]);
    assert_eq!(
        (
            c.total_ut_steps,
            c.max_position_embeddings,
            c.tie_word_embeddings
        ),
        (3, 65536, true)
    );
    assert_eq!(
        (c.rms_norm_eps, c.rope_theta, c.early_exit_threshold),
        (1e-5, 1e6, 0.75)
    );
    assert_eq!(c.looplm_task, Some(json!({"kind": "x"})));
    assert_eq!((c.query_size(), c.key_value_size()), (1024, 512));
}

#[test]
fn the_published_model_has_the_published_number_of_parameters_and_tensors() {
    let mut json = config_json();
    for (field, n) in [
        ("vocab_size", 49152),
        ("hidden_size", 2048),
        ("intermediate_size", 5632),
        ("num_hidden_layers", 24),
        ("num_attention_heads", 16),
        ("num_key_value_heads", 16),
    ] {
        json[field] = json!(n);
    }
    let c = parse(&json);
    assert_eq!(c.parameters(), 1_434_652_673);
    assert_eq!(c.tensor_shapes().count(), 269);
    let by_shape: u64 = c
        .tensor_shapes()
        .map(|(_, s)| s.iter().product::<usize>() as u64)
        .sum();
    assert_eq!(by_shape, c.parameters());
}

#[test]
fn derives_what_the_published_format_leaves_out() {
    let c = parse(&config_json());
    assert_eq!((c.head_dim, c.early_exit_threshold), (2, 1.0));
    assert!(!parse(&without("tie_word_embeddings")).tie_word_embeddings);
    assert_eq!(
        parse(&with("num_key_value_heads", Value::Null)).num_key_value_heads,
        2
    );
    assert_eq!(parse(&with("head_dim", json!(6))).head_dim, 6);
}

#[test]
fn a_tied_head_is_no_tensor() {
    let tied = parse(&with("tie_word_embeddings", json!(true)));
    assert!(
        tied.tensor_shapes()
            .all(|(name, _)| name != "lm_head.weight")
    );
    assert_eq!(
        parse(&config_json()).parameters() - tied.parameters(),
        7 * 4
    );
}

#[test]
fn a_missing_field_is_named() {
    for field in [
        "model_type",
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "total_ut_steps",
        "rms_norm_eps",
        "rope_theta",
        "max_position_embeddings",
        "hidden_act",
    ] {
        let error = refuse(&without(field));
        assert_eq!(error, ConfigError::MissingField { field });
        assert_eq!(
            (error.kind(), error.code(), error.details().field.as_deref()),
            ("missing-field", "checkpoint-invalid", Some(field))
        );
    }
}

#[test]
fn the_rotary_base_may_sit_in_rope_parameters() {
    let mut json = without("rope_theta");
    json["rope_parameters"] = json!({"rope_theta": 5e5, "rope_type": "default"});
    assert_eq!(parse(&json).rope_theta, 5e5);
    json["rope_theta"] = json!(5e5);
    assert_eq!(parse(&json).rope_theta, 5e5);
    json["rope_theta"] = json!(1e4);
    assert_eq!(refuse(&json).kind(), "inconsistent-field");
}

#[test]
fn another_kind_of_model_is_refused_as_such() {
    let error = refuse(&with("model_type", json!("llama")));
    assert_eq!(error.kind(), "not-looped");
    assert!(
        error.to_string().contains("not a looped model") && error.to_string().contains("llama"),
        "{error}"
    );
}

#[test]
fn what_needs_other_mathematics_is_refused() {
    for (field, value) in [
        ("rope_scaling", json!({"rope_type": "yarn", "factor": 4.0})),
        ("rope_scaling", json!({"factor": 4.0})),
        ("rope_scaling", json!({"type": "linear", "factor": 4.0})),
        (
            "rope_parameters",
            json!({"rope_type": "llama3", "rope_theta": 1e6}),
        ),
        ("hidden_act", json!("gelu")),
        ("use_sliding_window", json!(true)),
        ("attention_bias", json!(true)),
        (
            "layer_types",
            json!(["full_attention", "sliding_attention"]),
        ),
    ] {
        let error = refuse(&with(field, value));
        assert_eq!(
            (error.kind(), error.details().field.as_deref()),
            ("unsupported-field", Some(field))
        );
    }
    assert!(
        Config::from_json(&with("rope_scaling", json!({"rope_type": "default"})).to_string())
            .is_ok()
    );
}

#[test]
fn values_of_another_type_or_range_are_refused() {
    for (field, value) in [
        ("vocab_size", json!(0)),
        ("vocab_size", json!(-1)),
        ("vocab_size", json!("7")),
        ("vocab_size", json!(7.5)),
        ("vocab_size", json!(1u64 << 32)),
        ("num_hidden_layers", json!(1_000_000)),
        ("total_ut_steps", json!(0)),
        ("head_dim", json!(0)),
        ("rms_norm_eps", json!(0)),
        ("rms_norm_eps", json!(-1e-6)),
        ("rms_norm_eps", json!(1e-60)),
        ("rope_theta", json!(1e300)),
        ("tie_word_embeddings", json!("no")),
        ("early_exit_threshold", json!("high")),
        ("model_type", json!(1)),
        ("layer_types", json!(1)),
        ("rope_scaling", json!(2.0)),
        ("num_key_value_heads", json!(0)),
    ] {
        let error = refuse(&with(field, value));
        assert_eq!(
            (error.kind(), error.details().field.as_deref()),
            ("invalid-field", Some(field))
        );
    }
}

#[test]
fn sizes_that_contradict_each_other_are_refused() {
    for (field, value, named) in [
        ("num_key_value_heads", json!(3), "num_key_value_heads"),
        ("head_dim", json!(3), "head_dim"),
        ("num_attention_heads", json!(3), "hidden_size"),
    ] {
        let error = refuse(&with(field, value));
        assert_eq!(
            (error.kind(), error.details().field.as_deref()),
            ("inconsistent-field", Some(named))
        );
    }
}

#[test]
fn sizes_beyond_any_machine_are_refused_before_anything_is_made_of_them() {
    let most = json!(1u64 << 31);
    for fields in [
        &["vocab_size", "hidden_size"][..],
        &["head_dim"],
        &["intermediate_size", "hidden_size"],
    ] {
        let mut json = with("head_dim", json!(2));
        for field in fields {
            json[*field] = most.clone();
        }
        assert_eq!(refuse(&json).kind(), "config-too-large", "{fields:?}");
    }
}

#[test]
fn what_is_no_object_is_refused() {
    for text in [
        "",
        "{",
        "[]",
        "null",
        "7",
        "{\"model_type\": \"ouro\"",
        "\u{0}",
    ] {
        assert_eq!(
            Config::from_json(text).expect_err("must be refused").kind(),
            "config-not-json",
            "{text:?}"
        );
    }
    let deep = "[".repeat(100_000);
    assert_eq!(
        Config::from_json(&deep)
            .expect_err("must be refused")
            .kind(),
        "config-not-json"
    );
}
