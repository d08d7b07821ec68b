// Sum of one value per invocation over a workgroup of REDUCE_LANES, in a fixed order.

override REDUCE_LANES: u32 = 128u;  // a power of two, 8 at least

var<workgroup> reduce_scratch: array<f32, REDUCE_LANES>;

// Every invocation gets the sum. Must be called in uniform control flow.
fn workgroup_sum(lane: u32, value: f32) -> f32 {
    reduce_scratch[lane] = value;
    workgroupBarrier();
    for (var width = REDUCE_LANES / 2u; width > 0u; width /= 2u) {
        if lane < width {
            reduce_scratch[lane] += reduce_scratch[lane + width];
        }
        workgroupBarrier();
    }
    let sum = reduce_scratch[0];
    workgroupBarrier();
    return sum;
}
