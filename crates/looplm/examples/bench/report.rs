//! A run, for people.

use crate::{clock::Spread, measure::TURN, run::Run};

fn of(spread: Spread, scale: f64, digits: usize) -> String {
    format!(
        "{:.digits$} ({:.digits$}-{:.digits$})",
        spread.median * scale,
        spread.low * scale,
        spread.high * scale,
    )
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

/// Prints a run; in brackets the middle half of the measurements.
pub(crate) fn print(run: &Run) {
    let (info, config) = (&run.info, &run.info.config);
    let adapter = &info.adapter;
    println!(
        "\n{} ({}), {}, tier {}",
        adapter.name,
        adapter.driver,
        adapter.backend,
        adapter.tier.name()
    );
    println!(
        "{}: {} parameters, hidden {}, {} layers, vocabulary {}, {} steps; weights in {}",
        run.model,
        config.parameters(),
        config.hidden_size,
        config.num_hidden_layers,
        config.vocab_size,
        config.total_ut_steps,
        info.format
    );
    println!(
        "best token as in f32: {:.1} %{}",
        100.0 * run.agreement,
        if run.counts() {
            ""
        } else {
            ": THIS RUN DOES NOT COUNT"
        }
    );
    println!("streaming read: {} GB/s", of(run.stream, 1e-9, 1));

    println!(
        "\n| decode after | tokens/s | ms a token | ms a pass | dispatches a token | tokens a readback | weights GB/s | of streaming read |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|");
    for (context, one) in &run.decoded {
        let read = run.token_bandwidth(one.token);
        println!(
            "| {context} | {} | {} | {} | {} | {:.1} | {} | {} |",
            of(one.token.map(f64::recip), 1.0, 2),
            of(one.token, 1e3, 1),
            of(one.token, 1e3 / config.total_ut_steps as f64, 1),
            one.dispatches,
            one.read_together,
            of(read, 1e-9, 2),
            percent(read.median / run.stream.median)
        );
    }

    println!("\n| rows of a pass | ms | times one row | weights GB/s | of streaming read |");
    println!("|---:|---:|---:|---:|---:|");
    let single = run.passes.first().map_or(f64::NAN, |(_, pass)| pass.median);
    for (rows, pass) in &run.passes {
        let read = run.pass_bandwidth(*pass);
        println!(
            "| {rows} | {} | {:.2} | {} | {} |",
            of(*pass, 1e3, 1),
            pass.median / single,
            of(read, 1e-9, 2),
            percent(read.median / run.stream.median)
        );
    }

    println!();
    if let Some((tokens, taken)) = run.prefill {
        let speed = taken.map(|seconds| tokens as f64 / seconds);
        println!("prefill of {tokens} tokens: {} tokens/s", of(speed, 1.0, 1));
    }
    let first = run.first_token;
    println!(
        "first token after {} of prompt: {:.2} s from the first load, {} s from later ones, {} s of them after loading",
        first.prompt,
        first.cold,
        of(first.warm, 1.0, 2),
        of(first.loaded, 1.0, 3)
    );
    if let Some((before, kept, anew)) = run.second_turn {
        println!(
            "first token of a conversation's second turn, {} tokens after {before}: {} s going on, {} s anew",
            TURN,
            of(kept, 1.0, 3),
            of(anew, 1.0, 3)
        );
    }
    let megabytes = |bytes: u64| format!("{:.0} MB", bytes as f64 / 1e6);
    let kv = run.decoded.iter().map(|(_, one)| one.kv_bytes).max();
    println!(
        "memory: weights {}, workspace {}, keys and values {} at most; this process {} at most",
        megabytes(info.memory.weights),
        megabytes(info.memory.workspace),
        megabytes(kv.unwrap_or(info.memory.kv)),
        run.peak_of_process.map_or("unknown".into(), megabytes)
    );
}
