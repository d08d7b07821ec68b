//! The one file of weights each published model has.

use std::collections::BTreeMap;

use looplm::checkpoint::{Dtype, Part};
use looplm::error::Coded;
use safetensors::tensor::Metadata;

use crate::published::{Headers, INNER, LARGE, SMALL, VOCABULARY, WIDTH};

#[test]
fn a_configuration_asks_for_the_published_tensors() {
    for model in [SMALL, LARGE] {
        let published: BTreeMap<String, Vec<u64>> = model.tensors().into_iter().collect();
        assert_eq!(published.len(), model.tensors, "{}", model.name);
        let asked: BTreeMap<String, Vec<u64>> = model
            .config()
            .tensor_shapes()
            .map(|(name, shape)| (name, shape.iter().map(|&n| n as u64).collect()))
            .collect();
        assert_eq!(asked, published, "{}", model.name);
        assert_eq!(model.config().parameters(), model.parameters);
    }
}

#[test]
fn the_header_of_these_tests_is_one_the_format_knows() {
    for model in [SMALL, LARGE] {
        let folder = model.folder();
        let header = &folder.bytes("model.safetensors")[8..];
        let metadata: Metadata = serde_json::from_slice(header).expect("a safetensors header");
        assert_eq!(metadata.tensors().len(), model.tensors);
        let data = metadata.data_len() as u64;
        assert_eq!(8 + header.len() as u64 + data, model.file, "{}", model.name);
    }
}

#[test]
fn a_summary_needs_the_header_alone() {
    for model in [SMALL, LARGE] {
        let summary = model.summarize(&model.folder()).expect("a summary");
        assert_eq!(
            summary.files,
            [("model.safetensors".to_owned(), model.file)],
            "{}: the published length",
            model.name
        );
        assert_eq!(summary.parameters, model.parameters);
        assert_eq!(summary.bytes, 2 * model.parameters);
        assert_eq!(
            summary.dtypes,
            BTreeMap::from([(Dtype::BF16, 2 * model.parameters)])
        );
        let layers = model.layers as u64;
        assert_eq!(
            summary.parts,
            BTreeMap::from([
                (Part::Embedding, 192 << 20),
                (Part::Attention, layers * 4 * WIDTH * WIDTH * 2),
                (Part::Mlp, layers * 3 * INNER * WIDTH * 2),
                (Part::Norms, (4 * layers + 1) * WIDTH * 2),
                (Part::Gate, (WIDTH + 1) * 2),
                (Part::Head, VOCABULARY * WIDTH * 2),
            ])
        );
        assert_eq!(summary.warnings, [""; 0]);
    }
}

#[test]
fn the_weights_of_the_other_model_are_refused() {
    let few = LARGE.refuse(&SMALL.folder());
    assert_eq!(few.kind(), "missing-tensor");
    assert!(few.to_string().contains("264"), "24 layers of 11: {few}");
    let many = SMALL.refuse(&LARGE.folder());
    assert_eq!(many.kind(), "extra-tensor");
    assert!(many.to_string().contains("264"), "24 layers of 11: {many}");
}

#[test]
fn one_tensor_too_few_or_too_many_is_named() {
    for model in [SMALL, LARGE] {
        for gone in [
            "lm_head.weight",
            "model.early_exit_gate.bias",
            "model.layers.23.input_layernorm_2.weight",
        ] {
            let tensors = model.tensors().into_iter().filter(|(name, _)| name != gone);
            let error =
                model.refuse(&Headers::default().with_weights("model.safetensors", tensors));
            assert_eq!(
                (error.kind(), error.details().tensor.as_deref()),
                ("missing-tensor", Some(gone))
            );
        }
        // A norm of the queries, as Qwen3 has one: another model.
        let more = "model.layers.0.self_attn.q_norm.weight";
        let mut tensors = model.tensors();
        tensors.push((more.to_owned(), vec![128]));
        let error = model.refuse(&Headers::default().with_weights("model.safetensors", tensors));
        assert_eq!(
            (error.kind(), error.details().tensor.as_deref()),
            ("extra-tensor", Some(more))
        );
    }
}

#[test]
fn fewer_key_heads_than_the_configuration_says_are_refused() {
    let name = "model.layers.11.self_attn.k_proj.weight";
    let mut tensors = SMALL.tensors();
    let (_, shape) = tensors
        .iter_mut()
        .find(|(n, _)| n == name)
        .expect("a key projection");
    *shape = vec![512, WIDTH];
    let error = SMALL.refuse(&Headers::default().with_weights("model.safetensors", tensors));
    let details = error.details();
    assert_eq!(
        (error.kind(), details.tensor.as_deref()),
        ("wrong-shape", Some(name))
    );
    assert_eq!(
        (details.expected.as_deref(), details.found.as_deref()),
        (Some("[2048, 2048]"), Some("[512, 2048]"))
    );
}
