//! Beads that somebody else takes while their agents run.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::log::wait_until;
use crate::script;
use crate::stage::{BD_1_0_5_JJ, BD_1_3_0_JJ, FAKE_BD_GIT, ST_GIT, Scene, Stage, Work, job, task};

macro_rules! on_each_tracker {
    ($($story:ident),* $(,)?) => {
        mod fake_bd_1_3_0_git { $(#[test] fn $story() { super::$story(super::FAKE_BD_GIT); })* }
        mod real_bd_1_3_0_jj_0_45_1 { $(#[test] fn $story() { super::$story(super::BD_1_3_0_JJ); })* }
    };
}

on_each_tracker!(
    a_bead_that_is_taken_from_a_running_agent_is_not_closed,
    a_bead_that_is_taken_while_others_end_has_its_agent_stopped,
);

#[test]
fn a_bead_that_is_taken_from_a_running_agent_is_not_closed_real_bd_1_0_5_jj_0_45_1() {
    a_bead_that_is_taken_from_a_running_agent_is_not_closed(BD_1_0_5_JJ);
}

#[test]
fn a_bead_that_is_taken_while_others_end_has_its_agent_stopped_real_bd_1_0_5_jj_0_45_1() {
    a_bead_that_is_taken_while_others_end_has_its_agent_stopped(BD_1_0_5_JJ);
}

/// Two beads, each of whose agents waits at a gate of its own.
fn scene(stage: Stage) -> Option<(Scene, Work)> {
    let scene = stage.open()?;
    let work = scene.plan("Taken", &[job("a", &[]), job("b", &[])]);
    scene.script(&work, |job| {
        let gate = json!({"wait_for": gate_of(&scene, &job.key)});
        script::usual(&scene, job, &[gate])
    });
    Some((scene, work))
}

fn gate_of(scene: &Scene, key: &str) -> PathBuf {
    scene.env.dir().join(format!("gate-{key}"))
}

fn open(scene: &Scene, key: &str) {
    fs_err::write(gate_of(scene, key), "").expect("a gate");
}

/// Somebody takes the bead, as a person does who does not ask.
fn take(scene: &Scene, id: &str) {
    let tracker = scene.tracker.as_ref().expect("a tracker");
    let mut args = vec![
        "update",
        id,
        "--assignee",
        "ada",
        "--json",
        "--actor",
        "ada",
    ];
    if tracker.tool().has_leases() {
        // This bd wants to hear that the holder is gone.
        args.push("--force");
    }
    tracker.bd_json(&args);
}

#[track_caller]
fn is_adas(scene: &Scene, work: &Work, report: &Value) {
    assert_eq!(
        scene.tasks(work)[work.id("a")],
        ("in_progress".to_owned(), Some("ada".to_owned())),
        "{report:#}"
    );
}

/// Nobody reads the tracker between the taking and the agent's end. The older bd closes it for whoever asks, so that only the newer
/// one is held to this.
fn a_bead_that_is_taken_from_a_running_agent_is_not_closed(stage: Stage) {
    let Some((scene, work)) = scene(stage) else {
        return;
    };
    let coordinator = scene.start(&work, 1, &["--pick", work.id("a")]);
    scene.log.wait_for("saw", 1);
    take(&scene, work.id("a"));
    open(&scene, "a");
    open(&scene, "b");
    let said = coordinator.wait();
    for wanted in ["the tracker was not told", work.id("a"), "ada has it"] {
        assert!(said.stderr.contains(wanted), "{}", said.stderr);
    }
    is_adas(&scene, &work, &said.object());
    assert_eq!(
        task(&said.object(), work.id("b"))["state"],
        "verified",
        "{}",
        said.stdout
    );
    assert_eq!(scene.log.attempts("start").len(), 2);
    scene.assert_no_process();
}

/// The end of `b` makes mesh read the tracker again.
fn a_bead_that_is_taken_while_others_end_has_its_agent_stopped(stage: Stage) {
    let Some((scene, work)) = scene(stage) else {
        return;
    };
    let coordinator = scene.start(&work, 2, &[]);
    scene.log.wait_for("saw", 2);
    take(&scene, work.id("a"));
    open(&scene, "b");
    let report = coordinator.wait().exits(21).object();
    is_adas(&scene, &work, &report);
    let a = task(&report, work.id("a"));
    assert_eq!(a["state"], "skipped", "{report:#}");
    let reason = a["reason"].as_str().expect("a reason");
    assert!(
        reason.contains("a person changed it while it ran"),
        "{reason}"
    );
    // What its agent had done by then is there for whoever goes on.
    let kept = a["attempts"][0]["workspace"].as_str().expect("a folder");
    assert!(std::path::Path::new(kept).is_dir(), "{kept}");
    assert_eq!(
        scene.log.attempts("end"),
        [work.attempt("b", 1)],
        "the agent of a went on"
    );
    assert_eq!(scene.comments(&work, "a"), Vec::<String>::new());
    assert_eq!(scene.tasks(&work)[work.id("b")].0, "closed");
    scene.assert_no_process();
}

/// The plan file says something else than when it was last read: `b`, which `c` waits for, changes it as its last deed.
#[test]
fn what_a_person_says_of_an_item_before_it_is_claimed_stays_st_git() {
    for status in ["canceled", "deferred", "blocked", "completed"] {
        let scene = ST_GIT.open().expect("git is enough");
        let work = scene.plan("Three", &[job("a", &[]), job("b", &[]), job("c", &["b"])]);
        let event = format!(
            "seq=$(tail -n 1 {plan} | sed 's/.*\"seq\":\\([0-9]*\\).*/\\1/'); echo '{{\"v\":3,\"ts\":\"2026-01-01T00:00:01Z\",\"lane\":\"event\",\"seq\":'$((seq+1))',\"op\":\"set_status\",\"id\":\"c\",\"status\":\"{status}\"}}' >>{plan}",
            plan = work.source,
        );
        scene.script(&work, |job| {
            let steps: &[Value] = match job.key.as_str() {
                "a" => &[script::gate(&scene)],
                "b" => &[json!({"run": ["sh", "-c", event]})],
                _ => &[],
            };
            script::usual(&scene, job, steps)
        });
        let coordinator = scene.start(&work, 2, &[]);
        wait_until(
            "b to be written down",
            || scene.tasks(&work)["b"].0 == "closed",
            || coordinator.stderr(),
        );
        scene.open_gate();
        let report = coordinator.wait().exits(21).object();
        let expected = if status == "completed" {
            "closed"
        } else {
            status
        };
        assert_eq!(scene.tasks(&work)["c"].0, expected, "{report:#}");
        assert_eq!(scene.log.attempts("start").len(), 2, "{report:#}");
        let said = task(&report, "c")["reason"].to_string();
        assert!(
            said.contains(status) || said.contains("somebody else"),
            "{said}"
        );
    }
}
