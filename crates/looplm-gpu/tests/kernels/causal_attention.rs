//! `causal_attention` against its twin.

use looplm_gpu::{
    GpuError, cpu,
    kernels::{AttentionShape, CausalAttention, RowBlock},
    stride,
};

use crate::{
    gradient::{narrow, submit, wide},
    support::{self, assert_close, assert_near, fetch, padded_rows, poison, poisoned, upload},
};

pub(crate) fn attention(heads: usize, kv_heads: usize, head_dim: usize) -> AttentionShape {
    AttentionShape {
        heads,
        kv_heads,
        head_dim,
    }
}

pub(crate) fn scale(shape: AttentionShape) -> f32 {
    1.0 / (shape.head_dim as f32).sqrt()
}

/// First and last row of the document of each row, for documents of these lengths.
pub(crate) fn packed(documents: &[usize]) -> (Vec<u32>, Vec<u32>) {
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for &length in documents {
        let start = first.len();
        first.extend(vec![start as u32; length]);
        last.extend(vec![(start + length - 1) as u32; length]);
    }
    (first, last)
}

/// Rows of a head that one invocation takes.
pub(crate) const BLOCKS: [RowBlock; 2] = [RowBlock::One, RowBlock::Four];

/// Shapes with one and several heads a key/value head, aligned to four elements and not.
pub(crate) const SHAPES: [(usize, usize, usize); 7] = [
    (1, 1, 2),
    (3, 3, 2),
    (4, 2, 6),
    (3, 1, 6),
    (2, 2, 32),
    (6, 2, 20),
    (2, 1, 128),
];

/// Documents shorter and longer than a block, beginning anywhere in one.
pub(crate) const DOCUMENTS: [usize; 5] = [16, 3, 70, 1, 41];

fn check(shape: AttentionShape, documents: &[usize], size: f32) {
    let gpu = support::gpu();
    let (first, _) = packed(documents);
    let rows = first.len();
    let mut rng = support::rng((1000 * rows + shape.head_dim) as u64);
    let mut qkv = padded_rows(&mut rng, rows, shape.packed());
    qkv.iter_mut().for_each(|v| *v *= size);
    let (out, lse) = cpu::causal_attention(shape, f64::from(scale(shape)), &wide(&qkv), &first);
    let (mut want, mut want_lse) = (narrow(&out), narrow(&lse));
    want.extend(poison(64));
    want_lse.extend(poison(64));
    let (qkv, first) = (upload(gpu, &qkv), upload(gpu, &first));
    for block in BLOCKS {
        if block == RowBlock::Four && shape.head_dim > 32 {
            continue;
        }
        let (out, lse) = (poisoned(gpu, want.len()), poisoned(gpu, want_lse.len()));
        let bound = CausalAttention::with_block(gpu, rows, shape, scale(shape), block)
            .and_then(|kernel| kernel.bind(gpu, qkv.view(), first.view(), out.view(), lse.view()))
            .expect("the shapes fit");
        submit(gpu, &bound);
        let what = format!("{shape:?}, documents {documents:?}, {block:?}");
        let tolerance = 1e-5 * size.powi(2);
        assert_close(
            &format!("out of {what}"),
            &fetch(gpu, &out, want.len()),
            &want,
            tolerance,
        );
        assert_near(
            &format!("lse of {what}"),
            &fetch(gpu, &lse, want_lse.len()),
            &want_lse,
            tolerance,
        );
    }
}

#[test]
fn shapes_and_documents() {
    for (heads, kv_heads, head_dim) in SHAPES {
        check(attention(heads, kv_heads, head_dim), &DOCUMENTS, 1.0);
    }
    for documents in [[1].as_slice(), &[37], &[1, 1, 2, 3, 5]] {
        check(attention(4, 2, 6), documents, 1.0);
    }
}

#[test]
fn large_scores_stay_finite() {
    check(attention(2, 1, 32), &[40, 25], 8.0);
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    for (rows, shape) in [
        (0, attention(2, 1, 4)),
        (4, attention(3, 2, 4)),
        (4, attention(2, 1, 130)),
    ] {
        let made = CausalAttention::new(gpu, rows, shape, 1.0);
        assert!(matches!(made, Err(GpuError::Shape { .. })));
    }
    let made = CausalAttention::with_block(gpu, 4, attention(2, 1, 34), 1.0, RowBlock::Four);
    assert!(matches!(made, Err(GpuError::Shape { .. })));
    let shape = attention(2, 1, 6);
    let kernel = CausalAttention::new(gpu, 9, shape, 1.0).expect("the shape is one");
    let qkv = poisoned(gpu, 9 * stride(shape.packed()));
    let first = upload(gpu, &[0u32; 12]);
    let (out, lse, small) = (poisoned(gpu, 9 * 16), poisoned(gpu, 20), poisoned(gpu, 8));
    let [qkv, first, out, lse, small] =
        [&qkv, &first, &out, &lse, &small].map(|buffer| buffer.view());
    assert!(kernel.bind(gpu, qkv, first, out, lse).is_ok());
    assert!(kernel.bind(gpu, small, first, out, lse).is_err());
    assert!(kernel.bind(gpu, qkv, small, out, lse).is_err());
    assert!(kernel.bind(gpu, qkv, first, small, lse).is_err());
    assert!(kernel.bind(gpu, qkv, first, out, small).is_err());
}
