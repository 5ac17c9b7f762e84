//! What earlier runs left is named by `mesh doctor` with the command that mends it; `mesh audit` shows and labels; what is made from the
//! arguments.

use serde_json::json;

use crate::fixture::{FAKE_BD_GIT, job};
use crate::script;

#[test]
fn a_claim_without_a_run_is_named_with_the_command_that_gives_it_back_fake_bd_1_3_0_git() {
    let fixture = FAKE_BD_GIT.open().expect("fakes are there");
    let work = fixture.plan("One", &[job("a", &[])]);
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    let id = work.id("a");
    let claim = [
        "update",
        id,
        "--claim",
        "--set-metadata",
        "mesh.run=gone",
        "--json",
        "--actor",
        "agent:mesh-1",
    ];
    tracker.bd_json(&claim);
    let said = fixture.mesh(&["doctor"]).exits(0);
    let left = format!("under a run that this repository does not know: {id}");
    assert!(said.stdout.contains(&left), "{}", said.stdout);
    let command = format!("`bd update {id} --status open --assignee '' --force` gives them back");
    assert!(said.stdout.contains(&command), "{}", said.stdout);
    let release = [
        "update",
        id,
        "--status",
        "open",
        "--assignee",
        "",
        "--force",
        "--json",
    ];
    tracker.bd_json(&release);
    let said = fixture.mesh(&["doctor"]).exits(0);
    assert!(!said.stdout.contains("gives them back"), "{}", said.stdout);
}

#[test]
fn an_entry_is_listed_shown_and_labelled_fake_bd_1_3_0_git() {
    let fixture = FAKE_BD_GIT.open().expect("fakes are there");
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    fixture.run(&work, 2, &[]).ends(0);
    let listed = fixture.mesh(&["audit", "list", "--json"]).exits(0).object();
    let entries = listed["entries"].as_array().expect("entries").clone();
    assert_eq!(entries.len(), 6, "{listed:#}");
    let response = entries
        .iter()
        .find(|entry| {
            entry["of"]
                .as_str()
                .is_some_and(|of| of.ends_with(" response"))
        })
        .expect("an answer");
    let id = response["id"].as_str().expect("an id");
    let label = ["audit", "label", id, "gold", "--reason", "as it should be"];
    fixture.mesh(&label).ends(0);
    let shown = fixture
        .mesh(&["audit", "show", id, "--json"])
        .exits(0)
        .object();
    assert_eq!(shown["labels"], json!(["gold"]), "{shown:#}");
    assert_eq!(shown["entry"]["kind"], "llm_call");
    fixture.mesh(&["audit", "show", "int-nothing"]).ends(2);
    fixture.mesh(&["audit", "check"]).ends(0);
}

/// A failed attempt is labelled for a person to look at; its workspace is named.
#[test]
fn a_failed_attempt_is_to_be_reviewed_fake_bd_1_3_0_git() {
    let fixture = FAKE_BD_GIT.open().expect("fakes are there");
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    fixture.script(&work, |job| match job.key.as_str() {
        "a" => json!([{ "exit": 3 }]),
        _ => script::usual(&fixture, job, &[]),
    });
    fixture.run(&work, 2, &[]).ends(20);
    let listed = fixture.mesh(&["audit", "list", "--json"]).exits(0).object();
    for entry in listed["entries"].as_array().expect("entries") {
        let is_failed_call = entry["issue"] == work.id("a") && entry["kind"] == "tool_call";
        let labels = match is_failed_call {
            true => json!(["needs_review"]),
            false => json!([]),
        };
        assert_eq!(entry["labels"], labels, "{listed:#}");
    }
    let said = fixture.mesh(&["doctor"]).exits(0);
    assert!(
        said.stdout.contains("`mesh clean` removes them"),
        "{}",
        said.stdout
    );
}

#[test]
fn shells_and_man_get_what_they_need_fake_bd_1_3_0_git() {
    let fixture = FAKE_BD_GIT.open().expect("fakes are there");
    for shell in ["bash", "zsh", "fish", "elvish"] {
        let said = fixture.mesh(&["completions", shell]).exits(0);
        for word in ["mesh", "resume", "audit"] {
            assert!(said.stdout.contains(word), "{shell}: no {word}");
        }
    }
    let man = fixture.mesh(&["man"]).exits(0).stdout;
    assert!(
        man.contains(".TH mesh 1") && man.contains("mesh\\-resume"),
        "{man}"
    );
    fixture.mesh(&["completions", "no-shell"]).ends(2);
}
