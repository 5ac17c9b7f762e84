//! Configurations as people write them, good and bad, and what the layers make of them.

use super::*;
use std::collections::BTreeSet;

fn fixtures(kind: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/configs")
        .join(kind);
    let mut files: Vec<PathBuf> = fs_err::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    assert!(
        files.len() > 2,
        "fixtures are missing in {}",
        folder.display()
    );
    files
}

/// The file alone, over the defaults, as if it lay at the name that the expectations use.
fn load_text(text: &str) -> Result<SourceSnapshot, CommandError> {
    let mut layers = Layers::default();
    layers.add_text(DEFAULTS, None);
    layers.add_text(text, Some(Path::new("config.toml")));
    finish(layers)
}

#[track_caller]
fn compare(file: &Path, found: &str) {
    let expected = file.with_extension("expected");
    if std::env::var_os("UPDATE_FIXTURES").is_some() {
        fs_err::write(&expected, found).unwrap();
    }
    let wanted = fs_err::read_to_string(&expected).unwrap();
    assert_eq!(found, wanted, "{}", file.display());
}

#[test]
fn good_configurations_say_what_they_set_and_where() {
    for file in fixtures("valid") {
        let text = fs_err::read_to_string(&file).unwrap();
        let loaded =
            load_text(&text).unwrap_or_else(|error| panic!("{}: {error:?}", file.display()));
        let set: String = loaded
            .origins
            .iter()
            .filter(|origin| origin.from != Source::Default)
            .map(|origin| format!("{}: {} = {}\n", origin.from, origin.key, origin.value))
            .collect();
        compare(&file, &set);
    }
}

#[test]
fn bad_configurations_list_all_their_problems_at_once() {
    for file in fixtures("invalid") {
        let text = fs_err::read_to_string(&file).unwrap();
        let error = load_text(&text).expect_err(&file.display().to_string());
        assert_eq!(error.kind, Kind::ConfigInvalid, "{}", file.display());
        compare(&file, &(error.hints.join("\n") + "\n"));
    }
}

#[test]
fn the_defaults_are_those_of_the_core_and_the_engine() {
    let config = load(None, &|_| None).unwrap().config;
    let policy = mesh_core::policy::Policy::with_concurrency(1);
    assert_eq!(config.concurrency, None);
    assert_eq!(config.rank, policy.rank);
    assert_eq!(config.dispatch, policy.dispatch);
    assert_eq!(config.locks.patience, policy.lock_patience);
    assert_eq!(config.locks.unknown, policy.unlabelled);
    assert_eq!(config.retries, policy.retries);
    assert_eq!(config.start_retries, policy.start_retries);
    assert_eq!(config.start_pause, policy.start_pause);
    assert_eq!(config.allow_no_validation, policy.allow_no_validation);
    assert_eq!(config.base_conflict, BaseConflict::default());
    assert_eq!(config.tracker.close, ClosePolicy::default());
    assert_eq!(config.audit_level, AuditLevel::default());
    assert!(config.tracker.trust_agent_verify && !config.tracker.close_epic);
}

#[test]
fn every_key_is_documented_and_every_documented_key_is_one() {
    let mut table = String::new();
    let mut documented = BTreeSet::new();
    for line in DEFAULTS.lines() {
        let line = line.strip_prefix('#').unwrap_or(line);
        if line.starts_with([' ', '#']) || line.is_empty() {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            table = format!("{name}.");
            continue;
        }
        let (key, _) = line.split_once(" = ").unwrap_or_else(|| panic!("{line}"));
        let path: Vec<String> = format!("{table}{key}")
            .split('.')
            .map(str::to_owned)
            .collect();
        assert!(
            matches!(schema::meaning(&path), schema::Meaning::Key(_)),
            "{path:?} is documented and is no key"
        );
        documented.insert(path);
    }
    for key in schema::KEYS {
        let matches = |path: &&Vec<String>| {
            path.len() == key.path.len()
                && path
                    .iter()
                    .zip(key.path)
                    .all(|(name, wanted)| *wanted == "*" || name == wanted)
        };
        assert!(
            documented.iter().any(|path| matches(&path)),
            "{:?} is not documented",
            key.path
        );
        if let Some(variable) = key.variable {
            assert!(DEFAULTS.contains(variable), "{variable} is not documented");
        }
    }
}

fn with_files(
    users: &str,
    repository: &str,
    variables: &[(&str, &str)],
) -> Result<SourceSnapshot, CommandError> {
    let temp = tempfile::tempdir().unwrap();
    let home = temp.path().join("home");
    fs_err::create_dir_all(home.join(".config/mesh")).unwrap();
    fs_err::write(home.join(".config/mesh/config.toml"), users).unwrap();
    let root = temp.path().join("repository");
    fs_err::create_dir_all(root.join(".mesh")).unwrap();
    fs_err::write(MeshDir::of(&root).config(), repository).unwrap();
    load(Some(&root), &|name| {
        let set = variables.iter().find(|(known, _)| *known == name);
        match (set, name) {
            (Some((_, value)), _) => Some(OsString::from(value)),
            (None, "HOME") => Some(home.clone().into_os_string()),
            _ => None,
        }
    })
}

#[test]
fn single_values_are_replaced_tables_joined_and_lists_replaced() {
    let users = "concurrency = 2\nretries = 0\n[locks.capacity]\ngpu = 2\n[locks.groups]\na = [\"x\", \"y\"]\nb = [\"z\"]\n[agents.one]\ncommand = \"one\"\nhard_limit = \"1h\"\n";
    let repository = "concurrency = 3\n[locks.groups]\na = [\"w\"]\n[agents.one]\ncommand = \"other\"\n[agents.two]\ncommand = \"two\"\n";
    let loaded = with_files(
        users,
        repository,
        &[("MESH_CONCURRENCY", "4"), ("MESH_LAND", "")],
    )
    .unwrap();
    let config = loaded.config;
    assert_eq!(
        (config.concurrency, config.retries, config.land),
        (Some(4), 0, None)
    );
    let capacity: Vec<(&str, u32)> = config
        .locks
        .capacity
        .iter()
        .map(|(group, units)| (group.as_str(), *units))
        .collect();
    assert_eq!(capacity, [("gpu", 2)]);
    assert_eq!(config.locks.groups["a"], ["w"]);
    assert_eq!(config.locks.groups["b"], ["z"]);
    assert_eq!(config.agents["one"].command, "other");
    assert_eq!(config.agents["one"].hard_limit.as_deref(), Some("1h"));
    assert_eq!(config.agents["two"].command, "two");
    let from = |key: &str| {
        let origin = loaded.origins.iter().find(|origin| origin.key == key);
        origin
            .map(|origin| origin.from.to_string())
            .unwrap_or_default()
    };
    assert_eq!(from("concurrency"), "MESH_CONCURRENCY");
    assert!(from("retries").ends_with("home/.config/mesh/config.toml:2:1"));
    assert!(from("agents.one.command").ends_with("repository/.mesh/config.toml:5:1"));
    assert_eq!(from("proof_limit"), "default");
}

#[test]
fn problems_of_all_files_and_variables_come_together() {
    let error = with_files(
        "retires = 1\n",
        "rank = 3\n",
        &[("MESH_RANK", "makspan"), ("MESH_CONCURRENCY", "0")],
    )
    .unwrap_err();
    let places: Vec<&str> = [
        "home/.config/mesh/config.toml:1:1: ",
        "repository/.mesh/config.toml:1:8: ",
        "MESH_CONCURRENCY: ",
        "MESH_RANK: ",
    ]
    .into();
    assert_eq!(error.hints.len(), places.len(), "{:?}", error.hints);
    for place in places {
        assert!(
            error.hints.iter().any(|hint| hint.contains(place)),
            "{place}: {:?}",
            error.hints
        );
    }
    assert!(
        error
            .hints
            .iter()
            .any(|hint| hint.contains("did you mean `retries`?"))
    );
    assert!(
        error
            .hints
            .iter()
            .any(|hint| hint.contains("did you mean \"makespan\"?"))
    );
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_and_a_missing_one_is_none() {
    let temp = tempfile::tempdir().unwrap();
    assert!(load(Some(temp.path()), &|_| None).is_ok());
    let path = MeshDir::of(temp.path()).config();
    fs_err::create_dir_all(&path).unwrap();
    let error = load(Some(temp.path()), &|_| None).unwrap_err();
    assert!(error.hints[0].contains("cannot be read"), "{error:?}");
    fs_err::remove_dir(&path).unwrap();
    fs_err::write(&path, b"\xff").unwrap();
    let error = load(Some(temp.path()), &|_| None).unwrap_err();
    assert!(error.hints[0].contains("not UTF-8"), "{error:?}");
}
