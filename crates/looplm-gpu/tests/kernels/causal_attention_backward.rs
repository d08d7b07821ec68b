//! `causal_attention_backward` against its twin, and the twin against differences of `causal_attention`.

use looplm_gpu::{
    GpuError, cpu,
    kernels::{AttentionShape, CausalAttentionBackward, CausalAttentionGradients, RowBlock},
    stride,
};

use crate::{
    causal_attention::{BLOCKS, DOCUMENTS, SHAPES, attention, packed, scale},
    gradient::{assert_gradient, narrow, submit, weighted, wide},
    support::{self, assert_near, fetch, padded_rows, poison, poisoned, upload},
};

fn check(shape: AttentionShape, documents: &[usize]) {
    let gpu = support::gpu();
    let (first, last) = packed(documents);
    let rows = first.len();
    let joined = shape.heads * shape.head_dim;
    let mut rng = support::rng((1000 * rows + shape.head_dim) as u64);
    let qkv = padded_rows(&mut rng, rows, shape.packed());
    let dout = padded_rows(&mut rng, rows, joined);
    let factor = f64::from(scale(shape));
    let (out, lse) = cpu::causal_attention(shape, factor, &wide(&qkv), &first);
    let twin = cpu::causal_attention_backward(
        shape,
        factor,
        &wide(&qkv),
        &out,
        &wide(&dout),
        &lse,
        &first,
    );
    let mut want = narrow(&twin);
    want.extend(poison(64));
    let [qkv, out, dout, lse] =
        [&qkv, &narrow(&out), &dout, &narrow(&lse)].map(|data| upload(gpu, data));
    let (first, last) = (upload(gpu, &first), upload(gpu, &last));
    for block in BLOCKS {
        if block == RowBlock::Four && shape.head_dim > 32 {
            continue;
        }
        let (delta, dqkv) = (poisoned(gpu, rows * shape.heads), poisoned(gpu, want.len()));
        let views = CausalAttentionGradients {
            qkv: qkv.view(),
            out: out.view(),
            dout: dout.view(),
            lse: lse.view(),
            first: first.view(),
            last: last.view(),
            delta: delta.view(),
            dqkv: dqkv.view(),
        };
        let bound = CausalAttentionBackward::with_block(gpu, rows, shape, scale(shape), block)
            .and_then(|kernel| kernel.bind(gpu, views))
            .expect("the shapes fit");
        submit(gpu, &bound);
        let what = format!("{shape:?}, documents {documents:?}, {block:?}");
        let got: Vec<f32> = fetch(gpu, &dqkv, want.len());
        assert_near(&what, &got, &want, 2e-5);
        for row in got[..rows * stride(shape.packed())].chunks_exact(stride(shape.packed())) {
            assert!(
                row[shape.packed()..].iter().all(|v| *v == 0.0),
                "the padding of {what}"
            );
        }
    }
}

#[test]
fn shapes_and_documents() {
    for (heads, kv_heads, head_dim) in SHAPES {
        check(attention(heads, kv_heads, head_dim), &DOCUMENTS);
    }
    for documents in [[1].as_slice(), &[37], &[1, 1, 2, 3, 5]] {
        check(attention(4, 2, 6), documents);
    }
}

#[test]
fn the_twin_is_the_gradient() {
    let shape = attention(4, 2, 6);
    let factor = f64::from(scale(shape));
    let (first, _) = packed(&[3, 1, 5]);
    let mut rng = support::rng(1);
    let qkv = wide(&padded_rows(&mut rng, first.len(), shape.packed()));
    let dout = wide(&padded_rows(
        &mut rng,
        first.len(),
        shape.heads * shape.head_dim,
    ));
    let (out, lse) = cpu::causal_attention(shape, factor, &qkv, &first);
    let dqkv = cpu::causal_attention_backward(shape, factor, &qkv, &out, &dout, &lse, &first);
    assert_gradient("dqkv", &qkv, &dqkv, |qkv| {
        weighted(&cpu::causal_attention(shape, factor, qkv, &first).0, &dout)
    });
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    let made = CausalAttentionBackward::new(gpu, 4, attention(2, 1, 130), 1.0);
    assert!(matches!(made, Err(GpuError::Shape { .. })));
    let shape = attention(2, 1, 6);
    let kernel = CausalAttentionBackward::new(gpu, 9, shape, 1.0).expect("the shape is one");
    let [qkv, dqkv] = [(); 2].map(|()| poisoned(gpu, 9 * stride(shape.packed())));
    let (out, lse, delta) = (poisoned(gpu, 9 * 16), poisoned(gpu, 20), poisoned(gpu, 20));
    let rows = upload(gpu, &[0u32; 12]);
    let small = poisoned(gpu, 8);
    let small = small.view();
    let fine = CausalAttentionGradients {
        qkv: qkv.view(),
        out: out.view(),
        dout: out.view(),
        lse: lse.view(),
        first: rows.view(),
        last: rows.view(),
        delta: delta.view(),
        dqkv: dqkv.view(),
    };
    assert!(kernel.bind(gpu, fine).is_ok());
    for wrong in [
        CausalAttentionGradients { qkv: small, ..fine },
        CausalAttentionGradients { out: small, ..fine },
        CausalAttentionGradients {
            dout: small,
            ..fine
        },
        CausalAttentionGradients { lse: small, ..fine },
        CausalAttentionGradients {
            first: small,
            ..fine
        },
        CausalAttentionGradients {
            last: small,
            ..fine
        },
        CausalAttentionGradients {
            delta: small,
            ..fine
        },
        CausalAttentionGradients {
            dqkv: small,
            ..fine
        },
    ] {
        assert!(kernel.bind(gpu, wrong).is_err());
    }
}
