//! Whether what is resumed is what was begun.

use std::path::Path;

use looplm::Config;
use toml::{Table, Value};

use super::error::RunFolderError;

/// Compares two configurations, value by value.
pub(super) fn check_same(path: &Path, stored: &str, given: &str) -> Result<(), RunFolderError> {
    let parse = |text: &str| {
        text.parse::<Table>().map_err(|e| RunFolderError::Damaged {
            path: path.to_owned(),
            what: e.to_string(),
        })
    };
    match difference(&parse(stored)?, &parse(given)?) {
        None => Ok(()),
        Some((field, stored, given)) => Err(RunFolderError::ConfigDiffers {
            path: path.to_owned(),
            field,
            stored,
            given,
        }),
    }
}

/// The first field that differs, and its two values.
fn difference(stored: &Table, given: &Table) -> Option<(String, String, String)> {
    let name = |value: Option<&Value>| value.map_or("absent".to_owned(), Value::to_string);
    let keys = stored
        .keys()
        .chain(given.keys().filter(|k| !stored.contains_key(*k)));
    for key in keys {
        match (stored.get(key), given.get(key)) {
            (a, b) if a == b => {}
            (Some(Value::Table(a)), Some(Value::Table(b))) => {
                let (field, a, b) = difference(a, b)?;
                return Some((format!("{key}.{field}"), a, b));
            }
            (a, b) => return Some((key.clone(), name(a), name(b))),
        }
    }
    None
}

/// Compares the shape of the model in a checkpoint with the one that the configuration asks for. `path` is the
/// checkpoint's `config.json`.
///
/// # Errors
/// [`RunFolderError::OtherArchitecture`] with the first field that differs.
pub fn check_architecture(
    path: &Path,
    stored: &Config,
    wanted: &Config,
) -> Result<(), RunFolderError> {
    let of = |c: &Config| {
        [
            ("vocab_size", c.vocab_size.to_string()),
            ("hidden_size", c.hidden_size.to_string()),
            ("intermediate_size", c.intermediate_size.to_string()),
            ("num_hidden_layers", c.num_hidden_layers.to_string()),
            ("num_attention_heads", c.num_attention_heads.to_string()),
            ("num_key_value_heads", c.num_key_value_heads.to_string()),
            ("head_dim", c.head_dim.to_string()),
            ("total_ut_steps", c.total_ut_steps.to_string()),
            ("rope_theta", c.rope_theta.to_string()),
            ("rms_norm_eps", c.rms_norm_eps.to_string()),
            ("tie_word_embeddings", c.tie_word_embeddings.to_string()),
        ]
    };
    for ((field, stored), (_, wanted)) in of(stored).into_iter().zip(of(wanted)) {
        if stored != wanted {
            return Err(RunFolderError::OtherArchitecture {
                path: path.to_owned(),
                field,
                stored,
                wanted,
            });
        }
    }
    Ok(())
}
