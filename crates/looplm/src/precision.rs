//! The precision that weights are held in: as stored, or smaller.

use std::fmt;
use std::str::FromStr;

use crate::checkpoint::{Dtype, is_matrix};

/// How weights are to be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WeightFormat {
    /// As the checkpoint stores them.
    #[default]
    Stored,
    /// 16 bits.
    F16,
    /// 8 bits in groups of 32 with a scale.
    Q8,
    /// 4 bits in groups of 32 with a scale.
    Q4,
}

impl WeightFormat {
    /// All of them, and what each is called.
    pub const NAMES: [(Self, &'static str); 4] = [
        (Self::Stored, "stored"),
        (Self::F16, "f16"),
        (Self::Q8, "q8"),
        (Self::Q4, "q4"),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        let named = Self::NAMES.iter().find(|(format, _)| *format == self);
        named.map_or("stored", |(_, name)| name)
    }
}

impl fmt::Display for WeightFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for WeightFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = Self::NAMES.iter().find(|(_, name)| *name == text);
        named.map(|(format, _)| *format).ok_or_else(|| {
            let names = Self::NAMES.map(|(_, name)| name).join(", ");
            format!("a format is one of {names}, not {text:?}")
        })
    }
}

/// Which format the weights of a model take. Only the large matrices change: norms, the gate, and what is quantised already
/// stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Precision {
    /// That of the layers' matrices. The embedding is held wider, since everything else works on its rows: in 8 bits where
    /// the layers have 4, in 16 where they have 8.
    pub format: WeightFormat,
    /// That of the head (and of an embedding that is the head); as the embedding if not given.
    pub head: Option<WeightFormat>,
}

impl From<WeightFormat> for Precision {
    fn from(format: WeightFormat) -> Self {
        Self { format, head: None }
    }
}

impl Precision {
    /// What a tensor is to be held as. `tied`: the embedding is the head.
    pub fn of(self, tensor: &str, stored: Dtype, tied: bool) -> Dtype {
        if !is_matrix(tensor) || stored.element().is_none() {
            return stored;
        }
        let embedding = tensor == "model.embed_tokens.weight";
        let head = tensor == "lm_head.weight" || (embedding && tied);
        let wider = match self.format {
            WeightFormat::Q4 => WeightFormat::Q8,
            WeightFormat::Q8 => WeightFormat::F16,
            other => other,
        };
        let format = match self.format {
            _ if head => self.head.unwrap_or(wider),
            _ if embedding => wider,
            format => format,
        };
        match (format, stored) {
            (WeightFormat::Q4, _) => Dtype::Q4,
            (WeightFormat::Q8, _) => Dtype::Q8,
            // What is kept wide keeps the 16 bits it has: those of brain floats reach further.
            (WeightFormat::F16, Dtype::BF16) if self.format != WeightFormat::F16 => stored,
            (WeightFormat::F16, _) => Dtype::F16,
            (WeightFormat::Stored, _) => stored,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_matrices_change_and_the_head_stays_wider() {
        let of =
            |format: WeightFormat, name: &str| Precision::from(format).of(name, Dtype::BF16, false);
        let (layer, head) = ("model.layers.3.mlp.up_proj.weight", "lm_head.weight");
        let embedding = "model.embed_tokens.weight";
        for (format, wanted) in [
            (WeightFormat::Q4, [Dtype::Q4, Dtype::Q8, Dtype::Q8]),
            (WeightFormat::Q8, [Dtype::Q8, Dtype::BF16, Dtype::BF16]),
            (WeightFormat::F16, [Dtype::F16; 3]),
            (WeightFormat::Stored, [Dtype::BF16; 3]),
        ] {
            assert_eq!([layer, embedding, head].map(|n| of(format, n)), wanted);
            assert_eq!(of(format, "model.norm.weight"), Dtype::BF16);
            assert_eq!(of(format, "model.early_exit_gate.weight"), Dtype::BF16);
        }
        let chosen = Precision {
            format: WeightFormat::Q4,
            head: Some(WeightFormat::Q4),
        };
        assert_eq!(chosen.of(head, Dtype::F32, false), Dtype::Q4);
        assert_eq!(chosen.of(embedding, Dtype::F32, false), Dtype::Q8);
        assert_eq!(chosen.of(embedding, Dtype::F32, true), Dtype::Q4);
        // What is quantised cannot be quantised again.
        assert_eq!(chosen.of(layer, Dtype::Q8, false), Dtype::Q8);
    }

    #[test]
    fn names_are_read_back() {
        for (format, name) in WeightFormat::NAMES {
            assert_eq!(name.parse(), Ok(format));
            assert_eq!(format.to_string(), name);
        }
        assert!("int4".parse::<WeightFormat>().is_err());
    }
}
