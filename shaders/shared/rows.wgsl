// The row table of a pass: what every kernel knows of the rows it works on.
//
// A row is (sequence, position, recurrent step). The host has resolved the sequence to where its
// things lie: `state` is the slot of its hidden state, `key_base` the index of position 0 in its
// KV plane (the plane of this step). Rows of different sequences, positions and steps may share a table.

struct Row {
    token: u32,      // token id, read by rows of step 1 only
    position: u32,   // position in the sequence, counted from 0
    key_base: u32,   // KV entry of position 0 in this row's plane
    state: u32,      // slot of the hidden state
    step: u32,       // recurrent step, counted from 1
    last_step: u32,  // the step at which this row's loop ends: its gate takes what remains
    exit_at: u32,    // leave at this step at the latest
    threshold: f32,  // leave once the cumulated exit probability reaches it
}

struct Rows {
    count: u32,
    pad_0: u32,
    pad_1: u32,
    pad_2: u32,
    row: array<Row>,
}

// Bound with a dynamic offset: the tables of all passes of one submission share a buffer.
@group(1) @binding(0) var<storage, read> rows: Rows;
