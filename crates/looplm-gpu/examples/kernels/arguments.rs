//! What the bench is told.

use looplm_gpu::{Format, Tuning};

use crate::{FORMATS, KERNELS, OURO, REDUCED, Sizes};

pub(crate) struct Arguments {
    pub(crate) json: bool,
    pub(crate) sizes: Sizes,
    /// Workgroups other than those for the adapter's kind.
    pub(crate) tuning: Option<Tuning>,
    /// Formats of weights to measure.
    pub(crate) formats: Vec<Format>,
    /// Numbers of rows to measure products with, of those that there are; none: all.
    pub(crate) rows: Vec<usize>,
    /// Kernels to measure; none: all.
    pub(crate) only: Vec<String>,
}

impl Arguments {
    /// Those of the program, which ends if they are wrong.
    pub(crate) fn parse() -> Self {
        let mut parsed = Self {
            json: false,
            sizes: REDUCED,
            tuning: None,
            formats: FORMATS.to_vec(),
            rows: Vec::new(),
            only: Vec::new(),
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let understood = match argument.as_str() {
                "--json" => {
                    parsed.json = true;
                    true
                }
                "--shapes" => match arguments.next().as_deref() {
                    Some("ouro-1.4b") => {
                        parsed.sizes = OURO;
                        true
                    }
                    other => other == Some("reduced"),
                },
                "--tuning" => {
                    parsed.tuning = arguments.next().and_then(|text| tuning(&text));
                    parsed.tuning.is_some()
                }
                "--formats" => {
                    let names = arguments.next().unwrap_or_default();
                    parsed.formats = FORMATS.to_vec();
                    parsed.formats.retain(|format| {
                        names
                            .split(',')
                            .any(|name| name.eq_ignore_ascii_case(&format!("{format:?}")))
                    });
                    !parsed.formats.is_empty()
                }
                "--rows" => {
                    let counts = arguments.next().unwrap_or_default();
                    parsed.rows = counts
                        .split(',')
                        .filter_map(|count| count.parse().ok())
                        .collect();
                    !parsed.rows.is_empty()
                }
                name => {
                    parsed.only.push(name.to_owned());
                    KERNELS.iter().any(|(kernel, _)| *kernel == name)
                }
            };
            if !understood {
                let names = KERNELS.map(|(name, _)| name).join(", ");
                eprintln!(
                    "{argument} is not known, or what follows it; arguments are --json, --shapes reduced or ouro-1.4b, \
                     --tuning LANES,OUTPUTS[,teamsTEAMS][,wide][,staged][,packed][,subgroups][,tall][,blocks][,eight][,rowLANES][,keysKEYS], --formats f32,f16,q8,q4, --rows 1,4, and any of {names}"
                );
                std::process::exit(2);
            }
        }
        parsed
    }
}

/// Workgroups as `64,4,wide,subgroups` says them.
fn tuning(text: &str) -> Option<Tuning> {
    let mut words = text.split(',');
    let lanes = words.next()?.parse().ok()?;
    let outputs_of_one = words.next()?.parse().ok()?;
    let mut tuning = Tuning {
        lanes,
        teams: 1,
        outputs_of_one,
        outputs_of_few: 4,
        wide: false,
        staged: false,
        packed: false,
        subgroups: false,
        tile_rows: 32,
        blocks: false,
        tile_keys: 32,
        row_lanes: 256,
    };
    for word in words {
        match word {
            "wide" => tuning.wide = true,
            "staged" => tuning.staged = true,
            "packed" => tuning.packed = true,
            "subgroups" => tuning.subgroups = true,
            "blocks" => tuning.blocks = true,
            "tall" => tuning.tile_rows = 64,
            "eight" => tuning.outputs_of_few = 8,
            _ => {
                let name = word.trim_end_matches(|c: char| c.is_ascii_digit());
                let number = word[name.len()..].parse().ok()?;
                match name {
                    "teams" => tuning.teams = number,
                    "keys" => tuning.tile_keys = number,
                    "row" => tuning.row_lanes = number,
                    _ => return None,
                }
            }
        }
    }
    Some(tuning)
}
