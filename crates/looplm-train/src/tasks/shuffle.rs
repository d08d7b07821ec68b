//! Track the shuffle: the word problem of a permutation group. Cups change places, and at every position the target is
//! the arrangement after the moves so far. A label, not the next token.
//!
//! An arrangement names the cup at each place, cups being named by the place where they began, so it starts as `123`.
//! A move is an index permutation: `new_state[j] = old_state[perm[j]]`. The moves are all of S3 or of S5. Composing n
//! moves in parallel takes about log2 n layers one after another, which is why loops help, and why the difficulty of
//! a position is that logarithm.

use rand::Rng;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::random::{Purpose, below, stream};
use super::words::Words;
use crate::batch::{Batch, IGNORED, NO_DIFFICULTY};
use crate::config::ConfigError;
use crate::config::section::Section;
use crate::task::{Example, Split, Task};

/// Longest shuffle.
const MAX_MOVES: u64 = 256;

/// Whose word problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// The six permutations of three cups. Solvable, so constant depth would do in principle.
    S3,
    /// The 120 permutations of five cups: not solvable, complete for NC1 (Barrington's theorem).
    S5,
}

impl Group {
    fn cups(self) -> usize {
        match self {
            Group::S3 => 3,
            Group::S5 => 5,
        }
    }
}

/// The keys of the task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShuffleConfig {
    /// Whose word problem.
    pub group: Group,
    /// Moves of a shuffle.
    pub moves: usize,
    /// Whether every sequence begins with `<bos>`, whose target is the start.
    pub bos: bool,
    /// Moves of the shuffles of the first training batches: a curriculum.
    pub first_moves: usize,
    /// Number of those batches.
    pub first_batches: u64,
}

impl ShuffleConfig {
    pub(super) fn read(s: &Section<'_>) -> Result<Self, ConfigError> {
        let groups = [("s3", Group::S3), ("s5", Group::S5)];
        let moves = s.size_or("moves", 1..=MAX_MOVES, 16)?;
        Ok(ShuffleConfig {
            group: s.choice_or("group", &groups, Group::S3)?,
            moves,
            bos: s.flag_or("bos", true)?,
            first_moves: s.size_or("first_moves", 1..=moves as u64, moves)?,
            first_batches: s.integer_or("first_batches", 0..=1_000_000_000, 0)?,
        })
    }
}

/// The generator. Tokens: `<unk>`, `<bos>`, the moves, the arrangements.
#[derive(Debug, Clone)]
pub(crate) struct Shuffle {
    config: ShuffleConfig,
    seed: u64,
    words: Words,
    /// Every move as an index permutation, in the order of the tokens.
    moves: Vec<Vec<usize>>,
    /// `after[a][m]`: index of the arrangement that move m makes of arrangement a.
    after: Vec<Vec<usize>>,
}

impl Shuffle {
    /// The task of a configuration.
    pub(super) fn new(config: ShuffleConfig, seed: u64) -> Self {
        let arrangements = permutations(config.group.cups());
        let moves: Vec<Vec<usize>> = match config.group {
            Group::S3 => S3_MOVES.iter().map(|(_, p)| p.to_vec()).collect(),
            Group::S5 => arrangements.clone(),
        };
        let move_names: Vec<String> = match config.group {
            Group::S3 => S3_MOVES.iter().map(|(n, _)| (*n).to_owned()).collect(),
            Group::S5 => moves.iter().map(|p| format!("to{}", name(p))).collect(),
        };
        let place = |a: &[usize]| arrangements.iter().position(|b| b == a).unwrap_or(0);
        let after = arrangements
            .iter()
            .map(|a| {
                moves
                    .iter()
                    .map(|m| place(&m.iter().map(|&i| a[i]).collect::<Vec<_>>()))
                    .collect()
            })
            .collect();
        let arrangement_names = arrangements.iter().map(|a| name(a));
        let words = Words::new(
            config.bos,
            false,
            move_names.into_iter().chain(arrangement_names),
        );
        Shuffle {
            config,
            seed,
            words,
            moves,
            after,
        }
    }

    fn first_arrangement(&self) -> u32 {
        self.words.first() + self.moves.len() as u32
    }

    /// Ids and targets of one uniform shuffle.
    fn sample(&self, rng: &mut impl Rng, moves: usize) -> (Vec<u32>, Vec<i32>) {
        let (mut ids, mut targets) = (Vec::new(), Vec::new());
        let mut state = 0;
        if let Some(bos) = self.words.bos() {
            ids.push(bos);
            targets.push(self.first_arrangement() as i32);
        }
        for _ in 0..moves {
            let drawn = below(rng, self.moves.len());
            state = self.after[state][drawn];
            ids.push(self.words.first() + drawn as u32);
            targets.push((self.first_arrangement() as usize + state) as i32);
        }
        (ids, targets)
    }

    /// The difficulty of a position: ceil(log2 n) after n moves, and one less than all of them before the first.
    fn difficulty(&self, position: usize) -> u16 {
        let bos = usize::from(self.config.bos);
        match position + 1 - bos {
            0 => 0,
            n => bos as u16 + n.next_power_of_two().trailing_zeros() as u16,
        }
    }

    /// Words of the moves that people see first.
    fn example_moves(&self) -> String {
        let moves = self.config.moves;
        match self.config.group {
            Group::S3 => S3_EXAMPLE[..moves.min(S3_EXAMPLE.len())].join(" "),
            Group::S5 => self.words.text(
                &self
                    .sample(
                        &mut stream(self.seed, Purpose::Example, 0),
                        moves.min(S3_EXAMPLE.len()),
                    )
                    .0,
            ),
        }
    }
}

impl Task for Shuffle {
    fn vocab_size(&self) -> usize {
        self.words.len()
    }

    fn max_length(&self) -> usize {
        self.config.moves + usize::from(self.config.bos)
    }

    fn batch(&self, split: Split, index: u64, sequences: usize) -> Batch {
        let short = split == Split::Train && index < self.config.first_batches;
        let moves = if short {
            self.config.first_moves
        } else {
            self.config.moves
        };
        let mut rng = stream(self.seed, Purpose::Batch(split), index);
        let mut batch = Batch {
            sequences,
            length: moves + usize::from(self.config.bos),
            ..Batch::default()
        };
        for _ in 0..sequences {
            let (ids, targets) = self.sample(&mut rng, moves);
            batch.ids.extend(ids);
            batch.targets.extend(targets);
            batch
                .difficulty
                .extend((0..batch.length).map(|p| self.difficulty(p)));
        }
        debug_assert!(
            !batch.targets.contains(&IGNORED) && !batch.difficulty.contains(&NO_DIFFICULTY)
        );
        batch
    }

    fn difficulties(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .config
            .bos
            .then(|| "start".to_owned())
            .into_iter()
            .collect();
        let mut least = 1;
        while least <= self.config.moves {
            // 1, 2, 3-4, 5-8, ...: up to the next power of two.
            let most = least.next_power_of_two().min(self.config.moves);
            names.push(if least == most {
                least.to_string()
            } else {
                format!("{least}-{most}")
            });
            least = most + 1;
        }
        names
    }

    fn files(&self) -> Vec<(String, Vec<u8>)> {
        self.words.files(self.max_length())
    }

    fn bos(&self) -> Option<u32> {
        self.words.bos()
    }

    fn eos(&self) -> Option<u32> {
        None
    }

    fn description(&self) -> Option<Value> {
        let first = self.words.first();
        let arrangement = |i: usize| self.words.word(self.first_arrangement() + i as u32);
        let move_name = |i: usize| self.words.word(first + i as u32);
        let count = self.after.len();
        let ids = |name: &dyn Fn(usize) -> String, from: u32, n: usize| -> Map<String, Value> {
            (0..n)
                .map(|i| (name(i), json!(from as usize + i)))
                .collect()
        };
        let moves: Map<String, Value> = self
            .moves
            .iter()
            .enumerate()
            .map(|(i, p)| (move_name(i).to_owned(), json!(p)))
            .collect();
        let mut text = Map::new();
        text.insert("kind".into(), "track-the-shuffle".into());
        text.insert("answers".into(), "every-position".into());
        text.insert("bos".into(), self.config.bos.into());
        if let Some(bos) = self.words.bos() {
            text.insert("bos_token".into(), self.words.word(bos).into());
            text.insert("bos_token_id".into(), bos.into());
        }
        text.insert("moves".into(), moves.into());
        text.insert(
            "move_token_ids".into(),
            ids(&|i| move_name(i).to_owned(), first, self.moves.len()).into(),
        );
        text.insert(
            "move_rule".into(),
            "new_state[j] = old_state[perm[j]]".into(),
        );
        text.insert(
            "arrangements".into(),
            (0..count).map(arrangement).collect::<Vec<_>>().into(),
        );
        text.insert(
            "arrangement_token_ids".into(),
            ids(
                &|i| arrangement(i).to_owned(),
                self.first_arrangement(),
                count,
            )
            .into(),
        );
        text.insert("start".into(), arrangement(0).into());
        text.insert("max_moves".into(), self.config.moves.into());
        text.insert("example".into(), self.example_moves().into());
        Some(Value::Object(text))
    }

    fn example(&self, index: u64) -> Example {
        let mut rng = stream(self.seed, Purpose::Example, index);
        let (ids, targets) = self.sample(&mut rng, self.config.moves);
        let targets: Vec<u32> = targets.iter().map(|&t| t as u32).collect();
        Example {
            input: self.words.text(&ids),
            answer: self
                .words
                .text(&targets[usize::from(self.config.bos).min(targets.len())..]),
        }
    }
}

/// The moves of three cups by their names in English.
const S3_MOVES: [(&str, [usize; 3]); 6] = [
    ("stay", [0, 1, 2]),
    ("swap12", [1, 0, 2]),
    ("swap23", [0, 2, 1]),
    ("swap13", [2, 1, 0]),
    ("left", [1, 2, 0]),
    ("right", [2, 0, 1]),
];

/// A shuffle with every kind of move in it.
const S3_EXAMPLE: [&str; 14] = [
    "swap12", "left", "swap23", "right", "swap13", "swap12", "left", "swap23", "left", "swap12",
    "swap23", "swap13", "right", "swap12",
];

/// An arrangement or a permutation by its places, counted from 1.
fn name(p: &[usize]) -> String {
    p.iter().map(|i| (i + 1).to_string()).collect()
}

/// All permutations of 0..n in lexicographic order.
fn permutations(n: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for _ in 0..n {
        all = all
            .into_iter()
            .flat_map(|p: Vec<usize>| {
                (0..n)
                    .filter(|i| !p.contains(i))
                    .map(|i| [p.as_slice(), &[i]].concat())
                    .collect::<Vec<_>>()
            })
            .collect();
    }
    all
}
