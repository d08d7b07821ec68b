//! Ranges of source files and what becomes of them.

use looplm_gpu::{Element, Format, quantize::quantize};

use crate::checkpoint::{CheckpointError, check_finite};

/// Most bytes of a piece's source.
pub const MAX_PIECE: u64 = 8 << 20;

/// A range of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Number of the file.
    pub file: usize,
    /// Its first byte.
    pub offset: u64,
    /// Its length.
    pub bytes: u64,
}

/// Where rows go: the first row's byte, and the bytes of a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Destination {
    pub(super) file: usize,
    pub(super) at: u64,
    pub(super) row_bytes: u64,
}

/// Rows of a tensor that lie one behind the other in the source. What is copied as it is has rows of one byte.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub(super) tensor: String,
    /// File and byte of the first row.
    pub(super) source: (usize, u64),
    pub(super) bytes: u64,
    pub(super) row_bytes: u64,
    pub(super) inputs: usize,
    /// What the source holds; `None` for quants and scales.
    pub(super) from: Option<Element>,
    /// What it becomes, if anything else.
    pub(super) to: Option<Format>,
    pub(super) elements: Destination,
    /// Where the scales go, if it is quantised here.
    pub(super) scales: Option<Destination>,
}

impl Segment {
    /// Takes the first rows off, as many as fit into `room` bytes and at least one if `whole`.
    fn split(&mut self, room: u64, whole: bool) -> Option<Segment> {
        let mut rows = room / self.row_bytes;
        if rows == 0 && whole {
            rows = 1;
        }
        let bytes = (rows * self.row_bytes).min(self.bytes);
        if bytes == 0 {
            return None;
        }
        let first = Segment {
            bytes,
            ..self.clone()
        };
        let rows = bytes / self.row_bytes;
        self.bytes -= bytes;
        self.source.1 += bytes;
        for to in [Some(&mut self.elements), self.scales.as_mut()]
            .into_iter()
            .flatten()
        {
            to.at += rows * to.row_bytes;
        }
        Some(first)
    }

    fn target(&self, to: Destination) -> Extent {
        Extent {
            file: to.file,
            offset: to.at,
            bytes: self.bytes / self.row_bytes * to.row_bytes,
        }
    }

    fn convert(
        &self,
        file: &str,
        bytes: &[u8],
        out: &mut [Vec<u8>; 2],
    ) -> Result<(), CheckpointError> {
        if let Some(element) = self.from {
            check_finite(file, &self.tensor, element, 0, bytes)?;
        }
        match (self.from, self.to) {
            (Some(from), Some(to)) if to.element().is_none() => {
                let rows = quantize(to, self.inputs, &from.to_f32(bytes));
                *out = [rows.quants, rows.scales];
            }
            (Some(from), Some(to)) => {
                let element = to.element().unwrap_or(from);
                out[0] = element.from_f32(&from.to_f32(bytes));
                // A wider float can be beyond half precision.
                check_finite(file, &self.tensor, element, 0, &out[0])?;
            }
            _ => out[0] = bytes.to_vec(),
        }
        Ok(())
    }
}

/// A range of a source file and the ranges of the target files that follow from it.
#[derive(Debug, Clone)]
pub struct Piece {
    /// What is read.
    pub source: Extent,
    /// What is written.
    pub targets: Vec<Extent>,
    segments: Vec<Segment>,
}

impl Piece {
    fn new(segments: Vec<Segment>) -> Self {
        let first = segments.first().map_or((0, 0), |segment| segment.source);
        let targets = segments
            .iter()
            .flat_map(|s| {
                let elements = s.target(s.elements);
                [Some(elements), s.scales.map(|to| s.target(to))]
            })
            .flatten()
            .filter(|extent| extent.bytes > 0)
            .collect();
        Self {
            source: Extent {
                file: first.0,
                offset: first.1,
                bytes: segments.iter().map(|s| s.bytes).sum(),
            },
            targets,
            segments,
        }
    }

    pub(super) fn convert(&self, file: &str, bytes: &[u8]) -> Result<Vec<u8>, CheckpointError> {
        if bytes.len() as u64 != self.source.bytes {
            return Err(CheckpointError::Truncated {
                file: file.to_owned(),
                expected: self.source.bytes,
                found: bytes.len() as u64,
            });
        }
        let mut out = Vec::with_capacity(self.targets.iter().map(|t| t.bytes as usize).sum());
        let mut rest = bytes;
        for segment in &self.segments {
            let (mine, others) = rest.split_at(segment.bytes as usize);
            rest = others;
            let mut parts = [Vec::new(), Vec::new()];
            segment.convert(file, mine, &mut parts)?;
            parts.iter().for_each(|part| out.extend_from_slice(part));
        }
        Ok(out)
    }
}

/// Cuts segments into pieces: several small ones that lie one behind the other together, large ones by rows.
pub(super) fn cut(segments: Vec<Segment>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut gathered: Vec<Segment> = Vec::new();
    for mut segment in segments {
        while segment.bytes > 0 {
            let end = gathered.last().map(|s| (s.source.0, s.source.1 + s.bytes));
            let adjacent = end == Some(segment.source);
            let used: u64 = if adjacent {
                gathered.iter().map(|s| s.bytes).sum()
            } else {
                0
            };
            let fits = segment.split(MAX_PIECE.saturating_sub(used), used == 0);
            if !adjacent || fits.is_none() {
                pieces.extend(
                    (!gathered.is_empty()).then(|| Piece::new(std::mem::take(&mut gathered))),
                );
            }
            gathered.extend(fits);
        }
    }
    pieces.extend((!gathered.is_empty()).then(|| Piece::new(gathered)));
    pieces
}
