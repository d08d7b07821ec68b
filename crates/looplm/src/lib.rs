//! Looped language models (the Ouro family, arXiv 2510.25741): from a checkpoint folder to tokens and what every recurrent
//! step thought of them.

mod batch;
pub mod chat;
pub mod checkpoint;
pub mod config;
pub mod conversion;
pub mod engine;
pub mod error;
pub mod exit;
pub mod fit;
pub mod forward;
pub mod generate;
pub mod generation_config;
pub mod kv_policy;
pub mod model;
pub mod precision;
pub mod row;
pub mod sampling;
pub mod schedule;
pub mod tokenizer;
pub mod trace;
mod weights;

pub use config::Config;
pub use error::Error;
pub use model::LoopLm;
