//! Reading a table of a configuration: every mistake is an error that names the field by its path.

use std::cell::RefCell;
use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::error::{ConfigError, nearest};

/// Larger integers are not exact in JavaScript.
const MAX_EXACT: u64 = (1 << 53) - 1;

/// One table, and which of its keys have been asked for.
pub(crate) struct Section<'a> {
    path: String,
    map: &'a Map<String, Value>,
    known: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    /// The table of the whole configuration.
    pub(crate) fn root(map: &'a Map<String, Value>) -> Self {
        Section {
            path: String::new(),
            map,
            known: RefCell::default(),
        }
    }

    /// The path of a key of this table.
    pub(crate) fn path(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// A key's value, if it is there. `null` counts as absent. The key is known from now on.
    pub(crate) fn get(&self, key: &'static str) -> Option<&'a Value> {
        self.known.borrow_mut().push(key);
        self.map.get(key).filter(|v| !v.is_null())
    }

    fn need<T>(&self, key: &str, value: Option<T>, expected: &str) -> Result<T, ConfigError> {
        value.ok_or_else(|| ConfigError::MissingField {
            field: self.path(key),
            expected: expected.to_owned(),
        })
    }

    /// A table inside this one.
    pub(crate) fn section(&self, key: &'static str) -> Result<Section<'a>, ConfigError> {
        let value = self.need(key, self.get(key), "a table")?;
        self.table(key, value)
    }

    /// A table that may be left out, so that everything in it has its default.
    pub(crate) fn section_or_empty(
        &self,
        key: &'static str,
        empty: &'a Map<String, Value>,
    ) -> Result<Section<'a>, ConfigError> {
        match self.get(key) {
            Some(value) => self.table(key, value),
            None => Ok(Section {
                path: self.path(key),
                ..Section::root(empty)
            }),
        }
    }

    fn table(&self, key: &str, value: &'a Value) -> Result<Section<'a>, ConfigError> {
        let map = value
            .as_object()
            .ok_or_else(|| ConfigError::invalid(self.path(key), "a table", show(value)))?;
        Ok(Section {
            path: self.path(key),
            ..Section::root(map)
        })
    }

    /// An integer inside a range.
    pub(crate) fn integer(
        &self,
        key: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<u64, ConfigError> {
        let value = self.integer_if_any(key, range.clone())?;
        self.need(key, value, &whole(&range))
    }

    /// An integer inside a range that has a default.
    pub(crate) fn integer_or(
        &self,
        key: &'static str,
        range: RangeInclusive<u64>,
        default: u64,
    ) -> Result<u64, ConfigError> {
        Ok(self.integer_if_any(key, range)?.unwrap_or(default))
    }

    /// An integer inside a range that may be left out.
    pub(crate) fn integer_if_any(
        &self,
        key: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, ConfigError> {
        self.get(key)
            .map(|v| integer(&self.path(key), v, &range))
            .transpose()
    }

    /// As [`Self::integer`], for sizes.
    pub(crate) fn size(
        &self,
        key: &'static str,
        range: RangeInclusive<u64>,
    ) -> Result<usize, ConfigError> {
        Ok(self.integer(key, range)? as usize)
    }

    /// As [`Self::integer_or`], for sizes.
    pub(crate) fn size_or(
        &self,
        key: &'static str,
        range: RangeInclusive<u64>,
        default: usize,
    ) -> Result<usize, ConfigError> {
        Ok(self.integer_or(key, range, default as u64)? as usize)
    }

    /// A seed: any integer that JavaScript holds exactly.
    pub(crate) fn seed_or(&self, key: &'static str, default: u64) -> Result<u64, ConfigError> {
        self.integer_or(key, 0..=MAX_EXACT, default)
    }

    /// A number that meets a condition, or a default.
    pub(crate) fn number_or(
        &self,
        key: &'static str,
        expected: &str,
        right: impl Fn(f64) -> bool,
        default: f64,
    ) -> Result<f64, ConfigError> {
        Ok(self.number_if_any(key, expected, right)?.unwrap_or(default))
    }

    /// A number that meets a condition, if it is there.
    pub(crate) fn number_if_any(
        &self,
        key: &'static str,
        expected: &str,
        right: impl Fn(f64) -> bool,
    ) -> Result<Option<f64>, ConfigError> {
        self.get(key)
            .map(|v| number(&self.path(key), v, expected, right))
            .transpose()
    }

    /// Exactly `N` values, each read by `read`.
    pub(crate) fn values_if_any<T, const N: usize>(
        &self,
        key: &'static str,
        expected: &str,
        read: impl Fn(&str, &Value) -> Result<T, ConfigError>,
    ) -> Result<Option<[T; N]>, ConfigError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let wrong = || ConfigError::invalid(self.path(key), expected, show(value));
        let items = value.as_array().ok_or_else(wrong)?;
        let read: Vec<T> = items
            .iter()
            .enumerate()
            .map(|(i, v)| read(&format!("{}[{i}]", self.path(key)), v))
            .collect::<Result<_, _>>()?;
        read.try_into().map(Some).map_err(|_| wrong())
    }

    /// `true` or `false`.
    pub(crate) fn flag_or(&self, key: &'static str, default: bool) -> Result<bool, ConfigError> {
        match self.get(key) {
            None => Ok(default),
            Some(Value::Bool(b)) => Ok(*b),
            Some(v) => Err(ConfigError::invalid(
                self.path(key),
                "true or false",
                show(v),
            )),
        }
    }

    /// Text, if it is there.
    pub(crate) fn text_if_any(&self, key: &'static str) -> Result<Option<&'a str>, ConfigError> {
        self.get(key)
            .map(|v| {
                v.as_str()
                    .ok_or_else(|| ConfigError::invalid(self.path(key), "text", show(v)))
            })
            .transpose()
    }

    /// Text that must be there.
    pub(crate) fn text(&self, key: &'static str, expected: &str) -> Result<&'a str, ConfigError> {
        let value = self.text_if_any(key)?;
        self.need(key, value, expected)
    }

    /// One of several words, or a default.
    pub(crate) fn choice_or<T: Copy>(
        &self,
        key: &'static str,
        choices: &[(&str, T)],
        default: T,
    ) -> Result<T, ConfigError> {
        match self.text_if_any(key)? {
            None => Ok(default),
            Some(word) => self.choose(key, word, choices),
        }
    }

    /// One of several words.
    pub(crate) fn choice<T: Copy>(
        &self,
        key: &'static str,
        choices: &[(&str, T)],
    ) -> Result<T, ConfigError> {
        let word = self.text(key, &one_of(choices))?;
        self.choose(key, word, choices)
    }

    fn choose<T: Copy>(
        &self,
        key: &str,
        word: &str,
        choices: &[(&str, T)],
    ) -> Result<T, ConfigError> {
        match choices.iter().find(|(name, _)| *name == word) {
            Some((_, value)) => Ok(*value),
            None => {
                let near = nearest(word, choices.iter().map(|(name, _)| *name));
                let hint = near.map_or(String::new(), |n| format!(" (did you mean \"{n}\"?)"));
                Err(ConfigError::invalid(
                    self.path(key),
                    one_of(choices),
                    format!("{:?}{hint}", excerpt(word)),
                ))
            }
        }
    }

    /// To be called last: every key that nobody asked for is a mistake.
    pub(crate) fn finish(self) -> Result<(), ConfigError> {
        let known = self.known.borrow();
        match self.map.keys().find(|k| !known.contains(&k.as_str())) {
            None => Ok(()),
            Some(key) => {
                let mut names: Vec<&str> = known.clone();
                names.dedup();
                Err(ConfigError::UnknownField {
                    field: self.path(&excerpt(key)),
                    suggestion: nearest(key, names.iter().copied()).map(|n| self.path(&n)),
                    known: names.iter().map(|n| self.path(n)).collect(),
                })
            }
        }
    }
}

/// Reads an integer inside a range; a number without a fraction is one.
pub(crate) fn integer(
    path: &str,
    value: &Value,
    range: &RangeInclusive<u64>,
) -> Result<u64, ConfigError> {
    let found = value.as_u64().or_else(|| {
        value
            .as_f64()
            .filter(|x| x.fract() == 0.0 && (0.0..=MAX_EXACT as f64).contains(x))
            .map(|x| x as u64)
    });
    found
        .filter(|n| range.contains(n))
        .ok_or_else(|| ConfigError::invalid(path, whole(range), show(value)))
}

/// Reads a finite number that meets a condition.
pub(crate) fn number(
    path: &str,
    value: &Value,
    expected: &str,
    right: impl Fn(f64) -> bool,
) -> Result<f64, ConfigError> {
    value
        .as_f64()
        .filter(|x| x.is_finite() && right(*x))
        .ok_or_else(|| ConfigError::invalid(path, expected, show(value)))
}

fn whole(range: &RangeInclusive<u64>) -> String {
    format!("a whole number from {} to {}", range.start(), range.end())
}

fn one_of<T>(choices: &[(&str, T)]) -> String {
    let names: Vec<String> = choices.iter().map(|(n, _)| format!("\"{n}\"")).collect();
    match names.as_slice() {
        [only] => only.clone(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
        [] => String::new(),
    }
}

/// A value as a message shows it.
pub(crate) fn show(value: &impl Display) -> String {
    excerpt(&value.to_string())
}

/// Shortens text that came from a file, so that a message stays a message.
pub(crate) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(80) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}
