// The row table of a pass: what every kernel knows of the rows it works on.
//
// A row is (sequence, position, recurrent step). The host has resolved the sequence to where its things lie: `state` is
// the slot of its hidden state, `entry` where its key and value go, and `map` the line of the KV map that belongs to its
// step: element map + j says in which entry the key and value of position j are found. Rows of different sequences,
// positions and steps may share a table.

struct Row {
    token: u32,      // token id, read by rows of step 1 only; with the bit DRAWN, the number of the draw that it comes of
    position: u32,   // position in the sequence, counted from 0
    entry: u32,      // KV entry of this row's own key and value
    map: u32,        // element of the KV map for position 0 at this row's step
    state: u32,      // slot of the hidden state
    step: u32,       // recurrent step, counted from 1
    last_step: u32,  // the step at which this row's loop ends: its gate takes what remains
    lines: u32,      // lines of the map, from this one on, in which `entry` is written down; 0: in none
    pitch: u32,      // elements from one line of the map to the next
}

struct Rows {
    count: u32,
    shared_tiles: u32,  // bit t: rows 32 t .. 32 t + 31 are neighbours, see below
    pad_1: u32,
    pad_2: u32,
    row: array<Row>,
}

// Bound with a dynamic offset: the tables of all passes of one submission share a buffer.
@group(1) @binding(0) var<storage, read> rows: Rows;

const ROW_TILE: u32 = 32u;

const DRAWN: u32 = 0x80000000u;

// Whether the 32 rows that this one is among look at the same line of the KV map, each finding its own entry there too, at
// positions that ascend.
fn in_shared_tile(row: u32) -> bool {
    let tile = row / ROW_TILE;
    return tile < 32u && ((rows.shared_tiles >> tile) & 1u) == 1u;
}
