//! Ctrl-C, SIGTERM, SIGHUP, and what other mesh commands ask of a run.

use rustix::process::Signal;
use serde_json::json;

use crate::coordinator::Coordinator;
use crate::epic::assert_done;
use crate::fixture::{Backends, Fixture, Work, job, on_each_vcs, on_main_backends, task};
use crate::log::wait_until;
use crate::script;

on_main_backends!(a_stop_gives_everything_back);
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
fn at_the_gate(
    backends: Backends,
    work_of: &[serde_json::Value],
) -> Option<(Fixture, Work, Coordinator)> {
    let fixture = backends.open()?;
    let work = fixture.plan("Three", &[job("a", &[]), job("b", &[]), job("c", &[])]);
    let steps = [work_of, &[script::gate(&fixture)]].concat();
    fixture.script(&work, |job| script::usual(&fixture, job, &steps));
    let coordinator = fixture.start(&work, 2, &[]);
    fixture.log.wait_for("saw", 2);
    Some((fixture, work, coordinator))
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
fn resume(fixture: &Fixture, work: &Work) {
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    // Attempts that were ended left their workspaces; they are a person's to look at, until they are cleaned away.
    fixture.mesh(&["clean", "--all", "--yes"]).ends(0);
    assert_done(fixture, work, &report);
}

fn the_first_interrupt_lets_agents_finish(backends: Backends) {
    let Some((fixture, work, coordinator)) = at_the_gate(backends, &[]) else {
        return;
    };
    coordinator.signal(Signal::INT);
    heard(&coordinator, FIRST);
    fixture.open_gate();
    let report = coordinator.wait().exits(130).object();
    assert_eq!(report["state"], "incomplete");
    assert_eq!(fixture.log.attempts("end").len(), 2);
    assert_eq!(fixture.log.attempts("start").len(), 2);
    fixture.assert_nothing_left(&work);
    resume(&fixture, &work);
}

fn the_second_interrupt_ends_agents(backends: Backends) {
    let Some((fixture, work, coordinator)) = at_the_gate(backends, &[]) else {
        return;
    };
    coordinator.signal(Signal::INT);
    heard(&coordinator, FIRST);
    coordinator.signal(Signal::INT);
    let report = coordinator.wait().exits(130).object();
    assert_eq!(fixture.log.attempts("end").len(), 0);
    fixture.assert_no_process();
    let ended: Vec<String> = fixture.log.attempts("saw");
    for attempt in ended {
        let (id, _) = attempt.rsplit_once('#').expect("an attempt");
        assert_eq!(
            task(&report, id)["attempts"][0]["outcome"],
            "interrupted",
            "{report:#}"
        );
    }
    fixture.open_gate();
    resume(&fixture, &work);
}

fn the_third_interrupt_leaves_at_once(backends: Backends) {
    // Agents that do not end when they are asked to, so that there is something to leave.
    let Some((fixture, work, coordinator)) =
        at_the_gate(backends, &[json!({"run": ["sh", "-c", "true"]})])
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
    fixture.open_gate();
    resume(&fixture, &work);
}

fn a_termination_ends_agents(backends: Backends) {
    let Some((fixture, work, coordinator)) = at_the_gate(backends, &[]) else {
        return;
    };
    coordinator.signal(Signal::TERM);
    coordinator.wait().exits(143).object();
    assert_eq!(fixture.log.attempts("end").len(), 0);
    fixture.assert_no_process();
    fixture.open_gate();
    resume(&fixture, &work);
}

fn a_hang_up_changes_nothing(backends: Backends) {
    let Some((fixture, work, coordinator)) = at_the_gate(backends, &[]) else {
        return;
    };
    coordinator.signal(Signal::HUP);
    fixture.open_gate();
    let report = coordinator.wait().exits(0).object();
    assert_done(&fixture, &work, &report);
}

fn a_stop_lets_agents_finish(backends: Backends) {
    let Some((fixture, work, coordinator)) = at_the_gate(backends, &[]) else {
        return;
    };
    let said = fixture.mesh(&["stop"]).exits(0);
    assert!(
        said.stdout.contains("starts nothing new"),
        "{}",
        said.stdout
    );
    let stopping = || fixture.mesh(&["status", "--json"]).exits(0).object()["state"] == "stopping";
    wait_until("the request to be taken in", stopping, String::new);
    fixture.open_gate();
    let report = coordinator.wait().exits(21).object();
    assert_eq!(report["state"], "incomplete");
    assert_eq!(fixture.log.attempts("start").len(), 2);
    fixture.assert_nothing_left(&work);
    resume(&fixture, &work);
}

fn agents_that_ignore_a_stop_are_killed(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    fixture.script(&work, |job| {
        let deaf = [
            json!({"ignore_term": true}),
            script::event(&fixture, "deaf"),
            script::gate(&fixture),
        ];
        script::usual(&fixture, job, &deaf)
    });
    let command = json!(fixture.agent_command());
    fixture.configure(&format!(
        "[agents.fake]\ncommand = {command}\ngrace = \"1s\"\n"
    ));
    let coordinator = fixture.start(&work, 2, &["--agent", "fake"]);
    fixture.log.wait_for("deaf", 2);
    fixture.mesh(&["stop", "--now"]).ends(0);
    coordinator.wait().ends(21);
    fixture.assert_no_process();
    assert_eq!(fixture.log.attempts("end").len(), 0);
}

/// `stop --now` of a living run, and `stop` of one whose coordinator is dead: agents ended, claims given back.
fn a_stop_gives_everything_back(backends: Backends) {
    let Some((fixture, work, coordinator)) = at_the_gate(backends, &[]) else {
        return;
    };
    fixture.mesh(&["stop", "--now"]).ends(0);
    coordinator.wait().exits(21).object();
    assert_given_back(&fixture, &work);

    let again = Coordinator::start(&fixture, &["resume".to_owned(), "--json".to_owned()]);
    fixture.log.wait_for("saw", 4);
    again.kill();
    fixture.mesh(&["stop"]).ends(0);
    assert_given_back(&fixture, &work);
    assert_eq!(fixture.log.attempts("end").len(), 0);
    fixture.open_gate();
    resume(&fixture, &work);
}

#[track_caller]
fn assert_given_back(fixture: &Fixture, work: &Work) {
    fixture.assert_no_process();
    for (id, (status, holder)) in fixture.tasks(work) {
        assert!(status == "open" || status == "pending", "{id} is {status}");
        assert_eq!(holder, None, "{id}");
    }
}

fn a_failed_task_is_retried_while_the_run_goes_on(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = fixture.plan("Three", &[job("a", &[]), job("b", &[]), job("c", &["a"])]);
    let good = fixture.marks().join("good");
    fixture.script(&work, |job| match job.key.as_str() {
        "a" => script::then(json!({"require": good}), &script::usual(&fixture, job, &[])),
        "b" => script::usual(&fixture, job, &[script::gate(&fixture)]),
        _ => script::usual(&fixture, job, &[]),
    });
    // Two failures in a row halve the width; there is still a slot beside the one of b.
    let coordinator = fixture.start(&work, 4, &[]);
    fixture
        .log
        .wait("b", |events| events.iter().any(|event| event.task == "b"));
    let state = |id: &str| {
        task(&fixture.mesh(&["status", "--json"]).exits(0).object(), id)["state"].clone()
    };
    wait_until(
        "a to fail",
        || state("a") == "failed",
        || coordinator.stderr(),
    );
    assert_eq!(state("c"), "skipped");
    fs_err::write(good, "").expect("a file");
    fixture.mesh(&["retry", "a"]).ends(0);
    fixture.log.wait("c to end", |events| {
        events
            .iter()
            .any(|event| event.task == "c" && event.what == "end")
    });
    fixture.open_gate();
    let report = coordinator.wait().exits(0).object();
    assert_eq!(report["state"], "done");
    fixture.mesh(&["clean", "--all", "--yes"]).ends(0);
    assert_done(&fixture, &work, &report);
}

fn a_question_is_retried_by_a_resume(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    fixture.script(&work, |job| match job.key.as_str() {
        "a" => json!({"1": [{"final": {"changed": "NO_DIFF:asked", "blockers": "which colour?"}}], "*": script::usual(&fixture, job, &[])}),
        _ => script::usual(&fixture, job, &[]),
    });
    fixture.run(&work, 2, &[]).exits(22).object();
    // Nobody has asked for anything yet.
    let said = fixture.mesh(&["resume", "--json"]).exits(22);
    assert!(said.stderr.contains("nothing to do"), "{}", said.stderr);
    fixture.mesh(&["retry", "a"]).ends(0);
    resume(&fixture, &work);
}

fn a_skipped_task_is_left_out(backends: Backends) {
    let Some((fixture, work, coordinator)) = at_the_gate(backends, &[]) else {
        return;
    };
    let waiting = work
        .ids
        .values()
        .find(|id| !fixture.log.events().iter().any(|event| event.task == **id))
        .expect("one waits");
    fixture.mesh(&["skip", waiting]).ends(0);
    let skipped = || {
        task(
            &fixture.mesh(&["status", "--json"]).exits(0).object(),
            waiting,
        )["state"]
            == "skipped"
    };
    wait_until("the request to be taken in", skipped, String::new);
    fixture.open_gate();
    // Not all is verified, whoever wanted it so.
    coordinator.wait().exits(21).object();
    assert_eq!(fixture.log.attempts("start").len(), 2);
    fixture.assert_nothing_left(&work);
}
