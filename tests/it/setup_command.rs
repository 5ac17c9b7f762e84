//! The command that makes a workspace usable, when it does not.

use serde_json::json;

use crate::script;
use crate::stage::{Scene, Stage, Work, job, on_main_stages, task};

on_main_stages!(
    a_task_whose_setup_fails_costs_nobody_else_anything,
    a_setup_that_fails_for_all_pauses_the_run,
    a_setup_without_end_is_ended,
);

/// `a`, what needs it, and `b`.
fn scene(stage: Stage) -> Option<(Scene, Work)> {
    let scene = stage.open()?;
    let work = scene.plan(
        "Three",
        &[job("a", &[]), job("b", &[]), job("c", &["a", "b"])],
    );
    scene.script(&work, |job| script::usual(&scene, job, &[]));
    Some((scene, work))
}

fn a_task_whose_setup_fails_costs_nobody_else_anything(stage: Stage) {
    let Some((scene, work)) = scene(stage) else {
        return;
    };
    let told = scene.env.dir().join("told");
    fs_err::write(&told, "no such package: leftpad\ngiving up\n").expect("a file");
    let command = format!(
        "test \"$MESH_TASK\" != {} || {{ cat {} >&2; exit 7; }}",
        work.id("a"),
        told.display()
    );
    scene.configure(&format!(
        "start_retries = 0\n[workspace]\nsetup = {}\n",
        json!(command)
    ));
    let report = scene.run(&work, 2, &[]).exits(20).object();
    let a = task(&report, work.id("a"));
    assert_eq!(a["state"], "failed", "{report:#}");
    assert_eq!(a["attempts"][0]["outcome"], "setup");
    assert_eq!(a["attempts"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        a["attempts"][0]["agent_started_at"],
        json!(null),
        "no agent ran"
    );
    let reason = a["reason"].as_str().expect("a reason");
    for wanted in [&command[..], "7", "no such package: leftpad", "giving up"] {
        assert!(reason.contains(wanted), "no {wanted:?} in {reason}");
    }
    let comments = scene.comments(&work, "a");
    assert_eq!(comments.len(), 1, "{comments:?}");
    assert!(comments[0].contains(&command), "{comments:?}");
    assert_eq!(task(&report, work.id("b"))["state"], "verified");
    assert_eq!(task(&report, work.id("c"))["state"], "skipped");
    assert_eq!(scene.log.attempts("start"), [work.attempt("b", 1)]);
    assert_eq!(scene.tasks(&work)[work.id("b")].0, "closed");
    for key in ["a", "c"] {
        let (status, holder) = &scene.tasks(&work)[work.id(key)];
        assert!(
            status != "closed" && status != "in_progress" && holder.is_none(),
            "{key} is {status}, held by {holder:?}"
        );
    }
    scene.assert_no_process();
}

fn a_setup_that_fails_for_all_pauses_the_run(stage: Stage) {
    let Some((scene, work)) = scene(stage) else {
        return;
    };
    let there = scene.env.dir().join("packages");
    let command = format!("cat {}", there.display());
    scene.configure(&format!(
        "start_pause = \"1s\"\n[workspace]\nsetup = {}\n",
        json!(command)
    ));
    let report = scene.run(&work, 2, &[]).exits(21).object();
    for key in ["a", "b"] {
        let task = task(&report, work.id(key));
        let reason = task["reason"].as_str().expect("a reason");
        for wanted in ["the run is paused until `mesh resume`", &command] {
            assert!(reason.contains(wanted), "no {wanted:?} in {reason}");
        }
        assert_eq!(task["attempts"][0]["outcome"], "setup", "{report:#}");
    }
    assert!(scene.log.events().is_empty(), "an agent ran");
    scene.assert_no_process();
    // Put right, it goes on, and no task has lost a try.
    fs_err::write(&there, "").expect("a file");
    let report = scene.mesh(&["resume", "--json"]).exits(0).object();
    assert_eq!(report["state"], "done", "{report:#}");
    for (id, (status, _)) in scene.tasks(&work) {
        assert_eq!(status, "closed", "{id}: {report:#}");
    }
    assert_eq!(scene.log.attempts("end").len(), 3);
    scene.assert_no_process();
}

fn a_setup_without_end_is_ended(stage: Stage) {
    let Some((scene, work)) = scene(stage) else {
        return;
    };
    let command = format!(
        "test \"$MESH_TASK\" != {} || {{ echo one moment; while :; do sleep 60; done; }}",
        work.id("a")
    );
    scene.configure(&format!(
        "start_retries = 0\n[workspace]\nsetup = {}\nsetup_limit = \"1s\"\n",
        json!(command)
    ));
    let report = scene.run(&work, 2, &[]).exits(20).object();
    let a = task(&report, work.id("a"));
    assert_eq!(a["attempts"][0]["outcome"], "setup", "{report:#}");
    assert_eq!(task(&report, work.id("b"))["state"], "verified");
    scene.assert_no_process();
}
