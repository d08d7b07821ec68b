//! `gather` and `gather_backward` against their twins.

use looplm_gpu::{
    GpuError, cpu,
    kernels::{Gather, GatherBackward, Takers},
    stride,
};
use rand::Rng;

use crate::support::{
    self, assert_close, fetch, numbers, padded_rows, poison, poisoned, run_bound, upload,
};

fn check(rows: usize, vocabulary: usize, width: usize) {
    let gpu = support::gpu();
    let what = format!("{rows} rows of {width} from {vocabulary}");
    let mut rng = support::rng((rows * 31 + vocabulary) as u64);
    // Now and then an id beyond the vocabulary.
    let ids: Vec<u32> = (0..rows)
        .map(|_| rng.random_range(0..=vocabulary as u32))
        .collect();
    let table = padded_rows(&mut rng, vocabulary, width);
    let size = rows * stride(width);
    let (id_buffer, table_buffer, y) = (
        upload(gpu, &ids),
        upload(gpu, &table),
        poisoned(gpu, size + 4),
    );
    let bound = Gather::new(gpu, rows, vocabulary, width)
        .bind(gpu, id_buffer.view(), table_buffer.view(), y.view())
        .expect("the shapes fit");
    run_bound(gpu, &[bound]);
    let mut want = cpu::gather(&ids, &table, width);
    want.extend(poison(4));
    assert_close(&what, &fetch::<f32>(gpu, &y, size + 4), &want, 0.0);

    let takers = Takers::of(&ids, vocabulary);
    let mut listed = takers.rows.clone();
    listed.resize(rows, u32::MAX);
    let dy = padded_rows(&mut rng, rows, width);
    let mut want = padded_rows(&mut rng, vocabulary, width);
    let buffers = [
        upload(gpu, &takers.starts),
        upload(gpu, &listed),
        upload(gpu, &dy),
        upload(gpu, &want),
    ];
    let bound = GatherBackward::new(gpu, rows, vocabulary, width)
        .bind(
            gpu,
            buffers[0].view(),
            buffers[1].view(),
            buffers[2].view(),
            buffers[3].view(),
        )
        .expect("the shapes fit");
    run_bound(gpu, &[bound]);
    cpu::gather_backward(&ids, &dy, width, &mut want);
    let got: Vec<f32> = fetch(gpu, &buffers[3], want.len());
    assert_close(&format!("{what}, backward"), &got, &want, 1e-5);
}

#[test]
fn odd_shapes() {
    for (rows, vocabulary, width) in [
        (1, 1, 1),
        (3, 2, 7),
        (65, 14, 8),
        (64, 257, 9),
        (130, 5, 127),
    ] {
        check(rows, vocabulary, width);
    }
}

#[test]
fn the_gradient_is_the_slope_of_the_forward() {
    let mut rng = support::rng(2);
    let (ids, vocabulary, width) = ([2u32, 0, 2, 1, 2], 4, 3);
    let table = numbers(&mut rng, vocabulary * stride(width), 1.0);
    let dy = padded_rows(&mut rng, ids.len(), width);
    let mut gradient = vec![0.0; table.len()];
    cpu::gather_backward(&ids, &dy, width, &mut gradient);
    let value = |table: &[f32]| -> f64 {
        let y = cpu::gather(&ids, table, width);
        y.iter()
            .zip(&dy)
            .map(|(y, d)| f64::from(*y) * f64::from(*d))
            .sum()
    };
    for i in 0..table.len() {
        let (mut above, mut below) = (table.clone(), table.clone());
        above[i] += 0.5;
        below[i] -= 0.5;
        let slope = (value(&above) - value(&below)) / f64::from(above[i] - below[i]);
        assert!((slope - f64::from(gradient[i])).abs() < 1e-6, "element {i}");
    }
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    let (large, small) = (poisoned(gpu, 64), poisoned(gpu, 4));
    let gather = Gather::new(gpu, 8, 8, 8);
    for [ids, table, y] in [
        [&small, &large, &large],
        [&large, &small, &large],
        [&large, &large, &small],
    ] {
        let bound = gather.bind(gpu, ids.view(), table.view(), y.view());
        assert!(matches!(bound, Err(GpuError::Shape { .. })));
    }
    let backward = GatherBackward::new(gpu, 8, 8, 8);
    let (l, s) = (large.view(), small.view());
    for [starts, rows, dy, dtable] in [[s, l, l, l], [l, s, l, l], [l, l, s, l], [l, l, l, s]] {
        assert!(backward.bind(gpu, starts, rows, dy, dtable).is_err());
    }
}
