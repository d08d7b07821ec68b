//! The published Ouro models, known by what their files say without their gigabytes: names, shapes, sizes, texts.

mod chat;
mod config;
mod headers;
mod published;
mod shards;
mod splits;
mod wide;
