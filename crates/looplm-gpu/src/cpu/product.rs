use crate::{
    kernels::{ProductKind, ProductShape},
    stride,
};

/// Twin of `product`: `c` is overwritten, or added to by a weight gradient. Every operand has padded rows.
pub fn product(kind: ProductKind, shape: ProductShape, a: &[f32], b: &[f32], c: &mut [f32]) {
    let (x, y) = (stride(shape.inputs), stride(shape.outputs));
    let sum = |terms: &mut dyn Iterator<Item = (f32, f32)>| -> f64 {
        terms.map(|(a, b)| f64::from(a) * f64::from(b)).sum()
    };
    match kind {
        ProductKind::Forward => {
            for r in 0..shape.rows {
                for o in 0..y {
                    let mut terms = (0..shape.inputs).map(|i| (a[r * x + i], b[o * x + i]));
                    c[r * y + o] = if o < shape.outputs {
                        sum(&mut terms) as f32
                    } else {
                        0.0
                    };
                }
            }
        }
        ProductKind::InputGradient => {
            for r in 0..shape.rows {
                for i in 0..x {
                    let mut terms = (0..shape.outputs).map(|o| (a[r * y + o], b[o * x + i]));
                    c[r * x + i] = sum(&mut terms) as f32;
                }
            }
        }
        ProductKind::WeightGradient => {
            for o in 0..shape.outputs {
                for i in 0..x {
                    let mut terms = (0..shape.rows).map(|r| (a[r * y + o], b[r * x + i]));
                    let before = f64::from(c[o * x + i]);
                    c[o * x + i] = (before + sum(&mut terms)) as f32;
                }
            }
        }
    }
}
