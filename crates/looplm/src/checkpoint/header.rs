//! The header of a safetensors file: eight bytes of length, then JSON.
//!
//! Offsets are read as `u64`, not through the crate's `usize` metadata, so that a browser (32 bits) opens files above
//! 4 GiB; and each lie of a header has its own error. The tests hold the two parsers against each other.

use std::collections::BTreeMap;
use std::fmt;

use safetensors::Dtype as AnyDtype;
use serde::de::value::{Error as NameError, StrDeserializer};
use serde::de::{Error, IgnoredAny, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::CheckpointError;
use crate::error::excerpt;

/// Bytes of the length field.
const LENGTH_BYTES: usize = 8;
/// The longest header the format's own library accepts.
const MAX_HEADER: u64 = 100_000_000;

/// A checked header: tensors in the order of the file, each beginning where the one before it ends.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) tensors: Vec<Entry>,
    /// Bytes before the first tensor.
    pub(super) data_begin: u64,
    /// Bytes of all tensors.
    pub(super) data_bytes: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) dtype: AnyDtype,
    pub(super) shape: Vec<u64>,
    pub(super) bytes: u64,
}

/// Gathers the bytes of a header from chunks, never more than have arrived.
pub(super) struct HeaderBuffer {
    file: String,
    size: Option<u64>,
    bytes: Vec<u8>,
}

impl HeaderBuffer {
    /// `size`: the length of the file, where known.
    pub(super) fn new(file: &str, size: Option<u64>) -> HeaderBuffer {
        HeaderBuffer {
            file: file.to_owned(),
            size,
            bytes: Vec::new(),
        }
    }

    /// Takes what it needs of `chunk`. Once the header is complete: the header, and how much of this chunk it took.
    pub(super) fn push(
        &mut self,
        chunk: &[u8],
    ) -> Result<Option<(Header, usize)>, CheckpointError> {
        let mut used = self.take(chunk, LENGTH_BYTES);
        let Some(length) = self.length()? else {
            return Ok(None);
        };
        let end = LENGTH_BYTES + length;
        used += self.take(&chunk[used..], end);
        if self.bytes.len() < end {
            return Ok(None);
        }
        Ok(Some((
            parse(&self.file, &self.bytes[LENGTH_BYTES..], self.size)?,
            used,
        )))
    }

    /// The error for a file that ended inside its header.
    pub(super) fn truncated(&self) -> CheckpointError {
        let length = self.length().ok().flatten().unwrap_or(0);
        CheckpointError::Truncated {
            file: self.file.clone(),
            expected: (LENGTH_BYTES + length) as u64,
            found: self.bytes.len() as u64,
        }
    }

    fn take(&mut self, chunk: &[u8], until: usize) -> usize {
        let n = until.saturating_sub(self.bytes.len()).min(chunk.len());
        self.bytes.extend_from_slice(&chunk[..n]);
        n
    }

    fn length(&self) -> Result<Option<usize>, CheckpointError> {
        let Some(field) = self.bytes.first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let found = u64::from_le_bytes(*field);
        let limit = self.size.map_or(MAX_HEADER, |n| {
            n.saturating_sub(LENGTH_BYTES as u64).min(MAX_HEADER)
        });
        if found > limit {
            return Err(CheckpointError::HeaderLength {
                file: self.file.clone(),
                found,
                limit,
            });
        }
        Ok(Some(found as usize))
    }
}

/// `size`: the length of the file, where known; then offsets beyond it are found here rather than at its end.
fn parse(file: &str, json: &[u8], size: Option<u64>) -> Result<Header, CheckpointError> {
    let malformed = |message: String| CheckpointError::HeaderMalformed {
        file: file.to_owned(),
        message: excerpt(&message),
    };
    let text = std::str::from_utf8(json).map_err(|e| malformed(e.to_string()))?;
    let Raw(raw) = serde_json::from_str(text).map_err(|e| malformed(e.to_string()))?;
    let data_begin = (LENGTH_BYTES + json.len()) as u64;
    let available = size.map(|n| n.saturating_sub(data_begin));

    let mut tensors: Vec<(u64, u64, Entry)> = Vec::with_capacity(raw.len());
    for (
        name,
        RawEntry {
            dtype,
            shape,
            data_offsets: (begin, end),
        },
    ) in raw
    {
        let Some(dtype) = dtype_named(&dtype) else {
            return Err(CheckpointError::UnknownDtype {
                file: file.to_owned(),
                tensor: excerpt(&name),
                found: excerpt(&dtype),
            });
        };
        if begin > end || available.is_some_and(|n| end > n) {
            let available = available.unwrap_or(end);
            return Err(CheckpointError::OutOfRange {
                file: file.to_owned(),
                tensor: excerpt(&name),
                begin,
                end,
                available,
            });
        }
        let bits = shape
            .iter()
            .try_fold(dtype.bitsize() as u64, |n, &s| n.checked_mul(s));
        if bits.is_none_or(|bits| bits % 8 != 0 || bits / 8 != end - begin) {
            let mut shape = shape;
            shape.truncate(8);
            let (tensor, dtype, found) = (excerpt(&name), dtype.to_string(), end - begin);
            return Err(CheckpointError::WrongLength {
                file: file.to_owned(),
                tensor,
                dtype,
                shape,
                found,
            });
        }
        tensors.push((
            begin,
            end,
            Entry {
                name,
                dtype,
                shape,
                bytes: end - begin,
            },
        ));
    }
    // By end as well: an empty tensor shares its beginning with the next.
    tensors.sort_by_key(|&(begin, end, _)| (begin, end));
    let mut before: Option<(u64, &str)> = None;
    for (begin, end, entry) in &tensors {
        let (expected, other) = before.unwrap_or((0, ""));
        if *begin < expected {
            let (tensor, other) = (excerpt(&entry.name), excerpt(other));
            return Err(CheckpointError::Overlap {
                file: file.to_owned(),
                tensor,
                other,
                begin: *begin,
                end: expected,
            });
        }
        if *begin > expected {
            return Err(CheckpointError::Hole {
                file: file.to_owned(),
                tensor: excerpt(&entry.name),
                expected,
                found: *begin,
            });
        }
        before = Some((*end, &entry.name));
    }
    let data_bytes = before.map_or(0, |(end, _)| end);
    let expected = data_begin
        .checked_add(data_bytes)
        .ok_or_else(|| malformed("the offsets overflow".to_owned()))?;
    match size {
        // Offsets beyond the file were refused above, so what is left is a file longer than they say.
        Some(found) if found > expected => Err(CheckpointError::TrailingBytes {
            file: file.to_owned(),
            expected,
            found,
        }),
        _ => Ok(Header {
            tensors: tensors.into_iter().map(|(_, _, entry)| entry).collect(),
            data_begin,
            data_bytes,
        }),
    }
}

fn dtype_named(name: &str) -> Option<AnyDtype> {
    let name: StrDeserializer<'_, NameError> = name.into_deserializer();
    AnyDtype::deserialize(name).ok()
}

#[derive(Deserialize)]
struct RawEntry {
    dtype: String,
    shape: Vec<u64>,
    data_offsets: (u64, u64),
}

/// The header's JSON. A map that refuses a name twice, which a plain map would silently drop.
struct Raw(BTreeMap<String, RawEntry>);

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Raw;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut raw = BTreeMap::new();
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    let entry: RawEntry = map
                        .next_value()
                        .map_err(|e| A::Error::custom(format!("{}: {e}", excerpt(&name))))?;
                    if raw.contains_key(&name) {
                        return Err(A::Error::custom(format!(
                            "{} is listed twice",
                            excerpt(&name)
                        )));
                    }
                    raw.insert(name, entry);
                }
                Ok(Raw(raw))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}
