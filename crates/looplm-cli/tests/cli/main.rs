//! The program as a script sees it: arguments in, output and exit code out.

mod chat;
mod convert;
mod depth;
mod errors;
mod exits;
mod forward;
mod generate;
mod info;
mod loss;
mod quant;
mod support;
mod train;
