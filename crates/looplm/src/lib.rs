//! Looped language models (the Ouro family, arXiv 2510.25741): checkpoints, tokenizers and chat.

pub mod chat;
pub mod checkpoint;
pub mod config;
pub mod error;
pub mod generation_config;
pub mod tokenizer;

pub use config::Config;
