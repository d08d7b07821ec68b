//! What two models are compared on.

use std::cell::{Cell, RefCell};

use futures::future::join_all;
use looplm::generate::{GenerateOptions, Generation, Verify};
use looplm::{Error, LoopLm};
use looplm_train::trainer::fit;
use pollster::block_on;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::config::Trained;
use crate::failure::Failure;
use crate::held_out::held_out;
use crate::progress::Stage;

/// Answers generated at once.
const AT_ONCE: usize = 16;

/// Where the sequences come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Held-out samples of the model's task.
    Task(String),
    /// The reference model wrote them, at temperature 1.
    Generated,
    /// Token ids at random: a model without a tokenizer has nothing to say.
    Random,
}

impl Origin {
    /// Its name for a script.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Task(_) => "task",
            Self::Generated => "generated",
            Self::Random => "random",
        }
    }

    /// The same for a person, of so many.
    pub(crate) fn describe(&self, samples: usize) -> String {
        match self {
            Self::Task(task) => format!("{samples} held-out samples of {task}"),
            Self::Generated => {
                format!("{samples} sequences that the model wrote at temperature 1")
            }
            Self::Random => format!(
                "{samples} sequences of random token ids, as the model has no tokenizer to write with"
            ),
        }
    }
}

/// Tokens in a row, and what is to be said after each where that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Document {
    pub(crate) ids: Vec<u32>,
    pub(crate) targets: Vec<Option<u32>>,
}

/// All of them.
#[derive(Debug, Clone)]
pub(crate) struct Documents {
    pub(crate) origin: Origin,
    /// Sequences; a sequence of a task may be several documents.
    pub(crate) samples: usize,
    pub(crate) documents: Vec<Document>,
}

impl Documents {
    /// Positions.
    pub(crate) fn positions(&self) -> usize {
        self.documents.iter().map(|d| d.ids.len()).sum()
    }

    /// Positions with a target.
    pub(crate) fn targets(&self) -> usize {
        let targets = self.documents.iter().flat_map(|d| &d.targets);
        targets.flatten().count()
    }
}

/// So many sequences for a model: of its task where it has one, of its own making where it has a tokenizer. One that belongs
/// to no task has `length` tokens at most.
pub(crate) fn documents(
    model: &LoopLm,
    task: Option<Trained>,
    samples: usize,
    length: usize,
    aborted: &dyn Fn() -> bool,
) -> Result<Documents, Failure> {
    let (origin, documents) = match task {
        Some(trained) => {
            let origin = Origin::Task(trained.config.name.clone());
            (origin, of_task(model, trained, samples)?)
        }
        None => {
            let length = length.min(model.info().context);
            let (origin, sequences) = match model.tokenizer() {
                Ok(_) => (
                    Origin::Generated,
                    generated(model, samples, length, aborted)?,
                ),
                Err(_) => (Origin::Random, random(model, samples, length)),
            };
            let document = |ids: Vec<u32>| Document {
                targets: vec![None; ids.len()],
                ids,
            };
            (origin, sequences.into_iter().map(document).collect())
        }
    };
    Ok(Documents {
        origin,
        samples,
        documents,
    })
}

fn of_task(model: &LoopLm, mut trained: Trained, samples: usize) -> Result<Vec<Document>, Failure> {
    let task = fit(&mut trained.config, model.config())?;
    let batches = held_out(task.as_ref(), samples as u64, trained.config.run.batch_size);
    let mut documents = Vec::new();
    let mut left = samples;
    for batch in &batches {
        let wanted = left.min(batch.sequences);
        left -= wanted;
        let rows = batch.documents();
        documents.extend(
            rows.take_while(|rows| rows.start < wanted * batch.length)
                .map(|rows| Document {
                    ids: batch.ids[rows.clone()].to_vec(),
                    targets: batch.targets[rows]
                        .iter()
                        .map(|&target| target.try_into().ok())
                        .collect(),
                }),
        );
    }
    Ok(documents)
}

fn generated(
    model: &LoopLm,
    samples: usize,
    length: usize,
    aborted: &dyn Fn() -> bool,
) -> Result<Vec<Vec<u32>>, Failure> {
    let mut start = model.tokenizer()?.encode("", true)?;
    if start.is_empty() {
        // What ends one text begins the next.
        start.push(model.info().stop_ids.first().copied().unwrap_or(0));
    }
    let new = length.saturating_sub(start.len());
    let written = Cell::new(0);
    let stage = RefCell::new(Stage::new("tokens to compare on", (samples * new) as u64));
    let write = async |seed: usize| -> Result<Vec<u32>, Error> {
        let options = GenerateOptions {
            max_new_tokens: Some(new),
            temperature: Some(1.0),
            top_k: Some(0),
            top_p: Some(1.0),
            seed: Some(seed as u64),
            verify: Verify::Off,
            ..GenerateOptions::default()
        };
        let mut ids = start.clone();
        let mut generation = Generation::new(model, start.clone(), options)?;
        while let Some(token) = generation.next(aborted).await? {
            ids.push(token.id);
            written.set(written.get() + 1);
            stage.borrow_mut().at(written.get());
        }
        Ok(ids)
    };
    let seeds: Vec<usize> = (0..samples).collect();
    let mut all = Vec::new();
    for some in seeds.chunks(AT_ONCE) {
        for ids in block_on(join_all(some.iter().map(|&seed| write(seed)))) {
            all.push(ids?);
        }
    }
    Ok(all)
}

fn random(model: &LoopLm, samples: usize, length: usize) -> Vec<Vec<u32>> {
    let vocab = model.config().vocab_size as u64;
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut id = || ((u64::from(random.next_u32()) * vocab) >> 32) as u32;
    (0..samples)
        .map(|_| (0..length).map(|_| id()).collect())
        .collect()
}
