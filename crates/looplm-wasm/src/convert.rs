//! Plain objects out.

use looplm::{
    generate::{Finish, Token},
    model::{Info, Loading},
    tokenizer::Tokenizer,
    trace::StepTrace,
};
use looplm_js::value::adapter;
use serde::Serialize;
use serde_json::{Value, json};

#[derive(Debug, Serialize)]
struct CandidateOut {
    id: u32,
    text: String,
    probability: f32,
}

#[derive(Debug, Serialize)]
pub(crate) struct StepOut {
    lambda: f32,
    probability: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    entropy: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top: Option<Vec<CandidateOut>>,
}

fn token_text(tokenizer: Option<&Tokenizer>, id: u32) -> String {
    tokenizer.map_or_else(|| id.to_string(), |t| t.token_text(id))
}

pub(crate) fn steps(
    steps: &[StepTrace],
    tokenizer: Option<&Tokenizer>,
    trace: bool,
) -> Vec<StepOut> {
    let candidate = |(id, probability): &(u32, f32)| CandidateOut {
        id: *id,
        text: token_text(tokenizer, *id),
        probability: *probability,
    };
    let step = |s: &StepTrace| StepOut {
        lambda: s.lambda,
        probability: s.probability,
        entropy: s.lens.as_ref().map(|lens| lens.entropy),
        change: trace.then_some(s.change),
        top: s
            .lens
            .as_ref()
            .map(|lens| lens.top.iter().map(candidate).collect()),
    };
    steps.iter().map(step).collect()
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TokenOut {
    id: u32,
    text: String,
    position: usize,
    exit_step: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    draft_step: Option<usize>,
    drafts: Vec<u32>,
    exit_pdf: Vec<f32>,
    steps: Vec<StepOut>,
}

pub(crate) fn token(token: &Token, tokenizer: Option<&Tokenizer>, trace: bool) -> TokenOut {
    TokenOut {
        id: token.id,
        text: token.text.clone(),
        position: token.position,
        exit_step: token.exit_step,
        draft_step: token.draft_step,
        drafts: token.drafts.clone(),
        exit_pdf: token.steps.iter().map(|s| s.probability).collect(),
        steps: steps(&token.steps, tokenizer, trace),
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct PositionOut {
    pub(crate) id: u32,
    pub(crate) text: String,
    pub(crate) steps: Vec<StepOut>,
}

pub(crate) fn position(
    id: u32,
    traces: &[StepTrace],
    tokenizer: Option<&Tokenizer>,
) -> PositionOut {
    PositionOut {
        id,
        text: token_text(tokenizer, id),
        steps: steps(traces, tokenizer, true),
    }
}

pub(crate) fn finish(finish: &Finish) -> Value {
    json!({
        "reason": finish.reason.name(),
        "promptTokens": finish.prompt_tokens,
        "cachedTokens": finish.cached_tokens,
        "newTokens": finish.new_tokens,
        "passes": finish.passes,
        "prefillPasses": finish.prefill_passes,
        "rowSteps": finish.row_steps,
        "accepted": finish.accepted,
        "discarded": finish.discarded,
        "drafts": drafts(finish),
        "kvBytes": finish.kv_bytes,
        "timeline": timeline(finish),
        "seconds": finish.seconds,
    })
}

/// The steps that guessed, from 1.
fn drafts(finish: &Finish) -> Vec<Value> {
    let counts = finish.drafts.iter().enumerate();
    counts
        .filter(|(_, count)| count.drafted > 0)
        .map(|(i, count)| json!({ "step": i + 1, "drafted": count.drafted, "accepted": count.accepted }))
        .collect()
}

fn timeline(finish: &Finish) -> Vec<Value> {
    let pass = |pass: &looplm::generate::PassTrace| {
        let rows: Vec<Value> = pass
            .rows
            .iter()
            .map(|row| json!({ "position": row.position, "step": row.step }))
            .collect();
        match pass.discarded_from {
            None => json!({ "rows": rows }),
            Some(from) => json!({ "rows": rows, "discardedFrom": from }),
        }
    };
    finish.timeline.iter().map(pass).collect()
}

pub(crate) fn loading(loading: &Loading<'_>) -> Value {
    let phase = |name: &str| json!({ "phase": name, "loaded": 0, "total": 0 });
    match loading {
        Loading::Adapter => phase("adapter"),
        Loading::Config => phase("config"),
        Loading::Tokenizer => phase("tokenizer"),
        Loading::Weights(p) => json!({
            "phase": "weights", "loaded": p.loaded, "total": p.total, "file": p.file, "tensor": p.tensor,
        }),
        Loading::Compile { done, total } => json!({
            "phase": "compile", "loaded": done, "total": total, "done": done,
        }),
        Loading::Ready => phase("ready"),
    }
}

pub(crate) fn info(info: &Info) -> Value {
    let c = &info.config;
    let tokenizer = info.tokenizer_size.map(|size| {
        json!({ "vocabSize": size, "chatTemplate": info.chat_template, "stopIds": info.stop_ids })
    });
    json!({
        "architecture": {
            "modelType": "ouro",
            "vocabSize": c.vocab_size,
            "hiddenSize": c.hidden_size,
            "intermediateSize": c.intermediate_size,
            "layers": c.num_hidden_layers,
            "heads": c.num_attention_heads,
            "kvHeads": c.num_key_value_heads,
            "headDim": c.head_dim,
            "steps": c.total_ut_steps,
            "maxPositions": c.max_position_embeddings,
            "tiedHead": c.tie_word_embeddings,
            "ropeTheta": c.rope_theta,
            "rmsNormEps": c.rms_norm_eps,
            "parameters": c.parameters(),
        },
        "format": info.format.name(),
        "tuning": info.tuning,
        "memory": {
            "weights": info.memory.weights,
            "kvPer1000Tokens": { "full": info.kv_per_1000.0, "shared": info.kv_per_1000.1 },
            "workspace": info.memory.workspace,
        },
        "tokenizer": tokenizer,
        "adapter": adapter(&info.adapter, info.device_limits),
        "contextLength": info.context,
        "warnings": info.warnings,
        "task": c.looplm_task,
    })
}
