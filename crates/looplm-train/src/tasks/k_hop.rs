//! k-hop in context: a random permutation of N nodes is listed as pairs in random order, and asked is the node k pointers
//! further on. Unlike in the task `root` nothing absorbs: the state has to count, and loops beyond the k-th must hold
//! the answer still. The difficulty is k.

use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::{Value, json};

use super::names;
use super::random::{below, permutation};
use super::sampled::{Document, Sampler, counted};
use super::words::Words;
use crate::config::ConfigError;
use crate::config::section::Section;
use crate::task::Split;

/// The keys of the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KHopConfig {
    /// Nodes of the permutation, N; a sequence has 2 N + 5 tokens.
    pub nodes: usize,
    /// Most hops.
    pub hops: usize,
}

impl KHopConfig {
    pub(super) fn read(s: &Section<'_>) -> Result<Self, ConfigError> {
        Ok(KHopConfig {
            nodes: s.size_or("nodes", 2..=256, 8)?,
            hops: s.size_or("hops", 1..=32, 4)?,
        })
    }
}

/// The generator. `<bos> x1 y1 .. xN yN ? k s =`, and the target at `=` is the node k hops after s.
#[derive(Debug)]
pub(crate) struct KHop {
    config: KHopConfig,
    words: Words,
}

impl KHop {
    pub(super) fn new(config: KHopConfig) -> Self {
        let marks = ["?", "="].map(str::to_owned).into_iter();
        let hops = (1..=config.hops).map(|k| k.to_string());
        let words = Words::new(
            true,
            false,
            marks.chain(hops).chain(names::nodes(config.nodes)),
        );
        KHop { config, words }
    }
}

impl Sampler for KHop {
    fn words(&self) -> &Words {
        &self.words
    }

    fn length(&self) -> usize {
        2 * self.config.nodes + 5
    }

    fn sample(&self, rng: &mut ChaCha8Rng, _: Split) -> Document {
        let KHopConfig { nodes, hops } = self.config;
        let next = permutation(rng, nodes);
        let (k, start) = (1 + below(rng, hops), below(rng, nodes));
        let first = self.words.first();
        let id = |node: usize| first + (2 + hops + node) as u32;
        let mut d = Document::default();
        d.push(1);
        for node in permutation(rng, nodes) {
            d.push(id(node));
            d.push(id(next[node]));
        }
        d.push(first);
        d.push(first + 1 + k as u32);
        d.push(id(start));
        d.push(first + 1);
        d.expect(id((0..k).fold(start, |n, _| next[n])), k as u16 - 1);
        d
    }

    fn difficulties(&self) -> Vec<String> {
        (1..=self.config.hops)
            .map(|k| counted(k, "hop", "hops"))
            .collect()
    }

    fn description(&self) -> Option<Value> {
        Some(json!({
            "kind": "k-hop", "answers": "last-position", "bos": true, "bos_token": "<bos>", "bos_token_id": 1,
            "nodes": names::nodes(self.config.nodes), "hops": self.config.hops,
            "format": "from to ... ? hops start =",
        }))
    }
}
