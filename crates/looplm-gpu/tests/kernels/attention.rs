//! `attention` against its twin.

use looplm_gpu::{
    GpuError, GpuRow, cpu, head_stride,
    kernel::Op,
    kernels::{Attention, AttentionShape},
    stride,
};
use rand::rngs::StdRng;

use crate::support::{self, assert_close, fetch, numbers, poison, poisoned, upload};

/// Heads of `head_dim` numbers, each padded with `pad`.
fn heads(rng: &mut StdRng, count: usize, head_dim: usize, scale: f32, pad: f32) -> Vec<f32> {
    let mut data = vec![pad; count * head_stride(head_dim)];
    for head in data.chunks_exact_mut(head_stride(head_dim)) {
        head[..head_dim].copy_from_slice(&numbers(rng, head_dim, scale));
    }
    data
}

/// Attends over planes that are poisoned outside what the rows may see. Each row has a plane of its own, behind the
/// other's with a gap, and `key_counts` says how many keys it sees.
fn check(heads_: usize, kv_heads: usize, head_dim: usize, key_counts: &[usize], scale: f32) {
    let gpu = support::gpu();
    let shape = AttentionShape {
        heads: heads_,
        kv_heads,
        head_dim,
    };
    let mut rng = support::rng((heads_ * 1000 + head_dim) as u64);
    let (mut keys, mut values, mut rows) = (Vec::new(), Vec::new(), Vec::new());
    let gap = poison(3 * shape.entry());
    for (i, &count) in key_counts.iter().enumerate() {
        keys.extend_from_slice(&gap);
        values.extend_from_slice(&gap);
        let key_base = (keys.len() / shape.entry()) as u32;
        rows.push(GpuRow {
            key_base,
            state: i as u32,
            step: i as u32 % 4 + 1,
            ..support::row(count - 1)
        });
        keys.extend(heads(&mut rng, count * kv_heads, head_dim, 1.0, 0.0));
        values.extend(heads(&mut rng, count * kv_heads, head_dim, 1.0, f32::NAN));
    }
    keys.extend_from_slice(&gap);
    values.extend_from_slice(&gap);
    let q = heads(&mut rng, rows.len() * heads_, head_dim, scale, 0.0);
    let mut want = cpu::attention(shape, &rows, &q, &keys, &values);
    want.extend(poison(stride(heads_ * head_dim)));

    let out = poisoned(gpu, want.len());
    let (q, keys, values) = (upload(gpu, &q), upload(gpu, &keys), upload(gpu, &values));
    let op = Attention::new(gpu, shape)
        .and_then(|kernel| kernel.bind(gpu, &q, &keys, &values, &out))
        .expect("the shapes fit");
    support::run(gpu, &rows, |pass, table| {
        op.encode(gpu, pass, table).expect("the grid is small");
    });
    assert_close(
        &format!("{shape:?}, keys {key_counts:?}"),
        &fetch(gpu, &out, want.len()),
        &want,
        2e-5,
    );
}

#[test]
fn key_counts_around_the_block() {
    check(2, 2, 8, &[1, 63, 64, 65, 200, 2, 128, 129], 1.0);
}

#[test]
fn grouped_queries() {
    check(6, 2, 10, &[5, 70], 1.0);
    check(5, 1, 16, &[65, 3], 1.0);
}

#[test]
fn odd_head_sizes() {
    for head_dim in [2, 6, 14, 34, 64, 66, 126, 128, 130, 254, 256] {
        check(3, 1, head_dim, &[1, 67], 1.0);
    }
}

#[test]
fn large_scores_do_not_overflow() {
    check(2, 1, 16, &[3, 65, 150], 300.0);
}

#[test]
fn rows_see_keys_up_to_their_own_position_only() {
    let gpu = support::gpu();
    let shape = AttentionShape {
        heads: 1,
        kv_heads: 1,
        head_dim: 4,
    };
    let mut rng = support::rng(2);
    let count = 70;
    let rows: Vec<GpuRow> = (0..count)
        .map(|i| GpuRow {
            state: i as u32,
            ..support::row(i)
        })
        .collect();
    let (q, keys) = (
        heads(&mut rng, count, 4, 1.0, 0.0),
        heads(&mut rng, count, 4, 1.0, 0.0),
    );
    let values = heads(&mut rng, count, 4, 1.0, 0.0);
    let want = cpu::attention(shape, &rows, &q, &keys, &values);
    let out = poisoned(gpu, want.len());
    let (q, keys, values) = (upload(gpu, &q), upload(gpu, &keys), upload(gpu, &values));
    let op = Attention::new(gpu, shape)
        .and_then(|kernel| kernel.bind(gpu, &q, &keys, &values, &out))
        .expect("the shapes fit");
    support::run(gpu, &rows, |pass, table| {
        op.encode(gpu, pass, table).expect("the grid is small");
    });
    assert_close(
        "a prompt of 70 tokens",
        &fetch(gpu, &out, want.len()),
        &want,
        1e-5,
    );
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    let odd = AttentionShape {
        heads: 1,
        kv_heads: 1,
        head_dim: 5,
    };
    assert!(matches!(
        Attention::new(gpu, odd),
        Err(GpuError::Shape { .. })
    ));
    let kernel = Attention::new(
        gpu,
        AttentionShape {
            heads: 2,
            kv_heads: 1,
            head_dim: 8,
        },
    )
    .expect("a valid shape");
    let buffer = |count| poisoned(gpu, count);
    let (q, keys, values, out) = (buffer(32), buffer(64), buffer(64), buffer(32));
    assert!(matches!(
        kernel.bind(gpu, &q, &keys, &buffer(32), &out),
        Err(GpuError::Shape { .. })
    ));
    assert!(matches!(
        kernel.bind(gpu, &q, &buffer(4), &buffer(4), &out),
        Err(GpuError::Shape { .. })
    ));
    let op = kernel
        .bind(gpu, &q, &keys, &values, &out)
        .expect("the shapes fit");
    support::run(gpu, &support::rows(3), |pass, table| {
        assert!(
            matches!(op.encode(gpu, pass, table), Err(GpuError::Shape { .. })),
            "three rows into buffers of two"
        );
    });
}
