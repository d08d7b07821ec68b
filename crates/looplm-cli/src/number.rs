//! Values of the command line, each read and checked against its range before a model is loaded.

use looplm::engine::KvFormat;
use looplm::exit::ExitRule;
use looplm::generate::Verify;
use looplm::kv_policy::KvPolicy;
use looplm::precision::WeightFormat;
use looplm::row::{MAX_STEPS, Step};
use looplm_train::objective::Prior;

/// Token ids, separated by commas.
#[derive(Debug, Clone)]
pub(crate) struct Ids(pub(crate) Vec<u32>);

pub(crate) fn ids(text: &str) -> Result<Ids, String> {
    let id = |part: &str| {
        let part = part.trim();
        part.parse().map_err(|_| {
            format!(
                "{part:?} is not a token id; give whole numbers separated by commas, as in 1,2,3"
            )
        })
    };
    text.split(',').map(id).collect::<Result<_, _>>().map(Ids)
}

pub(crate) fn steps(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|&n| Step::new(n).is_some());
    number.ok_or_else(|| format!("the number of steps must be 1 to {MAX_STEPS}"))
}

pub(crate) fn exit(text: &str) -> Result<ExitRule, String> {
    text.parse()
}

pub(crate) fn kv(text: &str) -> Result<KvPolicy, String> {
    text.parse()
}

pub(crate) fn kv_format(text: &str) -> Result<KvFormat, String> {
    text.parse()
}

pub(crate) fn weight_format(text: &str) -> Result<WeightFormat, String> {
    text.parse()
}

pub(crate) fn samples(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|&n| n > 0);
    number.ok_or_else(|| "it must be a whole number from 1".to_owned())
}

/// A size: bytes, or a number with a unit in powers of 1000 (KB, MB, GB) or 1024 (KiB, MiB, GiB).
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let wrong = || "it must be a size above 0, such as 256MB, 2GiB or 1000000".to_owned();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let unit = text[digits.len()..].trim().to_ascii_lowercase();
    let factor = match unit.as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(wrong()),
    };
    let number = digits.parse().ok().filter(|&n: &u64| n > 0);
    number.and_then(|n| n.checked_mul(factor)).ok_or_else(wrong)
}

pub(crate) fn verify(text: &str) -> Result<Verify, String> {
    text.parse()
}

pub(crate) fn prior(text: &str) -> Result<Prior, String> {
    if text == "uniform" {
        return Ok(Prior::Uniform);
    }
    let rate = text.strip_prefix("geometric:").and_then(|l| l.parse().ok());
    rate.filter(|l| *l > 0.0 && *l < 1.0)
        .map(Prior::Geometric)
        .ok_or_else(|| {
            "a prior is uniform or geometric:L with L between 0 and 1, as in geometric:0.5".into()
        })
}

pub(crate) fn temperature(text: &str) -> Result<f32, String> {
    number(
        text,
        |x| x >= 0.0 && x.is_finite(),
        "it must be a number from 0, where 0 is greedy",
    )
}

pub(crate) fn top_p(text: &str) -> Result<f32, String> {
    number(
        text,
        |x| x > 0.0 && x <= 1.0,
        "it must be a number above 0 and at most 1",
    )
}

pub(crate) fn min_p(text: &str) -> Result<f32, String> {
    number(
        text,
        |x| (0.0..=1.0).contains(&x),
        "it must be a number from 0 to 1",
    )
}

pub(crate) fn from_zero(text: &str) -> Result<f32, String> {
    number(
        text,
        |x| x >= 0.0 && x.is_finite(),
        "it must be a number from 0",
    )
}

pub(crate) fn above_zero(text: &str) -> Result<f32, String> {
    number(
        text,
        |x| x > 0.0 && x.is_finite(),
        "it must be a number above 0",
    )
}

pub(crate) fn finite(text: &str) -> Result<f32, String> {
    number(text, f32::is_finite, "it must be a number")
}

fn number(text: &str, fits: impl Fn(f32) -> bool, range: &str) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|&x| fits(x))
        .ok_or_else(|| range.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_numbers_between_commas() {
        assert_eq!(ids("1,2,3").map(|i| i.0), Ok(vec![1, 2, 3]));
        assert_eq!(ids(" 7 , 0").map(|i| i.0), Ok(vec![7, 0]));
        for bad in ["", "1,,2", "1,", "a", "-1", "1.5", "4294967296"] {
            assert!(ids(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn sizes_have_units() {
        for (text, size) in [
            ("1000000", 1_000_000),
            ("256MB", 256_000_000),
            ("5 GB", 5_000_000_000),
            ("64kib", 65_536),
            ("2GiB", 2 << 30),
        ] {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for text in ["", "0", "-1", "MB", "1.5GB", "3 parsecs", "99999999999GB"] {
            assert!(bytes(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn numbers_outside_their_range_are_refused() {
        assert_eq!(
            (temperature("0"), top_p("1"), min_p("0")),
            (Ok(0.0), Ok(1.0), Ok(0.0))
        );
        for (value, accepted) in [
            ("-0.1", temperature("-0.1").is_ok()),
            ("inf", temperature("inf").is_ok()),
            ("NaN", temperature("NaN").is_ok()),
            ("0", top_p("0").is_ok()),
            ("1.1", top_p("1.1").is_ok()),
            ("1.1", min_p("1.1").is_ok()),
            ("0", above_zero("0").is_ok()),
            ("0", steps("0").is_ok()),
            ("9", steps("9").is_ok()),
        ] {
            assert!(!accepted, "{value}");
        }
    }
}
