use super::*;
use crate::profile::ProfileConfig;
use mesh_core::id::TaskId;
use std::collections::BTreeMap;

fn facts(task: &str) -> AttemptFacts {
    AttemptFacts {
        run: "run-7".to_owned(),
        attempt: AttemptId {
            task: TaskId::new(task).unwrap(),
            number: 2,
        },
        workspace: PathBuf::from("/w/a b"),
        root: PathBuf::from("/home/ada/repo"),
        prompt_file: PathBuf::from("/r/prompt.md"),
        path_front: Some(PathBuf::from("/r/bin")),
        bash_env: None,
        session: None,
        ports: Some(Ports {
            slot: 2,
            base: Some(20_020),
        }),
        tmp_folder: None,
        state_folder: Some(PathBuf::from("/r/state")),
        sandboxed: false,
        extra_env: Env::from_iter([("JJ_CONFIG", "/r/jj.toml"), ("BEADS_DIR", "/repo/.beads")]),
        write: Vec::new(),
    }
}

fn ours() -> Env {
    Env::from_iter([
        ("HOME", "/home/ada"),
        ("PATH", "/usr/bin:.:bin:/bin"),
        ("LC_ALL", "C.UTF-8"),
        ("XDG_CONFIG_HOME", "/home/ada/.config"),
        ("XDG_SECRET", "s"),
        ("CARGO_HOME", "/opt/cargo"),
        ("https_proxy", "http://ada:pw@proxy:1"),
        ("http_proxy", "http://proxy:1"),
        ("SSH_AUTH_SOCK", "/run/agent.sock"),
        ("GITHUB_TOKEN", "t"),
        ("AGENT_API_KEY", "k"),
        ("AGENT_MODE", "fast"),
        ("AGENT_OTHER_KEY", "o"),
        ("BD_ACTOR", "ada"),
        ("BEADS_DIR", "/elsewhere"),
        ("LD_PRELOAD", "/evil.so"),
        ("MESH_RUN", "outer"),
        ("MESH_VIEW", "/outer/view"),
        ("EDITOR", "vi"),
        ("A", "mine"),
    ])
}

fn profile() -> Profile {
    let config = ProfileConfig {
        command: "agent --in {workspace} {task}".to_owned(),
        env_keep: vec!["AGENT_API_KEY".to_owned(), "AGENT_*".to_owned()],
        env_set: BTreeMap::from([
            ("A".to_owned(), "b".to_owned()),
            ("SET_TOKEN".to_owned(), "st".to_owned()),
        ]),
        state_variable: Some("AGENT_HOME".to_owned()),
        ..ProfileConfig::default()
    };
    Profile::from_config("big", &config).unwrap()
}

fn shown(env: &Env) -> Vec<String> {
    env.iter()
        .map(|(name, value)| format!("{}={}", name.display(), value.display()))
        .collect()
}

const COMMON: [&str; 17] = [
    "A=b",
    "AGENT_MODE=fast",
    "BEADS_DIR=/repo/.beads",
    "CARGO_HOME=/opt/cargo",
    "HOME=/home/ada",
    "JJ_CONFIG=/r/jj.toml",
    "LC_ALL=C.UTF-8",
    "MESH_PORT_BASE=20020",
    "MESH_PROMPT_FILE=/r/prompt.md",
    "MESH_ROOT=/home/ada/repo",
    "MESH_RUN=run-7",
    "MESH_SLOT=2",
    "MESH_WORKSPACE=/w/a b",
    "PATH=/r/bin:/usr/bin:/bin",
    "PWD=/w/a b",
    "XDG_CONFIG_HOME=/home/ada/.config",
    "http_proxy=http://proxy:1",
];

fn with_common(more: &[&str]) -> Vec<String> {
    let mut all: Vec<String> = COMMON.iter().chain(more).map(ToString::to_string).collect();
    all.sort();
    all
}

#[test]
fn the_agent_gets_what_is_named_and_nothing_else() {
    let launch = agent(&profile(), Path::new("/bin/agent"), &facts("t 1"), &ours()).unwrap();
    let named = [
        "AGENT_API_KEY=k",
        "AGENT_HOME=/r/state",
        "MESH_ATTEMPT=t 1#2",
        "MESH_TASK=t 1",
        "SET_TOKEN=st",
    ];
    assert_eq!(shown(&launch.env), with_common(&named));
    assert_eq!(launch.args, ["--in", "/w/a b", "t 1"]);
    assert_eq!(launch.program, Path::new("/bin/agent"));
    assert_eq!(launch.cwd, Path::new("/w/a b"));
    assert_eq!(launch.stdin, Some(PathBuf::from("/r/prompt.md")));
}

#[test]
fn a_proof_gets_the_same_without_secrets() {
    let launch = command(
        CommandKind::Proof,
        "make test | cat",
        &profile(),
        &facts("t"),
        &ours(),
    )
    .unwrap();
    assert_eq!(
        shown(&launch.env),
        with_common(&["MESH_ATTEMPT=t#2", "MESH_TASK=t"])
    );
    assert_eq!(launch.args, ["-c", "make test | cat"]);
    assert_eq!(launch.program, Path::new("sh"));
    assert_eq!(launch.stdin, None);
    assert_eq!(launch.shown(), "sh -c 'make test | cat'");
}

#[test]
fn the_shim_is_told_exactly_this() {
    let profile = profile();
    let launch = agent(&profile, Path::new("/bin/agent"), &facts("t"), &ours()).unwrap();
    let spec = launch.shim_spec(Path::new("/r/1"), &profile.limits);
    assert_eq!(spec.args, launch.args);
    assert_eq!(spec.env, launch.env);
    assert_eq!(spec.stdin, launch.stdin);
    assert_eq!((spec.run.as_str(), spec.attempt.as_str()), ("run-7", "t#2"));
    assert_eq!(spec.hard_limit_ms, Some(2 * 3_600_000));
    assert_eq!(spec.log_limit_bytes, 64 << 20);
    assert_eq!(spec.grace_ms, 10_000);
    assert_eq!(spec.stdout, Path::new("/r/1/stdout"));
}

#[test]
fn no_path_of_ours_is_no_empty_path() {
    for path in [None, Some(""), Some(".:bin")] {
        let ours: Env = path.map(|path| ("PATH", path)).into_iter().collect();
        let launch = command(CommandKind::Setup, "x", &profile(), &facts("t"), &ours).unwrap();
        let wanted = "/r/bin:/usr/local/bin:/usr/bin:/bin";
        assert_eq!(launch.env.get("PATH"), Some(OsStr::new(wanted)));
    }
}

#[test]
fn a_prompt_that_goes_in_by_argument_leaves_standard_input_empty() {
    let config = ProfileConfig {
        command: "agent {prompt_file}".to_owned(),
        prompt: crate::profile::PromptConfig::Argument,
        ..ProfileConfig::default()
    };
    let profile = Profile::from_config("a", &config).unwrap();
    let launch = agent(&profile, Path::new("/bin/agent"), &facts("t"), &ours()).unwrap();
    assert_eq!(launch.stdin, None);
    assert_eq!(launch.args, ["/r/prompt.md"]);
}

#[test]
fn what_cannot_be_launched_says_so() {
    let run = |text| {
        command(CommandKind::Setup, text, &profile(), &facts("t"), &ours())
            .unwrap_err()
            .to_string()
    };
    assert_eq!(run(" \n"), "the setup command is empty");
    assert_eq!(run("a\0b"), "an argument contains a NUL byte");
    let profile = Profile::command("sh -c 'agent {task}'").unwrap();
    let error = agent(&profile, Path::new("/bin/sh"), &facts("$(reboot)"), &ours()).unwrap_err();
    assert!(matches!(error, LaunchError::UnsafeValue(_)), "{error}");
}

#[test]
fn names_of_secrets() {
    for name in [
        "GITHUB_TOKEN",
        "OPENAI_API_KEY",
        "apikey",
        "DB_PASSWORD",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID_SECRET",
        "SSH_AUTH_SOCK",
        "NPM_AUTH",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "MY_TOKEN_*",
        "TOKENS",
    ] {
        assert!(looks_secret(name), "{name}");
    }
    for name in [
        "HOME",
        "KEYBOARD",
        "MONKEY_HOUSE",
        "AGENT_MODE",
        "AGENT_*",
        "COMPASS",
        "XDG_RUNTIME_DIR",
    ] {
        assert!(!looks_secret(name), "{name}");
    }
}

#[test]
fn the_common_list_holds_no_secret() {
    for name in COMMON_KEEP {
        assert!(!looks_secret(name), "{name}");
        assert!(!is_reserved(name), "{name}");
    }
}

#[test]
fn what_an_agent_may_want_and_does_not_get_is_named() {
    let ours = ours().set("OPENAI_BASE_URL", "u").set("AWS_REGION", "r");
    let names = [
        "AGENT_OTHER_KEY",
        "AWS_REGION",
        "GITHUB_TOKEN",
        "OPENAI_BASE_URL",
        "XDG_SECRET",
    ];
    assert_eq!(withheld(&profile(), &ours), names);
    let plain = Profile::command("agent").unwrap();
    let note = withheld_note(&plain, &ours).unwrap();
    assert!(
        note.contains("AGENT_API_KEY, AGENT_OTHER_KEY, AWS_REGION"),
        "{note}"
    );
    assert!(note.contains("env_keep = [\"AGENT_API_KEY\"]"), "{note}");
    let note = withheld_note(&profile(), &ours).unwrap();
    assert!(
        note.ends_with("name it in env_keep of [agents.big]"),
        "{note}"
    );
    assert_eq!(
        withheld_note(
            &plain,
            &Env::from_iter([("HOME", "/h"), ("SSH_AUTH_SOCK", "/s")])
        ),
        None
    );
}
