//! `addition`: sums, computed again as numbers.

use looplm_train::Split;

use crate::common::{Read, read, task};

fn number(digits: &[String]) -> u64 {
    digits
        .iter()
        .rev()
        .fold(0, |n, d| n * 10 + d.parse::<u64>().expect("a digit"))
}

/// Both numbers, and the digits of the answer with their difficulties.
fn parts(d: &Read) -> (u64, u64, Vec<(String, String)>) {
    let plus = d.words.iter().position(|w| w == "+").expect("a plus");
    let equals = d.words.iter().position(|w| w == "=").expect("an equals");
    assert!(d.targets[..equals].iter().all(Option::is_none));
    let answer = d.targets[equals..]
        .iter()
        .map(|t| t.clone().expect("a digit"))
        .collect();
    (
        number(&d.words[1..plus]),
        number(&d.words[plus + 1..equals]),
        answer,
    )
}

#[test]
fn sums_are_right_and_carries_are_followed() {
    for style in ["at-once", "digit-by-digit"] {
        let task = task(&format!(
            "kind = \"addition\"\ndigits = 6\nanswer = \"{style}\""
        ));
        let names = task.difficulties();
        assert_eq!(
            names,
            [
                "no carry",
                "1 place",
                "2 places",
                "3-4 places",
                "5-6 places"
            ]
        );
        let mut count = vec![0; names.len()];
        for document in read(task.as_ref(), &task.batch(Split::Train, 1, 300)) {
            let (a, b, answer) = parts(&document);
            let digits: Vec<String> = answer.iter().map(|(d, _)| d.clone()).collect();
            assert_eq!(number(&digits), a + b);
            for (place, (_, difficulty)) in answer.iter().enumerate() {
                // A carry comes in where the lower parts overflow; it came through as many places as overflow by it.
                let overflows = |from: usize| {
                    let low = |n: u64| n % 10u64.pow(place as u32) / 10u64.pow(from as u32);
                    low(a) + low(b) >= 10u64.pow((place - from) as u32)
                };
                let run = (0..place).rev().position(overflows).map_or(0, |n| n + 1);
                let expected = match run {
                    0 => 0,
                    1 => 1,
                    2 => 2,
                    3 | 4 => 3,
                    _ => 4,
                };
                assert_eq!(*difficulty, names[expected], "{a} + {b} at {place}");
                count[expected] += 1;
            }
            let fed = &document.words[document.words.len() - 6..];
            match style {
                "at-once" => assert!(fed.iter().all(|w| w == "_")),
                _ => assert_eq!(fed, &digits[..6]),
            }
        }
        assert!(count.iter().all(|&n| n > 20), "{count:?}");
    }
}
