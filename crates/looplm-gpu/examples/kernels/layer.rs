//! The seven dispatches of a layer one after the other, as a pass records them: what a kernel costs behind others.

use looplm_gpu::{
    Arrangement, GpuError, KvFormat, cpu, head_stride,
    kernel::Op,
    kernels::{
        AddNorm, Attention, AttentionBuffers, AttentionParts, Linear, ProjectionOp, Qkv,
        QkvBuffers, Swiglu,
    },
};

use crate::{EPSILON, KEYS, MAX_ROWS, Sizes, Turns, bench::Bench, cache, kv_map};

/// The products of a layer.
struct Products {
    qkv: ProjectionOp,
    output: ProjectionOp,
    swiglu: ProjectionOp,
    down: ProjectionOp,
}

/// Measures layers whose matrices take turns.
pub(crate) fn layer(bench: &mut Bench, sizes: Sizes) -> Result<(), GpuError> {
    let shape = sizes.attention;
    let (hidden, intermediate) = (sizes.hidden, sizes.intermediate);
    let table = cpu::rotary_table(shape.head_dim, 10_000.0, KEYS);
    let rotary = bench.buffer(table.as_flattened())?;
    let kv_map = kv_map(bench)?;
    let (keys, values) = cache(bench, sizes, KvFormat::F16)?;
    let q = bench.floats(MAX_ROWS * shape.heads * head_stride(shape.head_dim))?;
    let m = bench.floats(MAX_ROWS * intermediate)?;
    let gains = bench.floats(2 * hidden)?;
    let [h, x, a, seen] = [(); 4].map(|()| bench.floats(MAX_ROWS * hidden));
    let (h, x, a, seen) = (h?, x?, a?, seen?);
    let room = AttentionParts::new(shape, KEYS, u64::MAX);
    let parts = bench.floats((room.bytes as usize / size_of::<f32>()).max(4))?;
    let attention = Attention::new(&bench.gpu, shape, KvFormat::F16, room)?.bind(
        &bench.gpu,
        AttentionBuffers {
            q: &q,
            keys: &keys,
            values: &values,
            kv_map: &kv_map,
            out: &seen,
            parts: &parts,
        },
    )?;
    let norm = AddNorm::new(&bench.gpu, hidden, EPSILON).bind(&bench.gpu, &a, &gains, &h, &x)?;
    for format in bench.formats.clone() {
        let outputs = (shape.heads + 2 * shape.kv_heads) * shape.head_dim;
        let heads = Arrangement::Heads(shape.head_dim);
        let qkv = bench.matrices(outputs, hidden, format, heads)?;
        let output = bench.matrices(hidden, hidden, format, Arrangement::Plain)?;
        let gate_up = bench.matrices(intermediate, hidden, format, Arrangement::Paired)?;
        let down = bench.matrices(hidden, intermediate, format, Arrangement::Plain)?;
        let gpu = &bench.gpu;
        let kernels = (
            Qkv::new(gpu, shape, KvFormat::F16, &qkv[0])?,
            Linear::new(gpu, &output[0], false),
            Swiglu::new(gpu, &gate_up[0]),
            Linear::new(gpu, &down[0], false),
        );
        let to = QkvBuffers {
            rotary: &rotary,
            q: &q,
            keys: &keys,
            values: &values,
        };
        // As many as the matrix has copies of which there are the fewest: those of the others are more than enough.
        let layers = gate_up
            .iter()
            .enumerate()
            .map(|(i, gate_up)| {
                Ok(Products {
                    qkv: kernels.0.bind(gpu, &qkv[i], &x, to)?,
                    output: kernels.1.bind(gpu, &output[i], &seen, &a)?,
                    swiglu: kernels.2.bind(gpu, gate_up, &x, &m)?,
                    down: kernels.3.bind(gpu, &down[i], &m, &a)?,
                })
            })
            .collect::<Result<Vec<_>, GpuError>>()?;
        let next = Turns::of(&layers);
        let bytes = qkv[0].bytes() + output[0].bytes() + gate_up[0].bytes() + down[0].bytes();
        let mut counts = sizes.rows.to_vec();
        counts.retain(|&count| count <= MAX_ROWS && bench.wants(count));
        bench.measure(
            "layer",
            &format!("{KEYS} keys, {format:?}"),
            &counts,
            |_| bytes as usize,
            &|gpu, pass, table| {
                let Products {
                    qkv,
                    output,
                    swiglu,
                    down,
                } = next.get();
                let product = |pass: &mut wgpu::ComputePass<'_>, op: &ProjectionOp| {
                    op.encode_as(gpu, pass, table, op.best(table.rows))
                };
                let mut dispatches = product(pass, qkv)?;
                dispatches += attention.encode(gpu, pass, table)?;
                dispatches += product(pass, output)?;
                dispatches += norm.encode(gpu, pass, table)?;
                dispatches += product(pass, swiglu)?;
                dispatches += product(pass, down)?;
                Ok(dispatches + norm.encode(gpu, pass, table)?)
            },
        )?;
    }
    Ok(())
}
