//! The device with random data on it, and the clock.

use std::time::Instant;

use looplm_gpu::{
    Arrangement, Buffer, DeviceOptions, Format, Gpu, GpuError, GpuRow, KvFormat, Matrix,
    MatrixShape, RowTables, kernel::Bound, rows::Table,
};

/// Numbers of rows a kernel is measured with.
pub(crate) const ROW_COUNTS: [usize; 3] = [1, 4, 32];
/// Numbers of rows a product is measured with.
pub(crate) const PRODUCT_ROWS: [usize; 7] = [1, 2, 4, 8, 32, 128, 512];
/// Times as many keys as all others have.
pub(crate) const LONG: usize = 8;
pub(crate) const BATCHES: usize = 11;
/// Batches are filled up to about this time, so that submitting and waiting count little.
const BATCH_SECONDS: f64 = 0.05;

/// Seconds of one dispatch.
#[derive(Clone, Copy)]
pub(crate) struct Timing {
    pub(crate) median: f64,
    pub(crate) lower_quartile: f64,
    pub(crate) upper_quartile: f64,
}

/// What was measured.
pub(crate) struct Measurement {
    pub(crate) kernel: &'static str,
    pub(crate) detail: String,
    pub(crate) rows: usize,
    /// Bytes a dispatch has to read and write at least.
    pub(crate) bytes: u64,
    /// Floating point operations of a dispatch, where they are what counts.
    pub(crate) operations: Option<u64>,
    pub(crate) timing: Timing,
}

impl Measurement {
    pub(crate) fn gigabytes_per_second(&self) -> f64 {
        self.bytes as f64 / self.timing.median / 1e9
    }

    /// Floating point operations a second, in 10^9.
    pub(crate) fn gigaflops(&self) -> Option<f64> {
        self.operations
            .map(|operations| operations as f64 / self.timing.median / 1e9)
    }
}

/// The device, a row table for each of [`ROW_COUNTS`], and what was measured so far.
pub(crate) struct Bench {
    pub(crate) gpu: Gpu,
    pub(crate) measurements: Vec<Measurement>,
    /// Formats of weights that are measured.
    pub(crate) formats: Vec<Format>,
    /// Numbers of rows that products are measured with, of those that there are; none: all.
    pub(crate) rows: Vec<usize>,
    tables: RowTables,
    by_count: Vec<Table>,
    /// Bytes that are read before any are read again: more than caches hold.
    spread: usize,
    /// The last of as many tokens as [`ROW_COUNTS`] says at most, of one sequence.
    pub(crate) prompt: Table,
    /// One token of a sequence that has the entries of eight.
    pub(crate) long: Table,
    random: u32,
}

impl Bench {
    /// Opens the device. Rows are one token each of sequences with `keys` keys, in their first step; each has a line of
    /// `keys` elements in the KV map, and as many entries.
    pub(crate) fn new(
        options: &DeviceOptions,
        vocabulary: usize,
        keys: usize,
        spread: usize,
    ) -> Result<Self, GpuError> {
        let gpu = pollster::block_on(Gpu::open(options))?;
        let largest = ROW_COUNTS[ROW_COUNTS.len() - 1];
        let most = PRODUCT_ROWS[PRODUCT_ROWS.len() - 1];
        let mut tables = pollster::block_on(RowTables::new(&gpu, PRODUCT_ROWS.len() + 2, most))?;
        let mut by_count = Vec::new();
        for count in PRODUCT_ROWS {
            let row = |i: usize| GpuRow {
                token: (i * 977 % vocabulary) as u32,
                position: keys as u32 - 1,
                // There are as many sequences as the kernels that read the cache take.
                entry: ((i % largest + 1) * keys) as u32 - 1,
                map: (i % largest * keys) as u32,
                state: i as u32,
                step: 1,
                last_step: 4,
                lines: 1,
                pitch: keys as u32,
            };
            by_count.push(tables.push(&(0..count).map(row).collect::<Vec<_>>())?);
        }
        let one = |position: usize| GpuRow {
            position: position as u32,
            entry: position as u32,
            last_step: 4,
            step: 1,
            lines: 1,
            ..bytemuck::Zeroable::zeroed()
        };
        let prompt: Vec<GpuRow> = (keys - largest..keys).map(one).collect();
        let prompt = tables.push(&prompt)?;
        let long = tables.push(&[one(LONG * keys - 1)])?;
        tables.upload(&gpu);
        Ok(Self {
            gpu,
            measurements: Vec::new(),
            formats: Vec::new(),
            rows: Vec::new(),
            tables,
            by_count,
            spread,
            prompt,
            long,
            random: 1,
        })
    }

    /// Whether products are measured with so many rows.
    pub(crate) fn wants(&self, rows: usize) -> bool {
        self.rows.is_empty() || self.rows.contains(&rows)
    }

    /// Numbers between 1/16 and 1/8 of either sign, so that nothing overflows and nothing is denormal.
    fn numbers(&mut self, count: usize) -> Vec<u8> {
        self.words(count, 0x807f_ffff, 0x3d80_0000)
    }

    /// Random words of the bits `random`, the bits `set` being those of the exponents.
    fn words(&mut self, count: usize, random: u32, set: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count * size_of::<u32>());
        for _ in 0..count {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 17;
            self.random ^= self.random << 5;
            bytes.extend((self.random & random | set).to_le_bytes());
        }
        bytes
    }

    /// A buffer of `count` random floats.
    pub(crate) fn floats(&mut self, count: usize) -> Result<Buffer, GpuError> {
        let bytes = self.numbers(count);
        self.buffer(&bytes)
    }

    /// A buffer of `count` random keys or values.
    pub(crate) fn kv(&mut self, count: usize, format: KvFormat) -> Result<Buffer, GpuError> {
        let bytes = match format {
            KvFormat::F32 => self.numbers(count),
            KvFormat::F16 => self.halves(count),
            KvFormat::Q8 => self.words(count / 4, 0x0fff_ffff, 0x3000_0000),
        };
        self.buffer(&bytes)
    }

    /// A buffer holding `data`.
    pub(crate) fn buffer<T: bytemuck::NoUninit>(&self, data: &[T]) -> Result<Buffer, GpuError> {
        pollster::block_on(Buffer::storage_with(&self.gpu, "bench", data))
    }

    /// Matrices of random elements, so many that reading one after the other finds none in a cache.
    pub(crate) fn matrices(
        &mut self,
        outputs: usize,
        inputs: usize,
        format: Format,
        arrangement: Arrangement,
    ) -> Result<Vec<Matrix>, GpuError> {
        let shape = MatrixShape {
            outputs,
            inputs,
            format,
            arrangement,
        };
        let elements = outputs * inputs;
        let (bytes, scales) = match format {
            Format::F32 => (self.numbers(elements), Vec::new()),
            Format::F16 | Format::BF16 => (self.halves(elements), Vec::new()),
            Format::Q8 | Format::Q4 => (
                self.words(outputs * format.row_bytes(inputs) / 4, u32::MAX, 0),
                self.halves(outputs * inputs.div_ceil(32)),
            ),
        };
        let copies = self.spread.div_ceil(shape.bytes() as usize);
        let mut matrices = Vec::with_capacity(copies);
        for _ in 0..copies {
            let matrix = pollster::block_on(Matrix::zeros(&self.gpu, "bench", shape))?;
            let stacks = if arrangement == Arrangement::Paired {
                2
            } else {
                1
            };
            for stack in 0..stacks {
                match format.element() {
                    Some(element) => matrix.write_rows(&self.gpu, stack, 0, element, &bytes),
                    None => {
                        matrix.write_quants(&self.gpu, stack, 0, &bytes);
                        matrix.write_scales(&self.gpu, stack, 0, &scales);
                    }
                }
            }
            self.gpu.flush()?;
            matrices.push(matrix);
        }
        Ok(matrices)
    }

    /// As [`Bench::numbers`], of 16 bits.
    fn halves(&mut self, count: usize) -> Vec<u8> {
        self.words(count.div_ceil(2), 0x83ff_83ff, 0x2c00_2c00)
    }

    /// Seconds of a submission of `repeats` times what `record` records.
    fn batch(&self, table: Table, repeats: usize, record: &Record<'_>) -> Result<f64, GpuError> {
        let mut encoder = self.gpu.encoder();
        {
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
            self.tables.select(&mut pass, table);
            for _ in 0..repeats {
                record(&self.gpu, &mut pass, table)?;
            }
        }
        let start = Instant::now();
        self.gpu.submit(encoder);
        self.gpu.wait()?;
        let seconds = start.elapsed().as_secs_f64();
        self.gpu.check()?;
        Ok(seconds)
    }

    /// Measures what `record` records for the rows of a table. `bytes` is what a dispatch has to move.
    pub(crate) fn measure_table(
        &mut self,
        kernel: &'static str,
        detail: String,
        table: Table,
        bytes: usize,
        record: &Record<'_>,
    ) -> Result<(), GpuError> {
        let timing = time(|repeats| self.batch(table, repeats, record))?;
        self.measurements.push(Measurement {
            kernel,
            detail,
            rows: table.rows,
            bytes: bytes as u64,
            operations: None,
            timing,
        });
        Ok(())
    }

    /// As [`Bench::measure_table`] for each number of rows.
    pub(crate) fn measure(
        &mut self,
        kernel: &'static str,
        detail: &str,
        counts: &[usize],
        bytes: impl Fn(usize) -> usize,
        record: &Record<'_>,
    ) -> Result<(), GpuError> {
        for table in self
            .by_count
            .clone()
            .into_iter()
            .filter(|table| counts.contains(&table.rows))
        {
            let bytes = bytes(table.rows);
            self.measure_table(kernel, detail.to_string(), table, bytes, record)?;
        }
        Ok(())
    }

    /// Measures a kernel of training, which knows its rows: `what` says all but the time.
    pub(crate) fn measure_bound(
        &mut self,
        bound: &Bound,
        what: impl FnOnce(Timing) -> Measurement,
    ) -> Result<(), GpuError> {
        let record: &Record<'_> = &|_, pass, _| bound.record(pass);
        let timing = time(|repeats| self.batch(self.by_count[0], repeats, record))?;
        self.measurements.push(what(timing));
        Ok(())
    }
}

/// Times batches of so many dispatches that submitting them counts little.
fn time(mut batch: impl FnMut(usize) -> Result<f64, GpuError>) -> Result<Timing, GpuError> {
    batch(1)?;
    let once = batch(1)?;
    let repeats = (BATCH_SECONDS / once).ceil().clamp(1.0, 500.0) as usize;
    let mut seconds = Vec::with_capacity(BATCHES);
    for _ in 0..BATCHES {
        seconds.push(batch(repeats)? / repeats as f64);
    }
    seconds.sort_by(f64::total_cmp);
    Ok(Timing {
        median: seconds[BATCHES / 2],
        lower_quartile: seconds[BATCHES / 4],
        upper_quartile: seconds[BATCHES - 1 - BATCHES / 4],
    })
}

/// Records a dispatch.
pub(crate) type Record<'a> =
    dyn Fn(&Gpu, &mut wgpu::ComputePass<'_>, Table) -> Result<usize, GpuError> + 'a;
