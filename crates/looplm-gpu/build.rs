//! Resolves the imports of the shaders in `shaders/` (WESL) into one plain WGSL text a kernel.

use std::{env, fs, path::PathBuf};

use wesl::{CompileOptions, ManglerKind, ModulePath, Wesl, syntax::PathOrigin};

/// The condition of what needs subgroup operations.
const SUBGROUPS: &str = "subgroups";
/// The condition of products in whole numbers (dot4I8Packed).
const PACKED: &str = "packed";

/// Built-in values that wesl 0.4 does not know, with those of other stages that stand for them in `shaders/`.
const STAND_INS: [(&str, &str); 2] = [
    ("@builtin(sample_index)", "@builtin(subgroup_id)"),
    ("@builtin(instance_index)", "@builtin(num_subgroups)"),
];

fn main() {
    let source =
        PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"))
            .join("shaders");
    let target = PathBuf::from(env::var("OUT_DIR").expect("cargo sets OUT_DIR"));
    let for_browsers = env::var("CARGO_CFG_TARGET_ARCH").is_ok_and(|arch| arch == "wasm32");
    println!("cargo::rerun-if-changed={}", source.display());
    println!(
        "cargo::rerun-if-changed={}",
        source.join("shared").display()
    );
    let mut compiler = Wesl::new(&source);
    compiler.set_mangler(ManglerKind::None);
    compiler.set_options(CompileOptions {
        lower: false,
        ..CompileOptions::default()
    });
    // Of shaders with several texts, all in one.
    let mut together = String::new();
    let mut places = String::new();
    for entry in fs::read_dir(&source).expect("the folder shaders/ is part of the package") {
        let path = entry.expect("shaders/ can be listed").path();
        println!("cargo::rerun-if-changed={}", path.display());
        if path.extension().is_none_or(|e| e != "wgsl") {
            continue;
        }
        let name = path
            .file_stem()
            .and_then(|s| s.to_str())
            .expect("shader names are ASCII")
            .to_string();
        let module = ModulePath::new(PathOrigin::Absolute, vec![name.clone()]);
        let text = fs::read_to_string(&path).expect("shaders/ can be read");
        let mut compiled = |conditions: &[&str]| {
            for condition in [SUBGROUPS, PACKED] {
                compiler.set_feature(condition, conditions.contains(&condition));
            }
            // Browsers want to be told, naga 30 refuses to be.
            let prelude = if conditions.contains(&SUBGROUPS) && for_browsers {
                "enable subgroups;\n\n"
            } else {
                ""
            };
            match compiler.compile(&module) {
                Ok(text) => {
                    let text = STAND_INS
                        .into_iter()
                        .fold(text.to_string(), |text, (theirs, ours)| {
                            text.replace(theirs, ours)
                        });
                    let text = format!("{prelude}{text}");
                    if for_browsers { dense(&text) } else { text }
                }
                Err(error) => panic!("{}: {error}", path.display()),
            }
        };
        // A product of few rows has further texts, for devices that have more.
        let conditions: &[&[&str]] = if text.contains("shared::few::") {
            &[&[], &[SUBGROUPS], &[PACKED]]
        } else {
            let file = target.join(format!("{name}.wgsl"));
            fs::write(file, compiled(&[])).expect("OUT_DIR can be written");
            &[]
        };
        for conditions in conditions {
            let begin = together.len();
            let name = [&[name.as_str()], *conditions].concat().join("_");
            // By the lines around a text a test in a browser finds it in the package.
            let text = compiled(conditions);
            together += &format!("// {name}\n{text}\n// end of {name}\n");
            let (name, end) = (name.to_uppercase(), together.len());
            places += &format!("pub(super) const {name}: &str = part({begin}, {end});\n");
        }
    }
    for (file, text) in [("texts.wgsl", together), ("texts.rs", places)] {
        fs::write(target.join(file), text).expect("OUT_DIR can be written");
    }
}

/// Without what is only for the eye, which a page would have to load.
fn dense(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.flat_map(|line| [line, "\n"]).collect()
}
