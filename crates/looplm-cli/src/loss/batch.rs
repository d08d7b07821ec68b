//! The batch of `looplm loss`: integer tensors of a safetensors file.

use std::path::Path;

use looplm_train::Batch;
use looplm_train::batch::IGNORED;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use thiserror::Error;

/// What is wrong with a batch.
#[derive(Debug, Error, PartialEq)]
pub(crate) enum BatchError {
    /// No safetensors file.
    #[error("not a safetensors file: {0}")]
    Format(String),
    /// A tensor that has to be there.
    #[error("there is no tensor {0}")]
    Missing(&'static str),
    /// Token ids are whole numbers.
    #[error("{name} is {found}; it must be of an integer type")]
    Type { name: &'static str, found: String },
    /// Not a row for each sequence.
    #[error("{name} is {found:?}; it must be {expected}")]
    Shape {
        name: &'static str,
        found: Vec<usize>,
        expected: String,
    },
    /// A number nothing is known under.
    #[error(
        "{name} is {found} in sequence {sequence} at position {position}; it must be {expected}"
    )]
    Value {
        name: &'static str,
        found: i64,
        /// From 1.
        sequence: usize,
        /// From 1.
        position: usize,
        expected: String,
    },
    /// Nothing to learn.
    #[error("targets are -100 everywhere; at least one position needs a target")]
    NoTarget,
}

/// Reads `ids`, `targets` and, where there are any, `segments`.
pub(crate) fn read(bytes: &[u8], vocabulary: usize) -> Result<Batch, BatchError> {
    let file = SafeTensors::deserialize(bytes).map_err(|e| BatchError::Format(e.to_string()))?;
    let find = |name| file.tensor(name).ok();
    let ids = find("ids").ok_or(BatchError::Missing("ids"))?;
    let &[sequences, length] = ids.shape() else {
        return Err(shape("ids", &ids, "[B,M]".to_owned()));
    };
    if sequences * length == 0 {
        return Err(shape("ids", &ids, "[B,M], both from 1".to_owned()));
    }
    let of_same_shape = |name, tensor: TensorView<'_>| {
        if tensor.shape() == [sequences, length] {
            integers(name, &tensor)
        } else {
            let expected = format!("[{sequences}, {length}] as ids");
            Err(shape(name, &tensor, expected))
        }
    };
    let targets = of_same_shape(
        "targets",
        find("targets").ok_or(BatchError::Missing("targets"))?,
    )?;
    let segments = find("segments").map(|tensor| of_same_shape("segments", tensor));
    let token = |id: i64| (0..vocabulary as i64).contains(&id);
    let tokens = format!("0 to {}", vocabulary - 1);
    let batch = Batch {
        sequences,
        length,
        ids: checked("ids", integers("ids", &ids)?, length, token, &tokens)?,
        targets: checked(
            "targets",
            targets,
            length,
            |id| token(id) || id == i64::from(IGNORED),
            &format!("{tokens}, or {IGNORED}"),
        )?,
        segments: match segments {
            Some(values) => checked("segments", values?, length, |_| true, "0 to 4294967295")?,
            None => Vec::new(),
        },
        difficulty: Vec::new(),
    };
    if batch.target_count() == 0 {
        return Err(BatchError::NoTarget);
    }
    Ok(batch)
}

fn shape(name: &'static str, tensor: &TensorView<'_>, expected: String) -> BatchError {
    BatchError::Shape {
        name,
        found: tensor.shape().to_vec(),
        expected,
    }
}

/// Narrows values that `fits` accepts.
fn checked<T: TryFrom<i64>>(
    name: &'static str,
    values: Vec<i64>,
    length: usize,
    fits: impl Fn(i64) -> bool,
    expected: &str,
) -> Result<Vec<T>, BatchError> {
    let narrow = |(at, value)| {
        let narrowed = Some(value)
            .filter(|&v| fits(v))
            .and_then(|v| v.try_into().ok());
        narrowed.ok_or_else(|| BatchError::Value {
            name,
            found: value,
            sequence: at / length + 1,
            position: at % length + 1,
            expected: expected.to_owned(),
        })
    };
    values.into_iter().enumerate().map(narrow).collect()
}

/// All elements of a tensor of any integer type. Those beyond an `i64` become its largest, which nothing accepts.
fn integers(name: &'static str, tensor: &TensorView<'_>) -> Result<Vec<i64>, BatchError> {
    macro_rules! each {
        ($type:ty) => {{
            let (chunks, _) = tensor.data().as_chunks::<{ size_of::<$type>() }>();
            let value = |bytes: &[u8; _]| <$type>::from_le_bytes(*bytes);
            chunks
                .iter()
                .map(|b| i64::try_from(value(b)).unwrap_or(i64::MAX))
                .collect()
        }};
    }
    Ok(match tensor.dtype() {
        Dtype::U8 => each!(u8),
        Dtype::I8 => each!(i8),
        Dtype::U16 => each!(u16),
        Dtype::I16 => each!(i16),
        Dtype::U32 => each!(u32),
        Dtype::I32 => each!(i32),
        Dtype::U64 => each!(u64),
        Dtype::I64 => each!(i64),
        other => {
            return Err(BatchError::Type {
                name,
                found: format!("{other:?}"),
            });
        }
    })
}

/// Reads the file.
pub(crate) fn open(path: &Path, vocabulary: usize) -> Result<Batch, crate::failure::Failure> {
    let wrong = |reason: String| crate::failure::Failure::Read {
        path: path.to_owned(),
        reason,
    };
    let bytes = std::fs::read(path).map_err(|e| wrong(e.to_string()))?;
    read(&bytes, vocabulary).map_err(|e| wrong(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(tensors: &[(&str, Dtype, &[usize], &[u8])]) -> Vec<u8> {
        let views = tensors.iter().map(|(name, dtype, shape, data)| {
            let view = TensorView::new(*dtype, shape.to_vec(), data);
            (*name, view.expect("the bytes are of that shape"))
        });
        safetensors::serialize(views, None).expect("it can be written")
    }

    fn problem(tensors: &[(&str, Dtype, &[usize], &[u8])]) -> String {
        read(&file(tensors), 5)
            .expect_err("the batch is bad")
            .to_string()
    }

    #[test]
    fn any_integer_type_is_read() {
        let targets = [-100i16, 4].map(i16::to_le_bytes).concat();
        let segments = [7i64, 8].map(i64::to_le_bytes).concat();
        let batch = read(
            &file(&[
                ("ids", Dtype::U8, &[1, 2], &[0, 4]),
                ("targets", Dtype::I16, &[1, 2], &targets),
                ("segments", Dtype::I64, &[1, 2], &segments),
            ]),
            5,
        )
        .expect("the batch is good");
        assert_eq!((batch.sequences, batch.length), (1, 2));
        assert_eq!((batch.ids, batch.targets), (vec![0, 4], vec![IGNORED, 4]));
        assert_eq!(batch.segments, [7, 8]);
    }

    #[test]
    fn a_bad_batch_is_named() {
        let ids: (&str, Dtype, &[usize], &[u8]) = ("ids", Dtype::U8, &[1, 2], &[0, 4]);
        let ignored: (&str, Dtype, &[usize], &[u8]) = ("targets", Dtype::I8, &[1, 2], &[156, 156]);
        for (tensors, parts) in [
            (vec![ids], ["targets", "no tensor"]),
            (vec![ids, ignored], ["targets", "at least one"]),
            (vec![("ids", Dtype::U8, &[2], &[0, 4])], ["ids", "[B,M]"]),
            (vec![("ids", Dtype::U8, &[1, 0], &[])], ["ids", "from 1"]),
            (
                vec![ids, ("targets", Dtype::U8, &[2, 1], &[0, 4])],
                ["targets", "[1, 2]"],
            ),
            (
                vec![ids, ("targets", Dtype::F16, &[1, 2], &[0, 4, 0, 4])],
                ["targets", "integer"],
            ),
            (
                vec![ids, ("targets", Dtype::I8, &[1, 2], &[0, 255])],
                ["targets is -1 in sequence 1 at position 2", "or -100"],
            ),
            (
                vec![("ids", Dtype::U8, &[1, 2], &[0, 5]), ignored],
                ["ids is 5", "0 to 4"],
            ),
        ] {
            let said = problem(&tensors);
            assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        }
        assert!(matches!(read(b"x", 5), Err(BatchError::Format(_))));
    }
}
