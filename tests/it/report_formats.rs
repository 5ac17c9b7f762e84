//! The reports of the earlier programs of this name.

use serde_json::{Value, json};

use crate::fixture::{Fixture, ST_GIT, Work, job};
use crate::script;

/// `b` fails its proof at every attempt and `c` needs it; `a` passes at its second attempt.
fn worked(fixture: &Fixture, work: &Work) {
    fixture.script(work, |job| match job.key.as_str() {
        "a" => json!({
            "1": [{"final": {"changed": "a.txt"}}],
            "*": script::result(fixture, "a"),
        }),
        key => Value::Array(script::result(fixture, key)),
    });
}

#[test]
fn a_list_ends_with_its_five_parts_st_git() {
    let fixture = ST_GIT.open().expect("fakes are there");
    let path = fixture.env.dir().join("tasks.md");
    let task = |id: &str, needs: &str, proof: &str| {
        format!(
            "- {id}\n  - id: {id}\n  - status: todo\n  - depends_on: [{needs}]\n  - validation: {proof}\n"
        )
    };
    let text = [
        task("a", "", "test -f a.txt"),
        task("b", "", "test -f never.txt"),
        task("c", "b", "test -f c.txt"),
    ];
    fs_err::write(&path, text.concat()).expect("the document");
    let work = Work {
        source: path.display().to_string(),
        jobs: ["a", "b", "c"].map(|key| job(key, &[])).into(),
        ids: ["a", "b", "c"]
            .map(|key| (key.to_owned(), key.to_owned()))
            .into(),
    };
    worked(&fixture, &work);
    let mut args = fixture.run_args(&work, 2, &["--report-format", "003"]);
    args.retain(|arg| arg != "--json");
    let said = crate::coordinator::Coordinator::start(&fixture, &args)
        .wait()
        .exits(20)
        .stdout;
    // "Execution summary (completed / issues / blocked)", "Files modified (by task)", "Commands run + results (validation)",
    // "Worker telemetry (best-effort): attempts per task, final status, and durations", "An "Updated task list" block".
    let mut rest = said.as_str();
    for wanted in [
        "Execution summary\n- completed: a\n- issues: b (",
        "- blocked: c (",
        "Files modified by task\n- a: a.txt\n",
        "Commands run and results\n",
        "- a#2: `test -f a.txt`: passed (exit code 0)\n- b#1: `test -f never.txt`: failed (exit code 1)\n",
        "Worker telemetry\n- a: verified; 2 attempts: #1 on mesh-",
        "Updated task list\n",
        "- id: a\n  - status: done\n",
        "- id: b\n  - status: blocked\n",
        "- id: c\n  - status: todo\n",
    ] {
        let at = rest
            .find(wanted)
            .unwrap_or_else(|| panic!("no {wanted:?} in {said}"));
        rest = &rest[at..];
    }
    let again = fixture
        .mesh(&["report", "--report-format", "list"])
        .exits(0)
        .stdout;
    assert!(said.ends_with(&again), "{again}");
}

#[test]
fn a_plan_ends_with_states_attempts_validation_mutations_and_learnings_st_git() {
    let fixture = ST_GIT.open().expect("fakes are there");
    let jobs = [
        job("a", &[]),
        job("b", &[]).proof("test -f never.txt"),
        job("c", &["b"]),
    ];
    let work = fixture.plan("Three", &jobs);
    worked(&fixture, &work);
    fixture.run(&work, 2, &[]).ends(20);
    let said = fixture
        .mesh(&["report", "--report-format", "004"])
        .exits(0)
        .stdout;
    // "tasks attempted and their final states", "consensus telemetry (attempt count, vote tallies)", "validation commands and
    // outcomes", "`$st` mutations performed (ids + statuses)", "learning capture evidence (records appended)".
    for wanted in [
        "Tasks attempted\n- a: completed (",
        "- b: blocked (",
        "Consensus telemetry\n- a: 2 attempts\n- b: 2 attempts\n",
        "Validation\n",
        "- b#2: `test -f never.txt`: failed (exit code 1)\n",
        "Plan mutations\n- a: in_progress, completed\n- b: in_progress, blocked\n",
        "Learnings\n- lrn-",
        "plan.jsonl` runs what is ready next.\n",
    ] {
        assert!(said.contains(wanted), "no {wanted:?} in {said}");
    }
    assert!(!said.contains("- c"), "it never began: {said}");

    let ledger = fixture.mesh(&["report", "--report-format", "000"]).exits(0);
    let ledger = ledger.object();
    assert_eq!(ledger["command"], "ledger");
    let events = &ledger["events"];
    assert_eq!(events["units_completed"], json!(["a"]));
    assert_eq!(events["units_started"], json!(["a", "b"]));
    assert_eq!(events["attempts"], 4);
    assert_eq!(events["failures"]["b#2"], "verify-failed");
    assert!(events["units_not_started"]["c"].is_string(), "{events:#}");
    for absent in ["questions", "landed"] {
        assert!(events.get(absent).is_none(), "it did not occur: {events:#}");
    }
}
