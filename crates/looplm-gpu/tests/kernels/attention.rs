//! `attention` against its twin.

use looplm_gpu::{
    Gpu, GpuError, GpuRow, KvFormat, cpu, head_stride,
    kernel::Op,
    kernels::{Attention, AttentionBuffers, AttentionParts, AttentionShape},
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
fn check(heads: usize, kv_heads: usize, head_dim: usize, key_counts: &[usize], scale: f32) {
    let shape = shape(heads, kv_heads, head_dim);
    check_on(&support::lanes_of_rows(), shape, key_counts, scale);
}

fn check_on(gpus: &[Gpu], shape: AttentionShape, key_counts: &[usize], scale: f32) {
    for format in support::kv_formats(shape) {
        let mut rng = support::rng((shape.heads * 1000 + shape.head_dim) as u64);
        let cache = cache(&mut rng, shape, format, key_counts);
        let count = cache.rows.len() * shape.heads;
        let q = heads(&mut rng, count, shape.head_dim, scale, 0.0);
        let what = format!("{shape:?}, {format}, keys {key_counts:?}");
        compare(gpus, &what, shape, &q, &cache, 2e-5, 1 << 30);
    }
}

/// Some tokens of a sequence that all are in the pass: how many, from which position on, and how far apart.
#[derive(Debug, Clone, Copy)]
struct Prompt {
    first: usize,
    count: usize,
    apart: usize,
}

fn prompt(first: usize, count: usize) -> Prompt {
    let apart = 1;
    Prompt {
        first,
        count,
        apart,
    }
}

/// Rows that are written down in the line of the map which they look into, a line a prompt; entries lie in any order, and
/// those of no position are poisoned.
fn prompts(rng: &mut StdRng, shape: AttentionShape, format: KvFormat, prompts: &[Prompt]) -> Cache {
    let length = |p: &Prompt| p.first + (p.count - 1) * p.apart + 1;
    let total: usize = prompts.iter().map(length).sum();
    let pitch = prompts.iter().map(length).max().unwrap_or(1) + 2;
    let mut entries: Vec<u32> = (0..total as u32 + 9).collect();
    entries.shuffle(rng);
    let mut keys = poison(entries.len() * shape.entry());
    let mut values = keys.clone();
    let mut kv_map =
        vec![entries.pop().expect("more than there are tokens"); pitch * prompts.len()];
    let mut rows = Vec::new();
    for (line, prompt) in prompts.iter().enumerate() {
        let map = line * pitch + 1;
        for element in &mut kv_map[map..map + length(prompt)] {
            *element = entries.pop().expect("more than there are tokens");
            let at = *element as usize * shape.entry()..(*element as usize + 1) * shape.entry();
            for data in [&mut keys, &mut values] {
                let random = heads(rng, shape.kv_heads, shape.head_dim, 1.0, 0.0);
                data[at.clone()].copy_from_slice(&kv_round(format, &random));
            }
        }
        for i in 0..prompt.count {
            let position = prompt.first + i * prompt.apart;
            rows.push(GpuRow {
                entry: kv_map[map + position],
                map: map as u32,
                lines: 1,
                ..support::row(position)
            });
        }
    }
    Cache {
        format,
        keys,
        values,
        kv_map,
        rows,
    }
}

fn shape(heads: usize, kv_heads: usize, head_dim: usize) -> AttentionShape {
    AttentionShape {
        heads,
        kv_heads,
        head_dim,
    }
}

/// Attends to prompts in both formats. It takes two dispatches where some rows share a tile and others do not.
fn check_prompts(shape: AttentionShape, of: &[Prompt], scale: f32, dispatches: usize) {
    check_prompts_on(&support::lanes_of_rows(), shape, of, scale, dispatches);
}

fn check_prompts_on(
    gpus: &[Gpu],
    shape: AttentionShape,
    of: &[Prompt],
    scale: f32,
    dispatches: usize,
) {
    for format in support::kv_formats(shape) {
        let mut rng = support::rng((shape.heads * 1000 + shape.head_dim) as u64);
        let cache = prompts(&mut rng, shape, format, of);
        let count = cache.rows.len() * shape.heads;
        let q = heads(&mut rng, count, shape.head_dim, scale, 0.0);
        let what = format!("{shape:?}, {format}, {of:?}");
        let took = compare(gpus, &what, shape, &q, &cache, 2e-5, 1 << 30);
        assert_eq!(took, dispatches, "{what}");
    }
}

/// Runs the kernel and its twin, with a row behind the last to stay untouched, and compares them within `tolerance`. There are
/// `part_bytes` for the parts of long rows. Returns how many dispatches it took.
fn compare(
    gpus: &[Gpu],
    what: &str,
    shape: AttentionShape,
    q: &[f32],
    cache: &Cache,
    tolerance: f32,
    part_bytes: u64,
) -> usize {
    let gpu = &gpus[0];
    let Cache {
        format,
        keys,
        values,
        kv_map,
        rows,
    } = cache;
    let mut want = cpu::attention(shape, rows, q, keys, values, kv_map);
    want.extend(poison(stride(shape.heads * shape.head_dim)));
    let [keys, values] = [keys, values].map(|data| kv_upload(gpu, *format, data));
    let (q, kv_map) = (upload(gpu, q), upload(gpu, kv_map));
    let longest = rows.iter().map(|row| row.position as usize + 1).max();
    let room = AttentionParts::new(shape, longest.unwrap_or(1), part_bytes);
    let mut dispatches = 0;
    for gpu in gpus {
        let out = poisoned(gpu, want.len());
        let parts = poisoned(gpu, room.bytes as usize / 4);
        let buffers = AttentionBuffers {
            q: &q,
            keys: &keys,
            values: &values,
            kv_map: &kv_map,
            out: &out,
            parts: &parts,
        };
        let op = Attention::new(gpu, shape, *format, room)
            .and_then(|kernel| kernel.bind(gpu, buffers))
            .expect("the shapes fit");
        support::run(gpu, rows, |pass, table| {
            dispatches = op.encode(gpu, pass, table).expect("the grid is small");
        });
        let what = format!("{what}, {} lanes", gpu.tuning().row_lanes);
        assert_close(&what, &fetch(gpu, &out, want.len()), &want, tolerance);
    }
    dispatches
}

#[test]
fn key_counts_around_the_block() {
    check(2, 2, 8, &[1, 63, 64, 65, 200, 2, 128, 129], 1.0);
}

#[test]
fn grouped_queries() {
    check(6, 2, 10, &[5, 70], 1.0);
    check(6, 3, 12, &[5, 70], 1.0);
    check(5, 1, 16, &[65, 3], 1.0);
}

/// Around blocks and workgroups, and the smallest and largest there are.
const HEAD_SIZES: [usize; 14] = [2, 4, 6, 14, 20, 34, 64, 66, 126, 128, 130, 132, 254, 256];

/// The fewest lanes and the most in turn: a pipeline takes a CPU adapter more than a second to compile.
fn lanes_in_turn() -> impl Iterator<Item = Gpu> {
    support::lanes_of_rows().into_iter().cycle()
}

#[test]
fn odd_head_sizes() {
    for (gpu, head_dim) in lanes_in_turn().zip(HEAD_SIZES) {
        check_on(&[gpu], shape(3, 1, head_dim), &[1, 67], 1.0);
    }
}

#[test]
fn large_scores_do_not_overflow() {
    check(2, 1, 16, &[3, 65, 150], 300.0);
}

#[test]
fn rows_see_keys_up_to_their_own_position_only() {
    let shape = shape(1, 1, 4);
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
    let (gpus, what) = (&support::lanes_of_rows(), "a prompt of 70 tokens");
    compare(gpus, what, shape, &q, &cache, 1e-5, 1 << 30);
}

/// Rows that see many keys do so in parts, which a second dispatch puts together; short ones beside them are done by then.
#[test]
fn long_rows_in_parts() {
    let gpus = &support::lanes_of_rows();
    let counts = [3, 512, 513, 700, 1025, 64];
    for shape in [shape(2, 1, 8), shape(3, 3, 34), shape(1, 1, 128)] {
        for format in support::kv_formats(shape) {
            let mut rng = support::rng(shape.head_dim as u64);
            let cache = cache(&mut rng, shape, format, &counts);
            let count = counts.len() * shape.heads;
            let q = heads(&mut rng, count, shape.head_dim, 3.0, 0.0);
            let what = format!("{shape:?}, {format}");
            let two_parts = 2 * AttentionParts::new(shape, 513, 1 << 30).bytes / 3;
            let mut rooms = vec![(1 << 30, 2)];
            if format == KvFormat::F16 {
                rooms.extend([(two_parts, 2), (two_parts / 2, 1), (0, 1)]);
            }
            for (bytes, dispatches) in rooms {
                let took = compare(gpus, &what, shape, &q, &cache, 2e-5, bytes);
                assert_eq!(took, dispatches, "{what}, {bytes} bytes for parts");
            }
        }
    }
}

#[test]
fn more_keys_than_parts_of_the_smallest_size() {
    let shape = shape(2, 1, 6);
    assert_eq!(AttentionParts::new(shape, 100_000, 1 << 30).most, 32);
    check(2, 1, 6, &[9001, 8192, 8193], 1.0);
}

/// More than Ouro's 65,536 positions, and more turns of a loop than lavapipe lets an invocation take if its lanes were few (65,535).
#[test]
fn contexts_of_eighty_thousand_keys() {
    let keys = 80_003;
    let small = shape(1, 1, 4);
    check(1, 1, 4, &[keys, keys - 4096], 1.0);
    // Each row in one part, by the lanes of one workgroup.
    let format = KvFormat::F16;
    let mut rng = support::rng(81);
    let alone = cache(&mut rng, small, format, &[keys]);
    let q = heads(&mut rng, 1, 4, 1.0, 0.0);
    let gpus = &support::lanes_of_rows();
    let took = compare(gpus, "one part", small, &q, &alone, 2e-5, 0);
    assert_eq!(took, 1);
    check_prompts(small, &[prompt(keys, 17)], 1.0, 1);
    // The last that share a tile on such an adapter, and the first that do not, with Ouro's heads.
    for first in [4096 - 17, 4096] {
        check_prompts(shape(1, 1, 128), &[prompt(first, 17)], 1.0, 1);
    }
}

#[test]
fn rows_of_a_prompt_share_their_keys() {
    // The last rows are alone if they are fewer than four.
    for (of, dispatches) in [
        (prompt(0, 32), 1),
        (prompt(0, 17), 1),
        (prompt(5, 70), 1),
        (prompt(100, 64), 1),
        (prompt(0, 35), 2),
        (prompt(31, 36), 1),
    ] {
        check_prompts(shape(2, 1, 10), &[of], 1.0, dispatches);
    }
}

#[test]
fn shared_tiles_of_odd_head_sizes() {
    for (gpu, head_dim) in lanes_in_turn().zip(HEAD_SIZES) {
        check_prompts_on(&[gpu], shape(3, 1, head_dim), &[prompt(20, 39)], 1.0, 1);
    }
    check_prompts(shape(6, 2, 24), &[prompt(0, 33)], 1.0, 2);
}

/// Tiles that are shared, tiles between two prompts, and single rows, in one pass.
#[test]
fn prompts_and_single_rows_in_one_pass() {
    let singles: Vec<Prompt> = (0..9).map(|i| prompt(7 * i, 1)).collect();
    let of = [
        &[prompt(3, 50), prompt(90, 40)],
        singles.as_slice(),
        &[prompt(0, 70)],
    ]
    .concat();
    check_prompts(shape(2, 2, 12), &of, 1.0, 2);
}

#[test]
fn positions_of_a_tile_may_have_gaps() {
    let gaps = Prompt {
        first: 2,
        count: 40,
        apart: 3,
    };
    check_prompts(shape(2, 1, 16), &[gaps], 1.0, 1);
}

#[test]
fn large_scores_in_a_tile_do_not_overflow() {
    check_prompts(shape(2, 1, 16), &[prompt(40, 64)], 300.0, 1);
}

/// Rows that look at one line but are not written down there, or not in order, see what they would see alone.
#[test]
fn rows_that_only_seem_to_share_are_told_apart() {
    let gpus = &support::lanes_of_rows();
    let shape = shape(2, 1, 8);
    let mut rng = support::rng(5);
    for change in 0..3 {
        let mut cache = prompts(
            &mut rng,
            shape,
            KvFormat::F32,
            &[prompt(0, 32), prompt(4, 32)],
        );
        match change {
            // Another entry than the line's.
            0 => {
                (cache.rows[3].entry, cache.rows[3].lines) = (cache.rows[50].entry, 0);
            }
            1 => cache.rows.swap(4, 20),
            _ => cache.rows[9].map = cache.rows[40].map,
        }
        let q = heads(&mut rng, 64 * shape.heads, shape.head_dim, 1.0, 0.0);
        let what = format!("change {change}");
        compare(gpus, &what, shape, &q, &cache, 2e-5, 1 << 30);
    }
}

#[test]
fn wrong_shapes_are_errors() {
    let gpu = support::gpu();
    let odd = AttentionShape {
        heads: 1,
        kv_heads: 1,
        head_dim: 5,
    };
    let room = AttentionParts::new(odd, 1, 0);
    for (shape, format) in [(odd, KvFormat::F32), (shape(2, 1, 6), KvFormat::Q8)] {
        assert!(matches!(
            Attention::new(gpu, shape, format, room),
            Err(GpuError::Shape { .. })
        ));
    }
    let shape = shape(2, 1, 8);
    let room = AttentionParts::new(shape, 600, 1 << 20);
    let kernel = Attention::new(gpu, shape, KvFormat::F32, room).expect("a valid shape");
    let buffer = |count| poisoned(gpu, count);
    let (q, keys, values, out) = (buffer(32), buffer(64), buffer(64), buffer(32));
    let (small, smaller, parts) = (buffer(32), buffer(4), buffer(room.bytes as usize / 4));
    let kv_map = upload(gpu, &[0u32; 8]);
    let fits = AttentionBuffers {
        q: &q,
        keys: &keys,
        values: &values,
        kv_map: &kv_map,
        out: &out,
        parts: &parts,
    };
    for wrong in [
        AttentionBuffers {
            values: &small,
            ..fits
        },
        AttentionBuffers {
            keys: &smaller,
            values: &smaller,
            ..fits
        },
        AttentionBuffers {
            parts: &small,
            ..fits
        },
    ] {
        assert!(matches!(
            kernel.bind(gpu, wrong),
            Err(GpuError::Shape { .. })
        ));
    }
    let op = kernel.bind(gpu, fits).expect("the shapes fit");
    support::run(gpu, &support::rows(3), |pass, table| {
        assert!(
            matches!(op.encode(gpu, pass, table), Err(GpuError::Shape { .. })),
            "three rows into buffers of two"
        );
    });
}
