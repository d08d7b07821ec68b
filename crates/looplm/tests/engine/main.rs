//! The engine on whatever adapter there is, against the oracle's fixtures and against itself.

mod batching;
mod exits;
mod fixtures;
mod generation;
mod memory;
mod parity;
mod rows;
mod verified;
