//! Passes of any mixture of rows: different sequences, positions and recurrent steps share one.

use looplm::{
    LoopLm,
    engine::{Ask, Place},
    exit::{Exit, ExitRule},
    forward::{Forward, ForwardOptions},
    kv_policy::KvPolicy,
    model::LoadOptions,
    row::{Pass, Row, SequenceId, Step},
    schedule::Prefill,
};
use pollster::block_on;

use crate::fixtures;

fn step(n: usize) -> Step {
    Step::new(n).expect("a step")
}

fn row(sequence: SequenceId, position: usize, n: usize) -> Row {
    Row {
        sequence,
        position,
        step: step(n),
    }
}

fn forward(model: &LoopLm, ids: &[u32], steps: usize) -> Forward {
    let options = ForwardOptions {
        steps: Some(steps),
        hidden: true,
        logits: true,
        exit: ExitRule::Gate(0.5).into(),
        ..Default::default()
    };
    block_on(model.forward(ids, &options, &|| false)).expect("the model runs")
}

fn last_step(values: &[f32], steps: usize, positions: usize, position: usize) -> &[f32] {
    let size = values.len() / steps / positions;
    &values[((steps - 1) * positions + position) * size..][..size]
}

fn assert_close(found: &[f32], expected: &[f32], what: &str) {
    let largest = expected.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    for (a, b) in found.iter().zip(expected) {
        assert!(
            (a - b).abs() <= 1e-5 * largest.max(1.0),
            "{what}: {a} for {b}"
        );
    }
    assert_eq!(found.len(), expected.len());
}

/// Two sequences of different lengths and depths go through diagonally: in pass k are all rows with position + step = k,
/// so every pass mixes sequences, positions and steps. The result is that of plain prefill.
#[test]
fn a_wavefront_through_two_sequences_gives_what_prefill_gives() {
    let case = fixtures::case("f32-gqa-head-dim");
    let model = case.load(&LoadOptions::default());
    let [ids] = case
        .tensors("expected.safetensors", &["ids"])
        .try_into()
        .ok()
        .expect("one tensor");
    let ids: Vec<u32> = ids.values.iter().map(|id| *id as u32).collect();
    let texts = [(&ids[..9], 4), (&ids[2..7], 3)];
    let plain: Vec<Forward> = texts
        .iter()
        .map(|(ids, steps)| forward(&model, ids, *steps))
        .collect();

    let mut engine = block_on(model.engine()).expect("the model is loaded");
    let mut sequences = Vec::new();
    for (ids, steps) in texts {
        let id = block_on(engine.begin(step(steps), KvPolicy::Full)).expect("there is room");
        block_on(engine.append(id, ids)).expect("there is room");
        sequences.push(id);
    }
    let mut finished = 0;
    let mut mixed = false;
    for k in 1..=9 + 4 {
        let mut rows = Vec::new();
        for (id, (ids, steps)) in sequences.iter().zip(texts) {
            rows.extend(
                (1..=steps)
                    .filter(|n| k >= *n && k - n < ids.len())
                    .map(|n| row(*id, k - n, n)),
            );
        }
        if rows.is_empty() {
            continue;
        }
        // The order of rows within a pass says nothing.
        rows.reverse();
        mixed |= rows.iter().any(|r| r.step != rows[0].step)
            && rows.iter().any(|r| r.sequence != rows[0].sequence);
        let done: Vec<Row> = rows
            .iter()
            .copied()
            .filter(|r| r.step.get() == texts[usize::from(r.sequence == sequences[1])].1)
            .collect();
        let places: Vec<Place> = done.iter().map(|r| (r.sequence, r.position)).collect();
        let ask = Ask {
            report: &places,
            ..Ask::default()
        };
        let outcome = block_on(engine.submit(&[Pass { rows }], &ask)).expect("the pass is valid");
        if places.is_empty() {
            continue;
        }
        let states = block_on(engine.read_states(&places)).expect("they are held");
        let logits = block_on(engine.read_logits(&places)).expect("they are held");
        for (i, place) in places.iter().enumerate() {
            let which = usize::from(place.0 == sequences[1]);
            let (expected, (ids, steps)) = (&plain[which], texts[which]);
            let (width, vocab) = (states.len() / places.len(), logits.len() / places.len());
            let hidden = expected.hidden.as_deref().expect("asked for");
            let head = expected.logits.as_deref().expect("asked for");
            assert_close(
                &states[i * width..][..width],
                last_step(hidden, steps, ids.len(), place.1),
                "state",
            );
            assert_close(
                &logits[i * vocab..][..vocab],
                last_step(head, steps, ids.len(), place.1),
                "logits",
            );
            let exit = Exit::from(ExitRule::Gate(0.5));
            assert_eq!(
                exit.exit_step(&outcome.reports[i]),
                expected.exit_steps[place.1]
            );
            assert_eq!(outcome.reports[i].len(), steps);
            finished += 1;
        }
    }
    assert!(mixed, "some pass mixes sequences and steps");
    assert_eq!(finished, 9 + 5);
}

/// Rows that have nothing to build on are refused, and refusing changes nothing.
#[test]
fn rows_out_of_order_are_refused_and_leave_no_trace() {
    let case = fixtures::case("f32-two-steps");
    let model = case.load(&LoadOptions::default());
    let prompt = case.prompt();
    let plain = forward(&model, &prompt, 2);
    let mut engine = block_on(model.engine()).expect("the model is loaded");
    let id = block_on(engine.begin(step(2), KvPolicy::Full)).expect("there is room");
    block_on(engine.append(id, &prompt)).expect("there is room");
    let bad: [(&str, Vec<Row>); 7] = [
        ("no rows", vec![]),
        ("a gap in the plane", vec![row(id, 0, 1), row(id, 2, 1)]),
        ("step 2 before step 1", vec![row(id, 0, 2)]),
        ("a row twice", vec![row(id, 0, 1), row(id, 0, 1)]),
        ("both steps at once", vec![row(id, 0, 1), row(id, 0, 2)]),
        ("beyond the last step", vec![row(id, 0, 3)]),
        (
            "beyond the last token",
            (0..=prompt.len()).map(|p| row(id, p, 1)).collect(),
        ),
    ];
    for (what, rows) in bad {
        let result = block_on(engine.submit(&[Pass { rows }], &Ask::default()));
        assert!(result.is_err(), "{what}");
    }
    let missing = [(id, 0)];
    assert!(
        block_on(engine.submit(
            &[],
            &Ask {
                report: &missing,
                ..Ask::default()
            }
        ))
        .is_err(),
        "a report on nothing"
    );
    let mut last = Vec::new();
    for pass in Prefill::new(id, 0, prompt.len(), step(2), 3) {
        let places: Vec<Place> = pass.rows.iter().map(|r| (r.sequence, r.position)).collect();
        block_on(engine.submit(&[pass], &Ask::default())).expect("the plain schedule still runs");
        last = block_on(engine.read_states(&places)).expect("they are held");
    }
    let hidden = plain.hidden.as_deref().expect("asked for");
    let width = hidden.len() / 2 / prompt.len();
    assert_close(
        &last[last.len() - width..],
        last_step(hidden, 2, prompt.len(), prompt.len() - 1),
        "state",
    );
}
