//! A model with the workgroups of GPUs, which compute products of few rows in whole numbers.

use looplm::{
    LoopLm,
    forward::ForwardOptions,
    generate::{GenerateOptions, Generation},
    model::LoadOptions,
    precision::WeightFormat,
};
use looplm_gpu::Tuning;
use pollster::block_on;

use crate::fixtures::{self, Case};

/// As WebGPU has everywhere.
const WORKGROUP_MEMORY: u32 = 16 << 10;

fn load(case: &Case, format: WeightFormat, tuning: Tuning) -> LoopLm {
    let mut options = LoadOptions {
        precision: format.into(),
        ..LoadOptions::default()
    };
    options.device.tuning = Some(tuning);
    let source = fixtures::memory(case);
    fixtures::load(&source, &options).expect("a model")
}

/// Logits of all steps and positions.
fn logits(model: &LoopLm, ids: &[u32]) -> Vec<f32> {
    let options = ForwardOptions {
        logits: true,
        ..ForwardOptions::default()
    };
    let forward = block_on(model.forward(ids, &options, &|| false));
    forward.expect("a forward pass").logits.expect("logits")
}

#[test]
fn whole_numbers_say_what_floating_point_says() {
    let ids = [3, 1, 4, 1, 5, 9, 2, 6, 5];
    // Each pair of case, format and workgroups.
    let few_outputs = [WeightFormat::Q8, WeightFormat::Q4];
    let many_outputs = [WeightFormat::Q4, WeightFormat::Q8];
    for (name, formats) in [
        ("f32-mha", few_outputs),
        ("bf16-mha", many_outputs),
        ("f16-vocab-1031", few_outputs),
    ] {
        let case = fixtures::case(name);
        for (outputs, format) in [1, usize::MAX].into_iter().zip(formats) {
            let packed = Tuning::GPU.packed_for(outputs, WORKGROUP_MEMORY);
            assert!(packed.packed);
            let unpacked = Tuning {
                packed: false,
                ..packed
            };
            let usual = load(&case, format, unpacked);
            let want = logits(&usual, &ids);
            let got = logits(&load(&case, format, packed), &ids);
            // Of the first step: what random weights make of an error in the next is anybody's guess.
            let first = want.len() / usual.config().total_ut_steps;
            let relative = fixtures::relative_error(&got[..first], &want[..first]);
            // All else being equal, some difference there is, or they were not in use.
            assert!(
                relative > 0.0 && relative < 1e-3,
                "{name} in {format}: {relative}"
            );
        }
    }
}

/// A token alone comes to the same bits as in a pass with others.
#[test]
fn tokens_one_by_one_are_the_best_of_a_pass_over_all() {
    let case = fixtures::case("f32-mha");
    let packed = Tuning::GPU.packed_for(usize::MAX, WORKGROUP_MEMORY);
    let model = load(&case, WeightFormat::Q4, packed);
    let options = GenerateOptions {
        max_new_tokens: Some(9),
        temperature: Some(0.0),
        ..GenerateOptions::default()
    };
    let mut ids = vec![1, 2, 3];
    let mut generation =
        Generation::new(&model, ids.clone(), options).expect("the options are fine");
    while let Some(token) = block_on(generation.next(&|| false)).expect("the model runs") {
        ids.push(token.id);
    }
    assert!(ids.len() > 5, "only {} tokens", ids.len());
    let all = logits(&model, &ids);
    let vocabulary = model.config().vocab_size;
    let last_step = &all[all.len() - ids.len() * vocabulary..];
    for (position, logits) in last_step.chunks(vocabulary).enumerate().skip(2) {
        let Some(&next) = ids.get(position + 1) else {
            break;
        };
        let best = logits.iter().copied().fold(f32::MIN, f32::max);
        assert_eq!(logits[next as usize], best, "position {position}");
    }
}
