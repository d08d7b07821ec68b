//! How the cache keeps keys and values.

use std::{fmt, str::FromStr};

/// How keys and values are kept. The order of their elements is that of `shaders/shared/kv.wgsl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum KvFormat {
    /// As they are computed.
    F32,
    /// Half precision: half the memory, and half of what attention reads. Arithmetic is `f32` all the same.
    #[default]
    F16,
    /// 8 bits an element: 7, and 4 for the power of two that four of them share. A quarter of the memory of `f32`, for heads
    /// of a multiple of 4.
    Q8,
}

impl KvFormat {
    /// All formats.
    pub const ALL: [Self; 3] = [Self::F32, Self::F16, Self::Q8];

    /// Bytes of an element.
    pub const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
            Self::Q8 => 1,
        }
    }

    /// Its name on a command line and in JavaScript.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Q8 => "q8",
        }
    }

    /// `KV_FORMAT` of the shaders.
    pub(crate) const fn constant(self) -> f64 {
        match self {
            Self::F32 => 0.0,
            Self::F16 => 1.0,
            Self::Q8 => 2.0,
        }
    }
}

impl fmt::Display for KvFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for KvFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names = Self::ALL.map(Self::name).join(", ");
        let found = Self::ALL.into_iter().find(|format| format.name() == text);
        found.ok_or_else(|| format!("a format of keys and values is one of {names}"))
    }
}
