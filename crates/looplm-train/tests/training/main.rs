//! Training on whatever adapter there is, against the PyTorch oracle's fixtures.

mod fixtures;
mod gradients;
