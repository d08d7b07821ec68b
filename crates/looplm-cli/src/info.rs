//! `looplm info`: what a model is and what it takes to run it, without reading its weights.

mod table;

use std::collections::BTreeMap;
use std::io::{self, Write};

use looplm::Config;
use looplm::chat::ChatTemplate;
use looplm::checkpoint::{Checkpoint, FolderSource, Summary, read_config};
use looplm::engine::KvFormat;
use looplm::generation_config::GenerationConfig;
use looplm::tokenizer::{Tokenizer as LoadedTokenizer, TokenizerConfig};
use looplm_gpu::{DeviceOptions, Gpu, GpuError};
use serde::Serialize;

use crate::args::InfoArgs;
use crate::failure::Failure;

/// The object `--json` prints; sizes are bytes. Scripts depend on it.
#[derive(Debug, Serialize)]
struct Report {
    architecture: Architecture,
    memory: Memory,
    files: Vec<FileSize>,
    tokenizer: Option<Tokenizer>,
    adapter: Option<Adapter>,
    /// Why there is no adapter.
    #[serde(skip_serializing_if = "Option::is_none")]
    adapter_error: Option<String>,
    /// The `looplm_task` object of `config.json`, verbatim.
    task: Option<serde_json::Value>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Architecture {
    model_type: &'static str,
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    layers: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    /// Steps the model was trained with.
    steps: usize,
    max_positions: usize,
    tied_head: bool,
    rope_theta: f64,
    rms_norm_eps: f64,
    early_exit_threshold: f64,
    parameters: u64,
}

#[derive(Debug, Serialize)]
struct Memory {
    weights: u64,
    weights_by_part: BTreeMap<&'static str, u64>,
    weights_by_dtype: BTreeMap<&'static str, u64>,
    kv_per_1000_tokens: KvBytes,
}

/// Keys and values of 1,000 tokens by cache policy.
#[derive(Debug, Serialize)]
struct KvBytes {
    /// A plane for every step.
    full: u64,
    /// One entry for all steps.
    shared: u64,
}

#[derive(Debug, Serialize)]
struct FileSize {
    name: String,
    bytes: u64,
}

#[derive(Debug, Serialize)]
struct Tokenizer {
    vocab_size: usize,
    chat_template: bool,
    stop_ids: Vec<u32>,
}

#[derive(Debug, Serialize)]
struct Adapter {
    name: String,
    driver: String,
    backend: String,
    tier: &'static str,
    offers: Vec<&'static str>,
    limits: Limits,
}

#[derive(Debug, Serialize)]
struct Limits {
    max_storage_buffer_binding_size: u64,
    max_buffer_size: u64,
}

pub(crate) fn run(args: &InfoArgs) -> Result<(), Failure> {
    let source = FolderSource::new(&args.model)?;
    let report = pollster::block_on(report(&source))?;
    if args.json {
        let mut out = io::stdout();
        serde_json::to_writer_pretty(&mut out, &report).map_err(io::Error::from)?;
        out.write_all(b"\n")?;
        Ok(out.flush()?)
    } else {
        Ok(table::print(&report, &mut anstream::stdout().lock())?)
    }
}

async fn report(source: &FolderSource) -> Result<Report, Failure> {
    let config = read_config(source).await?;
    let generation = GenerationConfig::read(source)
        .await
        .map_err(looplm::Error::from)?;
    let tokenizer_config = TokenizerConfig::read(source).await?;
    let tokenizer = LoadedTokenizer::read(source, &tokenizer_config, config.vocab_size).await?;
    let chat_template = ChatTemplate::read(source, &tokenizer_config)
        .await?
        .is_some();
    let summary = Checkpoint::open(source, &config).await?.summarize().await?;
    let (adapter, adapter_error) = match adapter().await {
        Ok(adapter) => (Some(adapter), None),
        Err(error) => (None, Some(error.to_string())),
    };
    Ok(Report {
        architecture: architecture(&config, &summary),
        memory: memory(&config, &summary),
        tokenizer: tokenizer.map(|tokenizer| Tokenizer {
            vocab_size: tokenizer.vocab_size(),
            chat_template,
            stop_ids: generation.stop_ids(Some(&tokenizer)),
        }),
        adapter,
        adapter_error,
        files: summary
            .files
            .into_iter()
            .map(|(name, bytes)| FileSize { name, bytes })
            .collect(),
        warnings: summary.warnings,
        task: config.looplm_task,
    })
}

async fn adapter() -> Result<Adapter, GpuError> {
    let gpu = Gpu::open(&DeviceOptions::default()).await?;
    let report = gpu.report().clone();
    let limits = Limits {
        max_storage_buffer_binding_size: gpu.max_binding(),
        max_buffer_size: gpu.max_buffer(),
    };
    gpu.destroy();
    Ok(Adapter {
        name: report.name,
        driver: report.driver,
        backend: report.backend,
        tier: report.tier.name(),
        offers: report.offers,
        limits,
    })
}

fn architecture(config: &Config, summary: &Summary) -> Architecture {
    Architecture {
        model_type: "ouro",
        vocab_size: config.vocab_size,
        hidden_size: config.hidden_size,
        intermediate_size: config.intermediate_size,
        layers: config.num_hidden_layers,
        heads: config.num_attention_heads,
        kv_heads: config.num_key_value_heads,
        head_dim: config.head_dim,
        steps: config.total_ut_steps,
        max_positions: config.max_position_embeddings,
        tied_head: config.tie_word_embeddings,
        rope_theta: config.rope_theta,
        rms_norm_eps: config.rms_norm_eps,
        early_exit_threshold: config.early_exit_threshold,
        parameters: summary.parameters,
    }
}

fn memory(config: &Config, summary: &Summary) -> Memory {
    let shared = looplm::engine::bytes_per_position(config, KvFormat::default()) * 1000;
    Memory {
        weights: summary.bytes,
        weights_by_part: summary
            .parts
            .iter()
            .map(|(part, bytes)| (part.name(), *bytes))
            .collect(),
        weights_by_dtype: summary
            .dtypes
            .iter()
            .map(|(dtype, bytes)| (dtype.name(), *bytes))
            .collect(),
        kv_per_1000_tokens: KvBytes {
            full: shared * config.total_ut_steps as u64,
            shared,
        },
    }
}
