//! The kernels of a training program, compiled once for a number of rows.

use looplm::Config;
use looplm_gpu::{
    Bound, Gpu, GpuError, View,
    kernels::{
        Accumulate, AttentionShape, CausalAttention, CausalAttentionBackward, CrossEntropy,
        ExitGate, ExitGateBackward, Gather, GatherBackward, Glu, GluBackward, Product, ProductKind,
        ProductShape, RmsNorm, RmsNormBackward, Rotary,
    },
    stride,
};

/// A matrix of the model: its product, and the gradients of its input and its weight.
#[derive(Debug)]
pub(crate) struct Projection {
    forward: Product,
    backward: Option<(Product, Product)>,
}

impl Projection {
    fn new(
        gpu: &Gpu,
        rows: usize,
        outputs: usize,
        inputs: usize,
        backward: bool,
    ) -> Result<Self, GpuError> {
        let shape = ProductShape {
            rows,
            outputs,
            inputs,
        };
        let product = |kind| Product::new(gpu, kind, shape);
        Ok(Self {
            forward: product(ProductKind::Forward)?,
            backward: if backward {
                Some((
                    product(ProductKind::InputGradient)?,
                    product(ProductKind::WeightGradient)?,
                ))
            } else {
                None
            },
        })
    }

    /// Elements of partial sums that the weight's gradient needs.
    fn partials(&self) -> usize {
        self.backward
            .as_ref()
            .map_or(0, |(_, weight)| weight.partials_elements())
    }

    /// y = x W^T.
    pub(crate) fn forward(
        &self,
        gpu: &Gpu,
        x: View<'_>,
        weight: View<'_>,
        y: View<'_>,
    ) -> Result<Bound, GpuError> {
        self.forward.bind(gpu, x, weight, y, y)
    }

    /// dx = dy W, and dW += dy^T x.
    pub(crate) fn backward(
        &self,
        gpu: &Gpu,
        weight: View<'_>,
        x: View<'_>,
        gradient: ProjectionGradient<'_>,
    ) -> Result<Vec<Bound>, GpuError> {
        let Some((of_input, of_weight)) = &self.backward else {
            return Ok(Vec::new());
        };
        let ProjectionGradient {
            y,
            x: dx,
            weight: dw,
            partials,
        } = gradient;
        Ok(vec![
            of_input.bind(gpu, y, weight, dx, partials)?,
            of_weight.bind(gpu, y, x, dw, partials)?,
        ])
    }
}

/// The gradients around a projection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProjectionGradient<'a> {
    /// Read.
    pub(crate) y: View<'a>,
    /// Written.
    pub(crate) x: View<'a>,
    /// Added to.
    pub(crate) weight: View<'a>,
    pub(crate) partials: View<'a>,
}

/// The kernels of the backward pass.
#[derive(Debug)]
pub(crate) struct BackwardKernels {
    pub(crate) norm: RmsNormBackward,
    pub(crate) norm_add: RmsNormBackward,
    pub(crate) attention: CausalAttentionBackward,
    pub(crate) unrotate: Rotary,
    pub(crate) glu: GluBackward,
    pub(crate) gather: GatherBackward,
    pub(crate) gate: ExitGateBackward,
    pub(crate) accumulate: Accumulate,
}

/// All kernels for one number of rows.
#[derive(Debug)]
pub(crate) struct Kernels {
    pub(crate) qkv: Projection,
    pub(crate) output: Projection,
    pub(crate) gate_up: Projection,
    pub(crate) down: Projection,
    /// For a chunk of the rows.
    pub(crate) head: Projection,
    pub(crate) norm: RmsNorm,
    pub(crate) norm_add: RmsNorm,
    pub(crate) rotary: Rotary,
    pub(crate) attention: CausalAttention,
    pub(crate) glu: Glu,
    pub(crate) gather: Gather,
    pub(crate) gate: ExitGate,
    pub(crate) cross_entropy: CrossEntropy,
    pub(crate) backward: Option<BackwardKernels>,
}

impl Kernels {
    /// Compiles the kernels for `rows` rows with a head of `chunk` rows.
    ///
    /// # Errors
    /// [`GpuError::Shape`] for a model that they were not written for.
    pub(crate) fn new(
        gpu: &Gpu,
        config: &Config,
        rows: usize,
        chunk: usize,
        backward: bool,
    ) -> Result<Self, GpuError> {
        let (d, i, q) = (
            config.hidden_size,
            config.intermediate_size,
            config.query_size(),
        );
        let shape = AttentionShape {
            heads: config.num_attention_heads,
            kv_heads: config.num_key_value_heads,
            head_dim: config.head_dim,
        };
        let epsilon = config.rms_norm_eps as f32;
        let scale = 1.0 / (config.head_dim as f32).sqrt();
        let packed = q + 2 * config.key_value_size();
        let projection = |outputs, inputs| Projection::new(gpu, rows, outputs, inputs, backward);
        Ok(Self {
            qkv: projection(packed, d)?,
            output: projection(d, q)?,
            gate_up: projection(2 * i, d)?,
            down: projection(d, i)?,
            head: Projection::new(gpu, chunk, config.vocab_size, d, backward)?,
            norm: RmsNorm::new(gpu, rows, d, epsilon, false)?,
            norm_add: RmsNorm::new(gpu, rows, d, epsilon, true)?,
            rotary: Rotary::new(gpu, rows, shape, false)?,
            attention: CausalAttention::new(gpu, rows, shape, scale)?,
            glu: Glu::new(gpu, rows, i)?,
            gather: Gather::new(gpu, rows, config.vocab_size, d),
            gate: ExitGate::new(gpu, rows, d),
            cross_entropy: CrossEntropy::new(gpu, chunk, config.vocab_size, backward),
            backward: if backward {
                Some(BackwardKernels {
                    norm: RmsNormBackward::new(gpu, rows, d, epsilon, false)?,
                    norm_add: RmsNormBackward::new(gpu, rows, d, epsilon, true)?,
                    attention: CausalAttentionBackward::new(gpu, rows, shape, scale)?,
                    unrotate: Rotary::new(gpu, rows, shape, true)?,
                    glu: GluBackward::new(gpu, rows, i)?,
                    gather: GatherBackward::new(gpu, rows, config.vocab_size, d),
                    gate: ExitGateBackward::new(gpu, rows, d),
                    accumulate: Accumulate::new(gpu, rows * stride(d))?,
                })
            } else {
                None
            },
        })
    }

    /// Elements of partial sums that any of the kernels needs at once.
    pub(crate) fn partials(&self, rows: usize, width: usize) -> usize {
        let products = [
            &self.qkv,
            &self.output,
            &self.gate_up,
            &self.down,
            &self.head,
        ];
        let others = self.backward.as_ref().map_or([0; 3], |backward| {
            [
                backward.norm.partials(),
                backward.norm_add.partials(),
                ExitGateBackward::partials(rows, width),
            ]
        });
        products
            .iter()
            .map(|product| product.partials())
            .chain(others)
            .max()
            .unwrap_or(0)
    }
}
