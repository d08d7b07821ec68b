//! `attention` against its twin.

use looplm_gpu::{
    GpuError, GpuRow, KvFormat, cpu, head_stride,
    kernel::Op,
    kernels::{Attention, AttentionShape},
    stride,
};
use rand::{Rng, rngs::StdRng, seq::SliceRandom};

use crate::support::{
    self, assert_close, fetch, kv_round, kv_upload, numbers, poison, poisoned, upload,
};

/// Heads of `head_dim` numbers, each padded with `pad`.
fn heads(rng: &mut StdRng, count: usize, head_dim: usize, scale: f32, pad: f32) -> Vec<f32> {
    let mut data = vec![pad; count * head_stride(head_dim)];
    for head in data.chunks_exact_mut(head_stride(head_dim)) {
        head[..head_dim].copy_from_slice(&numbers(rng, head_dim, scale));
    }
    data
}

/// A cache as rows find it: what they may read at entries in any order, poison everywhere else.
struct Cache {
    format: KvFormat,
    keys: Vec<f32>,
    values: Vec<f32>,
    kv_map: Vec<u32>,
    rows: Vec<GpuRow>,
}

/// Rows that see so many keys each, their own included. Lines of the map lie in any order and share their entries; every
/// third row looks into the line of the row before it. Elements that belong to no position lead to poisoned entries, and
/// where a row stands the map says another entry than its own.
fn cache(rng: &mut StdRng, shape: AttentionShape, format: KvFormat, key_counts: &[usize]) -> Cache {
    let longest = key_counts.iter().copied().max().unwrap_or(1);
    let (shared, count) = (longest / 2 + 1, key_counts.len());
    let mut entries: Vec<u32> = (0..2 * (shared + count) as u32).collect();
    entries.shuffle(rng);
    let (shared, others) = entries.split_at(shared);
    let (own, traps) = others.split_at(count);
    let mut keys = poison(entries.len() * shape.entry());
    let mut values = keys.clone();
    for &entry in shared.iter().chain(own) {
        let at = entry as usize * shape.entry()..(entry as usize + 1) * shape.entry();
        let [zeros, nans] = [0.0, f32::NAN].map(|pad| {
            kv_round(
                format,
                &heads(rng, shape.kv_heads, shape.head_dim, 1.0, pad),
            )
        });
        keys[at.clone()].copy_from_slice(&zeros);
        values[at].copy_from_slice(&nans);
    }

    let pitch = longest + 3;
    let mut lines: Vec<usize> = (0..=count).collect();
    lines.shuffle(rng);
    let mut kv_map: Vec<u32> = (0..lines.len() * pitch)
        .map(|_| traps[rng.random_range(0..traps.len())])
        .collect();
    let mut rows = Vec::new();
    for (i, &key_count) in key_counts.iter().enumerate() {
        let map = lines[i - usize::from(i % 3 == 2)] * pitch + 2;
        for element in &mut kv_map[map..map + key_count - 1] {
            *element = shared[rng.random_range(0..shared.len())];
        }
        rows.push(GpuRow {
            entry: own[i],
            map: map as u32,
            state: i as u32,
            step: i as u32 % 4 + 1,
            ..support::row(key_count - 1)
        });
    }
    Cache {
        format,
        keys,
        values,
        kv_map,
        rows,
    }
}

/// Attends over caches that are poisoned outside what the rows may see. `key_counts` says how many keys each of them sees.
fn check(heads_: usize, kv_heads: usize, head_dim: usize, key_counts: &[usize], scale: f32) {
    let shape = AttentionShape {
        heads: heads_,
        kv_heads,
        head_dim,
    };
    for format in KvFormat::ALL {
        let mut rng = support::rng((heads_ * 1000 + head_dim) as u64);
        let cache = cache(&mut rng, shape, format, key_counts);
        let q = heads(&mut rng, cache.rows.len() * heads_, head_dim, scale, 0.0);
        let what = format!("{shape:?}, {format}, keys {key_counts:?}");
        compare(&what, shape, &q, &cache, 2e-5);
    }
}

/// Runs the kernel and its twin, with a row behind the last to stay untouched.
fn compare(what: &str, shape: AttentionShape, q: &[f32], cache: &Cache, tolerance: f32) {
    let gpu = support::gpu();
    let Cache {
        format,
        keys,
        values,
        kv_map,
        rows,
    } = cache;
    let mut want = cpu::attention(shape, rows, q, keys, values, kv_map);
    want.extend(poison(stride(shape.heads * shape.head_dim)));
    let out = poisoned(gpu, want.len());
    let [keys, values] = [keys, values].map(|data| kv_upload(gpu, *format, data));
    let (q, kv_map) = (upload(gpu, q), upload(gpu, kv_map));
    let op = Attention::new(gpu, shape, *format)
        .and_then(|kernel| kernel.bind(gpu, &q, &keys, &values, &kv_map, &out))
        .expect("the shapes fit");
    support::run(gpu, rows, |pass, table| {
        op.encode(gpu, pass, table).expect("the grid is small");
    });
    assert_close(what, &fetch(gpu, &out, want.len()), &want, tolerance);
}

#[test]
fn key_counts_around_the_block() {
    check(2, 2, 8, &[1, 63, 64, 65, 200, 2, 128, 129], 1.0);
}

#[test]
fn grouped_queries() {
    check(6, 2, 10, &[5, 70], 1.0);
    check(5, 1, 16, &[65, 3], 1.0);
}

#[test]
fn odd_head_sizes() {
    for head_dim in [2, 6, 14, 34, 64, 66, 126, 128, 130, 254, 256] {
        check(3, 1, head_dim, &[1, 67], 1.0);
    }
}

#[test]
fn large_scores_do_not_overflow() {
    check(2, 1, 16, &[3, 65, 150], 300.0);
}

#[test]
fn rows_see_keys_up_to_their_own_position_only() {
    let shape = AttentionShape {
        heads: 1,
        kv_heads: 1,
        head_dim: 4,
    };
    let mut rng = support::rng(2);
    let count = 70;
    let mut kv_map: Vec<u32> = (0..count as u32).collect();
    kv_map.shuffle(&mut rng);
    let mut rows = support::rows(count);
    for (row, &entry) in rows.iter_mut().zip(&kv_map) {
        row.entry = entry;
    }
    let [q, keys, values] = std::array::from_fn(|_| heads(&mut rng, count, 4, 1.0, 0.0));
    let cache = Cache {
        format: KvFormat::F32,
        keys,
        values,
        kv_map,
        rows,
    };
    compare("a prompt of 70 tokens", shape, &q, &cache, 1e-5);
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    let odd = AttentionShape {
        heads: 1,
        kv_heads: 1,
        head_dim: 5,
    };
    assert!(matches!(
        Attention::new(gpu, odd, KvFormat::F32),
        Err(GpuError::Shape { .. })
    ));
    let kernel = Attention::new(
        gpu,
        AttentionShape {
            heads: 2,
            kv_heads: 1,
            head_dim: 8,
        },
        KvFormat::F32,
    )
    .expect("a valid shape");
    let buffer = |count| poisoned(gpu, count);
    let (q, keys, values, out) = (buffer(32), buffer(64), buffer(64), buffer(32));
    let kv_map = upload(gpu, &[0u32; 8]);
    assert!(matches!(
        kernel.bind(gpu, &q, &keys, &buffer(32), &kv_map, &out),
        Err(GpuError::Shape { .. })
    ));
    assert!(matches!(
        kernel.bind(gpu, &q, &buffer(4), &buffer(4), &kv_map, &out),
        Err(GpuError::Shape { .. })
    ));
    let op = kernel
        .bind(gpu, &q, &keys, &values, &kv_map, &out)
        .expect("the shapes fit");
    support::run(gpu, &support::rows(3), |pass, table| {
        assert!(
            matches!(op.encode(gpu, pass, table), Err(GpuError::Shape { .. })),
            "three rows into buffers of two"
        );
    });
}
