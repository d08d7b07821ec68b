//! Checkpoints: what is delivered, in what pieces.

mod support;

use looplm::checkpoint::{
    Checkpoint, Dtype, FolderSource, MAX_PIECE, MemorySource, Part, read_config,
};
use looplm::error::Coded;
use pollster::block_on;
use safetensors::Dtype as Stored;
use serde_json::json;
use support::{
    changed, config, config_json, folder, load, parse, refuse, serialize, sharded, tensors,
};

#[test]
fn delivers_every_tensor_as_it_is_whatever_the_chunks() {
    let expected = tensors(&config());
    let mut source = folder();
    for chunk in [1, 2, 3, 7, 13, 64, 1000, MAX_PIECE] {
        source = source.in_chunks_of(chunk);
        let sized = load(&source).expect("loads").1;
        let unsized_ = load(&source.clone().without_sizes()).expect("loads").1;
        assert_eq!(sized.tensors, unsized_.tensors);
        assert_eq!(sized.tensors.len(), expected.len());
        for (info, bytes) in &sized.tensors {
            let (_, shape, stored) = &expected[&info.name];
            assert_eq!(
                (&info.shape, bytes, info.dtype),
                (shape, stored, Dtype::F32)
            );
        }
    }
}

#[test]
fn large_tensors_come_in_bounded_pieces() {
    let mut json = config_json();
    json["vocab_size"] = json!(700_001);
    let config = parse(&json);
    let all = tensors(&config);
    let source = MemorySource::new()
        .with("config.json", json.to_string())
        .with("model.safetensors", serialize(&all));
    for chunk in [65_521, 3 << 20, usize::MAX] {
        let sink = load(&source.clone().in_chunks_of(chunk)).expect("loads").1;
        assert!(
            sink.largest <= MAX_PIECE && sink.largest >= 1 << 20,
            "{}",
            sink.largest
        );
        for (info, bytes) in &sink.tensors {
            assert!(bytes == &all[&info.name].2, "{}", info.name);
        }
    }
}

#[test]
fn half_precision_is_delivered_as_stored() {
    for (stored, dtype) in [(Stored::F16, Dtype::F16), (Stored::BF16, Dtype::BF16)] {
        let source = changed(|all| {
            for (dtype, shape, bytes) in all.values_mut() {
                *dtype = stored;
                *bytes = (0..shape.iter().product::<usize>())
                    .flat_map(|i| [i as u8, 0x3c])
                    .collect();
            }
        });
        let sink = load(&source.in_chunks_of(5)).expect("loads").1;
        assert!(sink.tensors.iter().all(|(info, _)| info.dtype == dtype));
    }
}

#[test]
fn shards_load_as_one() {
    let (source, mut index) = sharded();
    let sink = load(&source).expect("loads").1;
    let expected = tensors(&config());
    assert_eq!(sink.tensors.len(), expected.len());
    assert!(
        sink.tensors
            .iter()
            .all(|(info, bytes)| *bytes == expected[&info.name].2)
    );
    index["metadata"] = json!(null);
    assert!(
        load(&source.with("model.safetensors.index.json", index.to_string())).is_ok(),
        "the total is then estimated"
    );
}

#[test]
fn a_folder_on_disk_loads() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("config.json"), config_json().to_string()).expect("written");
    std::fs::write(
        dir.path().join("model.safetensors"),
        serialize(&tensors(&config())),
    )
    .expect("written");
    let source = FolderSource::new(dir.path()).expect("a folder");
    assert_eq!(
        load(&source).expect("loads").1.tensors.len(),
        tensors(&config()).len()
    );

    std::fs::write(dir.path().join("model.safetensors"), b"").expect("written");
    assert_eq!(refuse(&source).kind(), "truncated");
    std::fs::remove_file(dir.path().join("model.safetensors")).expect("removed");
    std::fs::create_dir(dir.path().join("model.safetensors")).expect("made");
    assert_eq!(refuse(&source).kind(), "io");
}

#[test]
fn the_models_of_this_repository_load() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let fixtures = std::fs::read_dir(root.join("tests/fixtures")).expect("the fixtures");
    let models = fixtures
        .map(|entry| entry.expect("an entry").path().join("model"))
        .filter(|path| path.is_dir());
    let mut count = 0;
    for path in models.chain([root.join("models/shell-game")]) {
        let source = FolderSource::new(&path).expect("a folder");
        let (loaded, _) = load(&source).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let config = block_on(read_config(&source)).expect("a configuration");
        let summary =
            block_on(async { Checkpoint::open(&source, &config).await?.summarize().await })
                .expect("a summary");
        assert_eq!(
            (summary.parameters, summary.bytes),
            (config.parameters(), loaded.bytes),
            "{}",
            path.display()
        );
        count += 1;
    }
    assert!(count >= 7, "{count} models");
}

#[test]
fn the_summary_counts_parts() {
    let source = changed(|all| {
        let gate = all.get_mut("model.early_exit_gate.bias").expect("the gate");
        (gate.0, gate.2) = (Stored::BF16, vec![0, 0]);
    });
    let summary = block_on(async {
        Checkpoint::open(&source, &config())
            .await?
            .summarize()
            .await
    })
    .expect("a summary");
    assert_eq!(summary.parts[&Part::Embedding], 7 * 4 * 4);
    assert_eq!(summary.parts[&Part::Gate], 4 * 4 + 2);
    assert_eq!(summary.parts[&Part::Norms], (2 * 4 + 1) * 4 * 4);
    assert_eq!(summary.dtypes[&Dtype::BF16], 2);
    assert_eq!(summary.parameters, config().parameters());
    assert_eq!(summary.files.len(), 1);
    let (sharded, _) = sharded();
    let summary = block_on(async {
        Checkpoint::open(&sharded, &config())
            .await?
            .summarize()
            .await
    })
    .expect("a summary");
    assert_eq!(
        (summary.files.len(), summary.parameters),
        (2, config().parameters())
    );
}

#[test]
fn harmless_tensors_are_skipped_with_a_word() {
    let mut json = config_json();
    json["tie_word_embeddings"] = json!(true);
    let source = changed(|all| {
        all.insert(
            "model.layers.0.self_attn.rotary_emb.inv_freq".to_owned(),
            (Stored::I64, vec![1], vec![0xff; 8]),
        );
    });
    let (loaded, sink) = load(
        &source
            .with("config.json", json.to_string())
            .in_chunks_of(11),
    )
    .map(|(mut l, s)| {
        l.warnings.sort();
        (l, s)
    })
    .expect("loads");
    assert_eq!(loaded.warnings.len(), 2);
    assert!(
        loaded.warnings[0].starts_with("lm_head.weight"),
        "{:?}",
        loaded.warnings
    );
    assert!(
        sink.tensors
            .iter()
            .all(|(info, _)| info.name != "lm_head.weight" && !info.name.contains("inv_freq"))
    );
}
