use super::*;
use std::os::unix::fs::PermissionsExt;

fn config(command: &str) -> ProfileConfig {
    ProfileConfig {
        command: command.to_owned(),
        ..ProfileConfig::default()
    }
}

#[test]
fn a_command_has_all_defaults() {
    let profile = Profile::command("/opt/bin/my-agent --file {prompt_file}").unwrap();
    assert_eq!(profile.name, "command");
    assert_eq!(profile.model, "command:my-agent");
    assert_eq!(profile.prompt, PromptInput::StdinFile);
    assert_eq!(profile.limits, Limits::default());
    assert_eq!(profile.limits.log_bytes, 64 * 1024 * 1024);
    let problem = Profile::command("agent {taks}").unwrap_err().to_string();
    assert!(
        problem.starts_with(
            "agent profile `command`: there is no placeholder {taks} (did you mean {task}?)"
        ),
        "{problem}"
    );
}

#[test]
fn a_table_of_the_configuration() {
    let json = r#"{
        "command": "agent run {prompt_file}", "prompt": "argument", "start_limit": "2m", "silence_limit": "10m", "soft_limit": "1h",
        "hard_limit": "1h30m", "log_limit": "1MiB", "grace": "0s", "env_keep": ["AGENT_API_KEY", "AGENT_*"], "env_set": {"A": "b"},
        "state_variable": "AGENT_HOME", "sandbox": "off", "sandboxed_args": ["-a"], "write": ["~/.a"], "model": "big-1", "pr": true
    }"#;
    let config: ProfileConfig = serde_json::from_str(json).unwrap();
    let profile = Profile::from_config("big", &config).unwrap();
    assert_eq!(
        profile.prompt,
        PromptInput::Argument(Placeholder::PromptFile)
    );
    let limits = Limits {
        start: Some(Span::minutes(2)),
        silence: Span::minutes(10),
        soft: Some(Span::minutes(60)),
        hard: Span::minutes(90),
        log_bytes: 1 << 20,
        grace: Span(0),
    };
    assert_eq!(profile.limits, limits);
    assert_eq!(profile.model, "big-1");
    assert_eq!(
        profile.state_folder,
        Some(StateFolder {
            variable: "AGENT_HOME".to_owned()
        })
    );
    assert!(profile.may_open_pull_request());
    let round: ProfileConfig =
        serde_json::from_str(&serde_json::to_string(&config).unwrap()).unwrap();
    assert_eq!(round, config);
}

#[test]
fn an_unknown_key_is_an_error() {
    let problem = serde_json::from_str::<ProfileConfig>(r#"{"command": "x", "hard_limits": "1h"}"#)
        .unwrap_err()
        .to_string();
    assert!(problem.contains("hard_limits"), "{problem}");
    assert!(
        serde_json::from_str::<ProfileConfig>(r#"{"command": "x", "sandbox": "strict"}"#).is_err()
    );
    assert!(serde_json::from_str::<ProfileConfig>("{}").is_err());
}

#[test]
fn all_problems_of_a_table_are_listed() {
    let config = ProfileConfig {
        prompt: PromptConfig::Argument,
        start_limit: Some("2".to_owned()),
        silence_limit: Some("0s".to_owned()),
        log_limit: Some("0".to_owned()),
        env_keep: vec![
            "A=B".to_owned(),
            "*".to_owned(),
            "MESH_RUN".to_owned(),
            "OK_*".to_owned(),
        ],
        env_set: BTreeMap::from([
            ("MESH_TASK".to_owned(), "x".to_owned()),
            ("N".to_owned(), "\0".to_owned()),
        ]),
        state_variable: Some("9X".to_owned()),
        ..config("agent")
    };
    let error = Profile::from_config("command", &config).unwrap_err();
    let texts: Vec<String> = error.problems.iter().map(ToString::to_string).collect();
    let wanted = [
        "belongs to --agent-command",
        "must contain {prompt_file}",
        "start_limit = \"2\": 2 has no unit",
        "silence_limit = \"0s\": it must be longer than nothing",
        "log_limit = \"0\": it must not be 0",
        "env_keep: \"A=B\" is no name",
        "env_keep: \"*\" is no name",
        "env_keep: MESH_RUN is set by mesh itself",
        "env_set: MESH_TASK is set by mesh itself",
        "state_variable: \"9X\" is no name",
        "the value of N contains a NUL byte",
    ];
    assert_eq!(texts.len(), wanted.len(), "{texts:#?}");
    for (text, part) in texts.iter().zip(wanted) {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn a_pull_request_needs_a_wish_and_a_token() {
    let check = |pr, keep: &str, wanted| {
        let config = ProfileConfig {
            pr,
            env_keep: vec![keep.to_owned()],
            ..config("agent")
        };
        assert_eq!(
            Profile::from_config("a", &config)
                .unwrap()
                .may_open_pull_request(),
            wanted
        );
    };
    check(true, "GH_TOKEN", true);
    check(true, "EDITOR", false);
    check(false, "GH_TOKEN", false);
}

#[test]
fn a_profile_is_chosen_by_name() {
    let profile = Profile::from_config("fast", &config("agent")).unwrap();
    let profiles = BTreeMap::from([("fast".to_owned(), profile.clone())]);
    assert_eq!(choose(&profiles, "fast"), Ok(&profile));
    let problem = choose(&profiles, "fats").unwrap_err().to_string();
    assert_eq!(
        problem,
        "there is no agent profile `fats` (did you mean `fast`?); configured are fast"
    );
    let problem = choose(&BTreeMap::new(), "x").unwrap_err().to_string();
    assert!(problem.contains("none is configured"), "{problem}");
}

#[test]
fn the_program_is_found_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("my agent");
    fs_err::write(&program, "#!/bin/sh\n").unwrap();
    fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().as_os_str();
    let locate = |template: &str| {
        Profile::command(template)
            .unwrap()
            .locate(folder.path(), Some(path))
    };
    assert_eq!(locate("'my agent' x"), Ok(program.clone()));
    assert_eq!(
        locate(&format!("'{}'", program.display())),
        Ok(program.clone())
    );
    // A path is looked up where the person stands, and never as a name.
    assert_eq!(
        locate("'./my agent'").map(|found| found.canonicalize().unwrap()),
        Ok(program.canonicalize().unwrap())
    );
    assert!(matches!(locate("absent"), Err(FindError::NotOnPath { .. })));
    assert!(matches!(locate("./absent"), Err(FindError::NoFile { .. })));
    assert!(matches!(locate("/"), Err(FindError::NotExecutable { .. })));
}
