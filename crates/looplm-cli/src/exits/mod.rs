//! `looplm eval --exits`: exit rules beside each other, as figures and as a page.

mod compare;
mod depth;
mod family;
mod figures;
mod findings;
mod folder;
mod measure;
mod observe;
mod page;
mod plot;
mod prompts;
mod report;
mod sweep;
mod tables;
mod words;

use std::io::{self, Write};
use std::path::Path;

use looplm::Error;
use looplm::exit::Exit;
use looplm::model::LoadOptions;
use looplm_train::trainer::fit;

use crate::args::EvalArgs;
use crate::config::{self, Trained};
use crate::failure::Failure;
use crate::held_out::held_out;
use crate::interrupt::StopRequest;
use crate::{load, say};
use folder::ReportFolder;
use report::{FORMAT, Report};
use sweep::Curve;

pub(crate) use family::Family;

/// Writes a report on the rules that were asked for.
pub(crate) fn run(args: &EvalArgs, out: &Path) -> Result<(), Failure> {
    let trained = config::trained(&args.model, args.task.as_deref())?;
    let folder = ReportFolder::open(out)?;
    let stop = StopRequest::listen()?;
    let report = match report(args, trained, &|| stop.is_asked()) {
        Err(Failure::Model(Error::Aborted)) => {
            say::note("stopped; nothing was written");
            stop.end();
        }
        report => report?,
    };
    let page = page::page(&report)?;
    let data = serde_json::to_vec_pretty(&report).map_err(io::Error::from)?;
    folder.write(folder::DATA, &data)?;
    folder.write(folder::PAGE, page.as_bytes())?;
    print(&report, args.json)?;
    say::note(&format!("the report is {}", folder.page().display()));
    Ok(())
}

fn report(
    args: &EvalArgs,
    mut trained: Trained,
    aborted: &dyn Fn() -> bool,
) -> Result<Report, Failure> {
    let source = load::open(&trained.folder, args.steps, Exit::default())?;
    let options = LoadOptions {
        precision: args.format.unwrap_or_default().into(),
        ..LoadOptions::default()
    };
    let model = load::model(&source, &options)?;
    let steps = model.steps(args.steps)?.get();
    if steps < 2 {
        return Err(Failure::OneStep);
    }
    let task = fit(&mut trained.config, model.config())?;
    let run = &trained.config.run;
    let samples = args.samples.unwrap_or(run.evaluation_samples as u64);
    let batches = held_out(task.as_ref(), samples, run.batch_size);
    let observed = observe::observe(&model, task.as_ref(), &batches, steps, aborted)?;
    let curves: Vec<Curve> = distinct(&args.exits)
        .into_iter()
        .map(|family| Curve::of(family, &observed))
        .collect();
    let depth = depth::by_depth(&observed);
    let all = depth.last().map(|row| row.accuracy.as_slice());
    let full_accuracy = all.map_or(f64::NAN, |accuracy| accuracy[steps - 1]);
    let measured = measure::measure(
        &model,
        task.as_ref(),
        &batches,
        &curves,
        (steps, full_accuracy),
        aborted,
    )?;
    let (decoding, not_measured) = match measured {
        Ok(measured) => (Some(measured), None),
        Err(reason) => (None, Some(reason)),
    };
    let name = args.model.file_name().unwrap_or(args.model.as_os_str());
    let mut report = Report {
        format: FORMAT,
        task: trained.config.name.clone(),
        model: name.to_string_lossy().into_owned(),
        adapter: model.info().adapter.name.clone(),
        steps,
        trained_steps: model.config().total_ut_steps,
        samples: observed.samples,
        targets: observed.targets.len(),
        full_accuracy,
        cheapest: report::cheapest(&curves, full_accuracy),
        comparison: compare::compare(&curves, steps),
        depth,
        rules: curves,
        decoding,
        not_measured,
        findings: Vec::new(),
    };
    report.findings = findings::findings(&report);
    Ok(report)
}

/// Every rule once, in the order they were named.
fn distinct(families: &[Family]) -> Vec<Family> {
    let mut distinct = Vec::new();
    for family in families {
        if !distinct.contains(family) {
            distinct.push(*family);
        }
    }
    distinct
}

fn print(report: &Report, json: bool) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if json {
        serde_json::to_writer(&mut out, report).map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        for table in [Some(tables::depth(report)), tables::at_steps(report)] {
            let Some(table) = table else { continue };
            writeln!(out, "{}", table.caption)?;
            for line in table.lines() {
                writeln!(out, "{line}")?;
            }
        }
        for finding in &report.findings {
            writeln!(out, "{finding}")?;
        }
    }
    Ok(out.flush()?)
}
