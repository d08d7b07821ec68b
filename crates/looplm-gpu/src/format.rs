//! How numbers are given, and how a matrix keeps them on the device.

use half::{bf16, f16};

use crate::{ALIGN, quantize::GROUP};

/// How an element of a checkpoint is written, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Element {
    /// 32-bit floats.
    F32,
    /// IEEE half precision.
    F16,
    /// Brain floats: the upper half of an `f32`.
    BF16,
}

impl Element {
    /// Bytes of an element.
    pub const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
        }
    }

    /// Elements in `bytes` as `f32`. `bytes` holds whole elements.
    pub fn to_f32(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F32 => bytes
                .chunks_exact(4)
                .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                .collect(),
            Self::F16 => bytes
                .chunks_exact(2)
                .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32())
                .collect(),
            Self::BF16 => bytes
                .chunks_exact(2)
                .map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32())
                .collect(),
        }
    }

    /// `values` as the nearest elements.
    pub fn from_f32(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::F16 => values
                .iter()
                .flat_map(|v| f16::from_f32(*v).to_le_bytes())
                .collect(),
            Self::BF16 => values
                .iter()
                .flat_map(|v| bf16::from_f32(*v).to_le_bytes())
                .collect(),
        }
    }
}

/// How a matrix is kept on the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// 32-bit floats.
    F32,
    /// IEEE half precision.
    F16,
    /// Brain floats: the upper half of an `f32`.
    BF16,
    /// Eight bits an element and a scale for each group of 32; see [`crate::quantize`].
    Q8,
    /// Four bits an element and a scale for each group of 32; see [`crate::quantize`].
    Q4,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 5] = [Self::F32, Self::F16, Self::BF16, Self::Q8, Self::Q4];

    /// The float it keeps its elements as; `None` for the quantised formats.
    pub const fn element(self) -> Option<Element> {
        match self {
            Self::F32 => Some(Element::F32),
            Self::F16 => Some(Element::F16),
            Self::BF16 => Some(Element::BF16),
            Self::Q8 | Self::Q4 => None,
        }
    }

    /// Value of the shader constant `WEIGHT_FORMAT`.
    pub const fn constant(self) -> f64 {
        match self {
            Self::F32 => 0.0,
            Self::F16 => 1.0,
            Self::BF16 => 2.0,
            Self::Q8 => 3.0,
            Self::Q4 => 4.0,
        }
    }

    /// Bits of an element, without its share of a scale.
    pub const fn bits(self) -> usize {
        match self {
            Self::F32 => 32,
            Self::F16 | Self::BF16 => 16,
            Self::Q8 => 8,
            Self::Q4 => 4,
        }
    }

    /// Elements of a row as it is kept: whole blocks, and whole groups of the quantised formats.
    pub const fn padded(self, inputs: usize) -> usize {
        match self.element() {
            Some(_) => inputs.next_multiple_of(ALIGN),
            None => inputs.next_multiple_of(GROUP),
        }
    }

    /// Bytes of a kept row without its scales.
    pub const fn row_bytes(self, inputs: usize) -> usize {
        self.padded(inputs) * self.bits() / 8
    }

    /// Bytes of a kept row's scales: f16, an even number of them, so that every row's begin at a word.
    pub const fn scale_bytes(self, inputs: usize) -> usize {
        match self.element() {
            Some(_) => 0,
            None => (inputs.div_ceil(GROUP)).next_multiple_of(2) * 2,
        }
    }
}

impl From<Element> for Format {
    fn from(element: Element) -> Self {
        match element {
            Element::F32 => Self::F32,
            Element::F16 => Self::F16,
            Element::BF16 => Self::BF16,
        }
    }
}
