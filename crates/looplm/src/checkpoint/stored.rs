//! How tensors lie in a file: floats, or quantised, with the scales in a tensor of their own (docs/FORMAT.md).

use looplm_gpu::{Element, Format, quantize::GROUP};
use safetensors::Dtype as AnyDtype;

use super::header::Entry;

/// What the name of a quantised tensor's scales ends in.
pub const SCALES: &str = ".scales";

/// How the elements of a tensor are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dtype {
    /// IEEE single precision.
    F32,
    /// IEEE half precision.
    F16,
    /// The upper half of an IEEE single.
    BF16,
    /// Eight bits and a scale for each group of 32.
    Q8,
    /// Four bits and a scale for each group of 32.
    Q4,
}

impl Dtype {
    /// Bits of one element, without its share of a scale.
    pub fn bits(self) -> usize {
        self.format().bits()
    }

    /// The name a person knows it by: that of safetensors for floats.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "F32",
            Dtype::F16 => "F16",
            Dtype::BF16 => "BF16",
            Dtype::Q8 => "Q8",
            Dtype::Q4 => "Q4",
        }
    }

    /// The float it is; `None` if it is quantised.
    pub fn element(self) -> Option<Element> {
        self.format().element()
    }

    /// How a matrix holds it as it is.
    pub fn format(self) -> Format {
        match self {
            Dtype::F32 => Format::F32,
            Dtype::F16 => Format::F16,
            Dtype::BF16 => Format::BF16,
            Dtype::Q8 => Format::Q8,
            Dtype::Q4 => Format::Q4,
        }
    }
}

/// One tensor about to be delivered, or the scales of a quantised one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its published name, for example `model.layers.0.mlp.up_proj.weight`; scales have the name of what they scale.
    pub name: String,
    /// How its elements are stored (little-endian).
    pub dtype: Dtype,
    /// Whether these are the scales of a quantised tensor (f16) rather than its elements.
    pub scales: bool,
    /// Its shape, `[out, in]` for matrices, row-major; as the configuration expects it.
    pub shape: Vec<usize>,
    /// Its length in bytes.
    pub bytes: u64,
}

/// Whether the tensor is one of the large matrices, which may be quantised; norms and the gate are not.
pub(crate) fn is_matrix(name: &str) -> bool {
    name.ends_with("_proj.weight")
        || name == "model.embed_tokens.weight"
        || name == "lm_head.weight"
}

/// The name of the tensor whose scales these are.
pub(super) fn scaled(name: &str) -> Option<&str> {
    name.strip_suffix(SCALES).filter(|base| is_matrix(base))
}

/// The element type safetensors gives; `None` for those that cannot be loaded.
pub(super) fn float(dtype: AnyDtype) -> Option<Dtype> {
    match dtype {
        AnyDtype::F32 => Some(Dtype::F32),
        AnyDtype::F16 => Some(Dtype::F16),
        AnyDtype::BF16 => Some(Dtype::BF16),
        _ => None,
    }
}

/// The shape in the file of the elements of a matrix [rows, inputs]: bytes, if it is quantised.
pub(crate) fn stored_shape(dtype: Dtype, shape: &[usize]) -> Vec<u64> {
    match (dtype.element(), shape) {
        (None, &[rows, inputs]) => vec![rows as u64, dtype.format().row_bytes(inputs) as u64],
        _ => shape.iter().map(|&n| n as u64).collect(),
    }
}

/// The shape in the file of its scales.
pub(crate) fn scales_shape(shape: &[usize]) -> Vec<u64> {
    match shape {
        &[rows, inputs] => vec![rows as u64, inputs.div_ceil(GROUP) as u64],
        _ => Vec::new(),
    }
}

/// How the bytes of `entry` are quantised, if they are a matrix of this shape that is.
pub(super) fn quantized(entry: &Entry, shape: &[usize]) -> Option<Dtype> {
    if entry.dtype != AnyDtype::U8 || !is_matrix(&entry.name) {
        return None;
    }
    [Dtype::Q8, Dtype::Q4]
        .into_iter()
        .find(|&dtype| stored_shape(dtype, shape) == entry.shape)
}
