//! Every kernel against its CPU twin, on the adapter of this machine.

mod accumulate;
mod add_norm;
mod attention;
mod embed;
mod finish;
mod linear;
mod matrix;
mod memory;
mod product;
mod qkv;
mod sample;
mod stream_read;
mod support;
mod swiglu;
mod token_stats;
mod validate;
