//! Logits, states, gate and greedy text against the oracle.

use looplm::{
    LoopLm,
    engine::{EngineOptions, KvFormat},
    exit::{Exit, ExitRule},
    forward::ForwardOptions,
    generate::{GenerateOptions, Generation},
    kv_policy::KvPolicy,
    model::LoadOptions,
};
use looplm_gpu::DeviceOptions;
use serde_json::Value;

use crate::fixtures::{self, Case, Tensor};

/// max |difference| / max |reference|.
fn relative(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let worst = found.iter().zip(expected).fold(0.0f32, |m, (a, b)| {
        assert!(a.is_finite());
        m.max((a - b).abs())
    });
    worst / largest.max(f32::MIN_POSITIVE)
}

/// Step-first values of one sequence out of [T, B, M, size].
pub(crate) fn of_sequence(tensor: &Tensor, b: usize) -> Vec<f32> {
    let (batch, rest) = (tensor.shape[1], tensor.shape[2..].iter().product::<usize>());
    tensor
        .values
        .chunks_exact(rest)
        .skip(b)
        .step_by(batch)
        .flatten()
        .copied()
        .collect()
}

fn check_forward(case: &Case, model: &LoopLm, file: &str, steps: Option<usize>, tolerance: f32) {
    let [ids, logits, hidden, lambda, pdf] = case
        .tensors(
            file,
            &["ids", "logits", "hidden", "exit_lambda", "exit_pdf"],
        )
        .try_into()
        .ok()
        .expect("five tensors");
    let length = ids.shape[1];
    for b in 0..ids.shape[0] {
        let sequence: Vec<u32> = ids.values[b * length..][..length]
            .iter()
            .map(|id| *id as u32)
            .collect();
        let options = ForwardOptions {
            steps,
            logits: true,
            hidden: true,
            trace_top_k: Some(4),
            exit: ExitRule::Gate(0.5).into(),
        };
        let found = pollster::block_on(model.forward(&sequence, &options, &|| false))
            .expect("the forward pass runs");
        assert_eq!(found.steps, logits.shape[0]);
        let parts = [
            (
                "logits",
                found.logits.as_deref().expect("asked for"),
                &logits,
            ),
            (
                "hidden",
                found.hidden.as_deref().expect("asked for"),
                &hidden,
            ),
            ("exit_lambda", &found.exit_lambda, &lambda),
            ("exit_pdf", &found.exit_pdf, &pdf),
        ];
        for (what, values, expected) in parts {
            let error = relative(values, &of_sequence(expected, b));
            assert!(
                error <= tolerance,
                "{} {file} sequence {b}: {what} is off by {error:e}",
                case.name
            );
        }
        check_trace(case, &found, &of_sequence(&logits, b), logits.shape[3]);
    }
}

/// The trace is what the logits say: best tokens, probabilities, entropy; and the exit is what the probabilities say.
fn check_trace(case: &Case, found: &looplm::forward::Forward, logits: &[f32], vocab: usize) {
    let positions = found.positions.len();
    for (position, steps) in found.positions.iter().enumerate() {
        assert_eq!(
            found.exit_steps[position],
            Exit::from(ExitRule::Gate(0.5)).exit_step(steps),
            "{}",
            case.name
        );
        for (t, step) in steps.iter().enumerate() {
            let row = &logits[(t * positions + position) * vocab..][..vocab];
            let total: f64 = row.iter().map(|l| f64::from(*l).exp()).sum();
            let p: Vec<f64> = row.iter().map(|l| f64::from(*l).exp() / total).collect();
            let entropy: f64 = -p.iter().map(|p| p * p.ln()).sum::<f64>();
            let lens = step.lens.as_ref().expect("a trace was asked for");
            assert!(
                (f64::from(lens.entropy) - entropy).abs() < 0.02,
                "{}: entropy {} for {entropy}",
                case.name,
                lens.entropy
            );
            assert_eq!(lens.top.len(), 4.min(vocab));
            for (id, probability) in &lens.top {
                let expected = p[*id as usize];
                assert!(
                    (f64::from(*probability) - expected).abs() < 0.01,
                    "{}: {probability} for {expected}",
                    case.name
                );
            }
            let best = p.iter().copied().fold(0.0, f64::max);
            assert!((f64::from(lens.top[0].1) - best).abs() < 0.01);
            assert!(lens.top.windows(2).all(|pair| pair[0].1 >= pair[1].1));
            assert!(step.change.is_finite() && step.change > 0.0);
            assert!(step.moved.is_finite() && step.moved > 0.0);
        }
    }
}

fn greedy(
    model: &LoopLm,
    prompt: &[u32],
    new_tokens: usize,
    steps: Option<usize>,
    exit: Exit,
    kv: KvPolicy,
) -> (Vec<u32>, Vec<usize>) {
    let options = GenerateOptions {
        max_new_tokens: Some(new_tokens),
        temperature: Some(0.0),
        steps,
        exit,
        kv,
        ..GenerateOptions::default()
    };
    let mut generation =
        Generation::new(model, prompt.to_vec(), options).expect("the options are fine");
    let (mut ids, mut exits) = (Vec::new(), Vec::new());
    while let Some(token) = pollster::block_on(generation.next(&|| false)).expect("the model runs")
    {
        ids.push(token.id);
        exits.push(token.exit_step);
    }
    (ids, exits)
}

/// Compares up to the first token that the oracle itself calls a near tie, one by no more than `tie`. Returns how many were
/// compared.
fn check_greedy(
    case: &Case,
    model: &LoopLm,
    greedy_of: &Value,
    steps: Option<usize>,
    tie: f64,
) -> usize {
    let mut compared = 0;
    let policies = [
        KvPolicy::Full,
        KvPolicy::Last,
        KvPolicy::Mean,
        KvPolicy::First,
    ];
    let all = policies
        .iter()
        .flat_map(|kv| ["1.0", "0.5", "0.8"].map(|q| (*kv, q)));
    for (kv, q) in all {
        let expected = &greedy_of[format!("{kv}:{q}")];
        let (ids, exits) = (
            fixtures::ids(&expected["ids"]),
            fixtures::ids(&expected["exit_steps"]),
        );
        let (margins, gates) = (
            fixtures::numbers(&expected["margins"]),
            fixtures::numbers(&expected["gate_margins"]),
        );
        let threshold: f32 = q.parse().expect("a number");
        let exit = ExitRule::Gate(threshold).into();
        let found = greedy(model, &case.prompt(), ids.len(), steps, exit, kv);
        for i in 0..ids.len() {
            if margins[i] <= tie || (threshold < 1.0 && gates[i] <= tie) {
                break;
            }
            assert_eq!(
                found.1[i], exits[i] as usize,
                "{} {kv} q {q} token {i}: exit step",
                case.name
            );
            assert_eq!(found.0[i], ids[i], "{} {kv} q {q} token {i}: id", case.name);
            compared += 1;
        }
    }
    compared
}

#[test]
fn every_case_agrees_with_the_oracle() {
    let mut compared = 0;
    for case in fixtures::all() {
        let model = case.load(&LoadOptions::default());
        check_forward(
            &case,
            &model,
            "expected.safetensors",
            None,
            case.tolerance(),
        );
        compared += check_greedy(&case, &model, &case.expected["greedy"], None, 1e-3);
    }
    assert!(
        compared > 800,
        "only {compared} greedy tokens were compared"
    );
}

/// Half precision costs what its rounding costs, and no more. In every other case, since pipelines take a CPU adapter long.
#[test]
fn keys_and_values_in_f16_stay_close_to_the_oracle() {
    let mut compared = 0;
    for case in fixtures::all().into_iter().step_by(2) {
        let model = case.load_with(&LoadOptions::default(), KvFormat::F16);
        check_forward(&case, &model, "expected.safetensors", None, 1e-2);
        compared += check_greedy(&case, &model, &case.expected["greedy"], None, 1e-2);
    }
    assert!(
        compared > 400,
        "only {compared} greedy tokens were compared"
    );
}

#[test]
fn more_and_fewer_steps_than_trained_agree_with_the_oracle() {
    let case = fixtures::case("f32-mha");
    let model = case.load(&LoadOptions::default());
    for steps in [2, 6] {
        check_forward(
            &case,
            &model,
            &format!("expected.steps{steps}.safetensors"),
            Some(steps),
            case.tolerance(),
        );
        let greedy_of = &case.expected["steps"][steps.to_string()]["greedy"];
        assert!(check_greedy(&case, &model, greedy_of, Some(steps), 1e-3) > 10);
    }
}

/// Matrices, embedding and head in many parts; prompts in many chunks; a KV cache that has to grow.
#[test]
fn small_bindings_and_chunks_change_nothing() {
    for name in ["f32-odd-tied", "f16-gqa", "f32-long", "bf16-packed-gqa"] {
        let case = fixtures::case(name);
        let options = LoadOptions {
            engine: EngineOptions {
                max_rows: Some(5),
                ..EngineOptions::default()
            },
            device: DeviceOptions {
                max_binding_size: Some(160 << 10),
                ..DeviceOptions::default()
            },
            ..LoadOptions::default()
        };
        let whole = case.load(&options);
        check_forward(
            &case,
            &whole,
            "expected.safetensors",
            None,
            case.tolerance(),
        );
        assert!(check_greedy(&case, &whole, &case.expected["greedy"], None, 1e-3) > 0);
    }
}
