//! The configuration of a run: what is accepted, what is refused and by which field, and that presets hold.

use looplm::error::Coded;
use looplm_train::config::{ObjectiveKind, Prior, ScheduleKind, presets};
use looplm_train::schedule::learning_rate;
use looplm_train::tasks::TaskConfig;
use looplm_train::{ConfigError, TrainConfig};

const MINIMAL: &str = "name = \"x\"\n[task]\nkind = \"shuffle\"\n[model]\nhidden_size = 64\nintermediate_size = 192\n\
                       num_hidden_layers = 2\nnum_attention_heads = 2\ntotal_ut_steps = 4\n[run]\nupdates = 100\n";

/// A configuration with keys added to a table, or replaced in it.
fn with(table: &str, keys: &str) -> Result<TrainConfig, ConfigError> {
    let mut document: toml::Table = MINIMAL.parse().expect("it is TOML");
    let added: toml::Table = keys.parse().expect("it is TOML");
    let target = match table {
        "" => &mut document,
        _ => document
            .entry(table)
            .or_insert_with(|| toml::Table::new().into())
            .as_table_mut()
            .expect("a table"),
    };
    target.extend(added);
    TrainConfig::from_toml(&document.to_string())
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = TrainConfig::from_toml(MINIMAL).expect("it is right");
    assert_eq!(
        (
            config.seed,
            config.model.kv_heads(),
            config.model.head_dim()
        ),
        (1, 2, 32)
    );
    assert_eq!(
        (config.model.rope_theta, config.model.rms_norm_eps),
        (10_000.0, 1e-6)
    );
    assert_eq!(
        (config.objective.kind, config.objective.prior),
        (ObjectiveKind::Stage1, Prior::Uniform)
    );
    assert_eq!(
        (config.optimizer.betas, config.optimizer.clip_norm),
        ([0.9, 0.95], 1.0)
    );
    assert_eq!(config.optimizer.schedule, ScheduleKind::Cosine);
    assert_eq!((config.gate.k, config.gate.gamma), (50.0, 0.005));
}

#[test]
fn toml_and_json_say_the_same() {
    for name in presets::names() {
        let config = presets::get(name).expect(name).config;
        assert_eq!(
            TrainConfig::from_toml(&config.to_toml()).as_ref(),
            Ok(&config),
            "{name}"
        );
        assert_eq!(
            TrainConfig::from_json(&config.to_json()).as_ref(),
            Ok(&config),
            "{name}"
        );
        assert_eq!(config.validate(), Ok(()), "{name}");
    }
    let full = with(
        "objective",
        "kind = \"last-step\"\nbeta_end = 0.0\nprior = \"geometric:0.25\"\nsteps = [1, 4]",
    )
    .expect("it is right");
    assert_eq!(full.objective.prior, Prior::Geometric(0.25));
    assert_eq!(TrainConfig::from_toml(&full.to_toml()), Ok(full.clone()));
    assert_eq!(TrainConfig::from_json(&full.to_json()), Ok(full));
}

#[test]
fn an_unknown_key_is_refused_with_what_was_meant() {
    for (table, keys, field, meant) in [
        (
            "optimizer",
            "learning_rat = 1e-3",
            "optimizer.learning_rat",
            "optimizer.learning_rate",
        ),
        (
            "model",
            "hiden_size = 3",
            "model.hiden_size",
            "model.hidden_size",
        ),
        ("task", "mves = 3", "task.mves", "task.moves"),
        ("", "sed = 3", "sed", "seed"),
        ("", "optimiser = 3", "optimiser", "optimizer"),
        ("gate", "gama = 3", "gate.gama", "gate.gamma"),
    ] {
        let error = with(table, keys).expect_err(keys);
        assert_eq!(error.field(), Some(field));
        assert!(
            error
                .to_string()
                .contains(&format!("did you mean {meant}?")),
            "{error}"
        );
        assert_eq!(
            (error.code(), error.kind()),
            ("config-invalid", "unknown-field")
        );
    }
    let error = with("run", "zzz = 1").expect_err("it is unknown");
    assert!(error.to_string().contains("run.updates"), "{error}");
}

#[test]
fn what_cannot_be_is_refused_by_the_path_of_its_field() {
    for (table, keys, field) in [
        ("model", "hidden_size = 65", "model.hidden_size"),
        ("model", "hidden_size = 0", "model.hidden_size"),
        ("model", "hidden_size = -64", "model.hidden_size"),
        ("model", "hidden_size = 64.5", "model.hidden_size"),
        ("model", "hidden_size = \"64\"", "model.hidden_size"),
        ("model", "hidden_size = 6", "model.hidden_size"),
        ("model", "hidden_size = 512", "model.hidden_size"),
        ("model", "head_dim = 7", "model.head_dim"),
        (
            "model",
            "num_key_value_heads = 3",
            "model.num_key_value_heads",
        ),
        ("model", "num_hidden_layers = 0", "model.num_hidden_layers"),
        ("model", "total_ut_steps = 0", "model.total_ut_steps"),
        ("model", "total_ut_steps = 9", "model.total_ut_steps"),
        ("model", "rope_theta = inf", "model.rope_theta"),
        ("model", "rms_norm_eps = 0.0", "model.rms_norm_eps"),
        (
            "model",
            "tie_word_embeddings = 1",
            "model.tie_word_embeddings",
        ),
        (
            "optimizer",
            "learning_rate = -1e-3",
            "optimizer.learning_rate",
        ),
        ("optimizer", "learning_rate = 0", "optimizer.learning_rate"),
        (
            "optimizer",
            "learning_rate = nan",
            "optimizer.learning_rate",
        ),
        ("optimizer", "betas = [0.9]", "optimizer.betas"),
        ("optimizer", "betas = [0.9, 1.0]", "optimizer.betas[1]"),
        ("optimizer", "warmup = 101", "optimizer.warmup"),
        ("optimizer", "schedule = \"cosin\"", "optimizer.schedule"),
        ("optimizer", "schedule = \"wsd\"", "optimizer.decay"),
        ("optimizer", "decay = 5", "optimizer.decay"),
        ("optimizer", "final_ratio = 1.5", "optimizer.final_ratio"),
        ("optimizer", "clip_norm = -1", "optimizer.clip_norm"),
        ("objective", "beta = -0.1", "objective.beta"),
        ("objective", "prior = \"geometric:1\"", "objective.prior"),
        ("objective", "steps = [1, 5]", "objective.steps"),
        ("objective", "steps = [3, 2]", "objective.steps"),
        ("objective", "steps = [0, 2]", "objective.steps[0]"),
        ("run", "updates = 0", "run.updates"),
        ("run", "batch_size = 0", "run.batch_size"),
        ("gate", "label = \"ahead\"", "gate.label"),
        ("task", "kind = \"shufle\"", "task.kind"),
        ("task", "moves = 0", "task.moves"),
        ("task", "first_moves = 17", "task.first_moves"),
        ("", "name = \"../x\"", "name"),
        ("", "name = \"\"", "name"),
        ("", "seed = -1", "seed"),
        ("", "model = 3", "model"),
    ] {
        let error = with(table, keys).expect_err(keys);
        assert_eq!(error.field(), Some(field), "{keys}: {error}");
        assert!(error.to_string().contains(field), "{error}");
        assert_eq!(error.details().field.as_deref(), Some(field));
    }
}

#[test]
fn what_is_missing_is_named() {
    for (line, field) in [
        ("name = \"x\"\n", "name"),
        ("kind = \"shuffle\"\n", "task.kind"),
        ("hidden_size = 64\n", "model.hidden_size"),
        ("total_ut_steps = 4\n", "model.total_ut_steps"),
        ("updates = 100\n", "run.updates"),
    ] {
        let error = TrainConfig::from_toml(&MINIMAL.replace(line, "")).expect_err(line);
        assert!(matches!(error, ConfigError::MissingField { .. }), "{error}");
        assert_eq!(error.field(), Some(field));
    }
}

#[test]
fn what_is_no_configuration_is_refused() {
    let error = TrainConfig::from_toml("name = \"x\"\nseed = = 3").expect_err("it is no TOML");
    assert!(error.to_string().contains("line 2"), "{error}");
    for text in ["", "[]", "{\"name\": \"x\"", "null"] {
        assert!(
            matches!(
                TrainConfig::from_json(text),
                Err(ConfigError::Syntax { format: "JSON", .. })
            ),
            "{text}"
        );
    }
    assert!(matches!(
        TrainConfig::from_toml(""),
        Err(ConfigError::MissingField { .. })
    ));
}

#[test]
fn a_vocabulary_must_hold_the_tasks() {
    let small = with("model", "vocab_size = 13").expect("the task is not made yet");
    let error = small.task().expect_err("the task has 14 tokens");
    assert_eq!(error.field(), Some("model.vocab_size"));
    let large = with("model", "vocab_size = 100").expect("it is right");
    let task = large.task().expect("it has room");
    assert_eq!(large.checkpoint_config(task.as_ref()).vocab_size, 100);
}

#[test]
fn a_configuration_made_by_a_program_is_checked_too() {
    let mut config = TrainConfig::from_toml(MINIMAL).expect("it is right");
    config.model.total_ut_steps = 0;
    assert_eq!(
        config.validate().expect_err("no steps").field(),
        Some("model.total_ut_steps")
    );
}

#[test]
fn the_first_preset_is_the_quickest_and_all_have_words_for_people() {
    assert_eq!(presets::names()[0], "first-look");
    let mut kinds = Vec::new();
    for name in presets::names() {
        let preset = presets::get(name).expect(name);
        assert_eq!(preset.config.name, name);
        assert!(
            !preset.title.is_empty() && preset.description.ends_with('.'),
            "{name}"
        );
        assert!(preset.expected_minutes > 0.0, "{name}");
        let json = serde_json::to_value(&preset).expect("it can be written");
        assert!(json["expectedMinutes"].is_number() && json["example"]["input"].is_string());
        kinds.push(
            json["config"]["task"]["kind"]
                .as_str()
                .expect("a kind")
                .to_owned(),
        );
    }
    for kind in TaskConfig::kinds() {
        assert!(kinds.iter().any(|k| k == kind), "no preset for {kind}");
    }
    let error = presets::get("shel-game").expect_err("it is misspelt");
    assert!(
        error.to_string().contains("did you mean shell-game?"),
        "{error}"
    );
}

#[test]
fn the_shipped_language_model_stays_under_two_megabytes() {
    let preset = presets::get("who-is-who").expect("it is a preset");
    let task = preset.config.task().expect("it can be made");
    let config = preset.config.checkpoint_config(task.as_ref());
    assert!(
        config.parameters() * 2 <= 2_000_000,
        "{} parameters",
        config.parameters()
    );
}

#[test]
fn the_rate_rises_and_falls_as_it_should() {
    let rates = |keys: &str| {
        let optimizer = with("optimizer", keys).expect(keys).optimizer;
        move |update: u64| learning_rate(&optimizer, update, 100)
    };
    let near = |a: f32, b: f32| assert!((a - b).abs() < 1e-6 * b.abs().max(1e-3), "{a} is not {b}");
    let cosine = rates("learning_rate = 0.01\nwarmup = 10\nfinal_ratio = 0.1");
    near(cosine(0), 0.001);
    near(cosine(4), 0.005);
    near(cosine(9), 0.01);
    near(cosine(10), 0.01);
    near(cosine(55), 0.0055);
    near(cosine(100), 0.001);
    near(cosine(1000), 0.001);
    let constant = rates("learning_rate = 0.01\nschedule = \"constant\"");
    near(constant(0), 0.01);
    near(constant(99), 0.01);
    let wsd = rates(
        "learning_rate = 0.01\nschedule = \"wsd\"\ndecay = 20\nfinal_ratio = 0.0\nwarmup = 2",
    );
    near(wsd(0), 0.005);
    near(wsd(79), 0.01);
    near(wsd(90), 0.005);
    near(wsd(100), 0.0);
}

#[test]
fn beta_goes_in_a_line_to_its_end() {
    let objective = with("objective", "beta = 0.1\nbeta_end = 0.05")
        .expect("it is right")
        .objective;
    assert_eq!(
        (objective.beta_at(0, 101), objective.beta_at(100, 101)),
        (0.1, 0.05)
    );
    assert!((objective.beta_at(50, 101) - 0.075).abs() < 1e-6);
    let constant = with("objective", "beta = 0.2")
        .expect("it is right")
        .objective;
    assert_eq!(constant.beta_at(70, 101), 0.2);
}
