//! Passes, prefill and decoding of a loaded model, and the streaming read they are held against.

use std::time::Duration;

use looplm::{
    LoopLm,
    engine::Ask,
    generate::{GenerateOptions, Generation, Verify},
    kv_policy::KvPolicy,
    row::{Pass, Row, Step},
    schedule::Prefill,
};
use looplm_gpu::{
    Buffer, Gpu,
    kernels::{MAX_FEW_ROWS, StreamRead},
};
use pollster::block_on;

use crate::clock::{Failure, Spread, seconds, time};

/// Times of one pass.
const REPEATS: usize = 9;
/// Readbacks of a decoding, and more tokens than any of them brings.
const TURNS: usize = 10;
const MOST_A_TURN: usize = 16;
/// Passes of some number of rows after which the engine has made up its mind about them.
const OFTEN: usize = 20;
/// Reads of a submission.
const READS: usize = 4;
/// Times of what takes longer.
const FEW_REPEATS: usize = 3;

/// So many ids of a vocabulary, the same for a `seed` every time.
pub(crate) fn random_ids(seed: u32, count: usize, vocabulary: usize) -> Vec<u32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((u64::from(state) * vocabulary as u64) >> 32) as u32
    };
    (0..count).map(|_| next()).collect()
}

/// Bytes a second of a kernel that only reads.
pub(crate) fn stream_read(gpu: &Gpu) -> Result<Spread, Failure> {
    let bytes = (1 << 30).min(gpu.max_binding());
    let data = block_on(Buffer::storage(gpu, "stream", bytes))?;
    let read = block_on(StreamRead::new(gpu, &data))?;
    let taken = time(REPEATS, || {
        let mut encoder = gpu.encoder();
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for _ in 0..READS {
            read.encode(&mut pass)?;
        }
        drop(pass);
        gpu.submit(encoder);
        Ok(gpu.wait()?)
    })?;
    Ok(taken.map(|seconds| (READS as u64 * data.size()) as f64 / seconds))
}

/// Seconds of one pass of `rows` first positions at step 1.
pub(crate) fn pass(model: &LoopLm, rows: usize) -> Result<Spread, Failure> {
    let mut engine = block_on(model.engine())?;
    let ids = random_ids(1, rows, model.config().vocab_size);
    let gpu = engine.gpu().clone();
    let mut run = || {
        let id = block_on(engine.begin(Step::FIRST, KvPolicy::Full))?;
        block_on(engine.append(id, &ids))?;
        let rows = (0..rows).map(|position| Row {
            sequence: id,
            position,
            step: Step::FIRST,
        });
        let pass = Pass {
            rows: rows.collect(),
        };
        let ask = Ask {
            report: &[(id, 0)],
            ..Ask::default()
        };
        block_on(engine.submit(&[pass], &ask))?;
        engine.end(id);
        Ok(())
    };
    if rows <= MAX_FEW_ROWS {
        // What is best for so many rows is compiled once they have come often.
        for _ in 0..OFTEN {
            run()?;
        }
        settle(&gpu);
    }
    time(REPEATS, run)
}

/// Waits while pipelines are compiled beside other work.
fn settle(gpu: &Gpu) {
    let mut before = usize::MAX;
    while gpu.pipelines() != before {
        before = gpu.pipelines();
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Seconds of the prefill of so many tokens, all steps.
pub(crate) fn prefill(model: &LoopLm, tokens: usize) -> Result<Spread, Failure> {
    let mut engine = block_on(model.engine())?;
    let steps = model.steps(None)?;
    let ids = random_ids(2, tokens, model.config().vocab_size);
    time(FEW_REPEATS, || {
        let id = block_on(engine.begin(steps, KvPolicy::Full))?;
        block_on(engine.append(id, &ids))?;
        let passes: Vec<Pass> = Prefill::new(id, 0, tokens, steps, engine.max_rows()).collect();
        let last = [(id, tokens - 1)];
        for (i, pass) in passes.iter().enumerate() {
            let ends = i + 1 == passes.len();
            let ask = Ask {
                report: if ends { &last[..] } else { &[] },
                ..Ask::default()
            };
            block_on(engine.submit(std::slice::from_ref(pass), &ask))?;
        }
        engine.end(id);
        Ok(())
    })
}

/// What decoding after a prompt cost.
pub(crate) struct Decoded {
    /// Seconds a token.
    pub(crate) token: Spread,
    /// Dispatches a token.
    pub(crate) dispatches: u64,
    /// Tokens of a readback in the mean; fewer than later on, since an answer begins with few.
    pub(crate) read_together: f64,
    /// Bytes of keys and values on the device.
    pub(crate) kv_bytes: u64,
}

fn plain(new_tokens: usize) -> GenerateOptions {
    GenerateOptions {
        max_new_tokens: Some(new_tokens),
        temperature: Some(0.0),
        verify: Verify::Off,
        ..GenerateOptions::default()
    }
}

/// Plain decoding at full depth after `context` tokens; `None` if an answer ends before it was timed. Tokens that were read
/// back together are timed together.
pub(crate) fn decode(model: &LoopLm, context: usize) -> Result<Option<Decoded>, Failure> {
    let ids = random_ids(3, context, model.config().vocab_size);
    let tokens = (TURNS * MOST_A_TURN).min(model.info().context - context);
    let mut generation = Generation::new(model, ids, plain(tokens))?;
    let counts = || {
        let engine = block_on(model.engine())?;
        Ok::<_, Failure>((engine.submissions(), engine.dispatches()))
    };
    block_on(generation.next(&|| false))?;
    let before = counts()?;
    // Seconds and tokens between a submission and the next.
    let mut turns: Vec<(f64, usize)> = Vec::new();
    let mut submissions = before.0;
    while turns.len() <= TURNS {
        let (taken, token) = seconds(|| Ok(block_on(generation.next(&|| false))?))?;
        if token.is_none() {
            break;
        }
        let now = counts()?.0;
        match turns.last_mut() {
            Some(turn) if now == submissions => *turn = (turn.0 + taken, turn.1 + 1),
            _ => turns.push((taken, 1)),
        }
        submissions = now;
    }
    let after = counts()?;
    // The first warms up, and of the last not all tokens may have come; they have been computed, though.
    turns.pop();
    let read: usize = turns.iter().map(|turn| turn.1).sum();
    let passes = generation.finish().passes - generation.finish().prefill_passes;
    let computed = passes / model.config().total_ut_steps;
    if turns.len() < FEW_REPEATS || computed == 0 {
        return Ok(None);
    }
    let times = turns[1..].iter().map(|(taken, n)| taken / *n as f64);
    Ok(Some(Decoded {
        token: Spread::of(times.collect()),
        dispatches: (after.1 - before.1) / computed as u64,
        read_together: read as f64 / turns.len() as f64,
        kv_bytes: block_on(model.engine())?.memory().kv,
    }))
}

/// Tokens that are new in the turn of a conversation.
pub(crate) const TURN: usize = 32;

/// Seconds to the first token of the second turn of a conversation, whose first was of `prompt` tokens: where it goes on, and where all
/// of it is computed anew.
pub(crate) fn second_turn(model: &LoopLm, prompt: usize) -> Result<(Spread, Spread), Failure> {
    let vocabulary = model.config().vocab_size;
    let options = |cache_prompt| GenerateOptions {
        cache_prompt,
        ..plain(2)
    };
    let turns = |cache_prompt: bool| {
        let mut taken = Vec::new();
        // The first warms up.
        for turn in 0..=FEW_REPEATS as u32 {
            let mut ids = random_ids(5 + turn, prompt, vocabulary);
            let mut first = Generation::new(model, ids.clone(), options(cache_prompt))?;
            while block_on(first.next(&|| false))?.is_some() {}
            ids.extend(random_ids(50 + turn, TURN, vocabulary));
            let (seconds, _) = seconds(|| {
                let mut second = Generation::new(model, ids, options(cache_prompt))?;
                Ok(block_on(second.next(&|| false))?)
            })?;
            taken.push(seconds);
        }
        Ok::<_, Failure>(Spread::of(taken.split_off(1)))
    };
    Ok((turns(true)?, turns(false)?))
}

/// Seconds from nothing to the first token after `prompt`: loading, and the prompt.
pub(crate) fn first_token(
    load: impl FnOnce() -> Result<LoopLm, Failure>,
    prompt: usize,
) -> Result<(f64, f64, LoopLm), Failure> {
    let (loading, model) = seconds(load)?;
    let ids = random_ids(4, prompt, model.config().vocab_size);
    let (token, ()) = seconds(|| {
        let mut generation = Generation::new(&model, ids, plain(1))?;
        block_on(generation.next(&|| false))?;
        Ok(())
    })?;
    Ok((loading + token, token, model))
}
