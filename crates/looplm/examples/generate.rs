//! The README's example: the shipped model continues a prompt.

use looplm::{
    LoopLm,
    checkpoint::FolderSource,
    exit::ExitRule,
    generate::{GenerateOptions, Generation},
    model::LoadOptions,
};
use pollster::block_on;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let source = FolderSource::new("models/shell-game")?;
    let model = block_on(LoopLm::load(&source, &LoadOptions::default(), &mut |_| ()))?;
    let prompt = model.tokenizer()?.encode("swap12 left swap23", true)?;
    let options = GenerateOptions {
        max_new_tokens: Some(1),
        exit: ExitRule::Gate(0.8).into(),
        ..Default::default()
    };
    let mut answer = Generation::new(&model, prompt, options)?;
    while let Some(token) = block_on(answer.next(&|| false))? {
        println!("{} left at step {}", token.text, token.exit_step);
    }
    Ok(())
}
