//! Cuts a file's stream of bytes into tensors, and tensors into pieces a GPU upload can take as they are.

use async_trait::async_trait;
use looplm_gpu::Element;

use super::expected::Expected;
use super::header::Header;
use super::{CheckpointError, LoadError, Loaded, Progress, TensorInfo};

/// Most bytes in one piece.
pub const MAX_PIECE: usize = 8 << 20;
/// Every piece but a tensor's last is a multiple of this: whole elements, and whole words of a GPU copy.
const ALIGN: usize = 16;
/// Below this a piece is gathered with the next rather than handed on: a network's chunks are small.
const DIRECT: usize = 256 << 10;
/// How much is gathered.
const GATHERED: usize = 1 << 20;

/// What takes the tensors, one after another: `begin`, any number of `bytes`, `end`.
#[async_trait(?Send)]
pub trait TensorSink {
    /// Why it may refuse.
    type Error;

    /// The header of a file was read: these tensors follow. A checkpoint in one file tells all of them here.
    async fn planned(&mut self, _tensors: &[TensorInfo]) {}

    /// A tensor follows.
    async fn begin(&mut self, tensor: &TensorInfo) -> Result<(), Self::Error>;

    /// The next bytes of the tensor, little-endian and row-major, floats checked to be finite: at most [`MAX_PIECE`], and a
    /// multiple of 16 except at the tensor's end.
    async fn bytes(&mut self, bytes: &[u8]) -> Result<(), Self::Error>;

    /// The tensor is complete: as many bytes have come as `begin` announced.
    async fn end(&mut self) -> Result<(), Self::Error>;
}

/// The state of one file's stream after its header.
pub(super) struct Pieces {
    file: String,
    /// With the information of those that are delivered.
    tensors: std::vec::IntoIter<(String, u64, Option<TensorInfo>)>,
    current: Option<Current>,
    gathered: Vec<u8>,
    /// Bytes of the file consumed, header included, and how many there are to be.
    consumed: u64,
    expected: u64,
    total: u64,
}

struct Current {
    name: String,
    /// `None`: it is skipped.
    info: Option<TensorInfo>,
    /// Bytes still to come from the file.
    missing: u64,
    /// Bytes handed to the sink.
    delivered: u64,
}

impl Pieces {
    /// `total`: the bytes of all tensors of all files, for the progress.
    pub(super) fn new(file: &str, header: Header, expected: &Expected, total: u64) -> Pieces {
        let end = header.data_begin + header.data_bytes;
        let tensors: Vec<_> = header
            .tensors
            .into_iter()
            .map(|entry| {
                let info = expected.delivered(&entry);
                (entry.name, entry.bytes, info)
            })
            .collect();
        Pieces {
            file: file.to_owned(),
            tensors: tensors.into_iter(),
            current: None,
            gathered: Vec::new(),
            consumed: header.data_begin,
            expected: end,
            total,
        }
    }

    /// Takes the next bytes of the file.
    pub(super) async fn push<S: TensorSink>(
        &mut self,
        mut chunk: &[u8],
        loaded: &mut Loaded,
        sink: &mut S,
        progress: &mut dyn FnMut(Progress<'_>),
    ) -> Result<(), LoadError<S::Error>> {
        self.consumed += chunk.len() as u64;
        if self.consumed > self.expected {
            let error = CheckpointError::TrailingBytes {
                file: self.file.clone(),
                expected: self.expected,
                found: self.consumed,
            };
            return Err(error.into());
        }
        while !chunk.is_empty() {
            self.advance(loaded, sink).await?;
            let Some(current) = &mut self.current else {
                break;
            };
            let here = usize::try_from(current.missing)
                .unwrap_or(usize::MAX)
                .min(chunk.len())
                .min(MAX_PIECE);
            let (piece, rest) = chunk.split_at(here);
            chunk = rest;
            current.missing -= piece.len() as u64;
            loaded.bytes += piece.len() as u64;
            if current.info.is_some() {
                gather(&self.file, current, &mut self.gathered, piece, sink).await?;
            }
            let total = self.total.max(loaded.bytes);
            progress(Progress {
                file: &self.file,
                tensor: &current.name,
                loaded: loaded.bytes,
                total,
            });
        }
        self.advance(loaded, sink).await
    }

    /// The file has ended: so must the last tensor have.
    pub(super) async fn finish<S: TensorSink>(
        mut self,
        loaded: &mut Loaded,
        sink: &mut S,
    ) -> Result<(), LoadError<S::Error>> {
        if self.consumed < self.expected {
            let error = CheckpointError::Truncated {
                file: self.file.clone(),
                expected: self.expected,
                found: self.consumed,
            };
            return Err(error.into());
        }
        self.advance(loaded, sink).await
    }

    /// Ends the current tensor if all of it has come, and begins the next one that has bytes.
    async fn advance<S: TensorSink>(
        &mut self,
        loaded: &mut Loaded,
        sink: &mut S,
    ) -> Result<(), LoadError<S::Error>> {
        loop {
            if let Some(current) = &self.current {
                if current.missing > 0 {
                    return Ok(());
                }
                if current.info.is_some() {
                    sink.end().await.map_err(LoadError::Sink)?;
                    loaded.tensors += 1;
                }
            }
            self.current = match self.tensors.next() {
                None => None,
                Some((name, bytes, info)) => {
                    if let Some(info) = &info {
                        sink.begin(info).await.map_err(LoadError::Sink)?;
                    }
                    Some(Current {
                        name,
                        info,
                        missing: bytes,
                        delivered: 0,
                    })
                }
            };
            if self.current.is_none() {
                return Ok(());
            }
        }
    }
}

/// Hands `piece` on: directly where it is large, through `gathered` where it is small or begins inside an element.
async fn gather<S: TensorSink>(
    file: &str,
    current: &mut Current,
    gathered: &mut Vec<u8>,
    mut piece: &[u8],
    sink: &mut S,
) -> Result<(), LoadError<S::Error>> {
    let last = current.missing == 0;
    if !gathered.is_empty() {
        let (head, rest) = piece.split_at(piece.len().min(GATHERED - gathered.len()));
        gathered.extend_from_slice(head);
        piece = rest;
        if gathered.len() < GATHERED && !(last && piece.is_empty()) {
            return Ok(());
        }
        deliver(file, current, gathered, sink).await?;
        gathered.clear();
    }
    let whole = if last {
        piece.len()
    } else {
        piece.len() - piece.len() % ALIGN
    };
    if whole > 0 && (last || whole >= DIRECT) {
        deliver(file, current, &piece[..whole], sink).await?;
        piece = &piece[whole..];
    }
    if gathered.capacity() == 0 && !piece.is_empty() {
        gathered.reserve_exact(GATHERED);
    }
    // At most what is too small to hand on, which `GATHERED` exceeds.
    gathered.extend_from_slice(piece);
    Ok(())
}

async fn deliver<S: TensorSink>(
    file: &str,
    current: &mut Current,
    bytes: &[u8],
    sink: &mut S,
) -> Result<(), LoadError<S::Error>> {
    let element = current.info.as_ref().and_then(elements);
    if let Some(element) = element {
        check_finite(file, &current.name, element, current.delivered, bytes)?;
    }
    current.delivered += bytes.len() as u64;
    sink.bytes(bytes).await.map_err(LoadError::Sink)
}

/// The floats a tensor's bytes are; `None` for quants.
fn elements(info: &TensorInfo) -> Option<Element> {
    if info.scales {
        return Some(Element::F16);
    }
    info.dtype.element()
}

/// Checks that every element is a finite number; `bytes` begin at byte `begin` of the tensor.
pub(crate) fn check_finite(
    file: &str,
    tensor: &str,
    element: Element,
    begin: u64,
    bytes: &[u8],
) -> Result<(), CheckpointError> {
    match first_non_finite(element, bytes) {
        None => Ok(()),
        Some((at, found)) => Err(CheckpointError::NonFinite {
            file: file.to_owned(),
            tensor: tensor.to_owned(),
            index: begin / element.bytes() as u64 + at as u64,
            found,
        }),
    }
}

/// The first element that is infinite or no number, and its value. Reads the exponent bits alone, in blocks: this runs
/// over every weight, so it has to be about as fast as memory.
fn first_non_finite(element: Element, bytes: &[u8]) -> Option<(usize, f32)> {
    const BLOCK: usize = 4096;
    let size = element.bytes();
    for (block, part) in bytes.chunks(BLOCK).enumerate() {
        let bad = match element {
            Element::F32 => any_u32(part, 0x7f80_0000),
            Element::F16 => any_u16(part, 0x7c00),
            Element::BF16 => any_u16(part, 0x7f80),
        };
        if !bad {
            continue;
        }
        let values = element.to_f32(part);
        if let Some(i) = values.iter().position(|v| !v.is_finite()) {
            return Some((block * BLOCK / size + i, values[i]));
        }
    }
    None
}

fn any_u32(bytes: &[u8], exponent: u32) -> bool {
    let (elements, _) = bytes.as_chunks::<4>();
    elements.iter().fold(false, |bad, &e| {
        bad | (u32::from_le_bytes(e) & exponent == exponent)
    })
}

fn any_u16(bytes: &[u8], exponent: u16) -> bool {
    let (elements, _) = bytes.as_chunks::<2>();
    elements.iter().fold(false, |bad, &e| {
        bad | (u16::from_le_bytes(e) & exponent == exponent)
    })
}
