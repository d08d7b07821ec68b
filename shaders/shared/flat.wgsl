// The number of an invocation in a dispatch of 64 a workgroup that may have more workgroups than one dimension takes
// (`kernel::flat_grid` on the host).

const FLAT_LANES: u32 = 64u;
const FLAT_GROUPS_ACROSS: u32 = 32768u;

fn flat_index(group: vec3<u32>, lane: u32) -> u32 {
    return (group.y * FLAT_GROUPS_ACROSS + group.x) * FLAT_LANES + lane;
}
