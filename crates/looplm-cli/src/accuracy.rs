//! Tables of what a model gets right, by difficulty and recurrent step, as plain text.

use looplm_train::metrics::{Evaluation, Gate};

/// Cells in columns as wide as their widest, the first to the left and the others to the right.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: Vec<String>) -> Self {
        Self { rows: vec![head] }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        self.rows.push(cells);
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell: &String| cell.chars().count())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let line = |row: &Vec<String>| {
            let cells = row.iter().zip(&widths).enumerate();
            let text: String = cells
                .map(|(column, (cell, width))| match column {
                    0 => format!("  {cell:<width$}"),
                    _ => format!("  {cell:>width$}"),
                })
                .collect();
            text.trim_end().to_owned()
        };
        self.rows.iter().map(line).collect()
    }
}

/// Accuracy by difficulty and step with the mean exit step, then the loss of every step and the task's own figures.
pub(crate) fn evaluation(evaluation: &Evaluation) -> Vec<String> {
    let steps = evaluation.accuracy.len();
    let mut head = vec!["difficulty".to_owned(), "targets".to_owned()];
    head.extend((1..=steps).map(|step| format!("step {step}")));
    head.push("exit step".to_owned());
    let mut table = Table::new(head);
    let row = |name: &str, targets: u64, accuracy: &[f32], exit: f32| {
        let mut cells = vec![name.to_owned(), targets.to_string()];
        cells.extend(accuracy.iter().map(|&a| percent(a)));
        cells.push(number(exit, 2));
        cells
    };
    for d in &evaluation.difficulties {
        table.row(row(&d.name, d.targets, &d.accuracy, d.expected_steps));
    }
    table.row(row(
        "all",
        evaluation.targets,
        &evaluation.accuracy,
        evaluation.expected_steps,
    ));
    let mut losses = vec!["loss".to_owned(), String::new()];
    losses.extend(evaluation.step_losses.iter().map(|&loss| number(loss, 4)));
    table.row(losses);
    let mut lines = vec![title(evaluation)];
    lines.extend(table.lines());
    let figure = |(name, value): &(String, f64)| format!("  {name}: {value:.4}");
    lines.extend(evaluation.figures.iter().map(figure));
    lines
}

fn title(evaluation: &Evaluation) -> String {
    let after = match evaluation.update {
        0 => String::new(),
        1 => "after 1 update: ".to_owned(),
        n => format!("after {n} updates: "),
    };
    format!(
        "{after}accuracy on {} held-out samples, entropy of the exit {}",
        evaluation.samples,
        number(evaluation.entropy, 3)
    )
}

/// The loss before and after, and accuracy against depth for each threshold.
pub(crate) fn gate(gate: &Gate, difficulties: &[String]) -> Vec<String> {
    let mut lines = vec![format!(
        "loss of the gate {} -> {} in {} updates",
        number(gate.loss_before, 4),
        number(gate.loss_after, 4),
        gate.update
    )];
    let head = ["q", "mean steps", "accuracy", ""];
    let mut table = Table::new(head.map(str::to_owned).into());
    let mut shown = None;
    for point in &gate.sweep {
        // Thresholds that change nothing are left out.
        let gives = Some((point.mean_steps, point.accuracy));
        if gives == shown && point.q != gate.q {
            continue;
        }
        shown = gives;
        let chosen = if point.q == gate.q { "<- chosen" } else { "" };
        table.row(vec![
            number(point.q, 2),
            number(point.mean_steps, 2),
            percent(point.accuracy),
            chosen.to_owned(),
        ]);
    }
    lines.extend(table.lines());
    lines.push(format!(
        "full depth gets {}; exit step and difficulty at q {}: rank correlation {}",
        percent(gate.full_accuracy),
        number(gate.q, 2),
        number(gate.rank_correlation, 2)
    ));
    let mut table = Table::new(["difficulty", "exit step"].map(str::to_owned).into());
    for (name, &step) in difficulties.iter().zip(&gate.exit_steps) {
        table.row(vec![name.clone(), number(step, 2)]);
    }
    lines.extend(table.lines());
    lines
}

/// A share in percent. A difficulty without targets has none.
fn percent(share: f32) -> String {
    if share.is_finite() {
        format!("{:.1} %", share * 100.0)
    } else {
        "-".to_owned()
    }
}

fn number(value: f32, digits: usize) -> String {
    if value.is_finite() {
        format!("{value:.digits$}")
    } else {
        "-".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use looplm_train::metrics::{DifficultyRow, SweepPoint};

    use super::*;

    #[test]
    fn columns_line_up() {
        let row = |name: &str, accuracy, targets| DifficultyRow {
            name: name.to_owned(),
            targets,
            accuracy,
            step_losses: vec![1.0, 0.5],
            expected_steps: 1.5,
        };
        let lines = evaluation(&Evaluation {
            update: 20,
            samples: 64,
            targets: 1500,
            step_losses: vec![1.0, 0.5],
            accuracy: vec![0.5, 1.0],
            entropy: 0.25,
            expected_steps: 1.25,
            difficulties: vec![
                row("one", vec![0.5, 1.0], 1500),
                row("none of it", vec![f32::NAN, f32::NAN], 0),
            ],
            figures: vec![("bits per parameter".to_owned(), 2.0)],
        });
        assert_eq!(
            lines,
            [
                "after 20 updates: accuracy on 64 held-out samples, entropy of the exit 0.250",
                "  difficulty  targets  step 1   step 2  exit step",
                "  one            1500  50.0 %  100.0 %       1.50",
                "  none of it        0       -        -       1.50",
                "  all            1500  50.0 %  100.0 %       1.25",
                "  loss                 1.0000   0.5000",
                "  bits per parameter: 2.0000",
            ]
        );
    }

    #[test]
    fn the_chosen_threshold_is_marked() {
        let point = |q, mean_steps| SweepPoint {
            q,
            mean_steps,
            accuracy: 0.99,
        };
        let lines = gate(
            &Gate {
                update: 300,
                loss_before: 0.7,
                loss_after: 0.2,
                full_accuracy: 1.0,
                sweep: vec![
                    point(0.4, 1.5),
                    point(0.5, 1.5),
                    point(0.6, 2.0),
                    point(1.0, 2.0),
                ],
                rank_correlation: 0.9,
                q: 0.5,
                exit_steps: vec![1.0],
            },
            &["easy".to_owned()],
        );
        assert_eq!(lines[0], "loss of the gate 0.7000 -> 0.2000 in 300 updates");
        assert_eq!(
            lines[2..5],
            [
                "  0.40        1.50    99.0 %",
                "  0.50        1.50    99.0 %  <- chosen",
                "  0.60        2.00    99.0 %",
            ]
        );
        assert!(lines[5].starts_with("full depth gets 100.0 %"), "{lines:?}");
    }
}
