//! What a checkpoint's headers say of it.

use std::collections::BTreeMap;

use super::Dtype;
use super::expected::Expected;
use super::header::Header;

/// Which part of the model a tensor belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The embedding of the tokens.
    Embedding,
    /// Query, key, value, and output projections.
    Attention,
    /// The SwiGLU.
    Mlp,
    /// All norms.
    Norms,
    /// The exit gate.
    Gate,
    /// The untied head.
    Head,
}

impl Part {
    /// Its name, as a person reads it.
    pub fn name(self) -> &'static str {
        match self {
            Part::Embedding => "embedding",
            Part::Attention => "attention",
            Part::Mlp => "mlp",
            Part::Norms => "norms",
            Part::Gate => "gate",
            Part::Head => "head",
        }
    }

    fn of(tensor: &str) -> Part {
        match tensor {
            "model.embed_tokens.weight" => Part::Embedding,
            "lm_head.weight" => Part::Head,
            t if t.contains(".early_exit_gate.") => Part::Gate,
            t if t.contains(".self_attn.") => Part::Attention,
            t if t.contains(".mlp.") => Part::Mlp,
            _ => Part::Norms,
        }
    }
}

/// The weights of a checkpoint without their values. Sizes are bytes as stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Parameters the model uses.
    pub parameters: u64,
    /// Bytes of the tensors the model uses.
    pub bytes: u64,
    /// Those bytes by part of the model.
    pub parts: BTreeMap<Part, u64>,
    /// Those bytes by element type.
    pub dtypes: BTreeMap<Dtype, u64>,
    /// The files and the bytes each has, header included.
    pub files: Vec<(String, u64)>,
    /// What was odd but harmless, one sentence each.
    pub warnings: Vec<String>,
}

impl Summary {
    pub(super) fn add(&mut self, file: &str, header: &Header, expected: &Expected) {
        self.files
            .push((file.to_owned(), header.data_begin + header.data_bytes));
        for entry in &header.tensors {
            let Some(info) = expected.delivered(entry) else {
                continue;
            };
            if !info.scales {
                self.parameters += info.shape.iter().map(|&n| n as u64).product::<u64>();
            }
            self.bytes += info.bytes;
            *self.parts.entry(Part::of(&info.name)).or_default() += info.bytes;
            *self.dtypes.entry(info.dtype).or_default() += info.bytes;
        }
    }
}
