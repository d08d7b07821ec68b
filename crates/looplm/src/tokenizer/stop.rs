//! When an answer is over: stop ids, and stop strings that never reach the reader.

/// Watches the ids and the text of an answer for its end.
#[derive(Debug, Clone, Default)]
pub struct StopMatcher {
    ids: Vec<u32>,
    strings: Vec<String>,
    /// Text that may be the beginning of a stop string.
    held: String,
    stopped: bool,
}

/// What a [`StopMatcher`] lets through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// Text for the reader.
    pub text: String,
    /// Whether a stop string was met: `text` ends before it, and nothing follows.
    pub stopped: bool,
}

impl StopMatcher {
    /// Stops at any of `ids`, or as soon as any of `strings` is complete in the text. Empty strings are ignored.
    pub fn new(
        ids: impl IntoIterator<Item = u32>,
        strings: impl IntoIterator<Item = String>,
    ) -> StopMatcher {
        StopMatcher {
            ids: ids.into_iter().collect(),
            strings: strings.into_iter().filter(|s| !s.is_empty()).collect(),
            held: String::new(),
            stopped: false,
        }
    }

    /// Whether an id ends the answer.
    pub fn is_stop_id(&self, id: u32) -> bool {
        self.ids.contains(&id)
    }

    /// Adds text. What may be the beginning of a stop string is held back until that is decided. How the text is cut into
    /// pieces makes no difference: of several stop strings the one that is complete first counts.
    pub fn push(&mut self, text: &str) -> Passed {
        if self.stopped {
            return Passed {
                text: String::new(),
                stopped: true,
            };
        }
        self.held.push_str(text);
        let first = self
            .strings
            .iter()
            .filter_map(|s| {
                self.held
                    .find(s.as_str())
                    .map(|begin| (begin + s.len(), begin))
            })
            .min();
        if let Some((_, begin)) = first {
            self.held.truncate(begin);
            self.stopped = true;
            return Passed {
                text: std::mem::take(&mut self.held),
                stopped: true,
            };
        }
        let open = self
            .strings
            .iter()
            .map(|s| overlap(&self.held, s))
            .max()
            .unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - open);
        Passed {
            text: std::mem::replace(&mut self.held, rest),
            stopped: false,
        }
    }

    /// Ends the answer: the text still held back, which was no stop string after all.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// Bytes at the end of `text` that `stop` begins with, the whole of `stop` excluded.
fn overlap(text: &str, stop: &str) -> usize {
    stop.char_indices()
        .map(|(end, _)| end)
        .rev()
        .find(|&end| text.ends_with(&stop[..end]))
        .unwrap_or(0)
}
