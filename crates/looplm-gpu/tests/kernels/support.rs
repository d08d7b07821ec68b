//! What the kernel tests share: the device, seeded numbers, poisoned buffers, and comparison with the CPU twins.

use looplm_gpu::{
    Arrangement, Bound, Buffer, DeviceOptions, Element, Format, Gpu, GpuRow, KvFormat, Matrix,
    MatrixShape, Readback, RowTables, Tier, Tuning, cpu,
    kernels::{AttentionShape, RowVariant},
    quantize::{dequantize, quantize},
    rows::Table,
    stride,
};
use looplm_testing::Devices;
use rand::{Rng, SeedableRng, rngs::StdRng};

pub(crate) const FORMATS: [Format; 5] = Format::ALL;

pub(crate) const ELEMENTS: [Element; 3] = [Element::F32, Element::F16, Element::BF16];

/// Sizes around the kernels' blocks, tiles and workgroups.
pub(crate) const ODD_SIZES: [usize; 10] = [1, 2, 3, 7, 8, 9, 63, 64, 65, 127];

/// The NaN that outputs are filled with, unlike one that arithmetic makes.
const POISON: u32 = 0x7fc0_dead;

pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    pollster::block_on(future)
}

pub(crate) fn open(options: &DeviceOptions) -> Gpu {
    wait(Gpu::open(options)).expect("the kernel tests need a WebGPU adapter")
}

/// The device of a test.
pub(crate) fn gpu() -> &'static Gpu {
    static DEVICES: Devices = Devices::new(DeviceOptions::default);
    DEVICES.of_this_thread()
}

/// Largest binding of [`small_gpu`].
pub(crate) const SMALL_BINDING: u64 = 8 << 10;

/// A device that binds so little that most matrices of the tests come in several parts, and has the workgroups of GPUs.
pub(crate) fn small_gpu() -> &'static Gpu {
    static DEVICES: Devices = Devices::new(|| DeviceOptions {
        max_binding_size: Some(SMALL_BINDING),
        tuning: Some(Tuning::GPU),
        ..DeviceOptions::default()
    });
    DEVICES.of_this_thread()
}

/// The device with workgroups of products of few rows unlike the usual ones.
pub(crate) fn unusual_tunings() -> Vec<Gpu> {
    let with_subgroups = gpu().report().tier >= Tier::Subgroups;
    let mut all = Vec::new();
    for (lanes, teams, outputs_of_one, wide, subgroups) in [
        (8, 1, 8, true, true),
        (16, 1, 4, false, true),
        (16, 1, 8, true, true),
        (32, 2, 8, true, false),
        (64, 1, 4, true, true),
    ] {
        all.push(gpu().with_tuning(Tuning {
            lanes,
            teams,
            outputs_of_one,
            outputs_of_few: outputs_of_one,
            wide,
            staged: false,
            subgroups: subgroups && with_subgroups,
            tile_rows: lanes.max(32),
            blocks: lanes == 8,
            ..gpu().tuning()
        }));
    }
    all
}

/// Formats in turn, for what is tested with many tunings: a CPU adapter takes more than a second to compile a pipeline, and `linear` has
/// more of their pairs.
pub(crate) fn formats_in_turn() -> impl Iterator<Item = Format> {
    [Format::F16, Format::Q8, Format::Q4].into_iter().cycle()
}

/// Those of them that are quantised.
pub(crate) fn quantised_in_turn() -> impl Iterator<Item = Format> {
    formats_in_turn().filter(|format| format.element().is_none())
}

/// The device with the workgroups that take x of quantised products of few rows by way of workgroup memory: one that computes in
/// floating point, and all that GPUs have for whole numbers, by the outputs that they are chosen for.
pub(crate) fn staged_tunings() -> Vec<Gpu> {
    let mut all = vec![staged()];
    all.extend([1, 4097, 8193, 24_577].map(packed));
    all
}

/// The device with x by way of workgroup memory, but no whole numbers.
pub(crate) fn staged() -> Gpu {
    gpu().with_tuning(Tuning {
        packed: false,
        ..packed(24_577).tuning()
    })
}

/// The device with products of quantised weights in whole numbers, as GPUs compute them for matrices of so many outputs.
pub(crate) fn packed(outputs: usize) -> Gpu {
    let tuning = Tuning::GPU.packed_for(outputs, gpu().workgroup_memory());
    assert!(tuning.packed && tuning.staged);
    gpu().with_tuning(tuning)
}

/// What of x products with a matrix see: on a device that computes few rows in whole numbers, those.
pub(crate) fn seen(gpu: &Gpu, shape: MatrixShape, variant: RowVariant, x: &[f32]) -> Vec<f32> {
    let packed = gpu.tuning_for(shape).packed && shape.format.element().is_none();
    if packed && variant != RowVariant::Tile {
        cpu::packed(shape.inputs, x)
    } else {
        x.to_vec()
    }
}

/// Variants with devices to compute them on: many rows with tiles and with blocks, whichever `gpu` takes itself.
pub(crate) fn ways(gpu: &Gpu, variants: &[RowVariant]) -> Vec<(RowVariant, Gpu)> {
    let with = |blocks| {
        gpu.with_tuning(Tuning {
            blocks,
            ..gpu.tuning()
        })
    };
    variants
        .iter()
        .flat_map(|&variant| match variant {
            RowVariant::Few(_) => vec![(variant, gpu.clone())],
            RowVariant::Tile => vec![(variant, with(false)), (variant, with(true))],
        })
        .collect()
}

/// The device with the fewest and with the most lanes for a row, and the fewest and the most keys in a tile.
pub(crate) fn lanes_of_rows() -> [Gpu; 2] {
    [(8, 8), (256, 32)].map(|(row_lanes, tile_keys)| {
        gpu().with_tuning(Tuning {
            row_lanes,
            tile_keys,
            ..gpu().tuning()
        })
    })
}

pub(crate) fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

/// `count` numbers from -scale to scale.
pub(crate) fn numbers(rng: &mut StdRng, count: usize, scale: f32) -> Vec<f32> {
    (0..count)
        .map(|_| rng.random_range(-scale..scale))
        .collect()
}

/// `rows` rows of `width` numbers from -1 to 1, padded with zeros.
pub(crate) fn padded_rows(rng: &mut StdRng, rows: usize, width: usize) -> Vec<f32> {
    let mut data = vec![0.0; rows * stride(width)];
    for row in data.chunks_exact_mut(stride(width)) {
        row[..width].copy_from_slice(&numbers(rng, width, 1.0));
    }
    data
}

/// Rows of `inputs` numbers as `format` keeps them.
pub(crate) fn round(format: Format, inputs: usize, values: &[f32]) -> Vec<f32> {
    match format.element() {
        Some(element) => element.to_f32(&element.from_f32(values)),
        None => dequantize(format, inputs, &quantize(format, inputs, values)),
    }
}

/// A random matrix on the device and the same numbers without padding; of a paired one first gate, then up.
pub(crate) fn matrix(gpu: &Gpu, rng: &mut StdRng, shape: MatrixShape) -> (Matrix, Vec<f32>) {
    let stacks = if shape.arrangement == Arrangement::Paired {
        2
    } else {
        1
    };
    let values = numbers(rng, stacks * shape.outputs * shape.inputs, 1.0);
    let matrix = wait(Matrix::zeros(gpu, "matrix", shape)).expect("the matrix fits");
    for (stack, values) in values
        .chunks_exact(shape.outputs * shape.inputs)
        .enumerate()
    {
        matrix.write_rows(gpu, stack, 0, Element::F32, bytemuck::cast_slice(values));
    }
    let values = round(shape.format, shape.inputs, &values);
    (matrix, values)
}

/// A storage buffer holding `data`.
pub(crate) fn upload<T: bytemuck::NoUninit>(gpu: &Gpu, data: &[T]) -> Buffer {
    wait(Buffer::storage_with(gpu, "input", data)).expect("the buffer fits")
}

/// `count` poisoned numbers.
pub(crate) fn poison(count: usize) -> Vec<f32> {
    vec![f32::from_bits(POISON); count]
}

/// A storage buffer of at least `count` poisoned numbers.
pub(crate) fn poisoned(gpu: &Gpu, count: usize) -> Buffer {
    upload(gpu, &poison(count.max(4).next_multiple_of(4)))
}

/// The first `count` elements of a buffer.
pub(crate) fn fetch<T: bytemuck::Pod>(gpu: &Gpu, buffer: &Buffer, count: usize) -> Vec<T> {
    let mut data: Vec<T> = wait(Readback::fetch(gpu, buffer)).expect("the commands ran");
    assert!(
        data.len() >= count,
        "the buffer holds {} elements",
        data.len()
    );
    data.truncate(count);
    data
}

/// Keys or values as `format` keeps them.
pub(crate) fn kv_round(format: KvFormat, values: &[f32]) -> Vec<f32> {
    cpu::kv_elements(format, &cpu::kv_words(format, values))
}

/// Keys or values in a buffer, in which what is poisoned is so as a whole word.
pub(crate) fn kv_upload(gpu: &Gpu, format: KvFormat, values: &[f32]) -> Buffer {
    let mut words = cpu::kv_words(format, values);
    let places = values.len() / words.len().max(1);
    for (word, values) in words.iter_mut().zip(values.chunks_exact(places)) {
        if values.iter().all(|value| value.to_bits() == POISON) {
            *word = POISON;
        }
    }
    upload(gpu, &words)
}

/// The first `count` keys or values of a buffer; where nothing was written they are poison.
pub(crate) fn kv_fetch(gpu: &Gpu, format: KvFormat, buffer: &Buffer, count: usize) -> Vec<f32> {
    let places = size_of::<u32>() / format.bytes();
    let words: Vec<u32> = fetch(gpu, buffer, count / places);
    let mut values = cpu::kv_elements(format, &words);
    for (word, values) in words.iter().zip(values.chunks_exact_mut(places)) {
        if *word == POISON {
            values.fill(f32::from_bits(POISON));
        }
    }
    values
}

/// The formats in which a cache of this shape can be kept.
pub(crate) fn kv_formats(shape: AttentionShape) -> impl Iterator<Item = KvFormat> {
    KvFormat::ALL
        .into_iter()
        .filter(move |format| shape.check_format(*format).is_ok())
}

/// Compares keys or values with the twin's, where `tolerance` is what arithmetic may do: an f16 may be rounded to either
/// side, and in q8 so may what two of them are that share a power of two.
#[track_caller]
pub(crate) fn assert_kv_close(
    what: &str,
    format: KvFormat,
    got: &[f32],
    want: &[f32],
    tolerance: f32,
) {
    match format {
        KvFormat::F32 => assert_close(what, got, want, tolerance),
        KvFormat::F16 => assert_close(what, got, want, 1.0 / 1024.0 + tolerance),
        KvFormat::Q8 => {
            assert_eq!(got.len(), want.len(), "{what}: length");
            for (i, (got, want)) in got.chunks(4).zip(want.chunks(4)).enumerate() {
                let largest = want.iter().fold(0.0f32, |m, w| m.max(w.abs()));
                let near = largest / 32.0 + if largest > 0.0 { tolerance } else { 0.0 };
                let fine = got
                    .iter()
                    .zip(want)
                    .all(|(g, w)| g.to_bits() == w.to_bits() || (g - w).abs() <= near);
                assert!(
                    fine,
                    "{what}: four from {} on are {got:?}, the twin says {want:?}",
                    4 * i
                );
            }
        }
    }
}

/// A row at `position` of the sequence in slot 0, in its first step of four. Its KV entry has the number of the position,
/// its line of the KV map begins with the map and stays as it is.
pub(crate) fn row(position: usize) -> GpuRow {
    GpuRow {
        token: 0,
        position: position as u32,
        entry: position as u32,
        map: 0,
        state: 0,
        step: 1,
        last_step: 4,
        lines: 0,
        pitch: 0,
    }
}

/// `count` rows, row i at position i with its state in slot i.
pub(crate) fn rows(count: usize) -> Vec<GpuRow> {
    (0..count)
        .map(|i| GpuRow {
            state: i as u32,
            ..row(i)
        })
        .collect()
}

/// Records into one pass with `rows` as its table (the second of its buffer, so that its offset counts), and submits.
pub(crate) fn run(
    gpu: &Gpu,
    rows: &[GpuRow],
    record: impl FnOnce(&mut wgpu::ComputePass<'_>, Table),
) {
    let mut tables = wait(RowTables::new(gpu, 2, rows.len())).expect("the tables fit");
    tables.push(&[]).expect("there is room for two tables");
    let table = tables.push(rows).expect("there is room for two tables");
    tables.upload(gpu);
    let mut encoder = gpu.encoder();
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        tables.select(&mut pass, table);
        record(&mut pass, table);
    }
    gpu.submit(encoder);
}

/// Records bound kernels one after the other and submits.
pub(crate) fn run_bound(gpu: &Gpu, bound: &[Bound]) {
    let mut encoder = gpu.encoder();
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for bound in bound {
            bound.record(&mut pass).expect("the grid is small");
        }
    }
    gpu.submit(encoder);
}

/// Whether `got` may differ from `want` by `tolerance`, absolute below 1 and relative above. What the twin left poisoned
/// must be so here too.
fn close(got: f32, want: f32, tolerance: f32) -> bool {
    got.to_bits() == want.to_bits() || (got - want).abs() <= tolerance * want.abs().max(1.0)
}

/// Compares a kernel's result with its twin's, with zeros (the padding) exactly so.
#[track_caller]
pub(crate) fn assert_close(what: &str, got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len(), "{what}: length");
    for (i, (&g, &w)) in got.iter().zip(want).enumerate() {
        let fine = close(g, w, if w == 0.0 { 0.0 } else { tolerance });
        assert!(
            fine,
            "{what}: element {i} of {} is {g:e}, the twin says {w:e}",
            got.len()
        );
    }
}

/// As [`assert_close`], where a zero is a number like any other.
#[track_caller]
pub(crate) fn assert_near(what: &str, got: &[f32], want: &[f32], tolerance: f32) {
    assert_eq!(got.len(), want.len(), "{what}: length");
    for (i, (&g, &w)) in got.iter().zip(want).enumerate() {
        assert!(
            close(g, w, tolerance),
            "{what}: element {i} is {g:e}, the twin says {w:e}"
        );
    }
}
