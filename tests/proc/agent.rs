//! The fake agent does what its script says, and nothing that it does not understand.

use crate::support::AGENT;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

fn agent(script: &Value, variables: &[(&str, &str)], folder: &Path) -> Output {
    let path = folder.join("script.json");
    fs_err::write(&path, script.to_string()).unwrap();
    let mut command = Command::new(AGENT);
    command
        .env_clear()
        .env("FAKE_AGENT_SCRIPT", path)
        .envs(variables.iter().copied())
        .current_dir(folder);
    command.output().unwrap()
}

#[track_caller]
fn check(script: Value, code: i32, stdout: &str, stderr: &str) {
    let folder = tempfile::tempdir().unwrap();
    let output = agent(&script, &[], folder.path());
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), stdout);
    assert!(said.contains(stderr), "{said}");
}

#[test]
fn what_it_does_not_understand_is_exit_99() {
    check(json!([{"dance": true}]), 99, "", "unknown step `dance`");
    check(
        json!([{"print": "a"}, {"dance": true}]),
        99,
        "a\n",
        "unknown step `dance`",
    );
    check(json!([{"print": "a", "exit": 1}]), 99, "", "one key");
    check(
        json!([{"write": {"path": "x", "txt": ""}}]),
        99,
        "",
        "unknown field `txt`",
    );
    check(
        json!([{"write": {"path": "x"}}]),
        99,
        "",
        "`text` is missing",
    );
    check(json!([{"exit": 256}]), 99, "", "at most 255");
    check(json!([{"print": 1}]), 99, "", "a text was expected");
    check(json!({"taks": {}}), 99, "", "not `taks`");
    check(json!({"tasks": {}}), 99, "", "no default");
    check(json!("text"), 99, "", "must be a list");
}

#[test]
fn steps_that_fail_have_codes_of_their_own() {
    check(
        json!([{"require": "absent"}]),
        97,
        "",
        "absent is not there",
    );
    check(
        json!([{"run": ["sh", "-c", "exit 2"]}]),
        96,
        "",
        "ended with",
    );
    check(
        json!([{"run": ["/no/such/program"]}]),
        99,
        "",
        "/no/such/program",
    );
}

#[test]
fn files_come_and_go() {
    let script = json!([
        {"write": {"path": "a/b", "text": "1"}}, {"append": {"path": "a/b", "text": "2"}}, {"require": "a/b"},
        {"touch": "c"}, {"delete": "c"}, {"run": ["cat", "a/b"]},
    ]);
    check(script, 0, "12", "");
}

#[test]
fn steps_are_chosen_by_task_and_attempt_and_texts_are_filled_in() {
    let folder = tempfile::tempdir().unwrap();
    let script = json!({
        "tasks": {"t-1": {"1": [{"exit": 11}], "*": [{"print": "{task} {attempt} {workspace}"}]}},
        "default": [{"print": "default"}],
    });
    let run = |task, attempt| {
        let variables = [
            ("MESH_TASK", task),
            ("MESH_ATTEMPT", attempt),
            ("MESH_WORKSPACE", "/w"),
        ];
        let output = agent(&script, &variables, folder.path());
        (
            output.status.code().unwrap(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    assert_eq!(run("t-1", "1"), (11, String::new()));
    assert_eq!(run("t-1", "t-1/1"), (11, String::new()));
    assert_eq!(run("t-1", "t-1/2"), (0, "t-1 t-1/2 /w\n".into()));
    assert_eq!(run("t-1", "11"), (0, "t-1 11 /w\n".into()));
    assert_eq!(run("t-2", "1"), (0, "default\n".into()));
}

#[test]
fn the_final_block_has_its_four_lines() {
    let usual = "PR: none\nVerify: test -f README.md  # pass\nChanged: NO_DIFF:nothing to do\nBlockers: none\n";
    check(json!([{"final": {}}]), 0, usual, "");
    let changed = "PR: none\nVerify: test -f a  # pass\nChanged: a\nBlockers: none\n";
    check(json!([{"final": {"changed": "a"}}]), 0, changed, "");
    let own = json!([{"final": {"pr": "p", "verify": "v", "changed": "c", "blockers": "b"}}]);
    check(own, 0, "PR: p\nVerify: v\nChanged: c\nBlockers: b\n", "");
}

#[test]
fn events_are_logged_one_a_line_with_task_and_attempt() {
    let folder = tempfile::tempdir().unwrap();
    let script = json!([
        {"log_event": {"file": "log", "event": "start"}}, {"log_event": {"file": "log", "event": "end"}},
    ]);
    let variables = [("MESH_TASK", "t-1"), ("MESH_ATTEMPT", "2")];
    assert!(agent(&script, &variables, folder.path()).status.success());
    let log = fs_err::read_to_string(folder.path().join("log")).unwrap();
    let lines: Vec<Vec<&str>> = log.lines().map(|line| line.split(' ').collect()).collect();
    let (start, end) = (&lines[0], &lines[1]);
    assert_eq!(
        (&start[1..], &end[1..]),
        (&["t-1", "2", "start"][..], &["t-1", "2", "end"][..])
    );
    assert!(start[0].parse::<u64>().unwrap() <= end[0].parse::<u64>().unwrap());
}

#[test]
fn a_flood_has_as_many_bytes_as_it_says() {
    let folder = tempfile::tempdir().unwrap();
    let output = agent(&json!([{"flood": {"bytes": 200_001}}]), &[], folder.path());
    assert_eq!(output.stdout.len(), 200_001);
}
