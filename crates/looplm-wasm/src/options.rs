//! Plain objects in.

use std::str::FromStr;

use looplm::{
    engine::{EngineOptions, KvFormat},
    exit::{Exit as Leaving, ExitRule},
    generate::{GenerateOptions, Verify},
    kv_policy::KvPolicy,
    precision::WeightFormat,
};
use looplm_gpu::{DeviceOptions, tune::Tunings};
use serde::{Deserialize, Deserializer, de::Error as _};

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct LoadConfig {
    pub(crate) context_length: Option<f64>,
    pub(crate) max_rows: Option<f64>,
    pub(crate) max_binding_size: Option<f64>,
    pub(crate) kv_bytes: Option<f64>,
    pub(crate) memory_limit: Option<f64>,
    #[serde(deserialize_with = "named")]
    pub(crate) kv_format: Option<KvFormat>,
    #[serde(deserialize_with = "named")]
    pub(crate) format: Option<WeightFormat>,
    pub(crate) tunings: Option<Tunings>,
}

impl LoadConfig {
    pub(crate) fn engine(&self) -> EngineOptions {
        EngineOptions {
            context_length: self.context_length.map(count),
            max_rows: self.max_rows.map(count),
            kv_bytes: self.kv_bytes.map(|bytes| bytes as u64),
            kv_format: self.kv_format.unwrap_or_default(),
        }
    }

    pub(crate) fn device(&self) -> DeviceOptions {
        DeviceOptions {
            max_binding_size: self.max_binding_size.map(|bytes| bytes as u64),
            memory_limit: self.memory_limit.map(|bytes| bytes as u64),
            ..DeviceOptions::default()
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ConversionConfig {
    #[serde(deserialize_with = "named")]
    pub(crate) format: Option<WeightFormat>,
}

/// A JavaScript number as a count: one larger than any count is the largest.
pub(crate) fn count(number: f64) -> usize {
    number as usize
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Exit {
    Full,
    Step(usize),
    Gate(f32),
    GateDelayed(f32),
    Hidden(f32),
    HiddenAbs(f32),
    Confidence(f32),
    Entropy(f32),
    Agree(usize),
}

impl From<Exit> for ExitRule {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Full => Self::Full,
            Exit::Step(n) => Self::Step(n),
            Exit::Gate(q) => Self::Gate(q),
            Exit::GateDelayed(q) => Self::GateDelayed(q),
            Exit::Hidden(eps) => Self::Hidden(eps),
            Exit::HiddenAbs(eps) => Self::HiddenAbsolute(eps),
            Exit::Confidence(p) => Self::Confidence(p),
            Exit::Entropy(x) => Self::Entropy(x),
            Exit::Agree(k) => Self::Agree(k),
        }
    }
}

/// A value by its name.
fn named<'de, D: Deserializer<'de>, T: FromStr<Err = String>>(
    from: D,
) -> Result<Option<T>, D::Error> {
    let name = Option::<String>::deserialize(from)?;
    name.map(|name| name.parse().map_err(D::Error::custom))
        .transpose()
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Trace {
    pub(crate) top_k: usize,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct GenerateConfig {
    max_new_tokens: Option<f64>,
    temperature: Option<f32>,
    top_k: Option<f64>,
    top_p: Option<f32>,
    min_p: Option<f32>,
    repetition_penalty: Option<f32>,
    seed: Option<f64>,
    steps: Option<usize>,
    exit: Option<Exit>,
    min_steps: Option<usize>,
    max_steps: Option<usize>,
    #[serde(deserialize_with = "named")]
    kv: Option<KvPolicy>,
    #[serde(deserialize_with = "named")]
    verify: Option<Verify>,
    stop: Option<Vec<String>>,
    trace: Option<Trace>,
    timeline: Option<bool>,
    cache_prompt: Option<bool>,
    answered: Option<usize>,
}

impl From<GenerateConfig> for GenerateOptions {
    fn from(c: GenerateConfig) -> Self {
        Self {
            max_new_tokens: c.max_new_tokens.map(count),
            temperature: c.temperature,
            top_k: c.top_k.map(|k| k as u32),
            top_p: c.top_p,
            min_p: c.min_p,
            repetition_penalty: c.repetition_penalty,
            seed: c.seed.map(|seed| seed as u64),
            steps: c.steps,
            exit: Leaving {
                rule: c.exit.map(Into::into).unwrap_or_default(),
                min_steps: c.min_steps.unwrap_or(1),
                max_steps: c.max_steps,
            },
            kv: c.kv.unwrap_or_default(),
            verify: c.verify.unwrap_or_default(),
            timeline: c.timeline.unwrap_or(false),
            cache_prompt: c.cache_prompt.unwrap_or(false),
            stop: c.stop.unwrap_or_default(),
            trace_top_k: c.trace.map(|t| t.top_k),
            answered: c.answered.unwrap_or(0),
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ForwardConfig {
    pub(crate) steps: Option<usize>,
    pub(crate) logits: bool,
    pub(crate) hidden: bool,
    pub(crate) trace: Option<Trace>,
    pub(crate) gate: Option<f32>,
}
