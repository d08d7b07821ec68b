//! Every shader in every variant: valid without any optional capability, within the limits it states, bound as its
//! wrapper says, and accepted by the adapter.

use looplm_gpu::{
    kernel::{Binding, Kernel, Source},
    kernels::{SOURCES, Texts, linear, qkv, swiglu},
};
use naga::{
    AddressSpace, Module, ShaderStage, StorageAccess,
    back::pipeline_constants::process_overrides,
    front::wgsl,
    proc::Layouter,
    valid::{Capabilities, ModuleInfo, ValidationFlags, Validator},
};

use crate::support::{self, wait};

/// Beyond naga's core: `pack2x16float` and its inverse, which WebGPU has everywhere (some GL devices do not).
const BASELINE: Capabilities = Capabilities::SHADER_FLOAT16_IN_FLOAT32;

/// Limits that every WebGPU device offers.
const MAX_STORAGE_BUFFERS: usize = 8;
const MAX_WORKGROUP_MEMORY: u32 = 16 << 10;
const MAX_INVOCATIONS: u32 = 256;

fn validated(source: &Source) -> (Module, ModuleInfo) {
    let module = wgsl::parse_str(source.wgsl)
        .unwrap_or_else(|error| panic!("{}: {}", source.name, error.emit_to_string(source.wgsl)));
    let info = Validator::new(ValidationFlags::all(), BASELINE)
        .validate(&module)
        .unwrap_or_else(|error| panic!("{}: {}", source.name, error.emit_to_string(source.wgsl)));
    (module, info)
}

/// The entry points of a shader with all values of the constants that choose between pieces of its code.
fn variants(source: &Source) -> Vec<(&'static str, Vec<(&'static str, f64)>)> {
    let choices: [(&'static str, &[f64]); 14] = [
        ("WEIGHT_FORMAT", &[0.0, 1.0, 2.0, 3.0, 4.0]),
        ("FEW_ROWS", &[1.0, 2.0, 4.0, 8.0]),
        ("FEW_SLOTS", &[4.0, 8.0]),
        ("LANES", &[8.0, 64.0]),
        ("AHEAD", &[0.0, 1.0]),
        ("TEAMS", &[1.0, 4.0]),
        ("STAGED", &[0.0, 1.0]),
        ("GATHER_STATES", &[0.0, 1.0]),
        ("KV_FORMAT", &[0.0, 1.0, 2.0]),
        ("TILE_ROWS", &[32.0, 64.0]),
        ("ROW_LANES", &[8.0, 256.0]),
        ("TILE_KEYS", &[8.0, 32.0]),
        ("REDUCE_LANES", &[8.0, 128.0]),
        ("WIDE_LANES", &[8.0, 256.0]),
    ];
    let mut all = Vec::new();
    for &entry in source.entries {
        let mut of_entry = vec![(entry, Vec::new())];
        for (name, values) in choices {
            let unused = (["FEW_ROWS", "FEW_SLOTS", "LANES", "STAGED", "TEAMS", "AHEAD"]
                .contains(&name)
                && entry != "main_few")
                || (name == "TILE_ROWS" && entry != "main_tile")
                || (name == "TILE_KEYS" && entry != "main_tile")
                || (name == "ROW_LANES" && entry != "main_row")
                || (name == "GATHER_STATES" && source.name != "linear");
            if unused || !source.wgsl.contains(&format!("override {name}:")) {
                continue;
            }
            of_entry = of_entry
                .into_iter()
                .flat_map(|(entry, chosen)| {
                    values
                        .iter()
                        .map(move |&value| (entry, [chosen.as_slice(), &[(name, value)]].concat()))
                })
                .collect();
        }
        all.extend(of_entry.into_iter().filter(|(_, constants)| {
            let is = |name, value| constants.contains(&(name, value));
            // x is staged for quantised weights, of as many rows as there are teams. (Teams and asking ahead, which go with it,
            // are tried together.)
            let staged = is("STAGED", 1.0);
            let quantised = is("WEIGHT_FORMAT", 3.0) || is("WEIGHT_FORMAT", 4.0);
            let teams = is("TEAMS", 4.0);
            let rows = if teams {
                !is("FEW_ROWS", 8.0)
            } else {
                is("FEW_ROWS", 1.0)
            };
            let of_staged = if staged {
                quantised && rows && teams == is("AHEAD", 1.0)
            } else {
                entry != "main_few" || !(teams || is("AHEAD", 1.0))
            };
            // Eight outputs are for four rows at most.
            let outputs = !(is("FEW_ROWS", 8.0) && is("FEW_SLOTS", 8.0));
            of_staged && outputs
        }));
    }
    all
}

/// The texts with products in whole numbers, which only staged x is for.
fn packed() -> [Source; 3] {
    let of = |source: Source, texts: Texts| Source {
        wgsl: texts.packed,
        entries: &["main_few"],
        ..source
    };
    [
        of(linear::SOURCE, linear::TEXTS),
        of(qkv::SOURCE, qkv::TEXTS),
        of(swiglu::SOURCE, swiglu::TEXTS),
    ]
}

fn staged_only((_, constants): &(&'static str, Vec<(&'static str, f64)>)) -> bool {
    constants.contains(&("STAGED", 1.0))
}

#[test]
fn shaders_are_valid_within_baseline_limits() {
    let plain = SOURCES.iter().map(|source| (*source, variants(source)));
    let packed = packed().map(|source| {
        let staged = variants(&source).into_iter().filter(staged_only);
        (source, staged.collect())
    });
    for (source, variants) in plain.chain(packed) {
        let source = &source;
        let (module, info) = validated(source);
        for (entry, constants) in variants {
            let what = format!("{}, {entry}, {constants:?}", source.name);
            let constants = constants
                .into_iter()
                .map(|(name, value)| (name.to_string(), value))
                .collect();
            // What is left is what this entry point uses.
            let (module, _) = process_overrides(
                &module,
                &info,
                Some((ShaderStage::Compute, entry)),
                &constants,
            )
            .unwrap_or_else(|error| panic!("{what}: {error}"));
            let mut layouter = Layouter::default();
            layouter
                .update(module.to_ctx())
                .expect("a valid module has a layout");
            let storage = module
                .global_variables
                .iter()
                .filter(|(_, v)| matches!(v.space, AddressSpace::Storage { .. }));
            assert!(storage.count() <= MAX_STORAGE_BUFFERS, "{what}");
            let shared = module
                .global_variables
                .iter()
                .filter(|(_, v)| v.space == AddressSpace::WorkGroup);
            let bytes: u32 = shared
                .map(|(_, v)| layouter[v.ty].size.next_multiple_of(16))
                .sum();
            // Of which teams are only given as many as there is memory for.
            let most = if what.contains("(\"TEAMS\", 4.0)") {
                2
            } else {
                1
            } * MAX_WORKGROUP_MEMORY;
            assert!(bytes <= most, "{what}: {bytes} bytes of workgroup memory");
            let size = module.entry_points[0].workgroup_size;
            assert!(
                size.iter().product::<u32>() <= MAX_INVOCATIONS,
                "{what}: a workgroup of {size:?}"
            );
        }
    }
}

#[test]
fn shaders_are_bound_as_their_wrappers_say() {
    for source in &SOURCES {
        let (module, _) = validated(source);
        let mut rows = false;
        let mut found = vec![None; source.bindings.len()];
        for (_, variable) in module.global_variables.iter() {
            let Some(binding) = variable.binding else {
                continue;
            };
            if binding.group == 1 {
                rows = true;
                continue;
            }
            let kind = match variable.space {
                AddressSpace::Uniform => Binding::Uniform,
                AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => {
                    Binding::Write
                }
                _ => Binding::Read,
            };
            found[binding.binding as usize] = Some(kind);
        }
        let wanted: Vec<_> = source.bindings.iter().copied().map(Some).collect();
        assert_eq!(found, wanted, "{}", source.name);
        assert_eq!(rows, source.rows, "{}", source.name);
        let entries: Vec<_> = module
            .entry_points
            .iter()
            .map(|entry| entry.name.as_str())
            .collect();
        assert_eq!(entries, source.entries, "{}", source.name);
    }
}

#[test]
fn the_adapter_takes_every_variant() {
    let gpu = support::gpu();
    for source in SOURCES {
        let errors = gpu.device().push_error_scope(wgpu::ErrorFilter::Validation);
        let kernel = Kernel::new(gpu, source);
        for (entry, constants) in variants(&source) {
            kernel.pipeline(gpu, entry, &constants);
        }
        if let Some(error) = wait(errors.pop()) {
            panic!("{}: {error}", source.name);
        }
    }
}
