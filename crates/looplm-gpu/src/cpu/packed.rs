use crate::{quantize::GROUP, stride};

/// Largest whole number that x is made: of 127 * 256, so that its upper byte is one with a sign.
const LARGEST: f32 = 32512.0;

/// Twin of `pack_x` of `shaders/shared/packed.wgsl`: rows of `inputs` numbers as products in whole numbers take them, multiples of
/// a power of two of which the largest of each group of 32 has between 16,256 and 32,512. A group that has something that is no
/// number, or none that could be (beyond 3.37e38), has none.
pub fn packed(inputs: usize, x: &[f32]) -> Vec<f32> {
    let mut packed = x.to_vec();
    for row in packed.chunks_exact_mut(stride(inputs)) {
        for group in row.chunks_mut(GROUP) {
            // The largest there is with the last exponent.
            let too_much = LARGEST * 2f32.powi(113);
            if group.iter().any(|x| x.is_nan() || x.abs() > too_much) {
                group.fill(f32::NAN);
                continue;
            }
            let most = group.iter().fold(0.0f32, |most, x| most.max(x.abs()));
            let mut scale = f32::MIN_POSITIVE;
            while scale * LARGEST < most {
                scale *= 2.0;
            }
            // The shader has no smaller scale either, and leaves nothing of groups that would need one.
            let there = most > scale * (LARGEST / 2.0);
            for x in group {
                *x = if there {
                    (*x / scale).round_ties_even() * scale
                } else {
                    0.0
                };
            }
        }
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_is_a_32512th_of_the_largest_at_most() {
        for most in [1.0f32, 1.98, 1.985, 1.99, 2.0, 3e-20, 7e30] {
            let x: Vec<f32> = (0..64).map(|i| most * (i as f32 - 31.5) / 31.5).collect();
            let packed = packed(64, &x);
            for (group, packed) in x.chunks(GROUP).zip(packed.chunks(GROUP)) {
                let largest = group.iter().fold(0.0f32, |most, x| most.max(x.abs()));
                for (x, packed) in group.iter().zip(packed) {
                    assert!(
                        (x - packed).abs() <= largest / LARGEST,
                        "{x} became {packed}"
                    );
                }
            }
        }
    }
}
