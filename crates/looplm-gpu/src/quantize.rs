//! Weights in eight and in four bits: groups of 32 elements of a row that share a scale in half precision.
//!
//! * **q8**: element = scale * n with n a signed byte, -127 ..= 127.
//! * **q4**: element = scale * (n - 8) with n = 0 ..= 15, in nibbles: element e of eight in bits 4e .. 4e + 4 of a
//!   little-endian word.
//!
//! A row is padded with zeros to whole groups. The scales stand apart from the quants, which so keep to 16-byte loads.
//! The scale is the one of several candidates (for four bits, where rounding costs most, each is also refitted by least
//! squares) with the smallest squared error. All arithmetic is exact about its order, so that every machine makes the same bytes.

use half::f16;

use crate::format::Format;

/// Elements that share a scale.
pub const GROUP: usize = 32;

/// How many quantisation steps the largest element of a group may lie from zero, to be tried one after another.
const REACHES: [f32; 5] = [8.0, 7.4, 7.0, 8.5, 7.7];
/// The same for eight bits. All are about as good; of eight, one falls well for the group at hand, and the error is a tenth
/// smaller.
const REACHES_8: [f32; 8] = [127.0, 126.5, 126.0, 125.5, 125.0, 124.5, 124.0, 123.5];

/// Rows in a quantised format.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Quantized {
    /// [rows, padded inputs] in the format's bits.
    pub quants: Vec<u8>,
    /// [rows, groups] of f16, little-endian.
    pub scales: Vec<u8>,
}

/// Rows of `inputs` numbers in a quantised format; other formats give nothing. Scales saturate where half precision ends.
pub fn quantize(format: Format, inputs: usize, values: &[f32]) -> Quantized {
    #[cfg(not(target_family = "wasm"))]
    if values.len() >= SIDE_BY_SIDE {
        return side_by_side(format, inputs, values);
    }
    one_after_another(format, inputs, values)
}

/// From this many numbers on the rows are shared among threads.
#[cfg(not(target_family = "wasm"))]
const SIDE_BY_SIDE: usize = 1 << 18;

#[cfg(not(target_family = "wasm"))]
fn side_by_side(format: Format, inputs: usize, values: &[f32]) -> Quantized {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let rows = (values.len() / inputs.max(1)).div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let parts: Vec<_> = values
            .chunks(rows * inputs.max(1))
            .map(|part| scope.spawn(move || one_after_another(format, inputs, part)))
            .collect();
        let mut all = Quantized::default();
        for part in parts {
            // A thread that panicked has said so; its rows are quantised here, where the panic is the caller's.
            let Ok(part) = part.join() else {
                return one_after_another(format, inputs, values);
            };
            all.quants.extend_from_slice(&part.quants);
            all.scales.extend_from_slice(&part.scales);
        }
        all
    })
}

fn one_after_another(format: Format, inputs: usize, values: &[f32]) -> Quantized {
    let groups = inputs.div_ceil(GROUP);
    let rows = values.len() / inputs.max(1);
    let mut out = Quantized {
        quants: Vec::with_capacity(rows * format.row_bytes(inputs)),
        scales: Vec::with_capacity(rows * groups * 2),
    };
    for row in values.chunks_exact(inputs.max(1)) {
        for part in row.chunks(GROUP) {
            let mut group = [0.0; GROUP];
            group[..part.len()].copy_from_slice(part);
            let scale = match format {
                Format::Q8 => q8(&group, &mut out.quants),
                Format::Q4 => q4(&group, &mut out.quants),
                Format::F32 | Format::F16 | Format::BF16 => continue,
            };
            out.scales.extend_from_slice(&scale.to_le_bytes());
        }
    }
    out
}

/// The numbers that quantised rows stand for.
pub fn dequantize(format: Format, inputs: usize, quantized: &Quantized) -> Vec<f32> {
    let groups = inputs.div_ceil(GROUP);
    let group_bytes = GROUP * format.bits() / 8;
    let mut values = Vec::new();
    let quants = quantized.quants.chunks_exact(groups * group_bytes);
    for (row, scales) in quants.zip(quantized.scales.chunks_exact(groups * 2)) {
        let begin = values.len();
        for (group, scale) in row.chunks_exact(group_bytes).zip(scales.chunks_exact(2)) {
            let scale = f16::from_le_bytes([scale[0], scale[1]]).to_f32();
            match format {
                Format::Q4 => values.extend(
                    group
                        .iter()
                        .flat_map(|b| [b & 15, b >> 4])
                        .map(|n| scale * (f32::from(n) - 8.0)),
                ),
                _ => values.extend(group.iter().map(|&b| scale * f32::from(b as i8))),
            }
        }
        values.truncate(begin + inputs);
    }
    values
}

/// Rounds to the nearest integer, ties to even, for magnitudes below 2^22: an addition instead of a call.
fn round(value: f32) -> f32 {
    const MAGIC: f32 = 12_582_912.0;
    (value + MAGIC) - MAGIC
}

/// The nearest half-precision number that is finite.
fn half(scale: f32) -> f16 {
    f16::from_f32(scale.clamp(f16::MIN.to_f32(), f16::MAX.to_f32()))
}

/// One over the scale; zero where there is no scale.
fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

fn q8(group: &[f32; GROUP], quants: &mut Vec<u8>) -> f16 {
    let largest = group.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    let mut best = (f32::INFINITY, f16::ZERO, [0.0; GROUP]);
    for reach in REACHES_8 {
        let scale = half(largest / reach);
        let inverse = inverse(scale.to_f32());
        let chosen = group.map(|v| round((v * inverse).clamp(-127.0, 127.0)));
        let error = squared_error(group, &chosen, scale.to_f32());
        if error < best.0 {
            best = (error, scale, chosen);
        }
    }
    let (_, scale, chosen) = best;
    quants.extend(chosen.iter().map(|&n| n as i8 as u8));
    scale
}

/// n - 8 of every element at a scale of one over `inverse`.
fn steps(group: &[f32; GROUP], inverse: f32) -> [f32; GROUP] {
    group.map(|v| round((v * inverse).clamp(-8.0, 7.0)))
}

fn squared_error(group: &[f32; GROUP], steps: &[f32; GROUP], scale: f32) -> f32 {
    // Eight sums side by side, as the machine's vectors take them.
    let mut sums = [0.0f32; 8];
    for (v, n) in group
        .as_chunks::<8>()
        .0
        .iter()
        .zip(steps.as_chunks::<8>().0)
    {
        for i in 0..8 {
            let error = v[i] - scale * n[i];
            sums[i] += error * error;
        }
    }
    sums.iter().sum()
}

/// The scale that fits best to given steps.
fn fitted(group: &[f32; GROUP], steps: &[f32; GROUP]) -> f32 {
    let (mut products, mut squares) = ([0.0f32; 8], [0.0f32; 8]);
    for (v, n) in group
        .as_chunks::<8>()
        .0
        .iter()
        .zip(steps.as_chunks::<8>().0)
    {
        for i in 0..8 {
            products[i] += v[i] * n[i];
            squares[i] += n[i] * n[i];
        }
    }
    let squares: f32 = squares.iter().sum();
    if squares == 0.0 {
        return 0.0;
    }
    products.iter().sum::<f32>() / squares
}

fn q4(group: &[f32; GROUP], quants: &mut Vec<u8>) -> f16 {
    let largest = group
        .iter()
        .fold(0.0f32, |m, &v| if v.abs() > m.abs() { v } else { m });
    let mut best = (f32::INFINITY, f16::ZERO, [0.0; GROUP]);
    let mut consider = |scale: f16| {
        let chosen = steps(group, inverse(scale.to_f32()));
        let error = squared_error(group, &chosen, scale.to_f32());
        if error < best.0 {
            best = (error, scale, chosen);
        }
        chosen
    };
    for reach in REACHES {
        // The side with eight steps is that of the largest element.
        let chosen = consider(half(-largest / reach));
        consider(half(fitted(group, &chosen)));
    }
    let (_, scale, chosen) = best;
    for pair in chosen.as_chunks::<2>().0 {
        let [low, high] = pair.map(|n| (n + 8.0) as u8);
        quants.push(low | high << 4);
    }
    scale
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(count: usize) -> Vec<f32> {
        (0..count)
            .map(|i| (i as f32 * 0.7).sin() * (1.0 + (i % 7) as f32))
            .collect()
    }

    fn relative_error(format: Format, inputs: usize, values: &[f32]) -> f32 {
        let back = dequantize(format, inputs, &quantize(format, inputs, values));
        assert_eq!(back.len(), values.len());
        let square = |v: f32| v * v;
        let error: f32 = back.iter().zip(values).map(|(b, v)| square(b - v)).sum();
        (error / values.iter().map(|v| square(*v)).sum::<f32>()).sqrt()
    }

    #[test]
    fn errors_are_those_of_the_bits() {
        for inputs in [1, 31, 32, 33, 64, 100, 127] {
            let values = wave(inputs * 5);
            assert!(relative_error(Format::Q8, inputs, &values) < 0.005);
            assert!(relative_error(Format::Q4, inputs, &values) < 0.08);
        }
    }

    #[test]
    fn rows_are_padded_to_whole_groups() {
        for (format, bytes) in [(Format::Q8, 64), (Format::Q4, 32)] {
            let rows = quantize(format, 33, &wave(66));
            assert_eq!((rows.quants.len(), rows.scales.len()), (2 * bytes, 2 * 4));
        }
    }

    #[test]
    fn what_the_format_can_say_is_kept() {
        let exact: Vec<f32> = (0..32).map(|i| (i % 16) as f32 * 0.25 - 2.0).collect();
        for format in [Format::Q8, Format::Q4] {
            let values: Vec<f32> = if format == Format::Q4 {
                exact.clone()
            } else {
                (0..32)
                    .map(|i| (i as f32 - 16.0) * 127.0 / 16.0)
                    .map(f32::round)
                    .collect()
            };
            assert_eq!(
                dequantize(format, 32, &quantize(format, 32, &values)),
                values
            );
            assert_eq!(
                dequantize(format, 32, &quantize(format, 32, &[0.0; 32])),
                [0.0; 32]
            );
        }
    }

    #[test]
    fn nibbles_and_bytes_lie_as_documented() {
        let mut values = [0.0f32; 32];
        (values[0], values[1], values[9]) = (-8.0, 7.0, 3.0);
        let rows = quantize(Format::Q4, 32, &values);
        assert_eq!(rows.scales, f16::ONE.to_le_bytes());
        assert_eq!(rows.quants[..5], [0xf0, 0x88, 0x88, 0x88, 0xb8]);
        (values[0], values[1], values[9]) = (-127.0, 2.0, 3.0);
        let rows = quantize(Format::Q8, 32, &values);
        assert_eq!(rows.quants[..2], [129, 2]);
        assert_eq!(rows.quants[9], 3);
    }

    #[test]
    fn extremes_stay_finite() {
        for format in [Format::Q8, Format::Q4] {
            for value in [1e-30f32, 1e-9, 1e9, f32::MAX] {
                let values = [value, -value / 2.0, 0.0, value / 3.0];
                let back = dequantize(format, 4, &quantize(format, 4, &values));
                assert!(
                    back.iter().all(|v| v.is_finite()),
                    "{format:?}, {value}: {back:?}"
                );
            }
        }
    }
}
