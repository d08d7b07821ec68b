//! Reachability in a directed graph of which a part is only in the weights (after the theory of arXiv 2510.25741, which
//! finds that log2 of the distance many loops suffice). Some edges are the same in every sample and are never shown;
//! others are drawn for the sample and listed. Asked is whether a path leads from one node to another: the model has
//! to join what it reads to what it knows. The difficulty is the distance.

use std::collections::HashSet;

use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use serde_json::{Value, json};

use super::names;
use super::random::{Purpose, below, shuffle, stream};
use super::sampled::{Document, Sampler};
use super::words::Words;
use crate::config::ConfigError;
use crate::config::section::Section;
use crate::task::Split;

/// Graphs drawn in search of one with a pair at the distance asked for.
const TRIES: usize = 100;

/// The keys of the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReachConfig {
    /// Nodes.
    pub nodes: usize,
    /// Edges that are the same in every sample and never listed.
    pub known_edges: usize,
    /// Edges drawn and listed in each sample; a sequence has twice as many tokens and 5 more.
    pub listed_edges: usize,
    /// The longest distance asked about.
    pub distance: usize,
}

impl ReachConfig {
    pub(super) fn read(s: &Section<'_>) -> Result<Self, ConfigError> {
        let c = ReachConfig {
            nodes: s.size_or("nodes", 4..=128, 24)?,
            known_edges: s.size_or("known_edges", 0..=1024, 14)?,
            listed_edges: s.size_or("listed_edges", 1..=1024, 8)?,
            distance: s.size_or("distance", 1..=32, 4)?,
        };
        // With many more edges than nodes everything is reachable, and no sample has "no" as its answer.
        let edges = c.known_edges + c.listed_edges;
        if edges > 2 * c.nodes {
            return Err(ConfigError::inconsistent(
                "task.listed_edges",
                format!("{} with {} known ones", c.listed_edges, c.known_edges),
                format!(
                    "there may be at most two edges for each of the {} nodes",
                    c.nodes
                ),
            ));
        }
        if c.distance >= c.nodes.min(edges + 1) {
            return Err(ConfigError::inconsistent(
                "task.distance",
                c.distance,
                format!("{} nodes with {edges} edges have no path so long", c.nodes),
            ));
        }
        Ok(c)
    }
}

type Edge = (usize, usize);

/// The generator. `<bos> from to .. ? s g =`, and the target at `=` is `yes` or `no`.
#[derive(Debug)]
pub(crate) struct Reach {
    config: ReachConfig,
    words: Words,
    known: Vec<Edge>,
}

impl Reach {
    pub(super) fn new(config: ReachConfig, seed: u64) -> Self {
        let marks = ["?", "=", "yes", "no"].map(str::to_owned);
        let words = Words::new(
            true,
            false,
            marks.into_iter().chain(names::nodes(config.nodes)),
        );
        let mut rng = stream(seed, Purpose::World, 0);
        let known = edges(&mut rng, config.nodes, config.known_edges, &[]);
        Reach {
            config,
            words,
            known,
        }
    }

    /// Pairs at the distance asked for, or, for `None`, without a path although an edge leaves the one and another
    /// reaches the other.
    fn pairs(&self, edges: &[Edge], wanted: Option<usize>) -> Vec<Edge> {
        let n = self.config.nodes;
        let mut next = vec![Vec::new(); n];
        let mut reached = vec![false; n];
        for &(a, b) in edges {
            next[a].push(b);
            reached[b] = true;
        }
        let mut found = Vec::new();
        for start in (0..n).filter(|&a| !next[a].is_empty()) {
            let distance = distances(&next, start);
            for (goal, &d) in distance.iter().enumerate() {
                if goal != start && reached[goal] && d == wanted {
                    found.push((start, goal));
                }
            }
        }
        found
    }
}

/// The distance of every node from one.
fn distances(next: &[Vec<usize>], start: usize) -> Vec<Option<usize>> {
    let mut distance = vec![None; next.len()];
    distance[start] = Some(0);
    let mut border = vec![start];
    for d in 1.. {
        let mut further = Vec::new();
        for &a in &border {
            for &b in &next[a] {
                if distance[b].is_none() {
                    distance[b] = Some(d);
                    further.push(b);
                }
            }
        }
        if further.is_empty() {
            break;
        }
        border = further;
    }
    distance
}

/// So many different edges that lead from one node to another, none of them among those there are.
fn edges(rng: &mut ChaCha8Rng, nodes: usize, count: usize, there: &[Edge]) -> Vec<Edge> {
    let mut taken: HashSet<Edge> = there.iter().copied().collect();
    let mut edges = Vec::with_capacity(count);
    while edges.len() < count {
        let edge = (below(rng, nodes), below(rng, nodes));
        if edge.0 != edge.1 && taken.insert(edge) {
            edges.push(edge);
        }
    }
    edges
}

impl Sampler for Reach {
    fn words(&self) -> &Words {
        &self.words
    }

    fn length(&self) -> usize {
        2 * self.config.listed_edges + 5
    }

    fn sample(&self, rng: &mut ChaCha8Rng, _: Split) -> Document {
        let most = self.config.distance;
        // Half of the answers are "no".
        let mut wanted = (below(rng, 2) == 0).then(|| 1 + below(rng, most));
        let mut tries = 0;
        let (listed, (start, goal)) = loop {
            let mut listed = edges(
                rng,
                self.config.nodes,
                self.config.listed_edges,
                &self.known,
            );
            shuffle(rng, &mut listed);
            let all = [self.known.as_slice(), &listed].concat();
            let pairs = self.pairs(&all, wanted);
            if !pairs.is_empty() {
                break (listed, pairs[below(rng, pairs.len())]);
            }
            // Graphs in which a kind of pair is hardly ever found have pairs one edge apart.
            tries += 1;
            if tries > TRIES {
                wanted = Some(1);
            }
        };
        let first = self.words.first();
        let id = |node: usize| first + 4 + node as u32;
        let mut d = Document::default();
        d.push(1);
        for (a, b) in listed {
            d.push(id(a));
            d.push(id(b));
        }
        d.push(first);
        d.push(id(start));
        d.push(id(goal));
        d.push(first + 1);
        match wanted {
            Some(distance) => d.expect(first + 2, distance as u16 - 1),
            None => d.expect(first + 3, most as u16),
        }
        d
    }

    fn difficulties(&self) -> Vec<String> {
        (1..=self.config.distance)
            .map(|d| format!("distance {d}"))
            .chain(["no path".to_owned()])
            .collect()
    }

    fn description(&self) -> Option<Value> {
        let nodes = names::nodes(self.config.nodes);
        let known: Vec<[&str; 2]> = self
            .known
            .iter()
            .map(|&(a, b)| [nodes[a].as_str(), nodes[b].as_str()])
            .collect();
        Some(json!({
            "kind": "reach", "answers": "last-position", "bos": true, "bos_token": "<bos>", "bos_token_id": 1,
            "nodes": nodes, "known_edges": known, "listed_edges": self.config.listed_edges,
            "distance": self.config.distance, "format": "from to ... ? start goal =",
        }))
    }
}
