//! The kernels of a model. What they are follows from its configuration and from the headers of its weights, so that they
//! can be compiled while the weights are still on their way.

use looplm_gpu::{
    Format, Gpu, GpuError, KvFormat, MatrixShape, Pipeline,
    kernels::{
        AddNorm, Attention, AttentionShape, Embed, Finish, Linear, MAX_FEW_ROWS, Qkv, Sample,
        Swiglu, TokenStats,
    },
    pipeline::compile_all,
};

use super::{
    EngineOptions,
    kv::attention_shape,
    workspace::{attention_parts, state_slots},
};
use crate::{
    config::Config,
    error::Error,
    weights::{PlannedMatrix, Slot},
};

/// One kernel for each combination of inputs and format that occurs.
#[derive(Debug)]
struct Variants<K> {
    made: Vec<(usize, Format, K)>,
}

impl<K: Clone> Variants<K> {
    fn new() -> Self {
        Self { made: Vec::new() }
    }

    fn get(
        &mut self,
        shape: MatrixShape,
        make: impl FnOnce(MatrixShape) -> Result<K, GpuError>,
    ) -> Result<K, GpuError> {
        let known = |(inputs, format, _): &&(usize, Format, K)| {
            (*inputs, *format) == (shape.inputs, shape.format)
        };
        if let Some((.., kernel)) = self.made.iter().find(known) {
            return Ok(kernel.clone());
        }
        let kernel = make(shape)?;
        self.made.push((shape.inputs, shape.format, kernel.clone()));
        Ok(kernel)
    }

    fn iter(&self) -> impl Iterator<Item = &K> {
        self.made.iter().map(|(.., kernel)| kernel)
    }
}

/// All kernels of a model, bound to nothing yet.
#[derive(Debug)]
pub(crate) struct Kernels {
    shape: AttentionShape,
    kv_format: KvFormat,
    epsilon: f32,
    max_rows: usize,
    pub(super) attention: Attention,
    pub(super) add_norm: AddNorm,
    pub(super) finish: Finish,
    pub(super) sample: Sample,
    pub(super) token_stats: TokenStats,
    embed: Variants<Embed>,
    qkv: Variants<Qkv>,
    linear: Variants<Linear>,
    swiglu: Variants<Swiglu>,
    head: Variants<Linear>,
}

impl Kernels {
    /// The kernels for matrices such as these; those for others are made when they are asked for.
    ///
    /// # Errors
    /// [`GpuError::Shape`] for sizes that no kernel takes, [`Error::InvalidArgument`] for a format that heads of this size cannot
    /// be kept in, [`GpuError::OutOfMemory`].
    pub(crate) async fn new(
        gpu: &Gpu,
        config: &Config,
        options: &EngineOptions,
        matrices: &[PlannedMatrix],
    ) -> Result<Self, Error> {
        let shape = attention_shape(config);
        shape.check()?;
        shape
            .check_format(options.kv_format)
            .map_err(|error| Error::invalid("kv_format", error.to_string()))?;
        let epsilon = config.rms_norm_eps as f32;
        let max_rows = options.max_rows();
        let parts = attention_parts(gpu.max_binding(), config, options.context(config));
        let slots = state_slots(gpu.max_binding(), max_rows);
        let mut kernels = Self {
            shape,
            kv_format: options.kv_format,
            epsilon,
            max_rows,
            attention: Attention::new(gpu, shape, options.kv_format, parts)?,
            add_norm: AddNorm::new(gpu, config.hidden_size, epsilon),
            finish: Finish::new(gpu, config.hidden_size, epsilon),
            sample: Sample::new(gpu, config.vocab_size),
            token_stats: TokenStats::new(gpu, config.vocab_size, slots).await?,
            embed: Variants::new(),
            qkv: Variants::new(),
            linear: Variants::new(),
            swiglu: Variants::new(),
            head: Variants::new(),
        };
        for &PlannedMatrix { slot, shape, .. } in matrices {
            match slot {
                Slot::Embedding => {
                    kernels.embed(gpu, shape)?;
                    if config.tie_word_embeddings {
                        kernels.head(gpu, shape)?;
                    }
                }
                Slot::Head => drop(kernels.head(gpu, shape)?),
                Slot::Qkv(_) => drop(kernels.qkv(gpu, shape)?),
                Slot::Output(_) | Slot::Down(_) => drop(kernels.linear(gpu, shape)?),
                Slot::GateUp(_) => drop(kernels.swiglu(gpu, shape)?),
            }
        }
        Ok(kernels)
    }

    pub(super) fn embed(
        &mut self,
        gpu: &Gpu,
        matrix: impl Into<MatrixShape>,
    ) -> Result<Embed, GpuError> {
        let epsilon = self.epsilon;
        self.embed
            .get(matrix.into(), |shape| Embed::new(gpu, shape, epsilon))
    }

    pub(super) fn qkv(
        &mut self,
        gpu: &Gpu,
        matrix: impl Into<MatrixShape>,
    ) -> Result<Qkv, GpuError> {
        let (heads, format) = (self.shape, self.kv_format);
        self.qkv
            .get(matrix.into(), |shape| Qkv::new(gpu, heads, format, shape))
    }

    /// A product over rows of the pass.
    pub(super) fn linear(
        &mut self,
        gpu: &Gpu,
        matrix: impl Into<MatrixShape>,
    ) -> Result<Linear, GpuError> {
        self.linear
            .get(matrix.into(), |shape| Ok(Linear::new(gpu, shape, false)))
    }

    /// A product over states.
    pub(super) fn head(
        &mut self,
        gpu: &Gpu,
        matrix: impl Into<MatrixShape>,
    ) -> Result<Linear, GpuError> {
        self.head
            .get(matrix.into(), |shape| Ok(Linear::new(gpu, shape, true)))
    }

    pub(super) fn swiglu(
        &mut self,
        gpu: &Gpu,
        matrix: impl Into<MatrixShape>,
    ) -> Result<Swiglu, GpuError> {
        self.swiglu
            .get(matrix.into(), |shape| Ok(Swiglu::new(gpu, shape)))
    }

    /// Compiles what loading waits for, beside other work, and reports after each pipeline how many of how many are done. In a
    /// browser that is what short prompts need; the rest goes on, and long prompts wait for it. A program may end right after it
    /// loaded, which drivers that still compile do not always survive: natively loading waits for all.
    pub(crate) async fn compile(&self, report: &mut dyn FnMut(usize, usize)) {
        let (mut needed, many) = (self.first_needed(), self.many_needed());
        if cfg!(not(target_arch = "wasm32")) {
            needed.extend_from_slice(&many);
            needed = different(&needed.iter().collect::<Vec<_>>());
        }
        compile_all(&needed, report).await;
        many.iter().for_each(Pipeline::compile_soon);
    }

    /// What the first token of a short prompt needs, and what its trace does: of the products those of one row and of few. Other
    /// numbers of few rows are computed with these until they come often ([`super::wishes`]).
    fn first_needed(&self) -> Vec<Pipeline> {
        let mut all: Vec<&Pipeline> = self.embed.iter().map(Embed::pipeline).collect();
        all.extend(self.pipelines_for(1));
        all.extend(self.pipelines_for(MAX_FEW_ROWS.min(self.max_rows)));
        all.extend([self.add_norm.pipeline(), self.finish.pipeline()]);
        all.extend(self.head.iter().map(|kernel| kernel.pipeline(1)));
        all.extend([self.sample.pipeline(), self.token_stats.pipeline()]);
        different(&all)
    }

    /// What passes of more than [`MAX_FEW_ROWS`] rows need besides: the longer prompts.
    pub(crate) fn many_needed(&self) -> Vec<Pipeline> {
        if self.max_rows > MAX_FEW_ROWS {
            different(&self.pipelines_for(self.max_rows))
        } else {
            Vec::new()
        }
    }

    fn pipelines_for(&self, rows: usize) -> Vec<&Pipeline> {
        let mut all = self.attention.pipelines(rows);
        all.extend(self.qkv.iter().map(|kernel| kernel.pipeline(rows)));
        all.extend(self.linear.iter().map(|kernel| kernel.pipeline(rows)));
        all.extend(self.swiglu.iter().map(|kernel| kernel.pipeline(rows)));
        all
    }
}

/// Each pipeline once.
fn different(all: &[&Pipeline]) -> Vec<Pipeline> {
    let mut different: Vec<Pipeline> = Vec::with_capacity(all.len());
    for &pipeline in all {
        if !different.iter().any(|other| other.is_same(pipeline)) {
            different.push(pipeline.clone());
        }
    }
    different
}
