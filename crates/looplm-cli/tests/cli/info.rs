//! `looplm info`.

use std::ffi::OsStr;

use serde_json::{Value, json};

use crate::support::{Fixture, json, looplm, shell_game, succeed, text};

#[test]
fn the_json_describes_the_shipped_model() {
    let info = json([
        OsStr::new("info"),
        shell_game().as_os_str(),
        OsStr::new("--json"),
    ]);
    let architecture = &info["architecture"];
    for (field, value) in [
        ("model_type", json!("ouro")),
        ("vocab_size", json!(14)),
        ("hidden_size", json!(64)),
        ("intermediate_size", json!(192)),
        ("layers", json!(2)),
        ("heads", json!(2)),
        ("kv_heads", json!(2)),
        ("head_dim", json!(32)),
        ("steps", json!(4)),
        ("max_positions", json!(64)),
        ("tied_head", json!(false)),
        ("rope_theta", json!(10000.0)),
        // Embedding and head 2 x 14 x 64; two layers of 4 x 64 x 64 + 3 x 64 x 192 + 4 x 64; norm 64; gate 65.
        (
            "parameters",
            json!(2 * 14 * 64 + 2 * (4 * 64 * 64 + 3 * 64 * 192 + 4 * 64) + 64 + 65),
        ),
    ] {
        assert_eq!(architecture[field], value, "{field}");
    }
    let memory = &info["memory"];
    let parameters = architecture["parameters"].as_u64().expect("a number");
    assert_eq!(memory["weights"], json!(parameters * 4));
    let parts = memory["weights_by_part"].as_object().expect("an object");
    assert_eq!(
        parts.values().filter_map(Value::as_u64).sum::<u64>(),
        parameters * 4
    );
    assert_eq!(parts["attention"], json!(2 * 4 * 64 * 64 * 4));
    // Keys and values, 2 layers, 2 heads of 32 in f16; and that for each of 4 steps.
    assert_eq!(
        memory["kv_per_1000_tokens"],
        json!({ "full": 4 * 512_000, "shared": 512_000 })
    );
    assert_eq!(
        info["tokenizer"],
        json!({ "vocab_size": 14, "chat_template": false, "stop_ids": [] })
    );
    assert_eq!(info["task"]["kind"], "track-the-shuffle");
    assert!(
        info["adapter"]["name"]
            .as_str()
            .is_some_and(|name| !name.is_empty()),
        "{}",
        info["adapter"]
    );
    assert!(info["adapter"]["tier"].is_string());
    assert!(
        info["adapter"]["limits"]["max_storage_buffer_binding_size"].as_u64() >= Some(128 << 20)
    );
}

#[test]
fn a_model_in_shards_of_half_precision_without_a_tokenizer_is_described() {
    let sharded = Fixture::named("f32-sharded");
    let info = json([
        OsStr::new("info"),
        sharded.model().as_os_str(),
        OsStr::new("--json"),
    ]);
    assert_eq!(info["files"].as_array().map(Vec::len), Some(3));
    assert_eq!(info["tokenizer"], Value::Null);
    let half = Fixture::named("bf16-mha");
    let info = json([
        OsStr::new("info"),
        half.model().as_os_str(),
        OsStr::new("--json"),
    ]);
    let parameters = info["architecture"]["parameters"]
        .as_u64()
        .expect("a number");
    assert_eq!(
        info["memory"]["weights_by_dtype"],
        json!({ "BF16": parameters * 2 })
    );
}

#[test]
fn a_person_reads_the_same() {
    let printed = succeed([OsStr::new("info"), shell_game().as_os_str()]);
    for part in [
        "architecture",
        "108,929",
        "memory",
        "KV per 1,000 tokens",
        "1.95 MiB full",
        "500.00 KiB shared",
        "tokenizer",
        "adapter",
        "tier",
    ] {
        assert!(printed.contains(part), "no {part:?} in {printed}");
    }
    assert!(!printed.contains('\u{1b}'), "colours go to terminals only");
}

#[test]
fn without_an_adapter_the_models_part_is_still_there() {
    let mut command = looplm();
    command.args([
        OsStr::new("info"),
        shell_game().as_os_str(),
        OsStr::new("--json"),
    ]);
    // A Vulkan loader that finds no driver.
    command
        .env("WGPU_BACKEND", "vulkan")
        .env("VK_DRIVER_FILES", "/nonexistent")
        .env("VK_ICD_FILENAMES", "/nonexistent");
    let output = command.output().expect("the program under test starts");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let info: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!(info["architecture"]["layers"], 2);
    assert_eq!(info["adapter"], Value::Null);
    assert!(
        info["adapter_error"]
            .as_str()
            .is_some_and(|e| e.contains("no WebGPU adapter")),
        "{}",
        info["adapter_error"]
    );
}
