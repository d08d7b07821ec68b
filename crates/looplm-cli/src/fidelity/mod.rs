//! How near a model stays to another that has the same weights in more bits: what `looplm convert --check` and
//! `looplm eval quant` measure.

mod divergence;
mod documents;
mod figures;
mod lockstep;

pub(crate) use documents::{Documents, Origin, documents};
pub(crate) use figures::{Difference, Figures, StepFigures};
pub(crate) use lockstep::compare;
