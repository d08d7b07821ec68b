//! Numbers and lists as people read them.

/// A share in percent; a dash for none.
pub(super) fn percent(share: f64) -> String {
    if share.is_finite() {
        format!("{:.1} %", share * 100.0)
    } else {
        "–".to_owned()
    }
}

/// A difference of shares in percentage points, with a digit more where it is small.
pub(super) fn points(difference: f64) -> String {
    let points = difference * 100.0;
    number(points, if points.abs() < 0.095 { 2 } else { 1 })
}

/// A number with so many digits after the point; a dash for none.
pub(super) fn number(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    if !value.is_finite() {
        "–".to_owned()
    } else if let Some(of) = text.strip_prefix('-') {
        // A minus, unless nothing but zeros follows it.
        let sign = if of.bytes().all(|b| b == b'0' || b == b'.') {
            ""
        } else {
            "−"
        };
        format!("{sign}{of}")
    } else {
        text
    }
}

/// How many times as much.
pub(super) fn times(ratio: f64) -> String {
    format!("{} times", number(ratio, 2))
}

/// `a`, `a and b`, `a, b and c`.
pub(super) fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [others @ .., last] => format!("{} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people() {
        assert_eq!(percent(0.9254), "92.5 %");
        assert_eq!(percent(f64::NAN), "–");
        assert_eq!(
            (points(-0.0123), points(-0.0001)),
            ("−1.2".to_owned(), "−0.01".to_owned())
        );
        assert_eq!(times(1.5), "1.50 times");
        assert_eq!(listed(&["a"]), "a");
        assert_eq!(listed(&["a", "b", "c"]), "a, b and c");
    }
}
