//! Every task: its batches are pure functions of their numbers, stay inside the vocabulary, and their answers are what
//! is found again from the tokens alone, by other means.

mod addition;
mod biographies;
mod common;
mod graphs;
mod mano;
mod people;
mod shuffle;
mod text;
mod who_is_who;
