// Eight bins that a workgroup of WIDE_LANES adds weights to. Every invocation has a column of its own, so that no atomics are
// needed and the sums come in a fixed order.

import package::shared::ordered::WIDE_LANES;

const BINS: u32 = 8u;

struct Bin {
    index: u32,
    above: f32,  // what the bins above it weigh
}

var<workgroup> bin_columns: array<f32, 8 * WIDE_LANES>;
var<workgroup> bin_parts: array<f32, WIDE_LANES>;
var<workgroup> bin_totals: array<f32, 8>;

fn clear_bins(lane: u32) {
    for (var bin = 0u; bin < BINS; bin++) {
        bin_columns[WIDE_LANES * bin + lane] = 0.0;
    }
}

fn add_to_bin(lane: u32, bin: u32, weight: f32) {
    bin_columns[WIDE_LANES * bin + lane] += weight;
}

// Going down from the highest, the bin at which the weights reach `wanted`; the lowest if they never do.
// Must be called in uniform control flow.
fn bin_that_reaches(lane: u32, wanted: f32) -> Bin {
    workgroupBarrier();
    // An eighth of the invocations add up the columns of a bin, 8 each.
    var sum = 0.0;
    for (var i = 0u; i < 8u; i++) {
        sum += bin_columns[8u * lane + i];
    }
    bin_parts[lane] = sum;
    workgroupBarrier();
    if lane < BINS {
        sum = 0.0;
        for (var i = 0u; i < WIDE_LANES / BINS; i++) {
            sum += bin_parts[WIDE_LANES / BINS * lane + i];
        }
        bin_totals[lane] = sum;
    }
    workgroupBarrier();
    var found = Bin(BINS - 1u, 0.0);
    while found.index > 0u && found.above + bin_totals[found.index] < wanted {
        found.above += bin_totals[found.index];
        found.index -= 1u;
    }
    workgroupBarrier();
    return found;
}
