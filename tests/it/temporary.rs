//! The folder for temporary files of an attempt goes with its workspace.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::fixture::{Fixture, ST_GIT, job};
use crate::script;

fn tmp(fixture: &Fixture, attempt: &str) -> PathBuf {
    let folder = fixture.only_run().join("attempts").join(attempt);
    assert!(folder.is_dir(), "{}", folder.display());
    folder.join("tmp")
}

#[test]
fn temporary_files_go_when_the_workspace_does_st_git() {
    let fixture = ST_GIT.open().expect("fakes are there");
    let command = fixture.agent_command();
    fixture.configure(&format!(
        "[agents.mine]\ncommand = {command:?}\nown_tmpdir = true\n"
    ));
    // As a package manager leaves its cache.
    let write =
        "mkdir -p \"$TMPDIR/cache\" && touch \"$TMPDIR/cache/x\" && chmod 555 \"$TMPDIR/cache\"";
    let jobs = [job("a", &[]), job("b", &[]).proof("test -f never.txt")];
    let work = fixture.plan("Two", &jobs);
    fixture.script(&work, |job| {
        let steps = [json!({"run": ["sh", "-c", write]})];
        let bad = [&steps[..], &[json!({"exit": 1})]].concat();
        let good = [&steps[..], &script::result(&fixture, &job.key)].concat();
        match job.key.as_str() {
            "a" => json!({"1": bad, "*": good}),
            _ => Value::Array(good),
        }
    });
    fixture.run(&work, 2, &["--agent", "mine"]).ends(20);
    for attempt in ["a/1", "a/2"] {
        assert!(!tmp(&fixture, attempt).exists(), "{attempt}");
    }
    let kept = tmp(&fixture, "b/2");
    assert!(kept.join("cache/x").is_file(), "b has its workspace");
    fixture.mesh(&["clean", "--yes"]).ends(0);
    assert!(!kept.exists());
}
