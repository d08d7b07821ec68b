//! Weight matrices on the device: kept in the checkpoint's format or quantised, split by rows where a binding is too small.

use std::borrow::Cow;

use bytemuck::{Pod, Zeroable};

use crate::{
    ALIGN,
    buffer::Buffer,
    device::Gpu,
    error::{self, GpuError},
    format::{Element, Format},
    quantize::{GROUP, quantize},
    stride,
};

/// How rows of the matrix relate to outputs, and so where it may be split (`shaders/shared/matmul.wgsl`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrangement {
    /// Row n makes output n.
    Plain,
    /// Rows are attention heads of this many elements; a head is never split.
    Heads(usize),
    /// Two stacked matrices, gate and up, whose row i together make output i.
    Paired,
}

impl Arrangement {
    /// `SPAN` of `shaders/shared/matmul.wgsl`.
    pub(crate) fn span(self) -> usize {
        match self {
            Self::Plain => 2,
            Self::Heads(d) => d,
            Self::Paired => 0,
        }
    }
}

/// The logical shape of a weight matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MatrixShape {
    /// Outputs N: rows of the matrix, or of each of the two if paired.
    pub outputs: usize,
    /// Inputs K: elements of a row.
    pub inputs: usize,
    /// Storage format.
    pub format: Format,
    /// Meaning of the rows.
    pub arrangement: Arrangement,
}

/// What the shaders know of a part: `Part` in `shaders/shared/matmul.wgsl`.
#[repr(C)]
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
pub(crate) struct PartUniform {
    pub(crate) first_output: u32,
    pub(crate) weight_rows: u32,
    pub(crate) slots: u32,
    pub(crate) outputs: u32,
    pub(crate) scales: u32,
    pub(crate) pad: [u32; 3],
}

/// Consecutive outputs of a matrix in one buffer.
#[derive(Debug)]
pub struct MatrixPart {
    /// First output of the part.
    pub first_output: usize,
    /// Outputs of the part.
    pub outputs: usize,
    pub(crate) slots: usize,
    pub(crate) buffer: Buffer,
    pub(crate) uniform: Buffer,
}

/// A weight matrix on the device.
#[derive(Debug)]
pub struct Matrix {
    /// Its shape.
    pub shape: MatrixShape,
    /// Its parts, in order of outputs.
    pub parts: Vec<MatrixPart>,
}

impl From<&Matrix> for MatrixShape {
    fn from(matrix: &Matrix) -> Self {
        matrix.shape
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

impl MatrixShape {
    /// Rows of a part for each of its outputs.
    fn stacked(&self) -> usize {
        if self.arrangement == Arrangement::Paired {
            2
        } else {
            1
        }
    }

    /// A plain matrix of the same rows, by whose products workgroups are chosen.
    pub fn plain(&self) -> Self {
        Self {
            outputs: self.outputs * self.stacked(),
            arrangement: Arrangement::Plain,
            ..*self
        }
    }

    /// Bytes of a padded row, with its scales.
    pub fn row_bytes(&self) -> usize {
        self.format.row_bytes(self.inputs) + self.format.scale_bytes(self.inputs)
    }

    /// Bytes of the whole matrix on the device.
    pub fn bytes(&self) -> u64 {
        (self.outputs * self.stacked()) as u64 * self.row_bytes() as u64
    }

    /// Bytes of its buffers on a device that binds up to `max_binding`.
    ///
    /// # Errors
    /// As [`MatrixShape::split`].
    pub fn held_bytes(&self, what: &str, max_binding: u64) -> Result<u64, GpuError> {
        let parts = self.split(what, max_binding)?;
        let bytes = |outputs: usize| (outputs * self.stacked() * self.row_bytes()) as u64;
        Ok(parts
            .into_iter()
            .map(|outputs| bytes(outputs).max(16).next_multiple_of(16))
            .sum())
    }

    /// Outputs of each part when no part may exceed `max_binding` bytes.
    ///
    /// # Errors
    /// [`GpuError::Shape`] if the matrix is empty or its heads are not whole,
    /// [`GpuError::AdapterTooSmall`] if the smallest piece that cannot be split is larger.
    pub fn split(&self, what: &str, max_binding: u64) -> Result<Vec<usize>, GpuError> {
        if self.outputs == 0 || self.inputs == 0 {
            return Err(error::shape(
                "matrix",
                format!(
                    "{what} has {} outputs of {} inputs",
                    self.outputs, self.inputs
                ),
            ));
        }
        if let Arrangement::Heads(d) = self.arrangement
            && (d == 0 || !self.outputs.is_multiple_of(d))
        {
            return Err(error::shape(
                "matrix",
                format!(
                    "{what} has {} outputs, not whole heads of {d}",
                    self.outputs
                ),
            ));
        }
        let output_bytes = (self.stacked() * self.row_bytes()) as u64;
        // Buffers are made in multiples of 16 bytes.
        let fit = usize::try_from(max_binding / 16 * 16 / output_bytes).unwrap_or(usize::MAX);
        if self.outputs <= fit {
            return Ok(vec![self.outputs]);
        }
        let grain = match self.arrangement {
            Arrangement::Heads(d) => d / gcd(d, ALIGN) * ALIGN,
            Arrangement::Plain | Arrangement::Paired => ALIGN,
        };
        let most = fit / grain * grain;
        if most == 0 {
            return Err(GpuError::AdapterTooSmall {
                limit: "maxStorageBufferBindingSize",
                what: format!("{what} (in pieces of {grain} rows)"),
                needed: grain as u64 * output_bytes,
                offered: max_binding,
            });
        }
        let mut parts = vec![most; self.outputs / most];
        if !self.outputs.is_multiple_of(most) {
            parts.push(self.outputs % most);
        }
        Ok(parts)
    }
}

impl Matrix {
    /// Allocates a matrix of zeros.
    ///
    /// # Errors
    /// As [`MatrixShape::split`], and [`GpuError::OutOfMemory`].
    pub async fn zeros(gpu: &Gpu, label: &str, shape: MatrixShape) -> Result<Self, GpuError> {
        let sizes = shape.split(label, gpu.max_binding())?;
        let count = sizes.len();
        let mut parts = Vec::with_capacity(count);
        let mut first_output = 0;
        for (i, outputs) in sizes.into_iter().enumerate() {
            let padded = if i + 1 == count {
                stride(shape.outputs) - first_output
            } else {
                outputs
            };
            let slots = match shape.arrangement {
                Arrangement::Plain => padded,
                Arrangement::Heads(_) => outputs,
                Arrangement::Paired => 2 * padded,
            };
            let weight_rows = outputs * shape.stacked();
            let uniform = PartUniform {
                first_output: first_output as u32,
                weight_rows: weight_rows as u32,
                slots: slots as u32,
                outputs: stride(shape.outputs) as u32,
                scales: (weight_rows * shape.format.row_bytes(shape.inputs) / 4) as u32,
                pad: [0; 3],
            };
            parts.push(MatrixPart {
                first_output,
                outputs,
                slots,
                buffer: Buffer::storage(gpu, label, (weight_rows * shape.row_bytes()) as u64)
                    .await?,
                uniform: Buffer::uniform(gpu, label, &uniform).await?,
            });
            first_output += outputs;
        }
        Ok(Self { shape, parts })
    }

    /// Writes whole rows, given as unpadded `from` elements, in the format of the matrix: rows `first_row ..` of the plain
    /// matrix, or of the gate (`stack` 0) or up (`stack` 1) matrix of a paired one.
    pub fn write_rows(
        &self,
        gpu: &Gpu,
        stack: usize,
        first_row: usize,
        from: Element,
        bytes: &[u8],
    ) {
        let MatrixShape { inputs, format, .. } = self.shape;
        let Some(element) = format.element() else {
            let rows = quantize(format, inputs, &from.to_f32(bytes));
            self.write_quants(gpu, stack, first_row, &rows.quants);
            self.write_scales(gpu, stack, first_row, &rows.scales);
            return;
        };
        let bytes: Cow<'_, [u8]> = if from == element {
            Cow::Borrowed(bytes)
        } else {
            Cow::Owned(element.from_f32(&from.to_f32(bytes)))
        };
        self.write_padded(
            gpu,
            Region::Quants,
            (stack, first_row),
            inputs * element.bytes(),
            &bytes,
        );
    }

    /// Writes the quants of whole rows as [`crate::quantize::Quantized`] has them; rows as in [`Matrix::write_rows`]. For
    /// matrices in a quantised format.
    pub fn write_quants(&self, gpu: &Gpu, stack: usize, first_row: usize, quants: &[u8]) {
        let row = self.shape.format.row_bytes(self.shape.inputs);
        self.write_padded(gpu, Region::Quants, (stack, first_row), row, quants);
    }

    /// As [`Matrix::write_quants`], the scales of the rows.
    pub fn write_scales(&self, gpu: &Gpu, stack: usize, first_row: usize, scales: &[u8]) {
        let row = self.shape.inputs.div_ceil(GROUP) * 2;
        self.write_padded(gpu, Region::Scales, (stack, first_row), row, scales);
    }

    /// Writes rows of `given` bytes to where they belong in each part, padded with zeros to the length of the region's rows.
    fn write_padded(
        &self,
        gpu: &Gpu,
        region: Region,
        (stack, first_row): (usize, usize),
        given: usize,
        bytes: &[u8],
    ) {
        let MatrixShape { inputs, format, .. } = self.shape;
        let quants = format.row_bytes(inputs);
        let row_bytes = match region {
            Region::Quants => quants,
            Region::Scales => format.scale_bytes(inputs),
        };
        let rows = bytes.len() / given;
        for part in &self.parts {
            let begin = first_row.max(part.first_output);
            let end = (first_row + rows).min(part.first_output + part.outputs);
            if begin >= end {
                continue;
            }
            let piece = &bytes[(begin - first_row) * given..(end - first_row) * given];
            let region_begin = match region {
                Region::Quants => 0,
                Region::Scales => part.outputs * self.shape.stacked() * quants,
            };
            let at = region_begin + (stack * part.outputs + begin - part.first_output) * row_bytes;
            part.buffer
                .write(gpu, at as u64, &padded_rows(given, row_bytes, piece));
        }
    }

    /// Bytes on the device.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|p| p.buffer.size()).sum()
    }
}

/// The two parts of a buffer: elements, then the scales of quantised ones.
#[derive(Clone, Copy)]
enum Region {
    Quants,
    Scales,
}

/// Rows of `given` bytes as rows of `padded` bytes.
fn padded_rows(given: usize, padded: usize, bytes: &[u8]) -> Cow<'_, [u8]> {
    if given == padded {
        return Cow::Borrowed(bytes);
    }
    let mut out = vec![0; bytes.len() / given * padded];
    for (row, target) in bytes.chunks_exact(given).zip(out.chunks_exact_mut(padded)) {
        target[..given].copy_from_slice(row);
    }
    Cow::Owned(out)
}

impl Matrix {
    /// Changes the format to 32-bit floats, keeping what was written: for tensors of different floats that share a
    /// matrix. Reads everything back, so it is slow; checkpoints that need it are rare.
    ///
    /// # Errors
    /// As [`Matrix::zeros`], what reading back can fail with, and [`GpuError::Shape`] for quantised matrices.
    pub async fn widen(&mut self, gpu: &Gpu, label: &str) -> Result<(), GpuError> {
        let Some(element) = self.shape.format.element() else {
            let message = format!("{label} is quantised, and cannot be widened");
            return Err(error::shape("matrix", message));
        };
        if element == Element::F32 {
            return Ok(());
        }
        let wide = Self::zeros(
            gpu,
            label,
            MatrixShape {
                format: Format::F32,
                ..self.shape
            },
        )
        .await?;
        let (packed, padded) = (self.shape.inputs * element.bytes(), self.shape.row_bytes());
        for part in &self.parts {
            let bytes: Vec<u8> = crate::Readback::fetch(gpu, &part.buffer).await?;
            let rows: Vec<u8> = bytes
                .chunks_exact(padded)
                .flat_map(|row| &row[..packed])
                .copied()
                .collect();
            for stack in 0..self.shape.stacked() {
                let piece = &rows[stack * part.outputs * packed..][..part.outputs * packed];
                wide.write_rows(gpu, stack, part.first_output, element, piece);
            }
        }
        *self = wide;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
