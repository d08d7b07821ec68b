//! Decoding, measured: what the rules save when they are used, and what it costs.

use std::time::{Duration, Instant};

use looplm::LoopLm;
use looplm::exit::{Exit, ExitRule};
use looplm::generate::{Finish, GenerateOptions, Generation, Verify};
use looplm::kv_policy::KvPolicy;
use looplm_train::{Batch, Task};
use pollster::block_on;
use serde::Serialize;

use super::prompts::{Prompt, prompts};
use super::sweep::{Curve, FREE, Point};
use crate::failure::Failure;
use crate::progress::Stage;

/// Prompts at most, and the time after which no further one is begun.
const PROMPTS: usize = 64;
const TIME: Duration = Duration::from_secs(50);
/// Thresholds of each rule.
const THRESHOLDS: usize = 3;

/// How tokens are decoded.
#[derive(Debug, Clone)]
struct Setting {
    rule: &'static str,
    exit: Exit,
    kv: KvPolicy,
    verify: Verify,
}

/// What a setting came to. Figures are of the tokens after the first of each answer, which the prompt's passes make.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Run {
    /// Name of the rule; `full` for none.
    pub(super) rule: &'static str,
    /// As `--exit` takes it.
    pub(super) exit: String,
    /// As `--kv` takes it.
    pub(super) kv: &'static str,
    /// Whether full depth had the last word (`--verify=always`).
    pub(super) verified: bool,
    /// Tokens of all answers.
    pub(super) tokens: usize,
    /// Tokens a second.
    pub(super) tokens_per_second: f64,
    /// Passes over the weights for each token.
    pub(super) passes_per_token: f64,
    /// Rows computed for each token: its steps, and those that were taken back.
    pub(super) row_steps_per_token: f64,
    /// Share of the tokens of full depth that are the same at the same place.
    pub(super) equal: f64,
    /// Share of the sample's own tokens that are the same at the same place.
    pub(super) right: f64,
    /// Bytes of keys and values for each token, the prompt's included, at the end of an answer.
    pub(super) kv_bytes_per_token: f64,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Measured {
    /// Prompts that every setting continued.
    pub(super) prompts: usize,
    /// Full depth first; then, for each rule and threshold, final with the KV policy last-exited and verified.
    pub(super) runs: Vec<Run>,
    /// Full depth with every KV policy, `full` first.
    pub(super) kv_policies: Vec<Run>,
}

/// Measures, or says why there is nothing to measure. `full` is the accuracy of all `steps`.
pub(super) fn measure(
    model: &LoopLm,
    task: &dyn Task,
    batches: &[Batch],
    curves: &[Curve],
    (steps, full): (usize, f64),
    aborted: &dyn Fn() -> bool,
) -> Result<Result<Measured, String>, Failure> {
    let description = task.description();
    let answers = description.as_ref().and_then(|d| d["answers"].as_str());
    if answers != Some("next-token") {
        return Ok(Err(format!(
            "Decoding was not measured: the task's answers are labels ({}), so the model does not continue its prompt.",
            answers.unwrap_or("not described")
        )));
    }
    let prompts = prompts(batches, PROMPTS);
    if prompts.is_empty() {
        return Ok(Err(
            "Decoding was not measured: no sample leaves at least two tokens to continue with."
                .to_owned(),
        ));
    }
    let settings = settings(curves, steps, full);
    let mut sums = vec![Sum::default(); settings.len()];
    let mut stage = Stage::new("prompts", prompts.len() as u64);
    // Shaders are compiled and buffers made on the way.
    for setting in &settings {
        answer(model, &prompts[0], setting, steps, aborted)?;
    }
    let begun = Instant::now();
    let mut done = 0;
    for (i, prompt) in prompts.iter().enumerate() {
        if done > 0 && begun.elapsed() > TIME {
            break;
        }
        let mut answers = vec![None; settings.len()];
        // All settings take turns, each time another one first, so that what else the machine does meets all alike.
        for turn in 0..settings.len() {
            let at = (turn + i) % settings.len();
            answers[at] = Some(answer(model, prompt, &settings[at], steps, aborted)?);
        }
        let answers: Vec<Answered> = answers.into_iter().flatten().collect();
        for (sum, found) in sums.iter_mut().zip(&answers) {
            sum.add(found, &answers[0].ids, prompt, steps);
        }
        done += 1;
        stage.at(done);
    }
    let run = |(setting, sum): (&Setting, &Sum)| sum.run(setting);
    let runs: Vec<Run> = settings.iter().zip(&sums).map(run).collect();
    let is_policy = |run: &&Run| run.rule == "full";
    Ok(Ok(Measured {
        prompts: done as usize,
        kv_policies: runs.iter().filter(is_policy).cloned().collect(),
        runs: runs
            .iter()
            .filter(|run| !is_policy(run) || run.kv == KvPolicy::Full.name())
            .cloned()
            .collect(),
    }))
}

/// Full depth, first as it is, then with every KV policy; and every rule, final and verified.
fn settings(curves: &[Curve], steps: usize, full: f64) -> Vec<Setting> {
    let mut settings: Vec<Setting> = KvPolicy::ALL
        .into_iter()
        .map(|kv| Setting {
            rule: "full",
            exit: Exit::default(),
            kv,
            verify: Verify::Off,
        })
        .collect();
    for curve in curves {
        for rule in early(curve, steps, full) {
            for (kv, verify) in [
                (KvPolicy::LastExited, Verify::Off),
                (KvPolicy::Full, Verify::Always),
            ] {
                settings.push(Setting {
                    rule: curve.rule,
                    exit: rule.into(),
                    kv,
                    verify,
                });
            }
        }
    }
    settings
}

/// Thresholds of a rule that leave early, from few steps to many: the cheapest that is as good as free, and others spread
/// over the mean steps.
fn early(curve: &Curve, steps: usize, full: f64) -> Vec<ExitRule> {
    let mut points: Vec<&Point> = curve.points.iter().collect();
    points.retain(|p| p.mean_steps < steps as f64);
    let mut chosen: Vec<usize> = Vec::new();
    chosen.extend(points.iter().position(|p| p.accuracy >= full - FREE));
    for share in [0.5, 0.25, 0.75] {
        let far = |i: &usize| (points[*i].mean_steps - 1.0 - share * (steps as f64 - 1.0)).abs();
        let left = (0..points.len()).filter(|i| !chosen.contains(i));
        let nearest = left.min_by(|a, b| far(a).total_cmp(&far(b)));
        chosen.extend(nearest.filter(|_| chosen.len() < THRESHOLDS));
    }
    chosen.sort_unstable();
    chosen.into_iter().map(|i| points[i].rule).collect()
}

/// An answer, and what it took after its first token.
#[derive(Debug, Clone)]
struct Answered {
    ids: Vec<u32>,
    seconds: f64,
    finish: Finish,
}

fn answer(
    model: &LoopLm,
    prompt: &Prompt,
    setting: &Setting,
    steps: usize,
    aborted: &dyn Fn() -> bool,
) -> Result<Answered, Failure> {
    let options = GenerateOptions {
        max_new_tokens: Some(prompt.expected.len()),
        temperature: Some(0.0),
        repetition_penalty: Some(1.0),
        steps: Some(steps),
        exit: setting.exit,
        kv: setting.kv,
        verify: setting.verify,
        ..GenerateOptions::default()
    };
    let mut generation = Generation::new(model, prompt.ids.clone(), options)?;
    let mut ids = Vec::new();
    let mut first = 0.0;
    while let Some(token) = block_on(generation.next(aborted))? {
        if ids.is_empty() {
            first = generation.finish().seconds;
        }
        ids.push(token.id);
    }
    let finish = generation.finish();
    Ok(Answered {
        ids,
        seconds: finish.seconds - first,
        finish,
    })
}

#[derive(Debug, Clone, Default)]
struct Sum {
    tokens: usize,
    /// Tokens after the first of an answer.
    later: usize,
    seconds: f64,
    passes: usize,
    row_steps: usize,
    equal: usize,
    of_full: usize,
    right: usize,
    expected: usize,
    kv_bytes: u64,
    held: usize,
}

impl Sum {
    fn add(&mut self, found: &Answered, full: &[u32], prompt: &Prompt, steps: usize) {
        let finish = &found.finish;
        let same = |other: &[u32]| found.ids.iter().zip(other).filter(|(a, b)| a == b).count();
        self.tokens += found.ids.len();
        self.later += found.ids.len().saturating_sub(1);
        self.seconds += found.seconds;
        self.passes += finish.passes - finish.prefill_passes;
        self.row_steps += finish.row_steps - prompt.ids.len() * steps;
        self.equal += same(full);
        self.of_full += full.len();
        self.right += same(&prompt.expected);
        self.expected += prompt.expected.len();
        self.kv_bytes += finish.kv_bytes;
        // The last token of an answer takes no step and leaves nothing.
        self.held += prompt.ids.len() + found.ids.len().saturating_sub(1);
    }

    fn run(&self, setting: &Setting) -> Run {
        let each = |sum: f64| sum / self.later as f64;
        Run {
            rule: setting.rule,
            exit: setting.exit.rule.to_string(),
            kv: setting.kv.name(),
            verified: setting.verify != Verify::Off,
            tokens: self.tokens,
            tokens_per_second: self.later as f64 / self.seconds,
            passes_per_token: each(self.passes as f64),
            row_steps_per_token: each(self.row_steps as f64),
            equal: self.equal as f64 / self.of_full as f64,
            right: self.right as f64 / self.expected as f64,
            kv_bytes_per_token: self.kv_bytes as f64 / self.held as f64,
        }
    }
}
