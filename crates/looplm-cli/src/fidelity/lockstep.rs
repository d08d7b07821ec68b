//! Two models side by side over the same tokens, pass by pass, so that no more logits than those of one pass are kept.

use looplm::engine::{Ask, Place};
use looplm::exit::Exit;
use looplm::kv_policy::KvPolicy;
use looplm::model::EngineGuard;
use looplm::row::{Pass, Row, SequenceId, Step};
use looplm::trace::StepTrace;
use looplm::{Error, LoopLm};

use super::documents::{Document, Documents};
use super::figures::{Difference, Gathering};
use crate::failure::Failure;
use crate::progress::Stage;

/// Documents that share passes, at most.
const TOGETHER: usize = 16;

/// Runs both over all documents. `exit` says where positions leave.
pub(crate) fn compare(
    models: [&LoopLm; 2],
    documents: &Documents,
    steps: Step,
    exit: Exit,
    aborted: &dyn Fn() -> bool,
) -> Result<Difference, Failure> {
    let run = async {
        let mut engines = [models[0].engine().await?, models[1].engine().await?];
        let rows = engines[0].max_rows().min(engines[1].max_rows());
        let mut gathering = Gathering::new(steps.get());
        let mut stage = Stage::new("positions", documents.positions() as u64);
        let mut rows_done = 0;
        let mut done = |rows| {
            rows_done += rows;
            stage.at((rows_done / steps.get()) as u64);
        };
        for group in groups(&documents.documents, rows) {
            together(
                &mut engines,
                group,
                (steps, exit),
                aborted,
                &mut done,
                &mut gathering,
            )
            .await?;
        }
        Ok::<_, Error>(gathering.finish())
    };
    Ok(pollster::block_on(run)?)
}

/// Documents that fit into passes of so many rows together; one that fits into none is alone.
fn groups(documents: &[Document], rows: usize) -> Vec<&[Document]> {
    let mut groups = Vec::new();
    let mut rest = documents;
    while !rest.is_empty() {
        let mut used = 0;
        let fits = rest.iter().take(TOGETHER).take_while(|document| {
            used += document.ids.len();
            used <= rows
        });
        let (group, others) = rest.split_at(fits.count().max(1));
        groups.push(group);
        rest = others;
    }
    groups
}

/// One of the two, and its sequences of the documents.
struct Side<'e, 'm> {
    engine: &'e mut EngineGuard<'m>,
    sequences: Vec<SequenceId>,
}

impl Drop for Side<'_, '_> {
    fn drop(&mut self) {
        for id in self.sequences.drain(..) {
            self.engine.end(id);
        }
    }
}

impl Side<'_, '_> {
    async fn begin(&mut self, documents: &[Document], steps: Step) -> Result<(), Error> {
        for document in documents {
            let id = self.engine.begin(steps, KvPolicy::Full).await?;
            self.sequences.push(id);
            self.engine.append(id, &document.ids).await?;
        }
        Ok(())
    }

    /// Runs one pass over these positions of documents. Returns the logits of each, and after the last step what all steps
    /// thought.
    async fn run(
        &mut self,
        places: &[(usize, usize)],
        step: Step,
        is_last: bool,
    ) -> Result<(Vec<f32>, Vec<Vec<StepTrace>>), Error> {
        let places: Vec<Place> = places
            .iter()
            .map(|&(document, position)| (self.sequences[document], position))
            .collect();
        let row = |&(sequence, position): &Place| Row {
            sequence,
            position,
            step,
        };
        let pass = Pass {
            rows: places.iter().map(row).collect(),
        };
        let ask = Ask {
            report: if is_last { &places } else { &[] },
            ..Ask::default()
        };
        let outcome = self.engine.submit(&[pass], &ask).await?;
        Ok((self.engine.read_logits(&places).await?, outcome.reports))
    }
}

/// `done` is told the rows of each pass behind it.
async fn together(
    engines: &mut [EngineGuard<'_>; 2],
    documents: &[Document],
    (steps, exit): (Step, Exit),
    aborted: &dyn Fn() -> bool,
    done: &mut dyn FnMut(usize),
    gathering: &mut Gathering,
) -> Result<(), Error> {
    let [reference, other] = engines;
    let rows = reference.max_rows().min(other.max_rows());
    let mut sides = [reference, other].map(|engine| Side {
        engine,
        sequences: Vec::new(),
    });
    for side in &mut sides {
        side.begin(documents, steps).await?;
    }
    for (places, step) in passes(documents, steps, rows) {
        if aborted() {
            return Err(Error::Aborted);
        }
        let is_last = step == steps;
        let [a, b] = &mut sides;
        let (of_reference, thought) = a.run(&places, step, is_last).await?;
        let (of_other, thought_other) = b.run(&places, step, is_last).await?;
        let vocab = of_reference.len() / places.len().max(1);
        let logits = of_reference
            .chunks_exact(vocab)
            .zip(of_other.chunks_exact(vocab));
        for (&(document, position), (a, b)) in places.iter().zip(logits) {
            let target = documents[document].targets[position];
            gathering.logits(step.index(), [a, b], target);
        }
        let thoughts = thought.iter().zip(&thought_other);
        for (&(document, position), (a, b)) in places.iter().zip(thoughts) {
            let target = documents[document].targets[position];
            gathering.exits([a, b].map(|steps| exit.exit_step(steps)), target);
        }
        done(places.len());
    }
    Ok(())
}

/// The (document, position)s of each pass, and its step.
fn passes(documents: &[Document], steps: Step, rows: usize) -> Vec<(Vec<(usize, usize)>, Step)> {
    let all: Vec<(usize, usize)> = documents
        .iter()
        .enumerate()
        .flat_map(|(number, document)| (0..document.ids.len()).map(move |at| (number, at)))
        .collect();
    // All steps of a chunk before the next, as a prompt's.
    all.chunks(rows.max(1))
        .flat_map(|chunk| steps.up_to().map(|step| (chunk.to_vec(), step)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(length: usize) -> Document {
        Document {
            ids: vec![0; length],
            targets: vec![None; length],
        }
    }

    #[test]
    fn documents_share_passes_where_they_fit() {
        let all: Vec<Document> = [3, 4, 2, 9, 1].map(document).into();
        let lengths: Vec<Vec<usize>> = groups(&all, 7)
            .iter()
            .map(|group| group.iter().map(|d| d.ids.len()).collect())
            .collect();
        assert_eq!(lengths, [vec![3, 4], vec![2], vec![9], vec![1]]);
        let many = vec![document(1); TOGETHER + 1];
        assert_eq!(groups(&many, 99).len(), 2);
    }

    #[test]
    fn all_steps_of_a_chunk_come_before_the_next() {
        let two = Step::new(2).expect("2 is a step");
        let of = |lengths: &[usize], rows| {
            let documents: Vec<Document> = lengths.iter().map(|&n| document(n)).collect();
            passes(&documents, two, rows)
                .into_iter()
                .map(|(places, step)| (places, step.get()))
                .collect::<Vec<_>>()
        };
        let both = vec![(0, 0), (1, 0), (1, 1)];
        assert_eq!(of(&[1, 2], 4), [(both.clone(), 1), (both, 2)]);
        assert_eq!(
            of(&[3], 2),
            [
                (vec![(0, 0), (0, 1)], 1),
                (vec![(0, 0), (0, 1)], 2),
                (vec![(0, 2)], 1),
                (vec![(0, 2)], 2),
            ]
        );
    }
}
