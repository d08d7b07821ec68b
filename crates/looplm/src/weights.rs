//! The weights on the device, and how a checkpoint's tensors get there.

use std::collections::HashMap;

use async_trait::async_trait;
use futures::channel::oneshot;
use looplm_gpu::{Element, Format, Gpu, GpuError, Matrix, MatrixShape, quantize::GROUP};

use crate::{
    checkpoint::{TensorInfo, TensorSink},
    config::Config,
    model::let_others_run,
    precision::{Precision, WeightFormat},
};

mod planned;

pub(crate) use planned::{PlannedMatrix, Slot, plan, plan_alike};
use planned::{Target, shape, target};

/// Native staging copies are given back after this many bytes.
const FLUSH_AFTER: u64 = 64 << 20;

/// The weights of a model.
#[derive(Debug)]
pub(crate) struct Weights {
    pub(crate) embedding: Matrix,
    /// `None` if the head is the embedding.
    pub(crate) head: Option<Matrix>,
    pub(crate) layers: Vec<LayerWeights>,
    /// model.norm.
    pub(crate) final_norm: Vec<f32>,
    pub(crate) gate: Vec<f32>,
    pub(crate) gate_bias: f32,
}

impl Weights {
    /// Bytes of the layers' matrices on the device.
    pub(crate) fn layer_bytes(&self) -> u64 {
        let layer = |l: &LayerWeights| {
            l.qkv.bytes() + l.output.bytes() + l.gate_up.bytes() + l.down.bytes()
        };
        self.layers.iter().map(layer).sum()
    }

    /// What the layers' matrices are held as: those of the first layer speak for all.
    pub(crate) fn layer_format(&self) -> WeightFormat {
        match self.layers.first().map(|layer| layer.output.shape.format) {
            Some(Format::Q4) => WeightFormat::Q4,
            Some(Format::Q8) => WeightFormat::Q8,
            Some(Format::F16) => WeightFormat::F16,
            Some(Format::F32 | Format::BF16) | None => WeightFormat::Stored,
        }
    }
}

/// The weights of a layer.
#[derive(Debug)]
pub(crate) struct LayerWeights {
    pub(crate) qkv: Matrix,
    pub(crate) output: Matrix,
    pub(crate) gate_up: Matrix,
    pub(crate) down: Matrix,
    /// In front of the attention, and on its output.
    pub(crate) attention_norms: [Vec<f32>; 2],
    /// In front of the feed-forward network, and on its output.
    pub(crate) mlp_norms: [Vec<f32>; 2],
}

/// What the bytes of a tensor are.
#[derive(Clone, Copy)]
enum Contents {
    Floats(Element),
    Quants,
    Scales,
}

struct Current {
    name: String,
    target: Target,
    contents: Contents,
    row_bytes: usize,
    row: usize,
    /// Bytes of a row that has not fully come.
    partial: Vec<u8>,
}

/// Uploads tensors as they come.
pub(crate) struct Uploader<'a> {
    gpu: &'a Gpu,
    config: &'a Config,
    precision: Precision,
    matrices: HashMap<Slot, Matrix>,
    vectors: HashMap<String, Vec<f32>>,
    current: Option<Current>,
    unflushed: u64,
    /// Who waits to hear what the matrices will be.
    plan: Option<oneshot::Sender<Vec<PlannedMatrix>>>,
}

impl<'a> Uploader<'a> {
    /// `plan` is told what the matrices of the first file will be, before their bytes come.
    pub(crate) fn new(
        gpu: &'a Gpu,
        config: &'a Config,
        precision: Precision,
        plan: oneshot::Sender<Vec<PlannedMatrix>>,
    ) -> Self {
        Self {
            plan: Some(plan),
            gpu,
            config,
            precision,
            matrices: HashMap::new(),
            vectors: HashMap::new(),
            current: None,
            unflushed: 0,
        }
    }

    /// All weights, once every tensor was delivered.
    pub(crate) fn finish(mut self) -> Result<Weights, GpuError> {
        // The checkpoint delivers every tensor of the configuration or fails, so none can be absent here.
        let absent =
            |what: &str| GpuError::Internal(format!("the checkpoint ended without {what}"));
        let mut layers = Vec::with_capacity(self.config.num_hidden_layers);
        for i in 0..self.config.num_hidden_layers {
            let mut matrix = |slot: Slot| {
                self.matrices
                    .remove(&slot)
                    .ok_or_else(|| absent(&format!("{slot:?}")))
            };
            let (qkv, output) = (matrix(Slot::Qkv(i))?, matrix(Slot::Output(i))?);
            let (gate_up, down) = (matrix(Slot::GateUp(i))?, matrix(Slot::Down(i))?);
            let mut norm = |name: &str| {
                let name = format!("model.layers.{i}.{name}.weight");
                self.vectors.remove(&name).ok_or_else(|| absent(&name))
            };
            layers.push(LayerWeights {
                qkv,
                output,
                gate_up,
                down,
                attention_norms: [norm("input_layernorm")?, norm("input_layernorm_2")?],
                mlp_norms: [
                    norm("post_attention_layernorm")?,
                    norm("post_attention_layernorm_2")?,
                ],
            });
        }
        let mut vector = |name: &str| self.vectors.remove(name).ok_or_else(|| absent(name));
        let (final_norm, gate) = (
            vector("model.norm.weight")?,
            vector("model.early_exit_gate.weight")?,
        );
        let gate_bias = vector("model.early_exit_gate.bias")?
            .first()
            .copied()
            .unwrap_or_default();
        let head = self.matrices.remove(&Slot::Head);
        let embedding = self
            .matrices
            .remove(&Slot::Embedding)
            .ok_or_else(|| absent("the embedding"))?;
        Ok(Weights {
            embedding,
            head,
            layers,
            final_norm,
            gate,
            gate_bias,
        })
    }
}

impl Uploader<'_> {
    /// What a tensor is to be held as.
    fn held(&self, tensor: &TensorInfo) -> Format {
        let tied = self.config.tie_word_embeddings;
        self.precision.of(&tensor.name, tensor.dtype, tied).format()
    }

    /// Makes room for a tensor's matrix, or sees that it fits the one its neighbours have made.
    async fn matrix(&mut self, slot: Slot, tensor: &TensorInfo) -> Result<MatrixShape, GpuError> {
        let shape = shape(self.config, slot, self.held(tensor));
        match self.matrices.get_mut(&slot) {
            None => {
                let matrix = Matrix::zeros(self.gpu, &tensor.name, shape).await?;
                self.matrices.insert(slot, matrix);
            }
            // Tensors that share a matrix share a format: the wider of different floats.
            Some(matrix) if matrix.shape.format != shape.format => {
                if tensor.dtype.element().is_none() {
                    return Err(mixed(tensor, matrix.shape.format));
                }
                matrix.widen(self.gpu, &tensor.name).await?;
            }
            Some(_) => {}
        }
        Ok(shape)
    }
}

/// Quantised tensors that share a matrix must be quantised alike.
fn mixed(tensor: &TensorInfo, other: Format) -> GpuError {
    GpuError::Shape {
        kernel: "matrix",
        message: format!(
            "{} is {}, but a tensor that shares its matrix is {other:?}; convert the checkpoint again",
            tensor.name,
            tensor.dtype.name(),
        ),
    }
}

/// Hands whole rows to their matrix.
fn write(
    gpu: &Gpu,
    matrix: &Matrix,
    contents: Contents,
    (stack, row): (usize, usize),
    bytes: &[u8],
) -> Result<(), GpuError> {
    match contents {
        Contents::Floats(element) => {
            if matrix.shape.format == Format::F16 && element != Element::F16 {
                check_range(&element.to_f32(bytes))?;
            }
            matrix.write_rows(gpu, stack, row, element, bytes);
        }
        Contents::Quants => matrix.write_quants(gpu, stack, row, bytes),
        Contents::Scales => matrix.write_scales(gpu, stack, row, bytes),
    }
    Ok(())
}

/// Half precision ends at 65,504, other floats do not.
fn check_range(values: &[f32]) -> Result<(), GpuError> {
    const LARGEST: f32 = 65504.0;
    match values.iter().find(|v| v.abs() > LARGEST) {
        None => Ok(()),
        Some(value) => Err(GpuError::Shape {
            kernel: "matrix",
            message: format!(
                "a weight of {value:e} is beyond half precision; keep the weights as stored, or take q8 or q4"
            ),
        }),
    }
}

#[async_trait(?Send)]
impl TensorSink for Uploader<'_> {
    type Error = GpuError;

    async fn planned(&mut self, tensors: &[TensorInfo]) {
        let Some(send) = self.plan.take() else {
            return;
        };
        // Nobody listens any longer when the load has failed.
        let _ = send.send(plan(self.config, self.precision, tensors));
        // A file on a disk may never make this wait again.
        let_others_run().await;
    }

    async fn begin(&mut self, tensor: &TensorInfo) -> Result<(), GpuError> {
        let target = target(self.config, &tensor.name);
        let contents = match (tensor.scales, tensor.dtype.element()) {
            (true, _) => Contents::Scales,
            (false, Some(element)) => Contents::Floats(element),
            (false, None) => Contents::Quants,
        };
        let mut row_bytes = 0;
        if let Target::Rows { slot, .. } = target {
            let shape = self.matrix(slot, tensor).await?;
            row_bytes = match contents {
                Contents::Floats(element) => shape.inputs * element.bytes(),
                Contents::Quants => shape.format.row_bytes(shape.inputs),
                Contents::Scales => shape.inputs.div_ceil(GROUP) * 2,
            };
        }
        self.current = Some(Current {
            name: tensor.name.clone(),
            target,
            contents,
            row_bytes,
            row: 0,
            partial: Vec::with_capacity(row_bytes),
        });
        Ok(())
    }

    async fn bytes(&mut self, bytes: &[u8]) -> Result<(), GpuError> {
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        let Target::Rows { slot, stack, row } = current.target else {
            current.partial.extend_from_slice(bytes);
            return Ok(());
        };
        let Some(matrix) = self.matrices.get(&slot) else {
            return Ok(());
        };
        let contents = current.contents;
        let mut rest = bytes;
        if !current.partial.is_empty() {
            let missing = (current.row_bytes - current.partial.len()).min(rest.len());
            current.partial.extend_from_slice(&rest[..missing]);
            rest = &rest[missing..];
            if current.partial.len() == current.row_bytes {
                let at = (stack, row + current.row);
                write(self.gpu, matrix, contents, at, &current.partial)?;
                current.row += 1;
                current.partial.clear();
            }
        }
        let whole = rest.len() - rest.len() % current.row_bytes;
        let at = (stack, row + current.row);
        write(self.gpu, matrix, contents, at, &rest[..whole])?;
        current.row += whole / current.row_bytes;
        current.partial.extend_from_slice(&rest[whole..]);
        self.unflushed += bytes.len() as u64;
        if self.unflushed >= FLUSH_AFTER {
            self.gpu.flush()?;
            self.unflushed = 0;
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<(), GpuError> {
        if let Some(current) = self.current.take()
            && let (Target::Vector, Contents::Floats(element)) = (current.target, current.contents)
        {
            self.vectors
                .insert(current.name, element.to_f32(&current.partial));
        }
        self.gpu.check()
    }
}
