//! Which matrices the tensors of a checkpoint make, and of which shapes, known from headers alone.

use looplm_gpu::{Arrangement, Format, MatrixShape};

use crate::{
    checkpoint::{Dtype, TensorInfo},
    config::Config,
    precision::Precision,
};

/// A matrix of the model. Tensors that are used together (q, k, v; gate, up) share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Slot {
    Embedding,
    Head,
    Qkv(usize),
    Output(usize),
    GateUp(usize),
    Down(usize),
}

impl Slot {
    /// The name of its tensors.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Embedding => "model.embed_tokens.weight",
            Self::Head => "lm_head.weight",
            Self::Qkv(_) => "self_attn.q_proj.weight",
            Self::Output(_) => "self_attn.o_proj.weight",
            Self::GateUp(_) => "mlp.gate_proj.weight",
            Self::Down(_) => "mlp.down_proj.weight",
        }
    }
}

/// What a matrix will be, as far as headers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlannedMatrix {
    pub(crate) slot: Slot,
    pub(crate) shape: MatrixShape,
    /// What its tensor is stored as.
    pub(crate) stored: Dtype,
}

impl PlannedMatrix {
    /// What it is stored as, if it is one of a layer.
    pub(crate) fn stored_layer(&self) -> Option<Dtype> {
        let outside = matches!(self.slot, Slot::Embedding | Slot::Head);
        (!outside).then_some(self.stored)
    }
}

/// Where a tensor goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    /// Rows of a matrix, from `row` on, of its first or second stack.
    Rows {
        slot: Slot,
        stack: usize,
        row: usize,
    },
    /// Kept on the host: norms and the gate.
    Vector,
}

pub(super) fn target(config: &Config, name: &str) -> Target {
    let rows = |slot, stack, row| Target::Rows { slot, stack, row };
    match name {
        "model.embed_tokens.weight" => return rows(Slot::Embedding, 0, 0),
        "lm_head.weight" => return rows(Slot::Head, 0, 0),
        _ => {}
    }
    let Some((layer, rest)) = name
        .strip_prefix("model.layers.")
        .and_then(|n| n.split_once('.'))
    else {
        return Target::Vector;
    };
    let Ok(layer) = layer.parse() else {
        return Target::Vector;
    };
    let (q, kv) = (config.query_size(), config.key_value_size());
    match rest {
        "self_attn.q_proj.weight" => rows(Slot::Qkv(layer), 0, 0),
        "self_attn.k_proj.weight" => rows(Slot::Qkv(layer), 0, q),
        "self_attn.v_proj.weight" => rows(Slot::Qkv(layer), 0, q + kv),
        "self_attn.o_proj.weight" => rows(Slot::Output(layer), 0, 0),
        "mlp.gate_proj.weight" => rows(Slot::GateUp(layer), 0, 0),
        "mlp.up_proj.weight" => rows(Slot::GateUp(layer), 1, 0),
        "mlp.down_proj.weight" => rows(Slot::Down(layer), 0, 0),
        _ => Target::Vector,
    }
}

pub(super) fn shape(c: &Config, slot: Slot, format: Format) -> MatrixShape {
    let (width, inner) = (c.hidden_size, c.intermediate_size);
    let (outputs, inputs, arrangement) = match slot {
        Slot::Embedding | Slot::Head => (c.vocab_size, width, Arrangement::Plain),
        Slot::Qkv(_) => (
            c.query_size() + 2 * c.key_value_size(),
            width,
            Arrangement::Heads(c.head_dim),
        ),
        Slot::Output(_) => (width, c.query_size(), Arrangement::Plain),
        Slot::GateUp(_) => (inner, width, Arrangement::Paired),
        Slot::Down(_) => (width, inner, Arrangement::Plain),
    };
    MatrixShape {
        outputs,
        inputs,
        format,
        arrangement,
    }
}

/// What the matrices of these tensors will be.
pub(crate) fn plan<'t>(
    config: &Config,
    precision: Precision,
    tensors: impl IntoIterator<Item = &'t TensorInfo>,
) -> Vec<PlannedMatrix> {
    let mut matrices: Vec<PlannedMatrix> = Vec::new();
    for tensor in tensors {
        let Target::Rows { slot, .. } = target(config, &tensor.name) else {
            continue;
        };
        let planned = planned(config, precision, slot, (&tensor.name, tensor.dtype));
        match matrices.iter_mut().find(|other| other.slot == slot) {
            None => matrices.push(planned),
            // As `Uploader::matrix` does it.
            Some(other) if other.shape.format != planned.shape.format => {
                other.shape.format = Format::F32;
            }
            Some(_) => {}
        }
    }
    matrices
}

/// What a matrix will be, after one of its tensors: its name, and what it is stored as.
fn planned(
    config: &Config,
    precision: Precision,
    slot: Slot,
    (name, stored): (&str, Dtype),
) -> PlannedMatrix {
    let held = precision.of(name, stored, config.tie_word_embeddings);
    PlannedMatrix {
        slot,
        shape: shape(config, slot, held.format()),
        stored,
    }
}

/// What the matrices of a checkpoint will be that stores all of them alike.
pub(crate) fn plan_alike(
    config: &Config,
    precision: Precision,
    stored: Dtype,
) -> Vec<PlannedMatrix> {
    let layer = |i| {
        [
            Slot::Qkv(i),
            Slot::Output(i),
            Slot::GateUp(i),
            Slot::Down(i),
        ]
    };
    let head = (!config.tie_word_embeddings).then_some(Slot::Head);
    let slots = (0..config.num_hidden_layers).flat_map(layer);
    slots
        .chain([Slot::Embedding])
        .chain(head)
        .map(|slot| planned(config, precision, slot, (slot.name(), stored)))
        .collect()
}
