//! The same for a person.

use std::io::{self, Write};

use anstyle::Style;
use indicatif::{HumanBytes, HumanCount};

use super::{Adapter, Architecture, Memory, Report, Tokenizer};

type Row = (String, String);

fn row(label: &str, value: impl Into<String>) -> Row {
    (label.to_owned(), value.into())
}

pub(super) fn print(report: &Report, out: &mut impl Write) -> io::Result<()> {
    section(out, "architecture", &architecture(&report.architecture))?;
    section(out, "memory", &memory(&report.memory, report))?;
    section(out, "tokenizer", &tokenizer(report.tokenizer.as_ref()))?;
    section(
        out,
        "adapter",
        &adapter(report.adapter.as_ref(), report.adapter_error.as_deref()),
    )?;
    for warning in &report.warnings {
        writeln!(out, "note: {warning}")?;
    }
    out.flush()
}

fn section(out: &mut impl Write, title: &str, rows: &[Row]) -> io::Result<()> {
    let bold = Style::new().bold();
    writeln!(out, "{bold}{title}{bold:#}")?;
    for (label, value) in rows {
        writeln!(out, "  {label:<22} {value}")?;
    }
    Ok(())
}

fn architecture(a: &Architecture) -> Vec<Row> {
    let kv = match a.kv_heads {
        n if n == a.heads => String::new(),
        n => format!(", {n} for keys and values"),
    };
    vec![
        row("model type", a.model_type),
        row("parameters", HumanCount(a.parameters).to_string()),
        row("recurrent steps", format!("{} (as trained)", a.steps)),
        row("layers", format!("{}, shared by all steps", a.layers)),
        row(
            "hidden size",
            format!("{}, {} in the SwiGLU", a.hidden_size, a.intermediate_size),
        ),
        row("heads", format!("{} of {}{kv}", a.heads, a.head_dim)),
        row("vocabulary", HumanCount(a.vocab_size as u64).to_string()),
        row(
            "output head",
            if a.tied_head {
                "tied to the embedding"
            } else {
                "its own"
            },
        ),
        row(
            "positions",
            format!(
                "{}, rotary base {}",
                HumanCount(a.max_positions as u64),
                a.rope_theta
            ),
        ),
        row("early exit threshold", a.early_exit_threshold.to_string()),
    ]
}

fn memory(m: &Memory, report: &Report) -> Vec<Row> {
    let bytes = |n: u64| HumanBytes(n).to_string();
    let dtypes: Vec<String> = m
        .weights_by_dtype
        .iter()
        .map(|(dtype, size)| match m.weights_by_dtype.len() {
            1 => (*dtype).to_owned(),
            _ => format!("{dtype} ({})", bytes(*size)),
        })
        .collect();
    let mut rows = vec![row(
        "weights",
        format!("{} in {}", bytes(m.weights), dtypes.join(", ")),
    )];
    rows.extend(
        m.weights_by_part
            .iter()
            .map(|(part, size)| row(&format!("  {part}"), bytes(*size))),
    );
    let kv = &m.kv_per_1000_tokens;
    rows.push(row(
        "KV per 1,000 tokens",
        format!("{} full (a plane for every step)", bytes(kv.full)),
    ));
    rows.push(row(
        "",
        format!("{} shared (one entry for all steps)", bytes(kv.shared)),
    ));
    let files: u64 = report.files.iter().map(|f| f.bytes).sum();
    let count = match report.files.len() {
        1 => "1 file".to_owned(),
        n => format!("{n} files"),
    };
    rows.push(row("on disk", format!("{} in {count}", bytes(files))));
    rows
}

fn tokenizer(tokenizer: Option<&Tokenizer>) -> Vec<Row> {
    let Some(t) = tokenizer else {
        return vec![row("none", "the model takes token ids (--ids), not text")];
    };
    let stop: Vec<String> = t.stop_ids.iter().map(u32::to_string).collect();
    vec![
        row("tokens", HumanCount(t.vocab_size as u64).to_string()),
        row(
            "chat template",
            if t.chat_template { "yes" } else { "none" },
        ),
        row(
            "stop ids",
            if stop.is_empty() {
                "none".to_owned()
            } else {
                stop.join(", ")
            },
        ),
    ]
}

fn adapter(adapter: Option<&Adapter>, error: Option<&str>) -> Vec<Row> {
    let Some(a) = adapter else {
        return vec![row("none", error.unwrap_or_default())];
    };
    let offers = if a.offers.is_empty() {
        String::new()
    } else {
        format!(" (the adapter also offers {})", a.offers.join(", "))
    };
    vec![
        row("name", &a.name),
        row("driver", format!("{}, {}", a.backend, a.driver)),
        row("tier", format!("{}{offers}", a.tier)),
        row(
            "largest binding",
            HumanBytes(a.limits.max_storage_buffer_binding_size).to_string(),
        ),
        row(
            "largest buffer",
            HumanBytes(a.limits.max_buffer_size).to_string(),
        ),
    ]
}
