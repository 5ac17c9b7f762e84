//! The command that makes a workspace usable, when it does not.

use serde_json::json;

use crate::fixture::{Backends, Fixture, ST_GIT, Work, job, on_main_backends, task};
use crate::script;

on_main_backends!(
    a_task_whose_setup_fails_costs_nobody_else_anything,
    a_setup_that_fails_for_all_pauses_the_run,
    a_setup_without_end_is_ended,
);

/// `a`, what needs it, and `b`.
fn fixture(backends: Backends) -> Option<(Fixture, Work)> {
    let fixture = backends.open()?;
    let work = fixture.plan(
        "Three",
        &[job("a", &[]), job("b", &[]), job("c", &["a", "b"])],
    );
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    Some((fixture, work))
}

fn a_task_whose_setup_fails_costs_nobody_else_anything(backends: Backends) {
    let Some((fixture, work)) = fixture(backends) else {
        return;
    };
    let told = fixture.marks().join("told");
    fs_err::write(&told, "no such package: leftpad\ngiving up\n").expect("a file");
    let command = format!(
        "test \"$MESH_TASK\" != {} || {{ cat {} >&2; exit 7; }}",
        work.id("a"),
        told.display()
    );
    fixture.configure(&format!(
        "start_retries = 0\n[workspace]\nsetup = {}\n",
        json!(command)
    ));
    let report = fixture.run(&work, 2, &[]).exits(20).object();
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
    let comments = fixture.comments(&work, "a");
    assert_eq!(comments.len(), 1, "{comments:?}");
    assert!(comments[0].contains(&command), "{comments:?}");
    assert_eq!(task(&report, work.id("b"))["state"], "verified");
    assert_eq!(task(&report, work.id("c"))["state"], "skipped");
    assert_eq!(fixture.log.attempts("start"), [work.attempt("b", 1)]);
    assert_eq!(fixture.tasks(&work)[work.id("b")].0, "closed");
    for key in ["a", "c"] {
        let (status, holder) = &fixture.tasks(&work)[work.id(key)];
        assert!(
            status != "closed" && status != "in_progress" && holder.is_none(),
            "{key} is {status}, held by {holder:?}"
        );
    }
    fixture.assert_no_process();
}

fn a_setup_that_fails_for_all_pauses_the_run(backends: Backends) {
    let Some((fixture, work)) = fixture(backends) else {
        return;
    };
    let there = fixture.env.dir().join("packages");
    let command = format!("cat {}", there.display());
    fixture.configure(&format!(
        "start_pause = \"1s\"\n[workspace]\nsetup = {}\n",
        json!(command)
    ));
    let report = fixture.run(&work, 2, &[]).exits(21).object();
    for key in ["a", "b"] {
        let task = task(&report, work.id(key));
        let reason = task["reason"].as_str().expect("a reason");
        for wanted in ["the run is paused until `mesh resume`", &command] {
            assert!(reason.contains(wanted), "no {wanted:?} in {reason}");
        }
        assert_eq!(task["attempts"][0]["outcome"], "setup", "{report:#}");
    }
    assert!(fixture.log.events().is_empty(), "an agent ran");
    fixture.assert_no_process();
    // Put right, it goes on, and no task has lost a try.
    fs_err::write(&there, "").expect("a file");
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    assert_eq!(report["state"], "done", "{report:#}");
    for (id, (status, _)) in fixture.tasks(&work) {
        assert_eq!(status, "closed", "{id}: {report:#}");
    }
    assert_eq!(fixture.log.attempts("end").len(), 3);
    fixture.assert_no_process();
}

fn a_setup_without_end_is_ended(backends: Backends) {
    let Some((fixture, work)) = fixture(backends) else {
        return;
    };
    let command = format!(
        "test \"$MESH_TASK\" != {} || {{ echo one moment; while :; do sleep 60; done; }}",
        work.id("a")
    );
    fixture.configure(&format!(
        "start_retries = 0\n[workspace]\nsetup = {}\nsetup_limit = \"1s\"\n",
        json!(command)
    ));
    let report = fixture.run(&work, 2, &[]).exits(20).object();
    let a = task(&report, work.id("a"));
    assert_eq!(a["attempts"][0]["outcome"], "setup", "{report:#}");
    assert_eq!(task(&report, work.id("b"))["state"], "verified");
    fixture.assert_no_process();
}

#[test]
fn each_slot_has_ports_of_its_own_and_the_proof_has_those_of_the_agent_st_git() {
    let fixture = ST_GIT.open().expect("fakes are there");
    let proof = "test \"$(cat ports.txt)\" = \"$MESH_SLOT $MESH_PORT_BASE\"";
    let jobs = [job("a", &[]).proof(proof), job("b", &[]).proof(proof)];
    let work = fixture.plan("Two", &jobs);
    fixture.script(&work, |job| {
        let same = json!({"run": ["sh", "-c", proof]});
        script::usual(&fixture, job, &[same, script::gate(&fixture)])
    });
    fixture.configure("[workspace]\nsetup = 'echo \"$MESH_SLOT $MESH_PORT_BASE\" > ports.txt'\n");
    let coordinator = fixture.start(&work, 2, &[]);
    fixture.log.wait_for("saw", 2);
    fixture.open_gate();
    let report = coordinator.wait().exits(0).object();
    let mut chosen: Vec<(u16, u16)> = Vec::new();
    for key in ["a", "b"] {
        let commit = task(&report, key)["attempts"][0]["commit"]
            .as_str()
            .expect("a commit");
        let file = format!("{commit}:ports.txt");
        let text = fixture.env.must("git", &["show", &file], &fixture.repo);
        let (slot, base) = text.trim().split_once(' ').expect("two numbers");
        chosen.push((slot.parse().expect("a slot"), base.parse().expect("a port")));
    }
    chosen.sort_unstable();
    let [(1, one), (2, two)] = chosen[..] else {
        panic!("{chosen:?}");
    };
    assert!(one.abs_diff(two) >= 20, "{one} and {two}");
}
