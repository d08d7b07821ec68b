//! An answer that is cut and goes on in another generation, as after a lost device, is the answer that was not cut.

use looplm::{
    LoopLm,
    checkpoint::FolderSource,
    exit::{Exit, ExitRule},
    generate::{Finish, FinishReason, GenerateOptions, Generation, Verify},
    model::LoadOptions,
};
use pollster::block_on;

use crate::fixtures;

struct Answer {
    ids: Vec<u32>,
    text: String,
    finish: Finish,
}

fn take(generation: &mut Generation, most: usize, answer: &mut Answer) {
    for _ in 0..most {
        let Some(token) = block_on(generation.next(&|| false)).expect("the model runs") else {
            break;
        };
        answer.ids.push(token.id);
        answer.text.push_str(&token.text);
    }
    answer.finish = generation.finish();
}

/// The answer, cut after so many tokens.
fn cut(model: &LoopLm, prompt: &[u32], options: &GenerateOptions, after: usize) -> Answer {
    let begin = |prompt: Vec<u32>, answered: usize| {
        let options = GenerateOptions {
            answered,
            ..options.clone()
        };
        Generation::new(model, prompt, options).expect("the options are fine")
    };
    let mut first = begin(prompt.to_vec(), 0);
    let mut answer = Answer {
        ids: Vec::new(),
        text: String::new(),
        finish: first.finish(),
    };
    take(&mut first, after, &mut answer);
    let mut second = begin([prompt, &answer.ids].concat(), answer.ids.len());
    take(&mut second, usize::MAX, &mut answer);
    answer
}

fn same(cut: &Answer, whole: &Answer, what: &str) {
    assert_eq!(cut.ids, whole.ids, "{what}");
    assert_eq!(cut.text, whole.text, "{what}");
    let figures = |f: &Finish| (f.reason, f.prompt_tokens, f.new_tokens);
    assert_eq!(figures(&cut.finish), figures(&whole.finish), "{what}");
}

#[test]
fn the_tokens_are_the_same_wherever_it_is_cut() {
    let model = fixtures::case("f32-mha").load(&LoadOptions::default());
    let sampled = GenerateOptions {
        max_new_tokens: Some(16),
        temperature: Some(1.3),
        seed: Some(5),
        ..GenerateOptions::default()
    };
    let early = GenerateOptions {
        exit: Exit::from(ExitRule::Gate(0.5)),
        verify: Verify::Off,
        ..sampled.clone()
    };
    let penalised = GenerateOptions {
        repetition_penalty: Some(1.4),
        ..sampled.clone()
    };
    let greedy = GenerateOptions {
        temperature: Some(0.0),
        ..sampled.clone()
    };
    for (what, options) in [
        ("sampled", sampled),
        ("greedy", greedy),
        ("left early", early),
        ("penalised", penalised),
    ] {
        let whole = cut(&model, &[1, 2, 3], &options, 0);
        assert_eq!(whole.ids.len(), 16, "{what}");
        for after in [1, 7, 15] {
            same(
                &cut(&model, &[1, 2, 3], &options, after),
                &whole,
                &format!("{what}, cut after {after}"),
            );
        }
    }
}

#[test]
fn a_stop_text_may_lie_across_the_cut() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/shell-game");
    let source = FolderSource::new(folder).expect("the model is in the repository");
    let model = fixtures::load(&source, &LoadOptions::default()).expect("the model loads");
    let tokenizer = model.tokenizer().expect("it has one");
    let prompt = tokenizer
        .encode("swap12 left", true)
        .expect("the words are known");
    let mut options = GenerateOptions {
        max_new_tokens: Some(8),
        temperature: Some(2.0),
        seed: Some(3),
        ..GenerateOptions::default()
    };
    let free = cut(&model, &prompt, &options, 0);
    assert_eq!(free.finish.reason, FinishReason::Length);
    // From within the third word to within the fifth: it is held back over two tokens.
    let words: Vec<&str> = free.text.split_whitespace().collect();
    let stop = format!("{} {} {}", &words[2][1..], words[3], &words[4][..1]);
    options.stop = vec![stop.clone()];
    let whole = cut(&model, &prompt, &options, 0);
    assert_eq!(whole.finish.reason, FinishReason::Stop);
    assert!(!whole.text.contains(&stop) && free.text.starts_with(&whole.text));
    for after in 1..whole.ids.len() {
        same(
            &cut(&model, &prompt, &options, after),
            &whole,
            &format!("cut after {after}"),
        );
    }
}
