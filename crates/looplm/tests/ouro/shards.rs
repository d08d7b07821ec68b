//! The same weights in shards, as whoever saves the models again may cut them.

use std::collections::BTreeMap;

use looplm::error::Coded;
use serde_json::{Value, json};

use crate::published::{Headers, LARGE, Model, SMALL, Tensor};

const INDEX: &str = "model.safetensors.index.json";

type Shards = Vec<Vec<Tensor>>;

fn bytes((_, shape): &Tensor) -> u64 {
    2 * shape.iter().product::<u64>()
}

fn file(shard: usize, shards: usize) -> String {
    format!("model-{:05}-of-{shards:05}.safetensors", shard + 1)
}

/// Tensors in their order, a new shard wherever the next one would make it larger than `most`, as `save_pretrained` does it.
fn in_order(tensors: Vec<Tensor>, most: u64) -> Shards {
    let mut shards: Shards = vec![Vec::new()];
    let mut size = 0;
    for tensor in tensors {
        if size + bytes(&tensor) > most {
            shards.push(Vec::new());
            size = 0;
        }
        size += bytes(&tensor);
        shards.last_mut().expect("there is a shard").push(tensor);
    }
    shards
}

fn index(shards: &Shards) -> Value {
    let weight_map: BTreeMap<&str, String> = shards
        .iter()
        .enumerate()
        .flat_map(|(i, shard)| {
            let file = file(i, shards.len());
            shard
                .iter()
                .map(move |(name, _)| (name.as_str(), file.clone()))
        })
        .collect();
    let total: u64 = shards.iter().flatten().map(bytes).sum();
    json!({"metadata": {"total_size": total}, "weight_map": weight_map})
}

fn folder(shards: &Shards) -> Headers {
    let mut folder = Headers::default().with(INDEX, index(shards).to_string());
    for (i, shard) in shards.iter().enumerate() {
        folder = folder.with_weights(&file(i, shards.len()), shard.iter().cloned());
    }
    folder
}

fn accepts(model: &Model, shards: &Shards) {
    let summary = model.summarize(&folder(shards)).expect("a summary");
    assert_eq!(
        (summary.parameters, summary.bytes),
        (model.parameters, 2 * model.parameters)
    );
    let whole = model.summarize(&model.folder()).expect("a summary");
    assert_eq!(summary.parts, whole.parts, "{}", model.name);
    assert_eq!(summary.warnings, [""; 0]);
    let names: Vec<String> = (0..shards.len()).map(|i| file(i, shards.len())).collect();
    let files: Vec<String> = summary.files.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(files, names);
    for ((_, length), shard) in summary.files.iter().zip(shards) {
        let data: u64 = shard.iter().map(bytes).sum();
        assert!(
            *length > data && *length < data + (1 << 17),
            "a header on top"
        );
    }
}

#[test]
fn shards_as_they_are_usually_cut() {
    let two = in_order(LARGE.tensors(), 5_000_000_000);
    assert_eq!(two.len(), 2);
    assert_eq!(
        two[1].last().map(|(name, _)| name.as_str()),
        Some("lm_head.weight")
    );
    accepts(&LARGE, &two);
    let three = in_order(LARGE.tensors(), 2_000_000_000);
    assert_eq!(three.len(), 3);
    accepts(&LARGE, &three);
    let many = in_order(SMALL.tensors(), 300_000_000);
    assert!(many.len() > 9, "{}: the order of the names", many.len());
    accepts(&SMALL, &many);
}

#[test]
fn shards_need_not_follow_the_layers() {
    for model in [SMALL, LARGE] {
        let mut backwards = model.tensors();
        backwards.reverse();
        accepts(&model, &in_order(backwards, 1_000_000_000));

        // The parts of one matrix on the device come from different files.
        let mut dealt: Shards = vec![Vec::new(); 5];
        for (i, tensor) in model.tensors().into_iter().enumerate() {
            dealt[i % 5].push(tensor);
        }
        accepts(&model, &dealt);

        let (norms, matrices) = model
            .tensors()
            .into_iter()
            .partition(|(_, shape)| shape.len() == 1);
        accepts(&model, &vec![norms, matrices]);
    }
}

/// Where the index, a shard, or both have not what they should.
#[test]
fn what_index_and_shards_disagree_in_is_named() {
    let shards = in_order(LARGE.tensors(), 2_000_000_000);
    let good = folder(&shards);
    let (last, gone) = (file(2, 3), "model.layers.47.mlp.down_proj.weight");
    let keep = |(name, _): &Tensor| name != gone;
    let refused = |source: &Headers| {
        let error = LARGE.refuse(source);
        let details = error.details();
        (error.kind(), details.file, details.tensor)
    };
    let at =
        |kind, file: &str, tensor: &str| (kind, Some(file.to_owned()), Some(tensor.to_owned()));

    let mut names_less = index(&shards);
    names_less["weight_map"]
        .as_object_mut()
        .expect("a map")
        .remove(gone);
    let without = good.clone().with(INDEX, names_less.to_string());
    assert_eq!(refused(&without), at("missing-tensor", INDEX, gone));

    let fewer = shards[2].iter().filter(|t| keep(t)).cloned();
    let without = good.clone().with_weights(&last, fewer);
    assert_eq!(refused(&without), at("missing-tensor", &last, gone));

    let unknown = "model.layers.48.mlp.down_proj.weight";
    let mut names_more = index(&shards);
    names_more["weight_map"][unknown] = json!(last);
    let with = good.clone().with(INDEX, names_more.to_string());
    assert_eq!(refused(&with), at("extra-tensor", INDEX, unknown));

    let more = shards[2]
        .iter()
        .cloned()
        .chain([(unknown.to_owned(), vec![1])]);
    let with = good.clone().with_weights(&last, more);
    assert_eq!(refused(&with), at("extra-tensor", &last, unknown));

    let without = good.without(&last);
    assert_eq!(
        refused(&without),
        ("missing-file", Some(last.clone()), None)
    );
}

#[test]
fn a_tensor_the_index_puts_elsewhere_is_missed_there() {
    let shards = in_order(SMALL.tensors(), 1_000_000_000);
    let (first, moved) = (file(0, shards.len()), "lm_head.weight");
    let mut wrong = index(&shards);
    wrong["weight_map"][moved] = json!(first);
    let error = SMALL.refuse(&folder(&shards).with(INDEX, wrong.to_string()));
    let details = error.details();
    assert_eq!(
        (error.kind(), details.file, details.tensor.as_deref()),
        ("missing-tensor", Some(first), Some(moved))
    );
}
