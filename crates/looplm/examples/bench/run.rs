//! One run: a model in a format, from its first load to whether it counts.

use looplm::{
    LoopLm, checkpoint::Source, model::Info, model::LoadOptions, precision::WeightFormat,
};
use pollster::block_on;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    agreement::{self, Reference},
    clock::{Failure, Spread},
    measure::{self, Decoded},
    memory,
    options::Model,
};

/// Rows of the passes that are timed.
const ROWS: [usize; 6] = [1, 2, 4, 8, 32, 128];
/// Tokens of the prompt whose prefill is timed.
const PREFILL: usize = 512;
/// Tokens of the prompt before the first token.
const PROMPT: usize = 16;
/// Loads after the first.
const WARM_LOADS: usize = 3;

/// What a run found.
pub(crate) struct Run {
    pub(crate) model: String,
    pub(crate) info: Info,
    pub(crate) format: WeightFormat,
    /// Bytes of weights that a pass reads, and that the head reads.
    layers: u64,
    head: u64,
    /// Bytes a second.
    pub(crate) stream: Spread,
    /// Seconds of a pass, by rows.
    pub(crate) passes: Vec<(usize, Spread)>,
    /// Tokens, and seconds of all of them.
    pub(crate) prefill: Option<(usize, Spread)>,
    /// By context; those the model has no room for are absent.
    pub(crate) decoded: Vec<(usize, Decoded)>,
    pub(crate) first_token: FirstToken,
    /// Tokens of a conversation's first turn, and seconds to the first token of the second, going on and anew.
    pub(crate) second_turn: Option<(usize, Spread, Spread)>,
    pub(crate) agreement: f64,
    pub(crate) peak_of_process: Option<u64>,
}

/// Seconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct FirstToken {
    pub(crate) prompt: usize,
    /// From the program's first load.
    pub(crate) cold: f64,
    /// From later loads in the same process: drivers and file systems remember.
    pub(crate) warm: Spread,
    /// From the prompt alone, of a model just loaded.
    pub(crate) loaded: Spread,
}

fn load(source: &dyn Source, options: &LoadOptions) -> Result<LoopLm, Failure> {
    Ok(block_on(LoopLm::load(source, options, &mut |_| ()))?)
}

fn say(what: &str) {
    eprintln!("bench: {what}");
}

/// Measures a model.
pub(crate) fn run(
    model: &Model,
    source: &dyn Source,
    format: WeightFormat,
    contexts: &[usize],
) -> Result<Run, Failure> {
    let options = LoadOptions {
        precision: format.into(),
        ..LoadOptions::default()
    };
    say(&format!("{} in {format}: first tokens", model.name()));
    let begin = || measure::first_token(|| load(source, &options), PROMPT);
    let (cold, first, mut loaded) = begin()?;
    let (mut warm, mut prompts) = (Vec::new(), vec![first]);
    for _ in 0..WARM_LOADS {
        block_on(loaded.dispose());
        let (seconds, prompt, again) = begin()?;
        loaded = again;
        warm.push(seconds);
        prompts.push(prompt);
    }
    let first_token = FirstToken {
        prompt: PROMPT,
        cold,
        warm: Spread::of(warm),
        loaded: Spread::of(prompts),
    };

    let info = loaded.info().clone();
    let gpu = block_on(loaded.engine())?.gpu().clone();
    say("passes");
    let stream = measure::stream_read(&gpu)?;
    let mut passes = Vec::new();
    for rows in ROWS.into_iter().filter(|rows| *rows <= info.context) {
        passes.push((rows, measure::pass(&loaded, rows)?));
    }
    let prefill = if PREFILL <= info.context {
        say("prefill");
        Some((PREFILL, measure::prefill(&loaded, PREFILL)?))
    } else {
        None
    };
    let second_turn = if PREFILL + measure::TURN + 2 <= info.context {
        say("the second turn of a conversation");
        let (kept, anew) = measure::second_turn(&loaded, PREFILL)?;
        Some((PREFILL, kept, anew))
    } else {
        None
    };
    let mut decoded = Vec::new();
    for &context in contexts.iter().filter(|n| **n + 16 <= info.context) {
        say(&format!("decoding after {context} tokens"));
        if let Some(one) = measure::decode(&loaded, context)? {
            decoded.push((context, one));
        }
    }
    let (layers, head) = block_on(loaded.engine())?.weight_bytes_read();
    block_on(loaded.dispose());

    say("agreement with f32");
    let exact = load(source, &agreement::reference_options())?;
    let reference = Reference::of(&exact, model.is_trained())?;
    block_on(exact.dispose());
    let again = load(source, &options)?;
    let agreement = reference.agreement(&again)?;
    block_on(again.dispose());
    Ok(Run {
        model: model.name(),
        info,
        format,
        layers,
        head,
        stream,
        passes,
        prefill,
        decoded,
        first_token,
        second_turn,
        agreement,
        peak_of_process: memory::peak_of_process(),
    })
}

impl Run {
    /// Whether its tokens are those of f32.
    pub(crate) fn counts(&self) -> bool {
        self.agreement >= agreement::BOUND
    }

    /// Bytes a second of weights that a pass of `seconds` reads.
    pub(crate) fn pass_bandwidth(&self, pass: Spread) -> Spread {
        pass.map(|seconds| self.layers as f64 / seconds)
    }

    /// The same of a token.
    pub(crate) fn token_bandwidth(&self, token: Spread) -> Spread {
        let bytes = self.info.config.total_ut_steps as u64 * self.layers + self.head;
        token.map(|seconds| bytes as f64 / seconds)
    }

    /// Everything, for programs.
    pub(crate) fn json(&self) -> Value {
        let Info {
            adapter,
            config,
            memory,
            ..
        } = &self.info;
        let ms = |spread: Spread| spread.map(|seconds| seconds * 1e3);
        let gigabytes = |spread: Spread| spread.map(|bytes| bytes / 1e9);
        let of_stream = |spread: Spread| spread.map(|bytes| bytes / self.stream.median);
        let steps = config.total_ut_steps as f64;
        let passes: Vec<Value> = self
            .passes
            .iter()
            .map(|(rows, pass)| {
                let read = self.pass_bandwidth(*pass);
                json!({ "rows": rows, "ms": ms(*pass), "weights_gb_per_s": gigabytes(read), "of_stream_read": of_stream(read) })
            })
            .collect();
        let decode: Vec<Value> = self
            .decoded
            .iter()
            .map(|(context, one)| {
                let read = self.token_bandwidth(one.token);
                json!({
                    "context": context, "tokens_per_s": one.token.map(f64::recip), "ms_per_token": ms(one.token),
                    "ms_per_pass": ms(one.token.map(|seconds| seconds / steps)), "dispatches_per_token": one.dispatches,
                    "tokens_per_readback": one.read_together,
                    "weights_gb_per_s": gigabytes(read), "of_stream_read": of_stream(read), "kv_bytes": one.kv_bytes,
                })
            })
            .collect();
        let prefill = self.prefill.map(|(tokens, taken)| {
            json!({ "tokens": tokens, "tokens_per_s": taken.map(|seconds| tokens as f64 / seconds) })
        });
        let second_turn = self.second_turn.map(|(before, kept, anew)| {
            json!({ "tokens_before": before, "tokens_new": measure::TURN, "going_on": kept, "anew": anew })
        });
        let kv = self.decoded.iter().map(|(_, one)| one.kv_bytes).max();
        json!({
            "adapter": { "name": adapter.name, "vendor": adapter.vendor, "driver": adapter.driver, "backend": adapter.backend,
                         "offers": adapter.offers },
            "tier": adapter.tier.name(), "version": env!("CARGO_PKG_VERSION"),
            "counts": self.counts(),
            "agreement": { "top_1_with_f32": self.agreement, "bound": agreement::BOUND },
            "model": { "name": self.model, "parameters": config.parameters(), "hidden": config.hidden_size,
                       "layers": config.num_hidden_layers, "vocabulary": config.vocab_size, "steps": config.total_ut_steps,
                       "format": self.info.format.name(), "asked_for": self.format.name() },
            "stream_read_gb_per_s": gigabytes(self.stream), "dispatches_per_pass": self.info.dispatches_per_pass.0,
            "dispatches_per_long_pass": self.info.dispatches_per_pass.1,
            "passes": passes, "prefill": prefill, "decode": decode,
            "first_token_s": self.first_token,
            "second_turn_s": second_turn,
            "memory_bytes": { "weights": memory.weights, "workspace": memory.workspace, "kv_peak": kv.unwrap_or(memory.kv),
                              "process_peak": self.peak_of_process },
        })
    }
}
