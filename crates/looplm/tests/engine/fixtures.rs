//! The parity cases in `tests/fixtures/`, as the PyTorch oracle wrote them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use looplm::{
    Error, LoopLm,
    checkpoint::{FolderSource, MemorySource, Source},
    engine::KvFormat,
    model::LoadOptions,
};
use looplm_gpu::{DeviceOptions, Gpu};
use looplm_testing::Devices;
use pollster::block_on;
use safetensors::SafeTensors;
use serde_json::Value;

pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) folder: PathBuf,
    pub(crate) expected: Value,
}

/// Values of a tensor and its shape.
pub(crate) struct Tensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Vec<f32>,
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

pub(crate) fn all() -> Vec<Case> {
    let mut cases: Vec<Case> = fs::read_dir(root())
        .expect("tests/fixtures is in the repository")
        .map(|entry| {
            case(
                &entry
                    .expect("the folder can be listed")
                    .file_name()
                    .to_string_lossy(),
            )
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(cases.len() >= 6, "only {} parity cases", cases.len());
    cases
}

pub(crate) fn case(name: &str) -> Case {
    let folder = root().join(name);
    let text = fs::read_to_string(folder.join("expected.json")).expect("a case has expected.json");
    Case {
        name: name.to_owned(),
        expected: serde_json::from_str(&text).expect("it is JSON"),
        folder,
    }
}

/// A device with these options, one that tests share if that can act like it.
pub(crate) fn device(options: &DeviceOptions) -> Gpu {
    static DEVICES: Devices = Devices::new(DeviceOptions::default);
    if options.max_tier.is_some() {
        return block_on(Gpu::open(options)).expect("the tests need a WebGPU adapter");
    }
    DEVICES.of_this_thread().acting_as(options)
}

/// |got - want| / |want|, of vectors.
pub(crate) fn relative_error(got: &[f32], want: &[f32]) -> f64 {
    assert_eq!(got.len(), want.len());
    let square = |v: f32| f64::from(v) * f64::from(v);
    let error: f64 = got.iter().zip(want).map(|(g, w)| square(g - w)).sum();
    let size: f64 = want.iter().map(|w| square(*w)).sum();
    (error / size).sqrt()
}

/// The model of a folder. Its device may be other tests', so it is not to be disposed of.
pub(crate) fn load(source: &dyn Source, options: &LoadOptions) -> Result<LoopLm, Error> {
    let gpu = device(&options.device);
    block_on(LoopLm::load_on(&gpu, source, options, &mut |_| ()))
}

impl Case {
    /// The model, alone on its device.
    pub(crate) fn load_alone(&self) -> LoopLm {
        let source = FolderSource::new(self.folder.join("model")).expect("a case has a model");
        block_on(LoopLm::load(&source, &LoadOptions::default(), &mut |_| ())).expect("it loads")
    }

    /// The model with keys and values in f32, as the oracle has them.
    pub(crate) fn load(&self, options: &LoadOptions) -> LoopLm {
        self.load_with(options, KvFormat::F32)
    }

    pub(crate) fn load_with(&self, options: &LoadOptions, kv_format: KvFormat) -> LoopLm {
        let mut options = options.clone();
        options.engine.kv_format = kv_format;
        let source = FolderSource::new(self.folder.join("model")).expect("a case has a model");
        load(&source, &options).unwrap_or_else(|e| panic!("{}: {e}", self.name))
    }

    /// Tensors of `expected.safetensors`, or of `expected.steps2.safetensors` and its like.
    pub(crate) fn tensors(&self, file: &str, names: &[&str]) -> Vec<Tensor> {
        let bytes = fs::read(self.folder.join(file)).expect("a case has its tensors");
        let file = SafeTensors::deserialize(&bytes).expect("they are safetensors");
        let read = |name: &&str| {
            let view = file
                .tensor(name)
                .unwrap_or_else(|e| panic!("{}: {name}: {e}", self.name));
            let number = |b: &[u8]| match b.len() {
                8 => i64::from_le_bytes(b.try_into().expect("eight bytes")) as f32,
                _ => f32::from_le_bytes(b.try_into().expect("four bytes")),
            };
            let size = view.data().len() / view.shape().iter().product::<usize>().max(1);
            Tensor {
                shape: view.shape().to_vec(),
                values: view.data().chunks_exact(size).map(number).collect(),
            }
        };
        names.iter().map(read).collect()
    }

    pub(crate) fn tolerance(&self) -> f32 {
        if self.name.starts_with("f32") {
            1e-4
        } else {
            2e-3
        }
    }

    pub(crate) fn prompt(&self) -> Vec<u32> {
        ids(&self.expected["prompt"])
    }
}

pub(crate) fn ids(value: &Value) -> Vec<u32> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(|v| v.as_u64().expect("an id") as u32)
        .collect()
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(|v| v.as_f64().expect("a number"))
        .collect()
}

/// A folder in memory with a file replaced.
pub(crate) fn memory(case: &Case) -> MemorySource {
    let mut source = MemorySource::new();
    for entry in fs::read_dir(case.folder.join("model")).expect("a case has a model") {
        let entry = entry.expect("the folder can be listed");
        source = source.with(
            &entry.file_name().to_string_lossy(),
            fs::read(entry.path()).expect("its files can be read"),
        );
    }
    source
}
