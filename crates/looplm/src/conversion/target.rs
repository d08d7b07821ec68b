//! The files a conversion writes: their tensors, their heads, and which source bytes become what.

use std::collections::BTreeMap;

use serde_json::json;

use super::ConversionOptions;
use super::piece::{Destination, Segment};
use crate::checkpoint::{Dtype, SCALES, SINGLE, TensorInfo, scales_shape, stored_shape};

/// A weight file to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetFile {
    /// Its name.
    pub path: String,
    /// Its first bytes: the safetensors header.
    pub head: Vec<u8>,
    /// Its length, head included.
    pub bytes: u64,
}

struct Tensor {
    name: String,
    dtype: &'static str,
    shape: Vec<u64>,
    bytes: u64,
}

/// Tensors and segments as they are laid out, file by file; destinations count from the first tensor's byte.
pub(super) struct Layout {
    options: ConversionOptions,
    files: Vec<Vec<Tensor>>,
    /// Bytes of the tensors of the last file.
    filled: u64,
    segments: Vec<Segment>,
}

impl Layout {
    pub(super) fn new(options: ConversionOptions) -> Self {
        Self {
            options,
            files: vec![Vec::new()],
            filled: 0,
            segments: Vec::new(),
        }
    }

    /// Adds a tensor that is to be held as `held`, whose bytes begin at byte `source.1` of source file `source.0`.
    pub(super) fn push(&mut self, info: &TensorInfo, held: Dtype, source: (usize, u64)) {
        let quantize = held.element().is_none() && info.dtype.element().is_some();
        let elements = if info.scales {
            Tensor {
                name: format!("{}{SCALES}", info.name),
                dtype: "F16",
                shape: scales_shape(&info.shape),
                bytes: info.bytes,
            }
        } else {
            let shape = stored_shape(held, &info.shape);
            let of_shape: u64 = shape.iter().product();
            let bytes = of_shape * held.element().map_or(1, |element| element.bytes() as u64);
            Tensor {
                name: info.name.clone(),
                dtype: held.element().map_or("U8", |_| held.name()),
                shape,
                bytes,
            }
        };
        let scales = quantize.then(|| {
            let shape = scales_shape(&info.shape);
            Tensor {
                name: format!("{}{SCALES}", info.name),
                dtype: "F16",
                bytes: shape.iter().product::<u64>() * 2,
                shape,
            }
        });
        let added = elements.bytes + scales.as_ref().map_or(0, |scales| scales.bytes);
        let most = self.options.shard_bytes.unwrap_or(u64::MAX);
        // The scales of what was quantised before stay in its file.
        if self.filled > 0 && self.filled + added > most && !info.scales {
            self.files.push(Vec::new());
            self.filled = 0;
        }
        let file = self.files.len() - 1;
        let inputs = info.shape.last().copied().unwrap_or(1).max(1);
        let row_bytes = match info.dtype.element() {
            Some(element) if !info.scales => inputs * element.bytes(),
            _ => 1,
        };
        self.segments.push(Segment {
            tensor: info.name.clone(),
            source,
            bytes: info.bytes,
            row_bytes: row_bytes as u64,
            inputs,
            from: if info.scales {
                None
            } else {
                info.dtype.element()
            },
            to: (!info.scales && held != info.dtype).then(|| held.format()),
            elements: Destination {
                file,
                at: self.filled,
                row_bytes: target_row(info, held, inputs) as u64,
            },
            scales: scales.as_ref().map(|scales| Destination {
                file,
                at: self.filled + elements.bytes,
                row_bytes: scales.shape.last().copied().unwrap_or_default() * 2,
            }),
        });
        self.filled += added;
        self.files[file].extend([Some(elements), scales].into_iter().flatten());
    }

    /// The files with their heads, the index where there are several, and the segments with their destinations in the files.
    pub(super) fn finish(mut self) -> (Vec<TargetFile>, Option<String>, Vec<Segment>) {
        let count = self.files.len();
        let name = |i: usize| match count {
            1 => SINGLE.to_owned(),
            _ => format!("model-{:05}-of-{count:05}.safetensors", i + 1),
        };
        let format = self.options.precision.format.name();
        let files: Vec<TargetFile> = self
            .files
            .iter()
            .enumerate()
            .map(|(i, tensors)| target_file(name(i), format, tensors))
            .collect();
        for segment in &mut self.segments {
            for to in [Some(&mut segment.elements), segment.scales.as_mut()]
                .into_iter()
                .flatten()
            {
                to.at += files[to.file].head.len() as u64;
            }
        }
        let index = (count > 1).then(|| {
            let map: BTreeMap<&str, String> = self
                .files
                .iter()
                .enumerate()
                .flat_map(|(i, tensors)| tensors.iter().map(move |t| (t.name.as_str(), name(i))))
                .collect();
            let total: u64 = self.files.iter().flatten().map(|t| t.bytes).sum();
            json!({"metadata": {"total_size": total}, "weight_map": map}).to_string()
        });
        (files, index, self.segments)
    }
}

/// Bytes of the target that a row of the source becomes, or that a byte becomes where the tensor is copied.
fn target_row(info: &TensorInfo, held: Dtype, inputs: usize) -> usize {
    match (info.dtype.element(), held.element()) {
        (Some(_), None) => held.format().row_bytes(inputs),
        (Some(_), Some(element)) if !info.scales => inputs * element.bytes(),
        _ => 1,
    }
}

fn target_file(path: String, format: &str, tensors: &[Tensor]) -> TargetFile {
    let mut header = serde_json::Map::new();
    // `format: pt` is what Transformers asks of every file.
    let metadata = json!({"format": "pt", "looplm_format": format, "looplm_group": looplm_gpu::quantize::GROUP.to_string()});
    header.insert("__metadata__".into(), metadata);
    let mut at = 0;
    for tensor in tensors {
        let end = at + tensor.bytes;
        let entry =
            json!({"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [at, end]});
        header.insert(tensor.name.clone(), entry);
        at = end;
    }
    let mut text = serde_json::Value::Object(header).to_string();
    // The tensors begin at a multiple of 16 bytes, as the loader's pieces do.
    let unpadded = text.len();
    text.extend(std::iter::repeat_n(
        ' ',
        (8 + unpadded).next_multiple_of(16) - 8 - unpadded,
    ));
    let mut head = (text.len() as u64).to_le_bytes().to_vec();
    head.extend_from_slice(text.as_bytes());
    let bytes = head.len() as u64 + at;
    TargetFile { path, head, bytes }
}
