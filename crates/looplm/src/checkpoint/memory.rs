//! A folder in memory.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::MAX_PIECE;
use super::source::{Reader, Source, SourceError};

/// A checkpoint folder whose files are in memory: for tests, and for models a program carries inside it.
#[derive(Debug, Clone)]
pub struct MemorySource {
    files: HashMap<String, Arc<[u8]>>,
    chunk: usize,
    sized: bool,
}

impl MemorySource {
    /// An empty folder.
    pub fn new() -> MemorySource {
        MemorySource {
            files: HashMap::new(),
            chunk: MAX_PIECE,
            sized: true,
        }
    }

    /// Adds a file, or replaces it.
    pub fn with(mut self, path: &str, bytes: impl Into<Vec<u8>>) -> MemorySource {
        self.files.insert(path.to_owned(), bytes.into().into());
        self
    }

    /// Takes a file away.
    pub fn without(mut self, path: &str) -> MemorySource {
        self.files.remove(path);
        self
    }

    /// Hands files out in pieces of `bytes` (at least 1), as a network would.
    pub fn in_chunks_of(mut self, bytes: usize) -> MemorySource {
        self.chunk = bytes.max(1);
        self
    }

    /// Keeps quiet about the files' sizes, as a server that compresses does.
    pub fn without_sizes(mut self) -> MemorySource {
        self.sized = false;
        self
    }
}

impl Default for MemorySource {
    fn default() -> Self {
        MemorySource::new()
    }
}

#[async_trait(?Send)]
impl Source for MemorySource {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    async fn open(&self, path: &str) -> Result<Option<Box<dyn Reader>>, SourceError> {
        let Some(bytes) = self.files.get(path) else {
            return Ok(None);
        };
        Ok(Some(Box::new(MemoryFile {
            bytes: bytes.clone(),
            at: 0,
            chunk: self.chunk,
            sized: self.sized,
        })))
    }
}

struct MemoryFile {
    bytes: Arc<[u8]>,
    at: usize,
    chunk: usize,
    sized: bool,
}

#[async_trait(?Send)]
impl Reader for MemoryFile {
    fn size(&self) -> Option<u64> {
        self.sized.then_some(self.bytes.len() as u64)
    }

    async fn read(&mut self) -> Result<Option<Cow<'_, [u8]>>, SourceError> {
        let rest = &self.bytes[self.at..];
        let chunk = &rest[..rest.len().min(self.chunk)];
        self.at += chunk.len();
        Ok((!chunk.is_empty()).then_some(Cow::Borrowed(chunk)))
    }
}
