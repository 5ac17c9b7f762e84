//! What agents read of the tracker: a view of their own, as fresh as their claim, gone with the run.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::epic::assert_done;
use crate::log::{wait_for_file, wait_until};
use crate::script;
use crate::stage::{BD_1_0_5_JJ, BD_1_3_0_JJ, Scene, Stage, job};

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
fn notes(scene: &Scene, name: &str) -> PathBuf {
    scene.env.dir().join(name)
}

/// `bd show` of the agent's own task, into a file that is there when it is whole; the agent ends when the read fails.
fn show(scene: &Scene, name: &str) -> Value {
    let to = notes(scene, name).display().to_string();
    let line = format!("bd show \"$MESH_TASK\" --json > {to}.part && mv {to}.part {to}");
    json!({"run": ["sh", "-c", line]})
}

/// Status and assignee in an answer of `bd show`.
fn holder(scene: &Scene, name: &str) -> (String, String) {
    let text = fs_err::read_to_string(notes(scene, name)).expect("the agent wrote it");
    let answer: Value = serde_json::from_str(&text).expect("bd's JSON");
    let word = |key: &str| answer[0][key].as_str().unwrap_or_default().to_owned();
    (word("status"), word("assignee"))
}

/// The folders of the runs' views.
fn views(scene: &Scene) -> Vec<PathBuf> {
    let runs = fs_err::read_dir(scene.repo.join(".mesh/runs")).expect("runs");
    runs.map(|run| run.expect("readable").path().join("view"))
        .filter(|view| view.exists())
        .collect()
}

fn an_agent_reads_its_own_claim_and_can_write_nothing(stage: Stage) {
    let Some(scene) = stage.open() else { return };
    let work = scene.plan("Readers", &[job("a", &[]), job("b", &["a"]), job("c", &[])]);
    let line = "bd update \"$MESH_TASK\" --status closed; test $? = 77 \
                && test -d \"$MESH_VIEW\" && test -z \"${BEADS_DIR-}\"";
    scene.script(&work, |job| {
        let steps = [show(&scene, &job.key), json!({"run": ["sh", "-c", line]})];
        script::usual(&scene, job, &steps)
    });
    let report = scene.run(&work, 2, &[]).exits(0).object();
    assert_done(&scene, &work, &report);
    for key in ["a", "b", "c"] {
        let (status, assignee) = holder(&scene, key);
        assert_eq!(
            status, "in_progress",
            "{key} read a snapshot from before its claim"
        );
        assert!(assignee.starts_with("agent:mesh-"), "{key}: {assignee}");
    }
    assert_eq!(views(&scene), Vec::<PathBuf>::new());
}

fn an_agent_reads_on_when_its_coordinator_is_dead(stage: Stage) {
    let Some(scene) = stage.open() else { return };
    let work = scene.plan("Readers", &[job("a", &[])]);
    scene.script(&work, |job| {
        let steps = [
            show(&scene, "before"),
            script::gate(&scene),
            show(&scene, "without"),
            json!({"wait_for": notes(&scene, "second gate")}),
            show(&scene, "after"),
        ];
        script::usual(&scene, job, &steps)
    });
    let coordinator = scene.start(&work, 1, &["--allow-serial"]);
    wait_for_file(&notes(&scene, "before"));
    coordinator.kill();
    scene.open_gate();
    wait_for_file(&notes(&scene, "without"));
    assert_eq!(holder(&scene, "without"), holder(&scene, "before"));
    let tracker = scene.tracker.as_ref().expect("a stage with bd");
    tracker.bd_json(&["label", "add", work.id("a"), "news", "--json"]);
    let resumed = Coordinator::start(&scene, &["resume".to_owned(), "--json".to_owned()]);
    wait_until(
        "the adoption",
        || resumed.stderr().contains("1 agent adopted"),
        || resumed.stderr(),
    );
    fs_err::write(notes(&scene, "second gate"), "").expect("the gate");
    let report = resumed.wait().exits(0).object();
    assert_done(&scene, &work, &report);
    let news = |name| {
        let text = fs_err::read_to_string(notes(&scene, name)).expect("the agent wrote it");
        text.contains("\"news\"")
    };
    assert!(
        !news("without") && news("after"),
        "an adopted agent reads fresh copies again"
    );
    assert_eq!(views(&scene), Vec::<PathBuf>::new());
}

fn whoever_wants_it_lets_agents_read_the_live_tracker(stage: Stage) {
    let Some(scene) = stage.open() else { return };
    scene.configure("[tracker]\nview = \"live\"\n");
    let work = scene.plan("Readers", &[job("a", &[])]);
    let line = "test -z \"${MESH_VIEW-}\" && test -d \"$BEADS_DIR\"";
    scene.script(&work, |job| {
        let steps = [json!({"run": ["sh", "-c", line]}), show(&scene, &job.key)];
        script::usual(&scene, job, &steps)
    });
    let report = scene.run(&work, 1, &["--allow-serial"]).exits(0).object();
    assert_done(&scene, &work, &report);
    assert_eq!(holder(&scene, "a").0, "in_progress");
    assert_eq!(views(&scene), Vec::<PathBuf>::new());
}
