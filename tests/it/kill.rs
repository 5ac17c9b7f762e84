//! Sudden deaths: of the coordinator, of a shim, of an agent.

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};

use crate::coordinator::Coordinator;
use crate::epic::{assert_done, diamond};
use crate::fixture::{Backends, Fixture, job, on_each_backend, on_each_vcs, task};
use crate::log::{wait_for_file, wait_until};
use crate::script;
use crate::snapshot;

on_each_backend!(a_killed_coordinator_is_followed_by_one_that_adopts_its_agents);
on_each_vcs!(
    a_dead_shim_has_its_tree_ended_before_the_next_attempt,
    a_shim_that_died_with_its_coordinator_has_its_tree_ended_too,
    a_killed_agent_is_tried_again,
    what_ended_while_nobody_looked_counts,
);

fn a_killed_coordinator_is_followed_by_one_that_adopts_its_agents(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = fixture.plan("A small epic", &diamond());
    fixture.make_dirty();
    fixture.script(&work, |job| {
        script::usual(&fixture, job, &[script::gate(&fixture)])
    });
    let before = snapshot::of(&fixture);
    let coordinator = fixture.start(&work, 4, &[]);
    fixture.log.wait_for("saw", 4);
    coordinator.kill();
    let alive: Vec<(String, Pid)> = fixture
        .log
        .attempts("saw")
        .into_iter()
        .map(|attempt| {
            let pid = fixture.pid(&attempt);
            (attempt, pid)
        })
        .collect();
    for (attempt, pid) in &alive {
        assert_eq!(
            test_kill_process(*pid),
            Ok(()),
            "{attempt} died with its coordinator"
        );
    }
    let status = fixture.mesh(&["status", "--json"]).exits(0).object();
    assert_eq!(status["state"], "interrupted");

    let resumed = crate::coordinator::Coordinator::start(
        &fixture,
        &["resume".to_owned(), "--json".to_owned()],
    );
    // It says whom it has adopted before it does anything else.
    wait_until(
        "the adoption",
        || resumed.stderr().contains("4 agents adopted"),
        || resumed.stderr(),
    );
    for (attempt, pid) in &alive {
        assert_eq!(
            test_kill_process(*pid),
            Ok(()),
            "{attempt} was ended by the resume"
        );
    }
    fixture.open_gate();
    let report = resumed.wait().exits(0).object();
    assert_done(&fixture, &work, &report);
    assert_eq!(before, snapshot::of(&fixture));
    // Each task once, so the agents of before are those that ended well.
    let mut started = fixture.log.attempts("start");
    started.sort();
    started.dedup();
    assert_eq!(started.len(), work.jobs.len(), "{started:?}");
    for (attempt, pid) in &alive {
        assert_eq!(fixture.pid(attempt), *pid, "{attempt} was started again");
    }
    assert_eq!(fixture.log.peak(), 4);
}

/// The shim above the agent of an attempt: its parent.
pub(crate) fn shim_of(fixture: &Fixture, attempt: &str) -> Pid {
    let agent = fixture.pid(attempt);
    let status = fs_err::read_to_string(format!("/proc/{}/status", agent.as_raw_nonzero()))
        .expect("a living agent");
    let parent = status
        .lines()
        .find_map(|line| line.strip_prefix("PPid:"))
        .expect("a parent");
    Pid::from_raw(parent.trim().parse().expect("a number")).expect("not 0")
}

/// An agent with a grandchild in a session of its own; the second attempt says who of them it still sees.
fn with_a_tree(fixture: &Fixture, job: &crate::fixture::Job) -> Value {
    let pid = fixture.pid_file("grandchild");
    let pid_text = pid.display();
    // A dead process whose parent has not looked yet is dead all the same.
    let look =
        format!("it=/proc/$(cat {pid_text}); test ! -e $it || grep -q '^State:.*[ZX]' $it/status");
    json!({
        "1": [
            script::event(fixture, "start"),
            {"write_pid": fixture.pid_file("{attempt}")},
            {"grandchild": {"setsid": true, "steps": [{"write_pid": pid}, {"sleep_ms": 60000}]}},
            {"wait_for": fixture.pid_file("grandchild")},
            script::event(fixture, "saw"),
            {"sleep_ms": 60000},
        ],
        "2": script::then(json!({"run": ["sh", "-c", look]}), &script::usual(fixture, job, &[])),
    })
}

/// A run of two tasks, once the agent of `a` has its tree.
fn with_a_tree_at_work(fixture: &Fixture) -> Coordinator {
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    fixture.script(&work, |job| match job.key.as_str() {
        "a" => with_a_tree(fixture, job),
        _ => script::usual(fixture, job, &[]),
    });
    let coordinator = fixture.start(&work, 2, &[]);
    fixture.log.wait("the tree of a", |events| {
        events
            .iter()
            .any(|event| event.attempt == "a#1" && event.what == "saw")
    });
    coordinator
}

/// The attempt whose shim died is over, the next one is verified, and nothing of either is left.
fn assert_tried_again(fixture: &Fixture, report: &Value) {
    let attempts = &task(report, "a")["attempts"];
    assert_eq!(attempts[0]["outcome"], "crashed", "{attempts:#}");
    assert_eq!(attempts[1]["outcome"], "verified", "{attempts:#}");
    fixture.assert_no_process();
}

fn a_dead_shim_has_its_tree_ended_before_the_next_attempt(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let coordinator = with_a_tree_at_work(&fixture);
    kill_process(shim_of(&fixture, "a#1"), Signal::KILL).expect("the shim lives");
    let report = coordinator.wait().exits(0).object();
    assert_tried_again(&fixture, &report);
}

fn a_shim_that_died_with_its_coordinator_has_its_tree_ended_too(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let coordinator = with_a_tree_at_work(&fixture);
    let shim = shim_of(&fixture, "a#1");
    coordinator.kill();
    kill_process(shim, Signal::KILL).expect("the shim lives");
    wait_until(
        "the shim's death",
        || test_kill_process(shim).is_err(),
        String::new,
    );
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    assert_tried_again(&fixture, &report);
    assert_eq!(
        task(&report, "b")["attempts"].as_array().map(Vec::len),
        Some(1),
        "{report:#}"
    );
}

fn a_killed_agent_is_tried_again(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = fixture.plan("Two", &[job("a", &[]), job("b", &[])]);
    fixture.script(&work, |job| match job.key.as_str() {
        "a" => json!({"1": [script::event(&fixture, "start"), {"kill_self": 9}], "2": script::usual(&fixture, job, &[])}),
        _ => script::usual(&fixture, job, &[]),
    });
    let report = fixture.run(&work, 2, &[]).exits(0).object();
    let attempts = &task(&report, "a")["attempts"];
    assert_eq!(attempts[0]["outcome"], "crashed", "{attempts:#}");
    assert_eq!(attempts[1]["outcome"], "verified", "{attempts:#}");
    fixture.assert_no_process();
}

/// Agents that end between the coordinator's death and the resume.
fn what_ended_while_nobody_looked_counts(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = fixture.plan(
        "Three",
        &[job("a", &[]), job("b", &[]), job("c", &["a", "b"])],
    );
    fixture.script(&work, |job| {
        script::usual(&fixture, job, &[script::gate(&fixture)])
    });
    let coordinator = fixture.start(&work, 2, &[]);
    fixture.log.wait_for("saw", 2);
    coordinator.kill();
    fixture.open_gate();
    fixture.log.wait_for("end", 2);
    // Their shims write the exit reports and go.
    for key in ["a", "b"] {
        let pid = fixture.pid(&work.attempt(key, 1));
        wait_until(
            "the agent's end",
            || test_kill_process(pid).is_err(),
            String::new,
        );
    }
    let run = fs_err::read_dir(fixture.repo.join(".mesh/runs"))
        .expect("runs")
        .next()
        .expect("a run")
        .expect("an entry")
        .path();
    for key in ["a", "b"] {
        wait_for_file(&run.join("attempts").join(key).join("1/exit.json"));
    }
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    assert_done(&fixture, &work, &report);
    for key in ["a", "b", "c"] {
        assert_eq!(
            task(&report, key)["attempts"].as_array().map(Vec::len),
            Some(1),
            "{report:#}"
        );
    }
}
