//! `rotary` against its twin.

use looplm_gpu::{
    GpuError, cpu,
    kernels::{AttentionShape, Rotary},
    stride,
};
use rand::Rng;

use crate::{
    gradient::{narrow, submit, wide},
    support::{self, assert_near, fetch, padded_rows, poison, poisoned, upload},
};

const POSITIONS: usize = 40;

fn attention(heads: usize, kv_heads: usize, head_dim: usize) -> AttentionShape {
    AttentionShape {
        heads,
        kv_heads,
        head_dim,
    }
}

fn check(shape: AttentionShape, rows: usize) {
    let gpu = support::gpu();
    let mut rng = support::rng((1000 * rows + shape.head_dim) as u64);
    let qkv = padded_rows(&mut rng, rows, shape.packed());
    let positions: Vec<u32> = (0..rows)
        .map(|_| rng.random_range(0..POSITIONS as u32))
        .collect();
    let table = cpu::rotary_table(shape.head_dim, 10_000.0, POSITIONS);
    let on_device = upload(gpu, &[qkv.as_slice(), &poison(64)].concat());
    let (turns, places) = (upload(gpu, table.as_flattened()), upload(gpu, &positions));
    let mut want = wide(&qkv);
    for inverse in [false, true] {
        cpu::rotary(shape, inverse, &mut want, &table, &positions);
        let bound = Rotary::new(gpu, rows, shape, inverse)
            .and_then(|kernel| kernel.bind(gpu, on_device.view(), turns.view(), places.view()))
            .expect("the shapes fit");
        submit(gpu, &bound);
        let mut want = narrow(&want);
        want.extend(poison(64));
        assert_near(
            &format!("{shape:?}, {rows} rows, inverse {inverse}"),
            &fetch(gpu, &on_device, want.len()),
            &want,
            1e-6,
        );
    }
    // There and back again.
    let got: Vec<f32> = fetch(gpu, &on_device, qkv.len());
    assert_near("what was turned back", &got, &qkv, 1e-6);
}

#[test]
fn shapes() {
    for rows in [1, 7, 65] {
        check(attention(1, 1, 2), rows);
        check(attention(4, 2, 6), rows);
        check(attention(3, 1, 32), rows);
        check(attention(2, 2, 128), rows);
    }
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    for (rows, shape) in [
        (0, attention(2, 1, 4)),
        (4, attention(3, 2, 4)),
        (4, attention(2, 1, 3)),
    ] {
        let made = Rotary::new(gpu, rows, shape, false);
        assert!(matches!(made, Err(GpuError::Shape { .. })));
    }
    let shape = attention(2, 1, 4);
    let kernel = Rotary::new(gpu, 5, shape, false).expect("the shape is one");
    let qkv = poisoned(gpu, 5 * stride(shape.packed()));
    let (table, positions) = (poisoned(gpu, 8), upload(gpu, &[0u32; 8]));
    let small = poisoned(gpu, 4);
    let (table, positions, small) = (table.view(), positions.view(), small.view());
    assert!(kernel.bind(gpu, qkv.view(), table, positions).is_ok());
    assert!(kernel.bind(gpu, small, table, positions).is_err());
    assert!(kernel.bind(gpu, qkv.view(), table, small).is_err());
}
