//! Whether a model says what it says in f32: its best token after each of some texts' beginnings.
//!
//! The reference has the weights as stored and keys and values in f32, and takes a text's positions together; the model
//! that is measured takes them one by one, as it decodes.

use looplm::{
    LoopLm,
    engine::{Ask, EngineOptions, KvFormat},
    forward::ForwardOptions,
    generate::{GenerateOptions, Generation, Verify},
    kv_policy::KvPolicy,
    model::LoadOptions,
    row::{Pass, Row},
    sampling::Sampling,
};
use pollster::block_on;

use crate::{clock::Failure, measure::random_ids};

/// Smallest share of equal tokens with which a run counts.
pub(crate) const BOUND: f64 = 0.95;

const TEXTS: usize = 8;
const TOKENS: usize = 32;

/// Texts, and the reference's best token after every position of each.
pub(crate) struct Reference {
    texts: Vec<Vec<u32>>,
    best: Vec<Vec<u32>>,
}

/// How to load the reference.
pub(crate) fn reference_options() -> LoadOptions {
    LoadOptions {
        engine: EngineOptions {
            kv_format: KvFormat::F32,
            ..EngineOptions::default()
        },
        ..LoadOptions::default()
    }
}

impl Reference {
    /// `trained`: the texts are the model's own, begun as its tokenizer begins a text and with tokens from all over its
    /// vocabulary; otherwise any tokens do.
    pub(crate) fn of(model: &LoopLm, trained: bool) -> Result<Self, Failure> {
        let vocabulary = model.config().vocab_size;
        let length = TOKENS.min(model.info().context);
        let text = |i: usize| {
            if trained {
                own_text(model, (i * vocabulary / TEXTS) as u32, length)
            } else {
                Ok(random_ids(i as u32, length, vocabulary))
            }
        };
        let texts = (0..TEXTS).map(text).collect::<Result<Vec<_>, _>>()?;
        let best = texts
            .iter()
            .map(|ids| best_together(model, ids))
            .collect::<Result<_, _>>()?;
        Ok(Self { texts, best })
    }

    /// The share of tokens in which `model` agrees.
    pub(crate) fn agreement(&self, model: &LoopLm) -> Result<f64, Failure> {
        let (mut same, mut all) = (0, 0);
        for (ids, best) in self.texts.iter().zip(&self.best) {
            let found = best_one_by_one(model, ids)?;
            same += found.iter().zip(best).filter(|(a, b)| a == b).count();
            all += best.len();
        }
        Ok(same as f64 / all as f64)
    }
}

fn own_text(model: &LoopLm, first: u32, length: usize) -> Result<Vec<u32>, Failure> {
    let mut ids = match model.tokenizer() {
        Ok(tokenizer) => tokenizer.encode("", true)?,
        Err(_) => Vec::new(),
    };
    ids.push(first);
    let options = GenerateOptions {
        max_new_tokens: Some(length.saturating_sub(ids.len()).max(1)),
        temperature: Some(0.0),
        verify: Verify::Off,
        ..GenerateOptions::default()
    };
    let mut generation = Generation::new(model, ids.clone(), options)?;
    while let Some(token) = block_on(generation.next(&|| false))? {
        ids.push(token.id);
    }
    Ok(ids)
}

fn best_together(model: &LoopLm, ids: &[u32]) -> Result<Vec<u32>, Failure> {
    let options = ForwardOptions {
        trace_top_k: Some(1),
        ..ForwardOptions::default()
    };
    let found = block_on(model.forward(ids, &options, &|| false))?;
    let best = found.positions.iter().map(|steps| {
        let lens = steps.last().and_then(|step| step.lens.as_ref());
        lens.and_then(|lens| lens.top.first()).map(|(id, _)| *id)
    });
    best.collect::<Option<_>>()
        .ok_or_else(|| "a position without its best token".into())
}

fn best_one_by_one(model: &LoopLm, ids: &[u32]) -> Result<Vec<u32>, Failure> {
    let mut engine = block_on(model.engine())?;
    let steps = model.steps(None)?;
    let id = block_on(engine.begin(steps, KvPolicy::Full))?;
    let greedy = Sampling {
        temperature: 0.0,
        ..Sampling::default()
    };
    let mut best = Vec::with_capacity(ids.len());
    for (position, token) in ids.iter().enumerate() {
        block_on(engine.append(id, &[*token]))?;
        let passes: Vec<Pass> = steps
            .up_to()
            .map(|step| Pass {
                rows: vec![Row {
                    sequence: id,
                    position,
                    step,
                }],
            })
            .collect();
        let draw = [((id, position), greedy)];
        let ask = Ask {
            draw: &draw,
            ..Ask::default()
        };
        best.extend(block_on(engine.submit(&passes, &ask))?.tokens);
    }
    engine.end(id);
    Ok(best)
}
