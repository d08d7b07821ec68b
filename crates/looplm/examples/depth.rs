//! What depth per token pays: full depth, early exits, verified early exits and batches of mixed depths, on the shipped
//! model that speaks (who is who), in one run.
//!
//! `cargo run --release -p looplm --example depth -- [--model FOLDER] [--rounds N] [--json]`
//!
//! The model tells of everybody it knows ("about NAME :"), and ends as many questions of two and three hops ("the boss of the
//! friend of NAME"), so that easy words and hard ones alternate. Times are those of decoding, from the first token on; a mode's
//! figure is the median over the rounds, modes taking turns within each round, so that what else the machine does hits all.

use std::time::Instant;

use futures::future::join_all;
use looplm::{
    LoopLm,
    checkpoint::FolderSource,
    exit::{Exit, ExitRule},
    generate::{Finish, GenerateOptions, Generation, Verify},
    kv_policy::KvPolicy,
    model::LoadOptions,
};
use pollster::block_on;
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

/// Answers at once in the batches.
const SIDE_BY_SIDE: usize = 16;

/// Accuracy that an early exit may lose, as a share of that of full depth.
const KEPT: f64 = 0.95;

struct Arguments {
    model: String,
    rounds: usize,
    json: bool,
}

fn arguments() -> Result<Arguments, Failure> {
    let mut found = Arguments {
        model: "models/who-is-who".into(),
        rounds: 5,
        json: false,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        match name.as_str() {
            "--json" => found.json = true,
            "--model" => found.model = arguments.next().ok_or("--model needs a folder")?,
            "--rounds" => {
                found.rounds = arguments.next().ok_or("--rounds needs a number")?.parse()?
            }
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    Ok(found)
}

/// A prompt, and the ids that are right after it where they are a name.
struct Telling {
    prompt: Vec<u32>,
    names: Vec<Option<u32>>,
}

/// "about NAME :" for everybody, and what is true of them; and a question about everybody, up to the word before "is".
fn tellings(model: &LoopLm) -> Result<Vec<Telling>, Failure> {
    let task = model.config().looplm_task.clone();
    let task = task.filter(|task| task["kind"] == "who-is-who");
    let task = task.ok_or("the model does not speak of who is who")?;
    let list = |key: &str| -> Vec<String> {
        let words = task[key].as_array().into_iter().flatten();
        words
            .filter_map(|w| w.as_str().map(str::to_owned))
            .collect()
    };
    let (people, relations) = (list("names"), list("relations"));
    let tokenizer = model.tokenizer()?;
    let id = |word: &str| -> Result<u32, Failure> {
        let ids = tokenizer.encode(word, false)?;
        Ok(*ids.last().ok_or("a word is no token")?)
    };
    let mut all = Vec::new();
    for (i, name) in people.iter().enumerate() {
        let mut names = Vec::new();
        for relation in relations.iter().take(4) {
            let other = task["facts"][relation][i]
                .as_u64()
                .ok_or("a fact is missing")? as usize;
            // the RELATION is NAME ,
            names.extend([None, None, None, Some(id(&people[other])?), None]);
        }
        let prompt = tokenizer.encode(&format!("about {name} :"), true)?;
        all.push(Telling { prompt, names });

        let hops = 2 + i % 2;
        let (mut at, mut words) = (i, name.clone());
        for hop in 0..hops {
            let relation = &relations[(3 * i + 5 * hop) % relations.len()];
            at = task["facts"][relation][at]
                .as_u64()
                .ok_or("a fact is missing")? as usize;
            words = format!("the {relation} of {words}");
        }
        let prompt = tokenizer.encode(&words, true)?;
        // is NAME .
        let names = vec![None, Some(id(&people[at])?), None];
        all.push(Telling { prompt, names });
    }
    Ok(all)
}

/// A way to decode.
#[derive(Clone)]
struct Mode {
    name: String,
    exit: Exit,
    kv: KvPolicy,
    verify: Verify,
}

impl Mode {
    fn new(name: &str, exit: impl Into<Exit>, kv: KvPolicy, verify: Verify) -> Self {
        Self {
            name: name.to_owned(),
            exit: exit.into(),
            kv,
            verify,
        }
    }

    fn options(&self, tokens: usize) -> GenerateOptions {
        GenerateOptions {
            max_new_tokens: Some(tokens),
            temperature: Some(0.0),
            exit: self.exit,
            kv: self.kv,
            verify: self.verify,
            ..GenerateOptions::default()
        }
    }
}

/// What came of a mode in one round.
#[derive(Default, Clone)]
struct Sum {
    seconds: f64,
    tokens: usize,
    passes: usize,
    rows: usize,
    steps: usize,
    right: usize,
    asked: usize,
    accepted: usize,
    drafted: usize,
    discarded: usize,
    ids: Vec<Vec<u32>>,
}

impl Sum {
    fn add(
        &mut self,
        telling: &Telling,
        ids: &[u32],
        exits: &[usize],
        finish: &Finish,
        steps: usize,
    ) {
        // The first token is the prompt's.
        self.tokens += ids.len() - 1;
        self.passes += finish.passes - finish.prefill_passes;
        self.rows += finish.row_steps - telling.prompt.len() * steps;
        self.steps += exits.iter().skip(1).sum::<usize>();
        for (id, right) in ids.iter().zip(&telling.names) {
            self.asked += usize::from(right.is_some());
            self.right += usize::from(*right == Some(*id));
        }
        self.accepted += finish.accepted;
        self.drafted += finish.drafts.iter().map(|d| d.drafted).sum::<usize>();
        self.discarded += finish.discarded;
        self.ids.push(ids.to_vec());
    }

    fn accuracy(&self) -> f64 {
        self.right as f64 / self.asked.max(1) as f64
    }
}

/// All tellings one after another.
fn one_by_one(model: &LoopLm, tellings: &[Telling], mode: &Mode) -> Result<Sum, Failure> {
    let mut sum = Sum::default();
    let steps = model.config().total_ut_steps;
    for telling in tellings {
        let options = mode.options(telling.names.len());
        let mut generation = Generation::new(model, telling.prompt.clone(), options)?;
        let (mut ids, mut exits) = (Vec::new(), Vec::new());
        let mut start = Instant::now();
        while let Some(token) = block_on(generation.next(&|| false))? {
            if ids.is_empty() {
                start = Instant::now();
            }
            ids.push(token.id);
            exits.push(token.exit_step);
        }
        sum.seconds += start.elapsed().as_secs_f64();
        sum.add(telling, &ids, &exits, &generation.finish(), steps);
    }
    Ok(sum)
}

/// All tellings, [`SIDE_BY_SIDE`] at once. The prompts are counted too.
fn side_by_side(model: &LoopLm, tellings: &[Telling], mode: &Mode) -> Result<Sum, Failure> {
    let mut sum = Sum::default();
    let steps = model.config().total_ut_steps;
    for group in tellings.chunks(SIDE_BY_SIDE) {
        let start = Instant::now();
        let answers = group.iter().map(|telling| async move {
            let options = mode.options(telling.names.len());
            let mut generation = Generation::new(model, telling.prompt.clone(), options)?;
            let (mut ids, mut exits) = (Vec::new(), Vec::new());
            while let Some(token) = generation.next(&|| false).await? {
                ids.push(token.id);
                exits.push(token.exit_step);
            }
            Ok::<_, looplm::Error>((ids, exits, generation.finish()))
        });
        let answers = block_on(join_all(answers));
        sum.seconds += start.elapsed().as_secs_f64();
        for (telling, answer) in group.iter().zip(answers) {
            let (ids, exits, finish) = answer?;
            sum.add(telling, &ids, &exits, &finish, steps);
        }
    }
    Ok(sum)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The modes' figures, each over all rounds, and against the first of them.
fn measure(
    rounds: usize,
    modes: &[Mode],
    run: impl Fn(&Mode) -> Result<Sum, Failure>,
) -> Result<Vec<Value>, Failure> {
    let mut all = vec![Vec::new(); modes.len()];
    for mode in modes {
        run(mode)?;
    }
    for _ in 0..rounds {
        for (mode, sums) in modes.iter().zip(&mut all) {
            sums.push(run(mode)?);
        }
    }
    let speed = |sums: &[Sum]| median(sums.iter().map(|s| s.tokens as f64 / s.seconds).collect());
    let base = speed(&all[0]);
    let rows = modes.iter().zip(&all).map(|(mode, sums)| {
        let (one, n) = (&sums[0], sums[0].tokens as f64);
        // Within a round, against the first mode of that round.
        let ratios = sums.iter().zip(&all[0]).map(|(s, first)| {
            (s.tokens as f64 / s.seconds) / (first.tokens as f64 / first.seconds)
        });
        json!({
            "mode": mode.name, "rule": mode.exit.rule.to_string(), "kv": mode.kv.name(),
            "tokens_per_s": speed(sums), "times_full": median(ratios.collect()), "times_full_of_medians": speed(sums) / base,
            "passes_per_token": one.passes as f64 / n, "rows_per_token": one.rows as f64 / n,
            "mean_exit_step": one.steps as f64 / n, "accuracy": one.accuracy(),
            "drafted": one.drafted, "accepted": one.accepted, "discarded_rows": one.discarded,
            "same_as_full": one.ids == all[0][0].ids,
        })
    });
    Ok(rows.collect())
}

/// The smallest threshold that keeps [`KEPT`] of the accuracy.
fn threshold(model: &LoopLm, tellings: &[Telling], full: f64) -> Result<f32, Failure> {
    for hundredths in [2, 5, 8, 10, 15, 20, 25, 30, 40, 50, 60, 70, 80, 90, 95] {
        let q = hundredths as f32 / 100.0;
        let mode = Mode::new("", ExitRule::Gate(q), KvPolicy::LastExited, Verify::Off);
        if one_by_one(model, tellings, &mode)?.accuracy() >= KEPT * full {
            return Ok(q);
        }
    }
    Ok(1.0)
}

/// The time of a token that leaves by the gate, against that of as many steps in the mean: a line through the tokens of 1 and
/// of all steps, head and all else included.
fn of_ideal(modes: &[Value], steps: usize) -> f64 {
    let find = |name: &str| modes.iter().find(|mode| mode["mode"] == name);
    let number = |name: &str, key: &str| {
        let value = find(name).and_then(|mode| mode[key].as_f64());
        value.unwrap_or(f64::NAN)
    };
    let seconds = |name: &str| 1.0 / number(name, "tokens_per_s");
    let (one, all) = (seconds("step 1, leaves"), seconds("full depth"));
    let step = (all - one) / (steps as f64 - 1.0);
    let ideal = one + step * (number("gate, leaves", "mean_exit_step") - 1.0);
    ideal / seconds("gate, leaves")
}

fn main() -> Result<(), Failure> {
    let arguments = arguments()?;
    let source = FolderSource::new(&arguments.model)?;
    let model = block_on(LoopLm::load(&source, &LoadOptions::default(), &mut |_| ()))?;
    let tellings = tellings(&model)?;
    let full = Mode::new("full depth", ExitRule::Full, KvPolicy::Full, Verify::Off);
    let accuracy = one_by_one(&model, &tellings, &full)?.accuracy();
    let q = threshold(&model, &tellings, accuracy)?;
    let gate = ExitRule::Gate(q);
    let fixed = |n: usize| {
        let name = format!("step {n}, leaves");
        Mode::new(&name, ExitRule::Step(n), KvPolicy::LastExited, Verify::Off)
    };
    let modes = [
        full.clone(),
        Mode::new("gate, leaves", gate, KvPolicy::LastExited, Verify::Off),
        Mode::new("gate, made up for", gate, KvPolicy::Full, Verify::Off),
        Mode::new("gate, verified", gate, KvPolicy::Full, Verify::Always),
        Mode::new(
            "step 1, verified",
            ExitRule::Step(1),
            KvPolicy::Full,
            Verify::Always,
        ),
        Mode::new("gate, verified, adaptive", gate, KvPolicy::Full, Verify::On),
        fixed(1),
        fixed(2),
        fixed(3),
        Mode::new("nothing said", ExitRule::Full, KvPolicy::Full, Verify::Auto),
    ];
    let single = measure(arguments.rounds, &modes, |mode| {
        one_by_one(&model, &tellings, mode)
    })?;
    let of_ideal = of_ideal(&single, model.config().total_ut_steps);
    let batch = measure(arguments.rounds, &modes[..4], |mode| {
        side_by_side(&model, &tellings, mode)
    })?;
    let info = model.info();
    let report = json!({
        "adapter": info.adapter.name, "driver": info.adapter.driver, "model": arguments.model,
        "weights_mb": info.memory.weights as f64 / 1e6, "steps": info.config.total_ut_steps, "tellings": tellings.len(),
        "q": q, "kept_accuracy": KEPT, "of_ideal": of_ideal, "one_by_one": single, "side_by_side": batch, "at_once": SIDE_BY_SIDE,
    });
    if arguments.json {
        println!("{report}");
        return Ok(());
    }
    println!(
        "{} ({}), {}",
        info.adapter.name, info.adapter.driver, arguments.model
    );
    println!(
        "q = {q}: the smallest that keeps {:.0} % of the accuracy of full depth",
        100.0 * KEPT
    );
    println!(
        "leaving by the gate is {:.0} % as fast as its mean number of steps allows",
        100.0 * of_ideal
    );
    for (title, rows) in [
        ("One answer at a time", &single),
        ("Sixteen side by side, prompts included", &batch),
    ] {
        println!("\n{title}\n");
        println!(
            "| mode | tokens/s | times full depth | passes a token | rows a token | mean exit step | names right | drafts right | same text |"
        );
        println!("|---|---:|---:|---:|---:|---:|---:|---:|---|");
        for row in rows.iter() {
            let number = |key: &str| row[key].as_f64().unwrap_or(f64::NAN);
            println!(
                "| {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.2} | {:.1} % | {} of {} | {} |",
                row["mode"].as_str().unwrap_or("?"),
                number("tokens_per_s"),
                number("times_full"),
                number("passes_per_token"),
                number("rows_per_token"),
                number("mean_exit_step"),
                100.0 * number("accuracy"),
                row["accepted"],
                row["drafted"],
                if row["same_as_full"] == true {
                    "yes"
                } else {
                    "no"
                },
            );
        }
    }
    Ok(())
}
