//! What can be learned: seeded generators of tokens, targets and difficulties, a file each.

mod addition;
mod biographies;
mod bytes;
mod facts;
mod k_hop;
mod mano;
mod names;
mod people;
mod random;
mod reach;
mod root;
mod sampled;
mod shuffle;
mod text;
mod who_is_who;
mod words;

use serde::Serialize;

use crate::config::ConfigError;
use crate::config::section::Section;
use crate::task::Task;
use sampled::{Sampled, Sampler};

pub use addition::{AdditionConfig, AnswerStyle};
pub use biographies::{BiographiesConfig, Pools};
pub use k_hop::KHopConfig;
pub use mano::ManoConfig;
pub use people::PeopleConfig;
pub use reach::ReachConfig;
pub use root::{PairOrder, RootConfig};
pub use shuffle::{Group, ShuffleConfig};
pub use text::{MAX_TEXT, TextConfig, TextTokenizer};
pub use who_is_who::WhoIsWhoConfig;

/// The `[task]` table of a configuration: `kind`, and the task's own keys.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum TaskConfig {
    /// Track the shuffle: the word problem of a permutation group.
    Shuffle(ShuffleConfig),
    /// Pointer chasing to an absorbing node.
    Root(RootConfig),
    /// The k-th node after one, in context.
    KHop(KHopConfig),
    /// Arithmetic modulo p in prefix notation.
    Mano(ManoConfig),
    /// Multi-hop questions over people in layers.
    People(PeopleConfig),
    /// Biographies, and the bits per parameter they leave.
    Biographies(BiographiesConfig),
    /// Reachability in a graph of which a part is only in the weights.
    Reach(ReachConfig),
    /// Addition with the digits reversed.
    Addition(AdditionConfig),
    /// A text of the user's own.
    Text(TextConfig),
    /// A small language of people and relations.
    WhoIsWho(WhoIsWhoConfig),
}

/// How to read the keys of a kind.
type Read = fn(&Section<'_>) -> Result<TaskConfig, ConfigError>;

/// The names in `task.kind`, from what to try first.
const KINDS: &[(&str, Read)] = &[
    ("shuffle", |s| {
        Ok(TaskConfig::Shuffle(ShuffleConfig::read(s)?))
    }),
    ("root", |s| Ok(TaskConfig::Root(RootConfig::read(s)?))),
    ("k-hop", |s| Ok(TaskConfig::KHop(KHopConfig::read(s)?))),
    ("mano", |s| Ok(TaskConfig::Mano(ManoConfig::read(s)?))),
    ("people", |s| Ok(TaskConfig::People(PeopleConfig::read(s)?))),
    ("biographies", |s| {
        Ok(TaskConfig::Biographies(BiographiesConfig::read(s)?))
    }),
    ("reach", |s| Ok(TaskConfig::Reach(ReachConfig::read(s)?))),
    ("addition", |s| {
        Ok(TaskConfig::Addition(AdditionConfig::read(s)?))
    }),
    ("text", |s| Ok(TaskConfig::Text(TextConfig::read(s)?))),
    ("who-is-who", |s| {
        Ok(TaskConfig::WhoIsWho(WhoIsWhoConfig::read(s)?))
    }),
];

impl TaskConfig {
    /// The `kind` of every task there is.
    pub fn kinds() -> impl Iterator<Item = &'static str> {
        KINDS.iter().map(|(name, _)| *name)
    }

    pub(crate) fn read(s: Section<'_>) -> Result<Self, ConfigError> {
        let task = s.choice("kind", KINDS)?(&s)?;
        s.finish()?;
        Ok(task)
    }

    /// The generator of the samples; `seed` decides them all.
    ///
    /// # Errors
    /// [`ConfigError`] where the task needs something that reading the configuration does not show to be wrong.
    pub fn build(&self, seed: u64) -> Result<Box<dyn Task>, ConfigError> {
        fn sampled(seed: u64, sampler: impl Sampler + 'static) -> Box<dyn Task> {
            Box::new(Sampled { seed, sampler })
        }
        Ok(match self.clone() {
            TaskConfig::Shuffle(c) => Box::new(shuffle::Shuffle::new(c, seed)),
            TaskConfig::Root(c) => sampled(seed, root::Root::new(c)),
            TaskConfig::KHop(c) => sampled(seed, k_hop::KHop::new(c)),
            TaskConfig::Mano(c) => sampled(seed, mano::Mano::new(c)),
            TaskConfig::People(c) => sampled(seed, people::People::new(c, seed)?),
            TaskConfig::Biographies(c) => sampled(seed, biographies::Biographies::new(c, seed)),
            TaskConfig::Reach(c) => sampled(seed, reach::Reach::new(c, seed)),
            TaskConfig::Addition(c) => sampled(seed, addition::Addition::new(c)),
            TaskConfig::Text(c) => Box::new(text::Text::new(c, seed)?),
            TaskConfig::WhoIsWho(c) => sampled(seed, who_is_who::WhoIsWho::new(c, seed)?),
        })
    }
}
