//! looplm-cli
fn main() {}
