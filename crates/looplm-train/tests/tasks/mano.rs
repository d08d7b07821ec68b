//! `mano`: expressions, computed again by a stack machine that reads them from the right.

use std::collections::HashSet;

use looplm_train::Split;

use crate::common::{read, task, try_task};

fn value(expression: &[String], modulus: i64) -> i64 {
    let mut stack = Vec::new();
    for word in expression.iter().rev() {
        if let Ok(n) = word.parse::<i64>() {
            stack.push(n);
            continue;
        }
        let (a, b): (i64, i64) = (
            stack.pop().expect("an operand"),
            stack.pop().expect("an operand"),
        );
        stack.push(match word.as_str() {
            "+" => (a + b).rem_euclid(modulus),
            "-" => (a - b).rem_euclid(modulus),
            "*" => (a * b).rem_euclid(modulus),
            other => panic!("{other} is no operator"),
        });
    }
    assert_eq!(stack.len(), 1, "the expression is whole");
    stack[0]
}

#[test]
fn values_are_right_and_the_format_is_the_papers() {
    let task = task("kind = \"mano\"\nmodulus = 23\noperations = 10\nlength = 64");
    let batch = task.batch(Split::Train, 0, 100);
    assert!(
        !batch.segments.is_empty(),
        "short expressions share a sequence"
    );
    let mut seen = HashSet::new();
    for document in read(task.as_ref(), &batch) {
        let [bos, length, expression @ .., ans] = document.words.as_slice() else {
            panic!("{document:?}");
        };
        assert_eq!((bos.as_str(), ans.as_str()), ("<bos>", "<ans>"));
        let operations = (expression.len() - 1) / 2;
        assert_eq!(*length, format!("<len_{operations}>"));
        let (answer, difficulty) = document.last();
        assert_eq!(answer, value(expression, 23).to_string());
        assert_eq!(
            difficulty.split(' ').next(),
            Some(operations.to_string().as_str())
        );
        seen.insert(operations);
    }
    assert_eq!(seen.len(), 10);
}

#[test]
fn a_sequence_must_hold_the_longest_expression() {
    let error =
        try_task("kind = \"mano\"\noperations = 10\nlength = 20").expect_err("24 are needed");
    assert_eq!(error.field(), Some("task.length"));
}
