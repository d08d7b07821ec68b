//! Dispatches of kernels with one invocation for each row, or each four elements.

/// Invocations in a workgroup of these kernels.
const LANES: usize = 64;

/// Workgroups in the first dimension of a large dispatch, as the shaders count them.
const GROUPS_ACROSS: usize = 32_768;

/// The workgroups that hold so many invocations.
pub(super) fn grid(invocations: usize) -> [usize; 2] {
    let groups = invocations.div_ceil(LANES);
    [groups.min(GROUPS_ACROSS), groups.div_ceil(GROUPS_ACROSS)]
}
