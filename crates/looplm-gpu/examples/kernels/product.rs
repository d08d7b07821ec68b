//! The matrix products of training, in operations instead of bytes.

use looplm_gpu::{
    GpuError,
    kernels::{Product, ProductKind, ProductShape},
    stride,
};

use crate::bench::{Bench, Measurement};

/// Rows, outputs, inputs: the layers of small models that are trained.
const SHAPES: [(usize, usize, usize); 4] = [
    (2048, 192, 64),
    (2048, 64, 192),
    (2048, 768, 256),
    (2048, 256, 768),
];

const KINDS: [(&str, ProductKind); 3] = [
    ("forward", ProductKind::Forward),
    ("input grad", ProductKind::InputGradient),
    ("weight grad", ProductKind::WeightGradient),
];

/// Measures the three kinds at each shape.
pub(crate) fn product(bench: &mut Bench) -> Result<(), GpuError> {
    for (rows, outputs, inputs) in SHAPES {
        let shape = ProductShape {
            rows,
            outputs,
            inputs,
        };
        let sizes = [
            rows * stride(inputs),
            rows * stride(outputs),
            outputs * stride(inputs),
        ];
        let [x, y, w] = sizes.map(|elements| bench.floats(elements));
        let (x, y, w) = (x?, y?, w?);
        for (name, kind) in KINDS {
            let kernel = Product::new(&bench.gpu, kind, shape)?;
            let partials = bench.floats(kernel.partials_elements())?;
            let (a, b, c) = match kind {
                ProductKind::Forward => (&x, &w, &y),
                ProductKind::InputGradient => (&y, &w, &x),
                ProductKind::WeightGradient => (&y, &x, &w),
            };
            let bound = kernel.bind(&bench.gpu, a.view(), b.view(), c.view(), partials.view())?;
            let bytes = 4 * sizes.iter().sum::<usize>() as u64;
            let detail = format!("{name} {outputs}x{inputs}");
            bench.measure_bound(&bound, |timing| Measurement {
                kernel: "product",
                detail,
                rows,
                bytes,
                operations: Some(kernel.operations()),
                timing,
            })?;
        }
    }
    Ok(())
}
