//! `sample` against its twin.

use looplm_gpu::{
    Gpu, GpuError, GpuRow, cpu,
    kernels::{Sample, SampleRequest, seen_words},
    stride,
};
use rand::{Rng, rngs::StdRng, seq::SliceRandom};

use crate::support::{self, fetch, numbers, poison, poisoned, upload};

const GREEDY: SampleRequest = SampleRequest {
    temperature: 0.0,
    top_k: 0,
    top_p: 1.0,
    min_p: 0.0,
    repetition_penalty: 1.0,
    seed_low: 0,
    seed_high: 0,
    position: 0,
    sequence: 0,
    note: 0,
    pad: [0; 2],
};

/// Draws for each row. `seen` is [sequences, words]; the logits have no padding.
fn draw(
    gpu: &Gpu,
    vocab: usize,
    logits: &[f32],
    requests: &[SampleRequest],
    seen: &[u32],
) -> Vec<u32> {
    // Draws that others of the submission make, on either side of these.
    let (before, behind) = (3, 4);
    let mut numbers: Vec<u32> = (0..requests.len() as u32).map(|r| before + r).collect();
    numbers.shuffle(&mut support::rng(requests.len() as u64));
    let mut all = vec![GREEDY; before as usize + requests.len()];
    let mut rows = support::rows(requests.len());
    for ((request, row), &number) in requests.iter().zip(&mut rows).zip(&numbers) {
        all[number as usize] = *request;
        *row = GpuRow {
            token: number,
            ..*row
        };
    }
    let mut padded = Vec::new();
    for row in logits.chunks_exact(vocab) {
        padded.extend_from_slice(row);
        padded.extend(poison(stride(vocab) - vocab));
    }
    let (logits, requests_buffer) = (upload(gpu, &padded), upload(gpu, &all));
    let seen_buffer = upload(gpu, seen);
    let tokens = poisoned(gpu, all.len() + behind);
    let op = Sample::new(gpu, vocab).bind(gpu, &logits, &requests_buffer, &seen_buffer, &tokens);
    support::run(gpu, &rows, |pass, _| {
        op.encode(pass, requests.len()).expect("the rows fit");
    });
    let found: Vec<u32> = fetch(gpu, &tokens, all.len() + behind);
    let drawn: Vec<u32> = numbers.iter().map(|n| found[*n as usize]).collect();
    let untouched = poison(1)[0].to_bits();
    let others = found[..before as usize].iter().chain(&found[all.len()..]);
    assert!(
        others.into_iter().all(|token| *token == untouched),
        "tokens of other draws: {found:?}"
    );
    let (mut want, words) = (seen.to_vec(), seen_words(vocab));
    for (request, token) in requests.iter().zip(&drawn) {
        cpu::note(request, *token, words, &mut want);
    }
    assert_eq!(
        fetch::<u32>(gpu, &seen_buffer, seen.len()),
        want,
        "seen tokens"
    );
    drawn
}

fn is_seen(words: &[u32], id: u32) -> bool {
    words[id as usize / 32] >> (id % 32) & 1 == 1
}

/// Draws once for each request with random logits and seen tokens, and compares with the twin. Where rounding makes them
/// differ, the twin must think the same of both tokens to within 1e-4. Returns how often that was.
fn check(rng: &mut StdRng, vocab: usize, mut requests: Vec<SampleRequest>) -> usize {
    let words = seen_words(vocab);
    let logits = numbers(rng, requests.len() * vocab, 8.0);
    let seen: Vec<u32> = (0..requests.len() * words)
        .map(|_| rng.random::<u32>() & rng.random::<u32>())
        .collect();
    let count = requests.len();
    for (r, request) in requests.iter_mut().enumerate() {
        request.sequence = ((r + 1) % count) as u32;
    }
    let drawn = support::lanes_of_rows().map(|gpu| draw(&gpu, vocab, &logits, &requests, &seen));
    let mut different = 0;
    for (r, (request, &token)) in drawn
        .iter()
        .flat_map(|drawn| requests.iter().zip(drawn).enumerate())
    {
        let at = request.sequence as usize * words;
        let had = |id: u32| is_seen(&seen[at..at + words], id);
        let row = &logits[r * vocab..][..vocab];
        assert!((token as usize) < vocab, "token {token} of {vocab}");
        let want = cpu::sample(request, row, had);
        if token != want {
            let scores = cpu::scores(request, row, had);
            let (got, best) = (scores[token as usize], scores[want as usize]);
            let apart = got
                .zip(best)
                .map_or(f64::INFINITY, |(got, best)| (got - best).abs());
            assert!(
                apart < 1e-4,
                "row {r}: drew {token} ({got:?}), the twin {want} ({best:?}) for {request:?}"
            );
            different += 1;
        }
    }
    different
}

/// Requests that use each filter in turn, alone and together.
fn requests(rng: &mut StdRng, count: usize, vocab: usize) -> Vec<SampleRequest> {
    (0..count)
        .map(|i| {
            let on = |filter: usize| i >> filter & 1 == 1;
            SampleRequest {
                temperature: if i % 17 == 0 {
                    0.0
                } else {
                    rng.random_range(0.2..3.0)
                },
                top_k: if on(0) {
                    rng.random_range(1..=vocab as u32 + 1)
                } else {
                    0
                },
                top_p: if on(1) {
                    rng.random_range(0.01..1.0)
                } else {
                    1.0
                },
                min_p: if on(2) {
                    rng.random_range(0.0..0.5)
                } else {
                    0.0
                },
                repetition_penalty: if on(3) {
                    rng.random_range(0.7..2.0)
                } else {
                    1.0
                },
                seed_low: rng.random(),
                seed_high: rng.random(),
                position: rng.random_range(0..5000),
                note: u32::from(rng.random_bool(0.5)),
                ..GREEDY
            }
        })
        .collect()
}

#[test]
fn all_filters_and_vocabularies() {
    let mut rng = support::rng(11);
    let (mut different, mut rows) = (0, 0);
    for (vocab, count) in [
        (1, 16),
        (5, 300),
        (31, 64),
        (32, 64),
        (257, 400),
        (1031, 200),
    ] {
        let requests = requests(&mut rng, count, vocab);
        different += check(&mut rng, vocab, requests);
        rows += support::lanes_of_rows().len() * count;
    }
    println!("{different} of {rows} draws differ from the twin's by rounding");
    assert!(
        different * 100 < rows,
        "{different} of {rows} draws differ from the twin's"
    );
}

#[test]
fn a_vocabulary_of_fifty_thousand() {
    let mut rng = support::rng(12);
    let requests = requests(&mut rng, 5, 50_000);
    check(&mut rng, 50_000, requests[1..].to_vec());
}

/// More than twice the largest there are: lanes must be as many as keep a loop within what lavapipe lets an invocation take.
#[test]
fn a_vocabulary_of_six_hundred_thousand() {
    let mut rng = support::rng(13);
    let vocab = 600_011;
    let requests = requests(&mut rng, 8, vocab);
    check(&mut rng, vocab, requests);
}

#[test]
fn greedy_takes_the_smallest_id_among_equals() {
    let gpu = support::gpu();
    for (vocab, best) in [
        (5, vec![1, 3]),
        (1031, vec![255, 256, 511, 1030]),
        (1031, vec![700, 900]),
        (300, (0..300).collect()),
    ] {
        let mut logits = vec![-1.5; vocab];
        best.iter().for_each(|&id: &usize| logits[id] = 2.5);
        let seen = vec![0; seen_words(vocab)];
        assert_eq!(
            draw(gpu, vocab, &logits, &[GREEDY], &seen),
            [best[0] as u32]
        );
    }
}

#[test]
fn filters_keep_one_token_at_least() {
    let gpu = support::gpu();
    let logits = [0.5, 3.0, 2.9, -1.0, 2.0];
    let warm = SampleRequest {
        temperature: 5.0,
        ..GREEDY
    };
    let tight = [
        SampleRequest { top_k: 1, ..warm },
        SampleRequest { top_p: 0.0, ..warm },
        SampleRequest { min_p: 1.0, ..warm },
        SampleRequest {
            temperature: 1e-30,
            ..warm
        },
    ];
    let requests: Vec<_> = (0..80)
        .map(|i| SampleRequest {
            seed_low: i,
            sequence: i,
            ..tight[i as usize % 4]
        })
        .collect();
    let drawn = draw(gpu, 5, &logits.repeat(80), &requests, &vec![0; 80]);
    for (token, request) in drawn.iter().zip(&requests) {
        assert_eq!(*token, 1, "{request:?}");
    }
}

#[test]
fn filters_tell_neighbouring_floats_apart() {
    let gpu = support::gpu();
    for first in [1.5f32, -1.5] {
        // Each logit is the next float above the one before.
        let logits: Vec<f32> = (0..12)
            .map(|i| {
                f32::from_bits(if first > 0.0 {
                    first.to_bits() + i
                } else {
                    first.to_bits() - i
                })
            })
            .collect();
        for (top_k, top_p) in [(5, 1.0), (0, 4.5 / 12.0)] {
            let request = |i| SampleRequest {
                temperature: 1.0,
                top_k,
                top_p,
                seed_low: i,
                sequence: i,
                ..GREEDY
            };
            let requests: Vec<_> = (0..200).map(request).collect();
            let mut kinds = draw(gpu, 12, &logits.repeat(200), &requests, &vec![0; 200]);
            kinds.sort_unstable();
            kinds.dedup();
            assert_eq!(
                kinds,
                [7, 8, 9, 10, 11],
                "top-k {top_k}, top-p {top_p} from {first}"
            );
        }
    }
}

#[test]
fn logits_that_are_no_numbers_still_give_a_token() {
    let gpu = support::gpu();
    let warm = SampleRequest {
        temperature: 1.0,
        top_k: 3,
        top_p: 0.9,
        ..GREEDY
    };
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for request in [GREEDY, warm] {
            let drawn = draw(gpu, 40, &[value; 40], &[request], &[0; 2]);
            assert!(drawn[0] < 40, "logits of {value}: token {}", drawn[0]);
        }
    }
}

#[test]
fn the_penalty_makes_seen_tokens_less_likely() {
    let gpu = support::gpu();
    let request = SampleRequest {
        repetition_penalty: 2.0,
        ..GREEDY
    };
    // 3 / 2 < 2, but 2 / 2 = 1 < 1.5 = 3 / 2, which stays the largest.
    for (seen, wanted) in [(0b000, 0), (0b001, 1), (0b011, 0)] {
        let drawn = draw(gpu, 3, &[3.0, 2.0, -1.0], &[request], &[seen]);
        assert_eq!(drawn, [wanted], "{seen:b}");
    }
    // A negative logit is multiplied.
    let seen = vec![0b100];
    assert_eq!(draw(gpu, 3, &[-1.5, -9.0, -1.0], &[request], &seen), [0]);
}

#[test]
fn draws_follow_the_distribution() {
    let gpu = support::gpu();
    let vocab = 11;
    let logits: Vec<f32> = (0..vocab).map(|id| (id as f32 * 1.7).sin() * 1.5).collect();
    for temperature in [1.0f32, 0.6] {
        let count = 4000;
        let requests: Vec<_> = (0..count)
            .map(|seed| SampleRequest {
                temperature,
                seed_low: seed,
                position: 17,
                sequence: seed,
                ..GREEDY
            })
            .collect();
        let seen = vec![0; count as usize];
        let drawn = draw(gpu, vocab, &logits.repeat(count as usize), &requests, &seen);
        let mass: Vec<f64> = logits
            .iter()
            .map(|l| f64::from(l / temperature).exp())
            .collect();
        let total: f64 = mass.iter().sum();
        let mut chi_square = 0.0;
        for (id, mass) in mass.iter().enumerate() {
            let wanted = f64::from(count) * mass / total;
            let got = drawn.iter().filter(|&&token| token as usize == id).count() as f64;
            chi_square += (got - wanted).powi(2) / wanted;
        }
        // 10 degrees of freedom: one run in 100,000 would be above 41.
        assert!(
            chi_square < 41.0,
            "temperature {temperature}: chi-square {chi_square}"
        );
    }
}

#[test]
fn equal_seeds_draw_equal_tokens_wherever_the_row_is() {
    let gpu = support::gpu();
    let vocab = 257;
    let mut rng = support::rng(13);
    let logits = numbers(&mut rng, vocab, 2.0);
    let request = |position, sequence| SampleRequest {
        temperature: 1.0,
        top_p: 0.95,
        seed_low: 5,
        seed_high: 7,
        position,
        sequence,
        ..GREEDY
    };
    let words = seen_words(vocab);
    let requests: Vec<_> = (0..40).map(|at| request(at, at)).collect();
    let together = draw(
        gpu,
        vocab,
        &logits.repeat(40),
        &requests,
        &vec![0; 40 * words],
    );
    for at in [0, 7, 39] {
        let alone = draw(gpu, vocab, &logits, &[request(at, 0)], &vec![0; words]);
        assert_eq!(alone[0], together[at as usize], "position {at}");
    }
    let mut kinds = together;
    kinds.sort_unstable();
    kinds.dedup();
    assert!(
        kinds.len() > 20,
        "positions draw anew: {} kinds of token",
        kinds.len()
    );
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    let op = Sample::new(gpu, 9).bind(
        gpu,
        &poisoned(gpu, 32),
        &upload(gpu, &[GREEDY; 4]),
        &poisoned(gpu, 4),
        &poisoned(gpu, 4),
    );
    support::run(gpu, &support::rows(1), |pass, _| {
        assert!(
            matches!(
                op.encode(pass, 3),
                Err(GpuError::Shape {
                    kernel: "sample",
                    ..
                })
            ),
            "three rows of two"
        );
    });
}
