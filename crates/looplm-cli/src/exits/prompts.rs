//! Prompts out of the held-out samples, for a model that continues them.

use looplm_train::Batch;

/// Tokens to continue with, at most and at least.
const MOST: usize = 32;
const LEAST: usize = 2;

/// A prompt, and how its sample goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Prompt {
    pub(super) ids: Vec<u32>,
    pub(super) expected: Vec<u32>,
}

/// The first so many. A prompt ends where everything after it can be known; where all can, at half of the sample.
pub(super) fn prompts(batches: &[Batch], count: usize) -> Vec<Prompt> {
    let documents = batches
        .iter()
        .flat_map(|batch| batch.documents().map(move |rows| (batch, rows)));
    documents
        .filter_map(|(batch, rows)| prompt(&batch.ids[rows.clone()], &batch.targets[rows]))
        .take(count)
        .collect()
}

fn prompt(ids: &[u32], targets: &[i32]) -> Option<Prompt> {
    let end = targets.iter().rposition(|&t| t >= 0)? + 1;
    let known = targets[..end].iter().rposition(|&t| t < 0);
    let from = known.map_or(end / 2, |last| last + 1);
    let expected = targets[from..end].iter().take(MOST);
    let prompt = Prompt {
        ids: ids[..=from].to_vec(),
        expected: expected.filter_map(|&t| t.try_into().ok()).collect(),
    };
    (prompt.expected.len() >= LEAST).then_some(prompt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_ends_where_all_after_it_can_be_known() {
        let of = |targets: &[i32]| {
            let ids: Vec<u32> = (10..10 + targets.len() as u32).collect();
            prompt(&ids, targets).map(|p| (p.ids, p.expected))
        };
        // the r of e | is x .
        assert_eq!(
            of(&[-100, -100, 12, -100, 14, 15, 16]),
            Some((vec![10, 11, 12, 13, 14], vec![14, 15, 16]))
        );
        let text = of(&[11, 12, 13, 14]).expect("half of it");
        assert_eq!(text, (vec![10, 11, 12], vec![13, 14]));
        assert_eq!(of(&[-100, 5, -100]), None, "one token alone");
        assert_eq!(of(&[-100]), None);
    }
}
