//! What is seen, in words.

use super::compare::{Comparison, Duel};
use super::depth::DepthRow;
use super::measure::{Measured, Run};
use super::report::{Cheapest, FREE, Report};
use super::words::{listed, number, percent, points, times};

/// One sentence or a few for each question that the figures answer.
pub(super) fn findings(report: &Report) -> Vec<String> {
    let mut found = vec![format!(
        "At full depth, {} steps, the model gets {} of {} targets right.",
        report.steps,
        percent(report.full_accuracy),
        report.targets
    )];
    if let Some(comparison) = &report.comparison {
        found.extend(best(comparison));
        found.extend(comparison.confidence_against_gate.as_ref().map(duel));
    }
    found.push(saving(report));
    found.extend(depth(report));
    match (&report.decoding, &report.not_measured) {
        (Some(measured), _) => found.extend(decoding(measured)),
        (None, Some(reason)) => found.push(reason.clone()),
        (None, None) => {}
    }
    found
}

fn best(comparison: &Comparison) -> Option<String> {
    let best = comparison.averages.first()?;
    let over = format!(
        "Averaged over mean exit steps from {} to {}",
        number(comparison.from, 2),
        number(comparison.to, 2)
    );
    let Some(next) = comparison.averages.get(1) else {
        return Some(format!(
            "{over}, {} gets {} right.",
            best.rule,
            percent(best.accuracy)
        ));
    };
    let behind = next.behind;
    let interval = format!(
        "95 % interval {} to {}",
        points(behind.low),
        points(behind.high)
    );
    let mut text = if behind.low > 0.0 {
        format!(
            "{over}, {} is the best rule with {}, ahead of {} by {} points ({interval}).",
            best.rule,
            percent(best.accuracy),
            next.rule,
            points(behind.mean)
        )
    } else {
        let tied: Vec<&str> = comparison
            .averages
            .iter()
            .filter(|a| a.behind.low <= 0.0)
            .map(|a| a.rule)
            .collect();
        format!(
            "{over}, {} cannot be told apart: {} gets {}, ahead of {} by {} points ({interval}).",
            listed(&tied),
            best.rule,
            percent(best.accuracy),
            next.rule,
            points(behind.mean)
        )
    };
    if let Some(step) = comparison.averages.iter().find(|a| a.rule == "step")
        && step.rule != best.rule
    {
        text += &format!(
            " A fixed step gets {}, so choosing token by token is worth {} points.",
            percent(step.accuracy),
            points(step.behind.mean)
        );
    }
    if !comparison.narrow.is_empty() {
        let rules: Vec<&str> = comparison.narrow.iter().map(|n| n.rule).collect();
        text += &format!(
            " Not in the average, since they reach a part of these mean steps only: {}.",
            listed(&rules)
        );
    }
    Some(text)
}

/// Confidence against the gate.
fn duel(duel: &Duel) -> String {
    const CLAIM: &str = "arXiv 2607.20519 says that confidence may beat the gate";
    let lead = duel.lead;
    let over = |sign: f64| {
        let [low, high] = match sign < 0.0 {
            true => [lead.high, lead.low],
            false => [lead.low, lead.high],
        };
        format!(
            "by {} points on average from {} to {} mean exit steps (95 % interval {} to {})",
            points(sign * lead.mean),
            number(duel.from, 2),
            number(duel.to, 2),
            points(sign * low),
            points(sign * high)
        )
    };
    let most = format!(
        "{} points, at {} mean exit steps",
        points(duel.most),
        number(duel.most_at, 2)
    );
    if lead.low > 0.0 {
        format!(
            "{CLAIM}, and here it does, {}, and by up to {most}. It is ahead on {} of the way and behind on {}.",
            over(1.0),
            percent(duel.ahead),
            percent(duel.behind)
        )
    } else if lead.high < 0.0 {
        let exception = match duel.ahead > 0.0 {
            true => format!(
                "Confidence is ahead on {} of the way, by up to {most}.",
                percent(duel.ahead)
            ),
            false => "Confidence is ahead nowhere.".to_owned(),
        };
        format!(
            "{CLAIM}; here the gate beats confidence, {}. {exception}",
            over(-1.0)
        )
    } else {
        format!(
            "{CLAIM}; here the two cannot be told apart: confidence differs from the gate {}.",
            over(1.0)
        )
    }
}

/// What can be had without losing accuracy.
fn saving(report: &Report) -> String {
    let free = points(FREE);
    let saved = |steps: f64| 1.0 - steps / report.steps as f64;
    let saving = |c: &&Cheapest| saved(c.mean_steps) >= 0.01;
    let mut found = report.cheapest.iter().filter(saving);
    let Some(best) = found.next() else {
        return format!(
            "No rule saves steps and keeps the accuracy of full depth to within {free} points."
        );
    };
    let others: Vec<String> = found
        .map(|c| format!("{} with {}", number(c.mean_steps, 2), c.exit))
        .collect();
    let mut text = format!(
        "Within {free} points of full depth, the fewest steps are {} of {} on average, {} fewer, with {}",
        number(best.mean_steps, 2),
        report.steps,
        percent(saved(best.mean_steps)),
        best.exit
    );
    if !others.is_empty() {
        text += &format!("; then {}", others.join(", "));
    }
    text + "."
}

/// More steps, and fewer, than the model was trained with.
fn depth(report: &Report) -> Option<String> {
    let all = report.depth.last()?;
    let trained = *all.accuracy.get(report.trained_steps.checked_sub(1)?)?;
    let most = all.accuracy.len();
    let (best, accuracy) = (1..)
        .zip(&all.accuracy)
        .max_by(|a, b| a.1.total_cmp(b.1).then(b.0.cmp(&a.0)))?;
    let mut text = format!(
        "A run of {} steps, as in training, gets {} right; one of {most} gets {}.",
        report.trained_steps,
        percent(trained),
        percent(all.accuracy[most - 1])
    );
    text += &if best > report.trained_steps && accuracy - trained > FREE {
        format!(
            " So more steps than in training help, most at {best}: {}.",
            percent(*accuracy)
        )
    } else if trained - all.accuracy[most - 1] > FREE {
        " So steps beyond those of training lose accuracy.".to_owned()
    } else {
        " So steps beyond those of training neither help nor hurt.".to_owned()
    };
    if let Some(row) = hardest(&report.depth) {
        let first = row.accuracy.first()?;
        text += &format!(
            " The most is at stake for {:?}: {} with one step, {} with {}.",
            row.name,
            percent(*first),
            percent(row.accuracy[report.trained_steps - 1]),
            report.trained_steps
        );
    }
    Some(text)
}

/// The difficulty that gains the most of steps.
fn hardest(depth: &[DepthRow]) -> Option<&DepthRow> {
    let (_, difficulties) = depth.split_last()?;
    let gain = |row: &&DepthRow| {
        let most = row.accuracy.iter().copied().fold(0.0, f64::max);
        most - row.accuracy.first().copied().unwrap_or(0.0)
    };
    let counted = difficulties.iter().filter(|row| row.targets > 0);
    counted.max_by(|a, b| gain(a).total_cmp(&gain(b)))
}

fn decoding(measured: &Measured) -> Vec<String> {
    let Some((full, runs)) = measured.runs.split_first() else {
        return Vec::new();
    };
    let fastest = |verified: bool, least: f64| {
        let of = runs
            .iter()
            .filter(|r| r.verified == verified && r.equal >= least);
        of.max_by(|a, b| a.tokens_per_second.total_cmp(&b.tokens_per_second))
    };
    let speed = |run: &Run| times(run.tokens_per_second / full.tokens_per_second);
    let mut found = Vec::new();
    match fastest(false, 0.99) {
        Some(run) => found.push(format!(
            "In decoding, {} is the fastest final rule whose text is at least 99 % that of full depth: {} tokens a second, {} \
             those of full depth, and {} passes a token instead of {}. {} of its tokens are right, {} of full depth's.",
            run.exit,
            number(run.tokens_per_second, 1),
            speed(run),
            number(run.passes_per_token, 2),
            number(full.passes_per_token, 2),
            percent(run.right),
            percent(full.right)
        )),
        None => found.push(
            "In decoding, no final rule at the thresholds that were measured keeps 99 % of the text of full depth."
                .to_owned(),
        ),
    }
    if let Some(run) = fastest(true, 0.0) {
        let changed = runs.iter().filter(|r| r.verified && r.equal < 1.0).count();
        let text = match changed {
            0 => "Verified, every answer is that of full depth to the token.".to_owned(),
            n => format!("Verified, {n} settings changed the text, which they must not."),
        };
        found.push(format!(
            "{text} The fastest is {} with {} tokens a second, {} those of full depth, in {} passes a token with {} rows.",
            run.exit,
            number(run.tokens_per_second, 1),
            speed(run),
            number(run.passes_per_token, 2),
            number(run.row_steps_per_token, 2)
        ));
    }
    if let Some((own, others)) = measured.kv_policies.split_first() {
        let said: Vec<String> = others
            .iter()
            .filter(|run| run.kv_bytes_per_token < 0.99 * own.kv_bytes_per_token)
            .map(|run| {
                format!(
                    "{} keeps {} bytes a token instead of {} and {} of the text",
                    run.kv,
                    number(run.kv_bytes_per_token, 0),
                    number(own.kv_bytes_per_token, 0),
                    percent(run.equal)
                )
            })
            .collect();
        if !said.is_empty() {
            found.push(format!(
                "Of the KV policies at full depth, {}.",
                said.join("; ")
            ));
        }
    }
    found
}
