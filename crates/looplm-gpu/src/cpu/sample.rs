use crate::kernels::SampleRequest;

fn scramble(value: u32) -> u32 {
    let state = value.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
    let word = ((state >> ((state >> 28) + 4)) ^ state).wrapping_mul(277_803_737);
    (word >> 22) ^ word
}

fn gumbel(request: &SampleRequest, id: u32) -> f64 {
    let inner = scramble(request.seed_low.wrapping_add(scramble(request.seed_high)));
    let h = scramble(id.wrapping_add(scramble(request.position.wrapping_add(inner))));
    let u = (f64::from(h >> 9) + 0.5) / 8_388_608.0;
    -(-u.ln()).ln()
}

/// What `sample` compares: for each token its score, or `None` where a filter dropped it. `logits` are those of one row.
pub fn scores(
    request: &SampleRequest,
    logits: &[f32],
    seen: impl Fn(u32) -> bool,
) -> Vec<Option<f64>> {
    let penalised: Vec<f64> = logits
        .iter()
        .enumerate()
        .map(|(id, &logit)| {
            let (logit, penalty) = (f64::from(logit), f64::from(request.repetition_penalty));
            match (seen(id as u32), logit > 0.0) {
                (false, _) => logit,
                (true, true) => logit / penalty,
                (true, false) => logit * penalty,
            }
        })
        .collect();
    if request.temperature <= 0.0 {
        return penalised.into_iter().map(Some).collect();
    }
    let top = penalised.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let z: Vec<f64> = penalised
        .iter()
        .map(|v| (v - top) / f64::from(request.temperature))
        .collect();
    let mut sorted = z.clone();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let mut least = f64::NEG_INFINITY;
    if request.top_k > 0 && (request.top_k as usize) < sorted.len() {
        least = sorted[request.top_k as usize - 1];
    }
    if request.top_p < 1.0 {
        let kept: Vec<f64> = sorted.iter().copied().filter(|z| *z >= least).collect();
        let target = f64::from(request.top_p) * kept.iter().map(|z| z.exp()).sum::<f64>();
        let mut mass = 0.0;
        for value in kept {
            mass += value.exp();
            least = value;
            if mass >= target {
                break;
            }
        }
    }
    let keep = |z: f64| z >= least && z.exp() >= f64::from(request.min_p);
    z.iter()
        .enumerate()
        .map(|(id, &z)| keep(z).then(|| z + gumbel(request, id as u32)))
        .collect()
}

/// Twin of `sample` for one row: the token with the largest score, the smallest id among equals.
pub fn sample(request: &SampleRequest, logits: &[f32], seen: impl Fn(u32) -> bool) -> u32 {
    let mut best = (f64::NEG_INFINITY, 0);
    for (id, score) in scores(request, logits, seen).into_iter().enumerate() {
        if let Some(score) = score.filter(|s| *s > best.0) {
            best = (score, id as u32);
        }
    }
    best.1
}

/// Twin of what `sample` leaves in `seen` [sequences, words] after a draw.
pub fn note(request: &SampleRequest, token: u32, words: usize, seen: &mut [u32]) {
    if request.note == 1 {
        seen[request.sequence as usize * words + token as usize / 32] |= 1 << (token % 32);
    }
}
