//! `looplm forward`: all steps of all positions, written to a file.

use looplm::exit::Exit;
use looplm::forward::{Forward, ForwardOptions};

use crate::args::ForwardArgs;
use crate::failure::Failure;
use crate::tensor_file::{Tensor, TensorFile};
use crate::{load, say};

pub(crate) fn run(args: &ForwardArgs) -> Result<(), Failure> {
    let file = TensorFile::new(&args.out)?;
    let source = load::open(&args.model, args.steps, Exit::default())?;
    let model = load::model(&source, &args.load.options())?;
    let options = ForwardOptions {
        steps: args.steps,
        logits: true,
        hidden: true,
        ..ForwardOptions::default()
    };
    let result = pollster::block_on(model.forward(&args.ids.0, &options, &|| false))?;
    let (steps, positions) = (result.steps, args.ids.0.len());
    file.write(&tensors(&result, positions))?;
    say::aside(&format!(
        "wrote {}: {steps} steps, {positions} positions",
        args.out.display()
    ));
    Ok(())
}

fn tensors(result: &Forward, positions: usize) -> Vec<Tensor<'_>> {
    let flat = vec![result.steps, positions];
    let wide = |values: &[f32]| {
        let width = values.len() / (result.steps * positions);
        vec![result.steps, positions, width]
    };
    let mut tensors: Vec<Tensor<'_>> = vec![
        ("exit_lambda", flat.clone(), &result.exit_lambda),
        ("exit_pdf", flat, &result.exit_pdf),
    ];
    for (name, values) in [("logits", &result.logits), ("hidden", &result.hidden)] {
        if let Some(values) = values {
            tensors.push((name, wide(values), values));
        }
    }
    tensors
}
