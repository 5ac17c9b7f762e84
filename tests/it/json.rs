//! `--json`: one documented object on stdout and nothing else there.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::fixture::{FAKE_BD_GIT, Fixture, ST_GIT, Work, job};
use crate::script;

/// The page that documents every field.
const DOCS: &str = include_str!("../../docs/json.md");

/// A run with all that a report can show: a lock, a need, a retry, a failure, a task that waits for it.
fn told() -> (Fixture, Work) {
    let fixture = ST_GIT.open().expect("git is enough");
    let jobs = [
        job("a", &[]),
        job("b", &[])
            .lock("files")
            .proof("echo not yet; test -f never.txt"),
        job("c", &["a"]).lock("files").unproved(),
        job("d", &["b"]),
    ];
    let work = fixture.plan("Told", &jobs);
    // The first two wait for one another: their overlap is 2 on any machine.
    fixture.script(&work, |job| match job.key.as_str() {
        "a" | "b" => script::usual(&fixture, job, &[script::gate(&fixture)]),
        _ => script::usual(&fixture, job, &[]),
    });
    (fixture, work)
}

/// The object with what differs from run to run replaced, as text.
fn stable(fixture: &Fixture, object: &Value) -> String {
    let mut object = object.clone();
    blur(&mut object);
    fixture.redacted(&serde_json::to_string_pretty(&object).expect("a value"))
}

/// Measured numbers are not the same twice.
fn blur(value: &mut Value) {
    const MEASURED: &[&str] = &["mean", "makespan_seconds", "lower_bound_seconds", "calls"];
    match value {
        Value::Object(fields) => {
            if fields.get("sandbox").is_some_and(Value::is_string) {
                fields.remove("sandbox");
            }
            for (name, field) in fields {
                if MEASURED.contains(&name.as_str()) && field.is_number() {
                    *field = "[measured]".into();
                }
                // What there is depends on the kernel.
                if name == "enforced" {
                    *field = "[by the kernel]".into();
                }
                // Which slot is free first is a race of two agents.
                if name == "slot" {
                    *field = "[slot]".into();
                }
                blur(field);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(blur),
        _ => {}
    }
}

/// Every key must stand in the page, in backticks.
#[track_caller]
fn assert_documented(value: &Value) {
    let mut keys = BTreeSet::new();
    collect(value, &mut keys);
    let missing: Vec<&String> = keys
        .iter()
        .filter(|key| !DOCS.contains(&format!("`{key}`")))
        .collect();
    assert_eq!(
        missing,
        Vec::<&String>::new(),
        "docs/json.md does not name them"
    );
}

fn collect(value: &Value, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                keys.insert(name.clone());
                collect(field, keys);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, keys)),
        _ => {}
    }
}

#[test]
fn the_plan_object_st_git() {
    let (fixture, work) = told();
    let plan = fixture
        .mesh(&["plan", &work.source, "--concurrency", "2", "--json"])
        .exits(0)
        .object();
    assert_documented(&plan);
    insta::assert_snapshot!("plan", stable(&fixture, &plan));
    assert!(
        !fixture.repo.join(".mesh").exists(),
        "a plan writes nothing"
    );
}

#[test]
fn a_plan_is_ordered_by_the_rank_that_is_named_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    // A long chain, and a task that two others need directly.
    let jobs = [
        job("a", &[]),
        job("a-1", &["a"]),
        job("a-2", &["a-1"]),
        job("b", &[]),
        job("b-1", &["b"]),
        job("b-2", &["b"]),
    ];
    let work = fixture.plan("Ranks", &jobs);
    for (rank, first) in [("default", "a"), ("makespan", "a"), ("seed", "b")] {
        let plan = fixture
            .mesh(&["plan", &work.source, "-n", "1", "--rank", rank, "--json"])
            .exits(0)
            .object();
        assert_eq!(plan["order"][0], first, "{rank}: {}", plan["order"]);
    }
}

#[test]
fn the_plan_object_with_problems_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    let work = fixture.plan("Chain", &[job("a", &[]), job("b", &["a"])]);
    let plan = fixture
        .mesh(&["plan", &work.source, "--concurrency", "2", "--json"])
        .exits(10)
        .object();
    assert_documented(&plan);
    insta::assert_snapshot!("plan_with_problems", stable(&fixture, &plan));
}

#[test]
fn the_report_object_of_run_status_report_and_resume_st_git() {
    let (fixture, work) = told();
    let coordinator = fixture.start(&work, 2, &[]);
    fixture.log.wait_for("saw", 2);
    let running = fixture.mesh(&["status", "--json"]).exits(0).object();
    assert_documented(&running);
    assert_eq!(
        (running["state"].as_str(), running["ended_at"].is_null()),
        (Some("running"), true)
    );
    fixture.open_gate();
    let report = coordinator.wait().exits(20).object();
    assert_documented(&report);
    insta::assert_snapshot!("report", stable(&fixture, &report));
    for command in ["status", "report"] {
        let said = fixture.mesh(&[command, "--json"]).exits(0).object();
        assert_eq!(
            stable(&fixture, &said),
            stable(&fixture, &report),
            "{command}"
        );
    }
    // Nothing has been asked for since; the same object once more.
    let resumed = fixture.mesh(&["resume", "--json"]).exits(20).object();
    assert_eq!(stable(&fixture, &resumed), stable(&fixture, &report));

    let why = fixture.mesh(&["why", "d", "--json"]).exits(0).object();
    assert_documented(&why);
    insta::assert_snapshot!("why", stable(&fixture, &why));
    let kept = fixture.mesh(&["workspaces", "--json"]).exits(0).object();
    assert_documented(&kept);
    insta::assert_snapshot!("workspaces", stable(&fixture, &kept));
}

#[test]
fn the_report_object_when_there_is_nothing_to_do_fake_bd_1_3_0_git() {
    let fixture = FAKE_BD_GIT.open().expect("fakes are there");
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    let report = fixture.run(&work, 1, &[]).exits(0).object();
    assert_documented(&report);
    insta::assert_snapshot!("report_bd", stable(&fixture, &report));
    let nothing = fixture.run(&work, 1, &[]).exits(0).object();
    assert_documented(&nothing);
    insta::assert_snapshot!("nothing_to_do", stable(&fixture, &nothing));
    // Both are the same object.
    let names = |value: &Value| {
        value
            .as_object()
            .expect("an object")
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&nothing), names(&report));
}

#[test]
fn what_doctor_finds_is_documented_fake_bd_1_3_0_git() {
    let fixture = FAKE_BD_GIT.open().expect("fakes are there");
    assert_documented(&fixture.mesh(&["doctor", "--json"]).exits(0).object());
}

#[test]
fn an_error_leaves_stdout_empty_st_git() {
    let fixture = ST_GIT.open().expect("git is enough");
    for args in [
        &["status", "--json"][..],
        &["report", "--json"],
        &["resume", "--json"],
        &["why", "x", "--json"],
        &["plan", "none.jsonl", "--source", "st", "--json"],
    ] {
        let said = fixture.mesh(args);
        assert_eq!(said.stdout, "", "{args:?}");
        assert!(
            said.code != Some(0) && said.stderr.starts_with("error: "),
            "{args:?}: {said:?}"
        );
    }
}

#[test]
fn every_failure_class_is_documented() {
    for class in mesh_core::evidence::FailureClass::ALL {
        let word = format!("`{}`", class.as_str());
        assert!(DOCS.contains(&word), "{word}");
    }
}
