//! What agents read of the tracker: a view of their own, as fresh as their claim, gone with the run.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::epic::assert_done;
use crate::fixture::{BD_1_0_5_JJ, BD_1_3_0_JJ, Backends, Fixture, job};
use crate::log::{wait_for_file, wait_until};
use crate::script;

mod real_bd_1_3_0_jj_0_45_1 {
    use super::BD_1_3_0_JJ as STAGE;

    #[test]
    fn an_agent_reads_its_own_claim_and_can_write_nothing() {
        super::an_agent_reads_its_own_claim_and_can_write_nothing(STAGE);
    }

    #[test]
    fn an_agent_reads_on_when_its_coordinator_is_dead() {
        super::an_agent_reads_on_when_its_coordinator_is_dead(STAGE);
    }

    #[test]
    fn whoever_wants_it_lets_agents_read_the_live_tracker() {
        super::whoever_wants_it_lets_agents_read_the_live_tracker(STAGE);
    }
}

mod real_bd_1_0_5_jj_0_45_1 {
    use super::BD_1_0_5_JJ as STAGE;

    #[test]
    fn an_agent_reads_its_own_claim_and_can_write_nothing() {
        super::an_agent_reads_its_own_claim_and_can_write_nothing(STAGE);
    }
}

/// Where an agent leaves what it read.
fn notes(fixture: &Fixture, name: &str) -> PathBuf {
    fixture.marks().join(name)
}

/// `bd show` of the agent's own task, into a file that is there when it is whole; the agent ends when the read fails.
fn show(fixture: &Fixture, name: &str) -> Value {
    let to = notes(fixture, name).display().to_string();
    let line = format!("bd show \"$MESH_TASK\" --json > {to}.part && mv {to}.part {to}");
    json!({"run": ["sh", "-c", line]})
}

/// Status and assignee in an answer of `bd show`.
fn holder(fixture: &Fixture, name: &str) -> (String, String) {
    let text = fs_err::read_to_string(notes(fixture, name)).expect("the agent wrote it");
    let answer: Value = serde_json::from_str(&text).expect("bd's JSON");
    let word = |key: &str| answer[0][key].as_str().unwrap_or_default().to_owned();
    (word("status"), word("assignee"))
}

/// The folders of the runs' views.
fn views(fixture: &Fixture) -> Vec<PathBuf> {
    let runs = fs_err::read_dir(fixture.repo.join(".mesh/runs")).expect("runs");
    runs.map(|run| run.expect("readable").path().join("view"))
        .filter(|view| view.exists())
        .collect()
}

fn an_agent_reads_its_own_claim_and_can_write_nothing(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = fixture.plan("Readers", &[job("a", &[]), job("b", &["a"]), job("c", &[])]);
    let line = "bd update \"$MESH_TASK\" --status closed; test $? = 77 \
                && test -d \"$MESH_VIEW\" && test -z \"${BEADS_DIR-}\"";
    fixture.script(&work, |job| {
        let steps = [show(&fixture, &job.key), json!({"run": ["sh", "-c", line]})];
        script::usual(&fixture, job, &steps)
    });
    let report = fixture.run(&work, 2, &[]).exits(0).object();
    assert_done(&fixture, &work, &report);
    for key in ["a", "b", "c"] {
        let (status, assignee) = holder(&fixture, key);
        assert_eq!(
            status, "in_progress",
            "{key} read a snapshot from before its claim"
        );
        assert!(assignee.starts_with("agent:mesh-"), "{key}: {assignee}");
    }
    assert_eq!(views(&fixture), Vec::<PathBuf>::new());
}

fn an_agent_reads_on_when_its_coordinator_is_dead(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = fixture.plan("Readers", &[job("a", &[])]);
    fixture.script(&work, |job| {
        let steps = [
            show(&fixture, "before"),
            script::gate(&fixture),
            show(&fixture, "without"),
            json!({"wait_for": notes(&fixture, "second gate")}),
            show(&fixture, "after"),
        ];
        script::usual(&fixture, job, &steps)
    });
    let coordinator = fixture.start(&work, 1, &["--allow-serial"]);
    wait_for_file(&notes(&fixture, "before"));
    coordinator.kill();
    fixture.open_gate();
    wait_for_file(&notes(&fixture, "without"));
    assert_eq!(holder(&fixture, "without"), holder(&fixture, "before"));
    let tracker = fixture.tracker.as_ref().expect("backends with bd");
    tracker.bd_json(&["label", "add", work.id("a"), "news", "--json"]);
    let resumed = Coordinator::start(&fixture, &["resume".to_owned(), "--json".to_owned()]);
    wait_until(
        "the adoption",
        || resumed.stderr().contains("1 agent adopted"),
        || resumed.stderr(),
    );
    fs_err::write(notes(&fixture, "second gate"), "").expect("the gate");
    let report = resumed.wait().exits(0).object();
    assert_done(&fixture, &work, &report);
    let news = |name| {
        let text = fs_err::read_to_string(notes(&fixture, name)).expect("the agent wrote it");
        text.contains("\"news\"")
    };
    assert!(
        !news("without") && news("after"),
        "an adopted agent reads fresh copies again"
    );
    assert_eq!(views(&fixture), Vec::<PathBuf>::new());
}

fn whoever_wants_it_lets_agents_read_the_live_tracker(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    fixture.configure("[tracker]\nview = \"live\"\n");
    let work = fixture.plan("Readers", &[job("a", &[])]);
    let line = "test -z \"${MESH_VIEW-}\" && test -d \"$BEADS_DIR\"";
    fixture.script(&work, |job| {
        let steps = [json!({"run": ["sh", "-c", line]}), show(&fixture, &job.key)];
        script::usual(&fixture, job, &steps)
    });
    let report = fixture.run(&work, 1, &["--allow-serial"]).exits(0).object();
    assert_done(&fixture, &work, &report);
    assert_eq!(holder(&fixture, "a").0, "in_progress");
    assert_eq!(views(&fixture), Vec::<PathBuf>::new());
}
