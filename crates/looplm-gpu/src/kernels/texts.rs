//! The texts of the shaders that have several: one behind the other, since most of their lines are the same, of which a compressed
//! package then has little more than one.

const ALL: &str = include_str!(concat!(env!("OUT_DIR"), "/texts.wgsl"));

const fn part(begin: usize, end: usize) -> &'static str {
    ALL.split_at(end).0.split_at(begin).1
}

include!(concat!(env!("OUT_DIR"), "/texts.rs"));
