//! Converted checkpoints: piece by piece in any order, loaded as a folder, the same as quantising on the way.

use looplm::{
    LoopLm,
    checkpoint::{Checkpoint, Dtype, MemorySource, Source, read_config, read_file},
    conversion::{Conversion, ConversionOptions, MAX_PIECE, SMALL_FILES, convert_folder},
    forward::ForwardOptions,
    model::LoadOptions,
    precision::{Precision, WeightFormat},
};
use pollster::block_on;

use crate::{
    fixtures::{self, Case},
    parity::of_sequence,
};

const CASES: [&str; 5] = [
    "f32-mha",
    "bf16-mha",
    "f32-odd-tied",
    "f32-sharded",
    "f16-vocab-1031",
];

fn options(format: WeightFormat, shard_bytes: Option<u64>) -> ConversionOptions {
    ConversionOptions {
        precision: format.into(),
        shard_bytes,
    }
}

fn file(source: &dyn Source, name: &str) -> Option<Vec<u8>> {
    block_on(read_file(source, name, 1 << 30)).expect("memory can be read")
}

/// Converts in memory, the last piece first, and checks that the targets tile the files.
fn convert(source: &MemorySource, options: ConversionOptions) -> MemorySource {
    let plan = block_on(Conversion::plan(source, options)).expect("a checkpoint");
    let mut files: Vec<(Vec<u8>, Vec<bool>)> = plan
        .files()
        .iter()
        .map(|f| (vec![0xee; f.bytes as usize], vec![false; f.bytes as usize]))
        .collect();
    let mut put = |file: usize, at: usize, bytes: &[u8]| {
        files[file].0[at..at + bytes.len()].copy_from_slice(bytes);
        for written in &mut files[file].1[at..at + bytes.len()] {
            assert!(!*written, "two pieces write the same byte");
            *written = true;
        }
    };
    for (i, f) in plan.files().iter().enumerate() {
        put(i, 0, &f.head);
    }
    for piece in plan.pieces().iter().rev() {
        assert!(piece.source.bytes > 0 && piece.source.bytes <= MAX_PIECE);
        let whole = file(source, &plan.sources()[piece.source.file]).expect("a planned source");
        let begin = piece.source.offset as usize;
        let bytes = &whole[begin..begin + piece.source.bytes as usize];
        let converted = plan.convert(piece, bytes).expect("finite weights");
        let mut rest = converted.as_slice();
        for target in &piece.targets {
            put(
                target.file,
                target.offset as usize,
                &rest[..target.bytes as usize],
            );
            rest = &rest[target.bytes as usize..];
        }
        assert!(rest.is_empty());
    }
    let mut out = MemorySource::new();
    for (name, _) in SMALL_FILES {
        if let Some(bytes) = file(source, name) {
            out = out.with(name, bytes);
        }
    }
    if let Some((name, text)) = plan.index() {
        out = out.with(name, text);
    }
    for ((bytes, written), f) in files.into_iter().zip(plan.files()) {
        assert!(written.iter().all(|w| *w), "{} has holes", f.path);
        out = out.with(&f.path, bytes);
    }
    out
}

fn load(source: &MemorySource, precision: Precision) -> LoopLm {
    let options = LoadOptions {
        precision,
        ..LoadOptions::default()
    };
    fixtures::load(source, &options).expect("a model")
}

/// The logits of the fixture's first sequence.
fn logits(model: &LoopLm, case: &Case) -> Vec<f32> {
    let options = ForwardOptions {
        logits: true,
        ..ForwardOptions::default()
    };
    let ids = &case.tensors("expected.safetensors", &["ids"])[0];
    let sequence: Vec<u32> = ids.values[..ids.shape[1]]
        .iter()
        .map(|id| *id as u32)
        .collect();
    let forward = block_on(model.forward(&sequence, &options, &|| false));
    forward.expect("a forward pass").logits.expect("logits")
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|v| v.to_bits()).collect()
}

#[test]
fn a_converted_folder_is_the_model_quantised_on_the_way() {
    for name in CASES {
        let case = fixtures::case(name);
        let source = fixtures::memory(&case);
        let all = ["f32-mha", "f32-odd-tied"].contains(&name);
        for (format, _) in WeightFormat::NAMES {
            // Running each model in each format would be a few hundred pipelines to compile.
            if !all && format != WeightFormat::Q4 {
                continue;
            }
            let converted = convert(&source, options(format, None));
            let stored = load(&converted, Precision::default());
            let direct = load(&source, format.into());
            assert_eq!(
                bits(&logits(&stored, &case)),
                bits(&logits(&direct, &case)),
                "{name} in {format}"
            );
            assert_eq!(stored.info().memory.weights, direct.info().memory.weights);
        }
    }
}

#[test]
fn eight_bits_stay_near_the_oracle_and_four_bits_nearer_than_chance() {
    for name in ["f32-mha", "bf16-mha", "f16-vocab-1031"] {
        let case = fixtures::case(name);
        let source = fixtures::memory(&case);
        let want = of_sequence(&case.tensors("expected.safetensors", &["logits"])[0], 0);
        // Of the first step: what random weights make of an error in the next is anybody's guess.
        let first = want.len() / case.tensors("expected.safetensors", &["logits"])[0].shape[0];
        for (format, bound) in [(WeightFormat::Q8, 0.04), (WeightFormat::Q4, 0.5)] {
            let got = logits(&load(&source, format.into()), &case);
            let relative = fixtures::relative_error(&got[..first], &want[..first]);
            assert!(
                relative > 0.0 && relative < bound,
                "{name} in {format}: {relative}"
            );
        }
    }
}

#[test]
fn shards_are_cut_by_size_and_indexed() {
    let case = fixtures::case("f32-mha");
    let source = fixtures::memory(&case);
    let one = block_on(Conversion::plan(&source, options(WeightFormat::Q4, None))).expect("a plan");
    let most = one.target_bytes() / 3;
    let sharded = options(WeightFormat::Q4, Some(most));
    let several = block_on(Conversion::plan(&source, sharded)).expect("a plan");
    assert!(several.files().len() >= 3);
    assert!(several.index().is_some() && one.index().is_none());
    assert_ne!(one.fingerprint(), several.fingerprint());
    let whole = load(
        &convert(&source, options(WeightFormat::Q4, None)),
        Precision::default(),
    );
    let parts = load(&convert(&source, sharded), Precision::default());
    assert_eq!(bits(&logits(&whole, &case)), bits(&logits(&parts, &case)));
}

#[test]
fn converting_again_keeps_what_is_quantised() {
    let case = fixtures::case("f32-mha");
    let source = fixtures::memory(&case);
    // All of it in eight bits, as the embedding is beside layers in four.
    let eight = |format| Precision {
        format,
        head: Some(WeightFormat::Q8),
    };
    let q4 = convert(
        &source,
        ConversionOptions {
            precision: eight(WeightFormat::Q4),
            shard_bytes: None,
        },
    );
    let again = convert(
        &q4,
        ConversionOptions {
            precision: eight(WeightFormat::Q8),
            shard_bytes: Some(20_000),
        },
    );
    let summary = |source: &MemorySource| {
        let config = block_on(read_config(source)).expect("a configuration");
        let open = block_on(Checkpoint::open(source, &config)).expect("weights");
        block_on(open.summarize()).expect("headers")
    };
    let (first, second) = (summary(&q4), summary(&again));
    assert_eq!(first.parameters, second.parameters);
    assert_eq!(first.dtypes, second.dtypes);
    assert!(first.dtypes.contains_key(&Dtype::Q4) && first.dtypes.contains_key(&Dtype::Q8));
    let [a, b] = [&q4, &again].map(|source| load(source, Precision::default()));
    assert_eq!(bits(&logits(&a, &case)), bits(&logits(&b, &case)));
}

#[test]
fn wrong_bytes_are_refused() {
    let source = fixtures::memory(&fixtures::case("f32-mha"));
    let plan =
        block_on(Conversion::plan(&source, options(WeightFormat::Q4, None))).expect("a plan");
    let piece = &plan.pieces()[0];
    let short = plan.convert(piece, &vec![0; piece.source.bytes as usize - 1]);
    assert!(short.is_err_and(|e| e.to_string().contains("truncated")));
    let not_numbers = plan.convert(piece, &vec![0xff; piece.source.bytes as usize]);
    assert!(not_numbers.is_err());
}

#[test]
fn a_folder_on_disk_appears_when_it_is_complete() {
    let case = fixtures::case("bf16-mha");
    let parent = tempfile::tempdir().expect("a temporary folder");
    let out = parent.path().join("small");
    let model = case.folder.join("model");
    let stopped = block_on(convert_folder(
        &model,
        &out,
        options(WeightFormat::Q4, None),
        &mut |_, _| false,
    ));
    assert!(stopped.is_err_and(|e| e.to_string().contains("aborted")));
    assert_eq!(
        std::fs::read_dir(parent.path()).expect("a folder").count(),
        0
    );
    let converted = block_on(convert_folder(
        &model,
        &out,
        options(WeightFormat::Q4, Some(10_000)),
        &mut |_, _| true,
    ))
    .expect("it can be converted");
    assert!(converted.files > 1 && converted.bytes.1 < converted.bytes.0);
    let source = looplm::checkpoint::FolderSource::new(&out).expect("it is there");
    let model_again = fixtures::load(&source, &LoadOptions::default());
    let direct = load(&fixtures::memory(&case), WeightFormat::Q4.into());
    assert_eq!(
        bits(&logits(&model_again.expect("a model"), &case)),
        bits(&logits(&direct, &case))
    );
    let twice = block_on(convert_folder(
        &model,
        &out,
        options(WeightFormat::Q4, None),
        &mut |_, _| true,
    ));
    assert!(twice.is_err_and(|e| e.to_string().contains("exists already")));
}
