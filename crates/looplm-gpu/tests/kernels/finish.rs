//! `finish` against its twin.

use bytemuck::Zeroable;
use looplm_gpu::{
    Gpu, GpuError, GpuRow, cpu,
    kernel::Op,
    kernels::{Finish, FinishBuffers, Record},
    stride,
};

use crate::support::{self, assert_close, assert_near, fetch, poison, poisoned, upload};

const EPSILON: f32 = 1e-6;

/// A record in which every word is poison, as memory that nothing has written.
fn poisoned_record() -> Record {
    bytemuck::pod_collect_to_vec::<f32, Record>(&poison(size_of::<Record>() / 4))[0]
}

#[track_caller]
fn assert_records(what: &str, got: &[Record], want: &[Record]) {
    for (slot, (got, want)) in got.iter().zip(want).enumerate() {
        let what = format!("{what}, record {slot}");
        assert_eq!(got.steps, want.steps, "{what}: steps");
        assert_near(&what, &[got.survival], &[want.survival], 1e-5);
        assert_near(&what, &got.lambda, &want.lambda, 1e-5);
        assert_near(&what, &got.p, &want.p, 1e-5);
        assert_near(&what, &got.change, &want.change, 1e-4);
        assert_near(&what, &got.moved, &want.moved, 1e-5);
    }
}

/// The plan of a slot: when it starts, and how many steps it takes.
#[derive(Clone, Copy)]
struct Plan {
    start: usize,
    last_step: u32,
}

/// Takes all plans through their steps, those that are under way in one pass, and compares all buffers after each pass.
fn check(width: usize, plans: &[Plan]) -> Vec<Record> {
    let [few, most] = &support::lanes_of_rows();
    check_on(few, width, plans);
    check_on(most, width, plans)
}

fn check_on(gpu: &Gpu, width: usize, plans: &[Plan]) -> Vec<Record> {
    let mut rng = support::rng(width as u64);
    let padded = stride(width);
    let slots = plans.len() + 1;
    let mut gains = support::padded_rows(&mut rng, 3, width);
    gains.extend([-0.5, 0.0, 0.0, 0.0]);
    // The slot behind the last belongs to nobody.
    let mut want_state = support::padded_rows(&mut rng, plans.len(), width);
    want_state.extend(poison(padded));
    let mut want_records = vec![poisoned_record(); slots];
    let (state, records) = (upload(gpu, &want_state), upload(gpu, &want_records));
    let gains_buffer = upload(gpu, &gains);
    let kernel = Finish::new(gpu, width, EPSILON);
    let passes = plans
        .iter()
        .map(|plan| plan.start + plan.last_step as usize)
        .max()
        .unwrap_or(0);
    for now in 0..passes {
        let under_way = plans
            .iter()
            .enumerate()
            .filter(|(_, p)| (p.start..p.start + p.last_step as usize).contains(&now));
        let mut rows: Vec<GpuRow> = under_way
            .map(|(slot, plan)| GpuRow {
                state: slot as u32,
                step: (now - plan.start + 1) as u32,
                last_step: plan.last_step,
                ..support::row(slot)
            })
            .collect();
        rows.reverse();
        let a = support::padded_rows(&mut rng, rows.len(), width);
        let mut h = support::padded_rows(&mut rng, rows.len(), width);
        h.iter_mut().for_each(|v| *v *= 3.0);
        cpu::finish(
            width,
            EPSILON,
            &rows,
            &a,
            &h,
            &gains,
            &mut want_state,
            &mut want_records,
        );
        let (a, h) = (upload(gpu, &a), upload(gpu, &h));
        let to = FinishBuffers {
            a: &a,
            h: &h,
            gains: &gains_buffer,
            state: &state,
            records: &records,
        };
        let op = kernel.bind(gpu, to).expect("the shapes fit");
        support::run(gpu, &rows, |pass, table| {
            op.encode(gpu, pass, table).expect("the grid is small");
        });
        let what = format!("width {width}, pass {now}");
        assert_close(
            &format!("state, {what}"),
            &fetch(gpu, &state, want_state.len()),
            &want_state,
            1e-5,
        );
        assert_records(&what, &fetch(gpu, &records, slots), &want_records);
    }
    want_records
}

/// Plans that differ in all they can differ in.
fn plans(count: usize) -> Vec<Plan> {
    (0..count)
        .map(|i| Plan {
            start: i % 3,
            last_step: [4, 1, 8, 3][i % 4],
        })
        .collect()
}

#[test]
fn odd_widths() {
    for width in support::ODD_SIZES {
        check(width, &plans(3));
    }
    check(1031, &plans(2));
}

#[test]
fn steps_of_many_rows_interleave() {
    let records = check(65, &plans(40));
    for (record, plan) in records.iter().zip(plans(40)) {
        assert_eq!(record.steps, plan.last_step);
        let total: f32 = record.p[..plan.last_step as usize].iter().sum();
        assert!(
            (total - 1.0).abs() < 1e-5,
            "the probabilities of {} steps sum to {total}",
            plan.last_step
        );
    }
}

#[test]
fn a_new_sequence_starts_its_record_anew() {
    let gpu = support::gpu();
    let width = 8;
    let mut rng = support::rng(9);
    let mut gains = support::padded_rows(&mut rng, 3, width);
    gains.extend([0.0; 4]);
    let stale = Record {
        survival: 0.0,
        steps: 4,
        ..Record::zeroed()
    };
    let (a, h) = (
        support::padded_rows(&mut rng, 1, width),
        support::padded_rows(&mut rng, 1, width),
    );
    let (mut state, mut want) = (vec![0.0; 8], [stale]);
    let buffers = [&a, &h, &gains, &state].map(|data| upload(gpu, data));
    let records = upload(gpu, &want);
    let row = support::row(0);
    cpu::finish(
        width,
        EPSILON,
        &[row],
        &a,
        &h,
        &gains,
        &mut state,
        &mut want,
    );
    let norm = state.iter().map(|v| v * v).sum::<f32>().sqrt();
    let [a, h, gains, state] = &buffers;
    let op = Finish::new(gpu, width, EPSILON).bind(
        gpu,
        FinishBuffers {
            a,
            h,
            gains,
            state,
            records: &records,
        },
    );
    let op = op.expect("the shapes fit");
    support::run(gpu, &[row], |pass, table| {
        op.encode(gpu, pass, table).expect("the grid is small");
    });
    // The state before was zero: the change is a large number, but a number, and the state moved by all it is now.
    assert!(want[0].change[0].is_finite());
    assert_near("moved", &[want[0].moved[0]], &[norm], 1e-5);
    assert_records("a used record", &fetch(gpu, &records, 1), &want);
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    let kernel = Finish::new(gpu, 9, EPSILON);
    let buffer = |count| poisoned(gpu, count);
    let (a, h, gains, state) = (buffer(32), buffer(32), buffer(52), buffer(64));
    let records = upload(gpu, &[poisoned_record(); 4]);
    let to = FinishBuffers {
        a: &a,
        h: &h,
        gains: &gains,
        state: &state,
        records: &records,
    };
    assert!(matches!(
        kernel.bind(
            gpu,
            FinishBuffers {
                gains: &buffer(48),
                ..to
            }
        ),
        Err(GpuError::Shape {
            kernel: "finish",
            ..
        })
    ));
    let op = kernel.bind(gpu, to).expect("the shapes fit");
    support::run(gpu, &support::rows(3), |pass, table| {
        assert!(
            matches!(op.encode(gpu, pass, table), Err(GpuError::Shape { .. })),
            "three rows into buffers of two"
        );
    });
}
