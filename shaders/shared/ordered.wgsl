// What a workgroup of WIDE_LANES needs to look at a row of logits: order, best and sum, each in a fixed order.

override WIDE_LANES: u32 = 256u;  // a power of two, 8 at least

struct Best {
    value: f32,
    id: u32,
}

var<workgroup> wide_values: array<f32, WIDE_LANES>;
var<workgroup> wide_ids: array<u32, WIDE_LANES>;

// Floats as integers of the same order.
fn ordered(value: f32) -> u32 {
    let bits = bitcast<u32>(value);
    return select(bits | 0x80000000u, ~bits, bits >> 31u == 1u);
}

// The largest value and its id, the smallest id among equal values. A lane without one passes the largest id.
fn workgroup_best(lane: u32, value: f32, id: u32) -> Best {
    wide_values[lane] = value;
    wide_ids[lane] = id;
    workgroupBarrier();
    for (var width = WIDE_LANES / 2u; width > 0u; width /= 2u) {
        if lane < width {
            let other = wide_values[lane + width];
            let other_id = wide_ids[lane + width];
            if other > wide_values[lane] || (other == wide_values[lane] && other_id < wide_ids[lane]) {
                wide_values[lane] = other;
                wide_ids[lane] = other_id;
            }
        }
        workgroupBarrier();
    }
    let best = Best(wide_values[0], wide_ids[0]);
    workgroupBarrier();
    return best;
}

fn workgroup_total(lane: u32, value: f32) -> f32 {
    wide_values[lane] = value;
    workgroupBarrier();
    for (var width = WIDE_LANES / 2u; width > 0u; width /= 2u) {
        if lane < width {
            wide_values[lane] += wide_values[lane + width];
        }
        workgroupBarrier();
    }
    let total = wide_values[0];
    workgroupBarrier();
    return total;
}
