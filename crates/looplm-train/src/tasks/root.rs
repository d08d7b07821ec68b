//! Root: pointer chasing to an absorbing node, in context. Disjoint chains of nodes are listed as pairs (child, parent)
//! in random order; a root is its own parent. Asked for the root above a node, a layer has to follow one pointer after
//! another. Since a root points to itself, loops beyond the last hop do no harm. The difficulty is the number of hops.

use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::{Value, json};

use super::random::{below, permutation, shuffle};
use super::sampled::{Document, Sampler};
use super::words::Words;
use super::{names, sampled::counted};
use crate::config::ConfigError;
use crate::config::section::Section;
use crate::task::Split;

/// In which order the pairs stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PairOrder {
    /// Any. A pair may stand after the pair of its parent, and then absorb it while the list is being read.
    Random,
    /// A child always before its parent, so that nothing is to be had before the question.
    ChildFirst,
}

/// The keys of the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RootConfig {
    /// Nodes of a graph, N; a sequence has 2 N + 4 tokens.
    pub nodes: usize,
    /// Roots among them: guessing is right once in so many.
    pub roots: usize,
    /// Most hops from the node asked for to its root.
    pub depth: usize,
    /// In which order the pairs stand.
    pub order: PairOrder,
}

impl RootConfig {
    pub(super) fn read(s: &Section<'_>) -> Result<Self, ConfigError> {
        let c = RootConfig {
            nodes: s.size_or("nodes", 2..=256, 12)?,
            roots: s.size_or("roots", 1..=256, 5)?,
            depth: s.size_or("depth", 1..=64, 4)?,
            order: s.choice_or(
                "order",
                &[
                    ("random", PairOrder::Random),
                    ("child-first", PairOrder::ChildFirst),
                ],
                PairOrder::Random,
            )?,
        };
        if c.nodes < c.roots + c.depth || c.nodes > c.roots * (c.depth + 1) {
            return Err(ConfigError::inconsistent(
                "task.nodes",
                c.nodes,
                format!(
                    "{} roots with chains of up to {} hops need from {} to {} nodes",
                    c.roots,
                    c.depth,
                    c.roots + c.depth,
                    c.roots * (c.depth + 1)
                ),
            ));
        }
        Ok(c)
    }
}

/// The generator. `<bos> c1 p1 .. cN pN ? s =`, and the target at `=` is the root above s.
#[derive(Debug)]
pub(crate) struct Root {
    config: RootConfig,
    words: Words,
}

impl Root {
    pub(super) fn new(config: RootConfig) -> Self {
        let marks = ["?", "="].map(str::to_owned);
        let words = Words::new(
            true,
            false,
            marks.into_iter().chain(names::nodes(config.nodes)),
        );
        Root { config, words }
    }

    /// The parent of every node (a root its own), the node asked for, and its depth.
    fn forest(&self, rng: &mut ChaCha8Rng) -> (Vec<usize>, usize, usize) {
        let RootConfig {
            nodes,
            roots,
            depth,
            ..
        } = self.config;
        let wanted = below(rng, depth + 1);
        let label = permutation(rng, nodes);
        // The last node of each chain, and the length of each; the first chain is the one asked about.
        let mut ends: Vec<usize> = (0..roots).collect();
        let mut lengths = vec![0; roots];
        let mut parent: Vec<usize> = (0..nodes).collect();
        let mut start = 0;
        for (node, parent) in parent.iter_mut().enumerate().skip(roots) {
            let chain = if lengths[0] < wanted {
                0
            } else {
                let open: Vec<usize> = (0..roots).filter(|&c| lengths[c] < depth).collect();
                open[below(rng, open.len())]
            };
            *parent = ends[chain];
            ends[chain] = node;
            lengths[chain] += 1;
            if chain == 0 && lengths[0] == wanted {
                start = node;
            }
        }
        let mut labelled = vec![0; nodes];
        for (node, &p) in parent.iter().enumerate() {
            labelled[label[node]] = label[p];
        }
        (labelled, label[start], wanted)
    }
}

impl Sampler for Root {
    fn words(&self) -> &Words {
        &self.words
    }

    fn length(&self) -> usize {
        2 * self.config.nodes + 4
    }

    fn sample(&self, rng: &mut ChaCha8Rng, _: Split) -> Document {
        let (parent, start, depth) = self.forest(rng);
        let mut order: Vec<usize> = (0..parent.len()).collect();
        shuffle(rng, &mut order);
        if self.config.order == PairOrder::ChildFirst {
            let hops = |mut n: usize| {
                let mut hops = 0;
                while parent[n] != n {
                    n = parent[n];
                    hops += 1;
                }
                hops
            };
            order.sort_by_key(|&n| std::cmp::Reverse(hops(n)));
        }
        let mut root = start;
        while parent[root] != root {
            root = parent[root];
        }
        let (ask, answer) = (self.words.first(), self.words.first() + 1);
        let id = |node: usize| self.words.first() + 2 + node as u32;
        let mut d = Document::default();
        d.push(1);
        for &child in &order {
            d.push(id(child));
            d.push(id(parent[child]));
        }
        d.push(ask);
        d.push(id(start));
        d.push(answer);
        d.expect(id(root), depth as u16);
        d
    }

    fn difficulties(&self) -> Vec<String> {
        (0..=self.config.depth)
            .map(|n| counted(n, "hop", "hops"))
            .collect()
    }

    fn description(&self) -> Option<Value> {
        Some(json!({
            "kind": "root", "answers": "last-position", "bos": true, "bos_token": "<bos>", "bos_token_id": 1,
            "nodes": names::nodes(self.config.nodes), "roots": self.config.roots, "depth": self.config.depth,
            "format": "child parent ... ? start =",
        }))
    }
}
