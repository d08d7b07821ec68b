//! The engine on whatever adapter there is, against the oracle's fixtures and against itself.

mod batching;
mod chain;
mod conversion;
mod exits;
mod fit;
mod fixtures;
mod generation;
mod kv_format;
mod memory;
mod packed;
mod parity;
mod pipelines;
mod prompt_cache;
mod resume;
mod rows;
mod verified;
