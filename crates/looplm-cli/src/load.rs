//! From a path to a loaded model, with a progress bar.

use std::path::Path;

use looplm::LoopLm;
use looplm::checkpoint::{self, FolderSource};
use looplm::exit::Exit;
use looplm::model::{LoadOptions, Loading};
use looplm::row::Step;

use crate::failure::Failure;
use crate::{progress, say, tunings};

/// Opens a model folder and checks what was asked for against its configuration, before gigabytes of weights are read.
/// More steps than the model was trained with are allowed, and said to be extrapolation.
pub(crate) fn open(path: &Path, steps: Option<usize>, exit: Exit) -> Result<FolderSource, Failure> {
    let source = FolderSource::new(path)?;
    let trained = pollster::block_on(checkpoint::read_config(&source))?.total_ut_steps;
    if let Some(taken) = Step::new(steps.unwrap_or(trained)) {
        exit.check(taken)?;
    }
    if let Some(wanted) = steps.filter(|&n| n > trained) {
        let step = if trained == 1 { "step" } else { "steps" };
        say::note(&format!(
            "{wanted} steps are extrapolation: the model was trained with {trained} {step}"
        ));
    }
    Ok(source)
}

/// Loads the model. The bar is drawn on standard error, on a terminal only.
pub(crate) fn model(source: &FolderSource, options: &LoadOptions) -> Result<LoopLm, Failure> {
    let bar = progress::bytes("");
    let mut progress = |loading: Loading<'_>| match loading {
        Loading::Config | Loading::Ready => {}
        Loading::Tokenizer => bar.set_message("reading tokenizer"),
        Loading::Adapter => bar.set_message("opening adapter"),
        Loading::Weights(at) => {
            if bar.length() != Some(at.total) {
                bar.set_length(at.total);
                bar.set_message("loading weights");
            }
            bar.set_position(at.loaded);
        }
        Loading::Compile { .. } => bar.set_message("compiling shaders"),
    };
    let kept = tunings::read();
    let options = LoadOptions {
        tunings: Some(kept.clone()),
        ..options.clone()
    };
    let loaded = pollster::block_on(LoopLm::load(source, &options, &mut progress));
    bar.finish_and_clear();
    let model = loaded?;
    if model.info().tunings != kept {
        tunings::keep(&model.info().tunings);
    }
    for warning in &model.info().warnings {
        say::warning(warning);
    }
    Ok(model)
}
