// Four rows of W side by side, as products of few rows take them: see few.wgsl.

import package::shared::weights::{
    weight_raw, weight_group, raw_steps, group_steps, Block, Raw, WEIGHT_FORMAT
};
import package::shared::matmul::{part, plus_dot};

// A block of K of four rows of W.
struct Four {
    a: Block,
    b: Block,
    c: Block,
    d: Block,
}

// The same as they lie in the buffer: a block, or, of a quantised format, a group of four.
struct FourRaws {
    a: Raw,
    b: Raw,
    c: Raw,
    d: Raw,
}

fn four_raws(row: vec4<u32>, block: u32) -> FourRaws {
    return FourRaws(
        weight_raw(row.x, block, part.scales),
        weight_raw(row.y, block, part.scales),
        weight_raw(row.z, block, part.scales),
        weight_raw(row.w, block, part.scales),
    );
}

fn four_groups(row: vec4<u32>, group: u32) -> FourRaws {
    return FourRaws(
        weight_group(row.x, group, part.scales),
        weight_group(row.y, group, part.scales),
        weight_group(row.z, group, part.scales),
        weight_group(row.w, group, part.scales),
    );
}

// Without scales, which the sums are multiplied with.
fn of_raws(w: FourRaws) -> Four {
    return Four(raw_steps(w.a), raw_steps(w.b), raw_steps(w.c), raw_steps(w.d));
}

fn of_groups(w: FourRaws, b: u32) -> Four {
    return Four(group_steps(w.a, b), group_steps(w.b, b), group_steps(w.c, b), group_steps(w.d, b));
}

fn scales_of(w: FourRaws) -> vec4<f32> {
    return vec4<f32>(w.a.scale, w.b.scale, w.c.scale, w.d.scale);
}

fn block_dot(w: Block, x: Block) -> f32 {
    return plus_dot(plus_dot(0.0, w.a, x.a), w.b, x.b);
}

fn four_block_dots(w: Four, x: Block) -> vec4<f32> {
    return vec4<f32>(block_dot(w.a, x), block_dot(w.b, x), block_dot(w.c, x), block_dot(w.d, x));
}

fn scaled(scale: vec4<f32>, sums: vec4<f32>) -> vec4<f32> {
    if WEIGHT_FORMAT >= 3u {
        return scale * sums;
    }
    return sums;
}
