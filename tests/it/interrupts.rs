//! Ctrl-C, SIGTERM, SIGHUP, and what other mesh commands ask of a run.

use rustix::process::Signal;
use serde_json::json;

use crate::coordinator::Coordinator;
use crate::epic::assert_done;
use crate::log::wait_until;
use crate::script;
use crate::stage::{Scene, Stage, Work, job, on_each_vcs, on_main_stages, task};

on_main_stages!(a_stop_gives_everything_back);
on_each_vcs!(
    the_first_interrupt_lets_agents_finish,
    the_second_interrupt_ends_agents,
    the_third_interrupt_leaves_at_once,
    a_termination_ends_agents,
    a_hang_up_changes_nothing,
    a_stop_lets_agents_finish,
    agents_that_ignore_a_stop_are_killed,
    a_failed_task_is_retried_while_the_run_goes_on,
    a_question_is_retried_by_a_resume,
    a_skipped_task_is_left_out,
);

/// Two agents wait at the gate, a third task waits for a slot.
fn at_the_gate(stage: Stage, work_of: &[serde_json::Value]) -> Option<(Scene, Work, Coordinator)> {
    let scene = stage.open()?;
    let work = scene.plan("Three", &[job("a", &[]), job("b", &[]), job("c", &[])]);
    let steps = [work_of, &[script::gate(&scene)]].concat();
    scene.script(&work, |job| script::usual(&scene, job, &steps));
    let coordinator = scene.start(&work, 2, &[]);
    scene.log.wait_for("saw", 2);
    Some((scene, work, coordinator))
}

#[track_caller]
fn heard(coordinator: &Coordinator, text: &str) {
    wait_until(
        text,
        || coordinator.stderr().contains(text),
        || coordinator.stderr(),
    );
}

const FIRST: &str = "no new starts";
const SECOND: &str = "stopping the agents";

#[track_caller]
fn resume(scene: &Scene, work: &Work) {
    let report = scene.mesh(&["resume", "--json"]).exits(0).object();
    // Attempts that were ended left their workspaces; they are a person's to look at, until they are cleaned away.
    scene.mesh(&["clean", "--all", "--yes"]).ends(0);
    assert_done(scene, work, &report);
}

fn the_first_interrupt_lets_agents_finish(stage: Stage) {
    let Some((scene, work, coordinator)) = at_the_gate(stage, &[]) else {
        return;
    };
    coordinator.signal(Signal::INT);
    heard(&coordinator, FIRST);
    scene.open_gate();
    let report = coordinator.wait().exits(130).object();
    assert_eq!(report["state"], "incomplete");
    assert_eq!(scene.log.attempts("end").len(), 2);
    assert_eq!(scene.log.attempts("start").len(), 2);
    scene.assert_nothing_left(&work);
    resume(&scene, &work);
}

fn the_second_interrupt_ends_agents(stage: Stage) {
    let Some((scene, work, coordinator)) = at_the_gate(stage, &[]) else {
        return;
    };
    coordinator.signal(Signal::INT);
    heard(&coordinator, FIRST);
    coordinator.signal(Signal::INT);
    let report = coordinator.wait().exits(130).object();
    assert_eq!(scene.log.attempts("end").len(), 0);
    scene.assert_no_process();
    let ended: Vec<String> = scene.log.attempts("saw");
    for attempt in ended {
        let (id, _) = attempt.rsplit_once('#').expect("an attempt");
        assert_eq!(
            task(&report, id)["attempts"][0]["outcome"],
            "interrupted",
            "{report:#}"
        );
    }
    scene.open_gate();
    resume(&scene, &work);
}

fn the_third_interrupt_leaves_at_once(stage: Stage) {
    // Agents that do not end when they are asked to, so that there is something to leave.
    let Some((scene, work, coordinator)) =
        at_the_gate(stage, &[json!({"run": ["sh", "-c", "true"]})])
    else {
        return;
    };
    coordinator.signal(Signal::INT);
    heard(&coordinator, FIRST);
    // Both at once: the loop may see the second and the third without a moment between them.
    coordinator.signal(Signal::INT);
    heard(&coordinator, SECOND);
    coordinator.signal_if_alive(Signal::INT);
    let said = coordinator.wait();
    assert_eq!(said.code, Some(130), "{}", said.stderr);
    scene.open_gate();
    resume(&scene, &work);
}

fn a_termination_ends_agents(stage: Stage) {
    let Some((scene, work, coordinator)) = at_the_gate(stage, &[]) else {
        return;
    };
    coordinator.signal(Signal::TERM);
    coordinator.wait().exits(143).object();
    assert_eq!(scene.log.attempts("end").len(), 0);
    scene.assert_no_process();
    scene.open_gate();
    resume(&scene, &work);
}

fn a_hang_up_changes_nothing(stage: Stage) {
    let Some((scene, work, coordinator)) = at_the_gate(stage, &[]) else {
        return;
    };
    coordinator.signal(Signal::HUP);
    scene.open_gate();
    let report = coordinator.wait().exits(0).object();
    assert_done(&scene, &work, &report);
}

fn a_stop_lets_agents_finish(stage: Stage) {
    let Some((scene, work, coordinator)) = at_the_gate(stage, &[]) else {
        return;
    };
    let said = scene.mesh(&["stop"]).exits(0);
    assert!(
        said.stdout.contains("starts nothing new"),
        "{}",
        said.stdout
    );
    let stopping = || scene.mesh(&["status", "--json"]).exits(0).object()["state"] == "stopping";
    wait_until("the request to be taken in", stopping, String::new);
    scene.open_gate();
    let report = coordinator.wait().exits(21).object();
    assert_eq!(report["state"], "incomplete");
    assert_eq!(scene.log.attempts("start").len(), 2);
    scene.assert_nothing_left(&work);
    resume(&scene, &work);
}

fn agents_that_ignore_a_stop_are_killed(stage: Stage) {
    let Some(scene) = stage.open() else { return };
    let work = scene.plan("Two", &[job("a", &[]), job("b", &[])]);
    scene.script(&work, |job| {
        let deaf = [
            json!({"ignore_term": true}),
            script::event(&scene, "deaf"),
            script::gate(&scene),
        ];
        script::usual(&scene, job, &deaf)
    });
    let command = json!(scene.agent_command());
    scene.configure(&format!(
        "[agents.fake]\ncommand = {command}\ngrace = \"1s\"\n"
    ));
    let coordinator = scene.start(&work, 2, &["--agent", "fake"]);
    scene.log.wait_for("deaf", 2);
    scene.mesh(&["stop", "--now"]).ends(0);
    coordinator.wait().ends(21);
    scene.assert_no_process();
    assert_eq!(scene.log.attempts("end").len(), 0);
}

/// `stop --now` of a living run, and `stop` of one whose coordinator is dead: agents ended, claims given back.
fn a_stop_gives_everything_back(stage: Stage) {
    let Some((scene, work, coordinator)) = at_the_gate(stage, &[]) else {
        return;
    };
    scene.mesh(&["stop", "--now"]).ends(0);
    coordinator.wait().exits(21).object();
    assert_given_back(&scene, &work);

    let again = Coordinator::start(&scene, &["resume".to_owned(), "--json".to_owned()]);
    scene.log.wait_for("saw", 4);
    again.kill();
    scene.mesh(&["stop"]).ends(0);
    assert_given_back(&scene, &work);
    assert_eq!(scene.log.attempts("end").len(), 0);
    scene.open_gate();
    resume(&scene, &work);
}

#[track_caller]
fn assert_given_back(scene: &Scene, work: &Work) {
    scene.assert_no_process();
    for (id, (status, holder)) in scene.tasks(work) {
        assert!(status == "open" || status == "pending", "{id} is {status}");
        assert_eq!(holder, None, "{id}");
    }
}

fn a_failed_task_is_retried_while_the_run_goes_on(stage: Stage) {
    let Some(scene) = stage.open() else { return };
    let work = scene.plan("Three", &[job("a", &[]), job("b", &[]), job("c", &["a"])]);
    let good = scene.env.dir().join("good");
    scene.script(&work, |job| match job.key.as_str() {
        "a" => script::then(json!({"require": good}), &script::usual(&scene, job, &[])),
        "b" => script::usual(&scene, job, &[script::gate(&scene)]),
        _ => script::usual(&scene, job, &[]),
    });
    // Two failures in a row halve the width; there is still a slot beside the one of b.
    let coordinator = scene.start(&work, 4, &[]);
    scene
        .log
        .wait("b", |events| events.iter().any(|event| event.task == "b"));
    let state =
        |id: &str| task(&scene.mesh(&["status", "--json"]).exits(0).object(), id)["state"].clone();
    wait_until(
        "a to fail",
        || state("a") == "failed",
        || coordinator.stderr(),
    );
    assert_eq!(state("c"), "skipped");
    fs_err::write(good, "").expect("a file");
    scene.mesh(&["retry", "a"]).ends(0);
    scene.log.wait("c to end", |events| {
        events
            .iter()
            .any(|event| event.task == "c" && event.what == "end")
    });
    scene.open_gate();
    let report = coordinator.wait().exits(0).object();
    assert_eq!(report["state"], "done");
    scene.mesh(&["clean", "--all", "--yes"]).ends(0);
    assert_done(&scene, &work, &report);
}

fn a_question_is_retried_by_a_resume(stage: Stage) {
    let Some(scene) = stage.open() else { return };
    let work = scene.plan("Two", &[job("a", &[]), job("b", &[])]);
    scene.script(&work, |job| match job.key.as_str() {
        "a" => json!({"1": [{"final": {"changed": "NO_DIFF:asked", "blockers": "which colour?"}}], "*": script::usual(&scene, job, &[])}),
        _ => script::usual(&scene, job, &[]),
    });
    scene.run(&work, 2, &[]).exits(22).object();
    // Nobody has asked for anything yet.
    let said = scene.mesh(&["resume", "--json"]).exits(22);
    assert!(said.stderr.contains("nothing to do"), "{}", said.stderr);
    scene.mesh(&["retry", "a"]).ends(0);
    resume(&scene, &work);
}

fn a_skipped_task_is_left_out(stage: Stage) {
    let Some((scene, work, coordinator)) = at_the_gate(stage, &[]) else {
        return;
    };
    let waiting = work
        .ids
        .values()
        .find(|id| !scene.log.events().iter().any(|event| event.task == **id))
        .expect("one waits");
    scene.mesh(&["skip", waiting]).ends(0);
    let skipped = || {
        task(
            &scene.mesh(&["status", "--json"]).exits(0).object(),
            waiting,
        )["state"]
            == "skipped"
    };
    wait_until("the request to be taken in", skipped, String::new);
    scene.open_gate();
    // Not all is verified, whoever wanted it so.
    coordinator.wait().exits(21).object();
    assert_eq!(scene.log.attempts("start").len(), 2);
    scene.assert_nothing_left(&work);
}
