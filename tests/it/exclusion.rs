//! One coordinator a run: whatever the environment of another command says, a living run is not disturbed, and what is said about it
//! is true.

use std::path::PathBuf;

use mesh_core::state::State;
use mesh_core::{apply, decide};
use mesh_journal::{Tail, replay};
use mesh_testkit::env::Said;
use rustix::process::Signal;

use crate::coordinator::Coordinator;
use crate::damage::at_the_gate;
use crate::epic::assert_done;
use crate::fixture::{
    Backends, Fixture, MESH, ST_GIT, Source, Vcs, job, on_each_vcs, on_main_backends,
};
use crate::log::wait_until;
use crate::script;

on_main_backends!(no_environment_splits_the_locks);
on_each_vcs!(
    a_command_beside_a_starting_run_is_refused_or_right,
    two_stops_of_a_dead_run_both_end_it,
    nothing_of_a_living_run_is_cleaned_away,
);

/// How often a story repeats what it tries. Calls of the real programs take long.
fn repetitions(backends: Backends) -> usize {
    match backends {
        Backends {
            source: Source::RealBd(_),
            ..
        }
        | Backends { vcs: Vcs::Jj, .. } => 5,
        _ => 20,
    }
}

/// Environments of another shell, of cron, of a container.
fn elsewhere(fixture: &Fixture, round: usize) -> Vec<(&'static str, PathBuf)> {
    let other = fixture.env.dir().join(format!("elsewhere-{round}"));
    fs_err::create_dir_all(&other).expect("a folder");
    let mut changes = vec![("XDG_STATE_HOME", other.clone())];
    if round % 2 == 1 {
        fs_err::copy(
            fixture.env.home().join(".gitconfig"),
            other.join(".gitconfig"),
        )
        .expect("git's");
        changes.extend([("HOME", other.clone()), ("TMPDIR", other)]);
    }
    changes
}

#[track_caller]
fn mesh_elsewhere(fixture: &Fixture, round: usize, args: &[&str]) -> Said {
    let mut command = fixture.env.command(MESH, &fixture.repo);
    let output = command
        .args(args)
        .envs(elsewhere(fixture, round))
        .output()
        .expect("mesh starts");
    Said::new(output.status, &output.stdout, &output.stderr)
}

/// Every record is there, in order, and follows from the ones before.
#[track_caller]
fn assert_journals_are_sound(fixture: &Fixture) {
    for run in fs_err::read_dir(fixture.repo.join(".mesh/runs")).expect("runs") {
        let journal = run.expect("an entry").path().join("journal.jsonl");
        let read = mesh_journal::read(&journal).expect("a sound journal");
        assert_eq!((read.tail, read.damage), (Tail::Clean, None));
        let records = read.records;
        replay(&records).expect("a run");
        let mut state = State::new();
        for record in &records {
            let decided = decide(&state, record.at, &record.event);
            assert_eq!(decided, record.decisions, "record {}", record.number);
            let _ = apply(&mut state, record.at, &record.event, &record.decisions);
        }
    }
}

fn no_environment_splits_the_locks(backends: Backends) {
    let Some((fixture, work, coordinator)) = at_the_gate(backends) else {
        return;
    };
    let run = fixture.run_args(&work, 2, &[]);
    let run: Vec<&str> = run.iter().map(String::as_str).collect();
    for round in 0..repetitions(backends) {
        let said = mesh_elsewhere(&fixture, round, &["resume", "--json"]).exits(13);
        let who = format!("process {}", coordinator.pid());
        assert!(
            said.stderr.contains(&who) && said.stderr.contains("since 2"),
            "{}",
            said.stderr
        );
        if round < 4 {
            let said = mesh_elsewhere(&fixture, round, &run).exits(13);
            assert!(said.stderr.contains(&who), "{}", said.stderr);
            let said = mesh_elsewhere(&fixture, round, &["doctor"]).exits(13);
            assert!(said.stdout.contains(&who), "{}", said.stdout);
        }
        let status = mesh_elsewhere(&fixture, round, &["status", "--json"]);
        assert_eq!(status.exits(0).object()["state"], "running");
        let said = mesh_elsewhere(&fixture, round, &["clean", "--all", "--yes"]).exits(0);
        assert!(said.stdout.contains("nothing to remove"), "{}", said.stdout);
    }
    for round in 0..repetitions(backends) {
        let said = mesh_elsewhere(&fixture, round, &["stop"]).exits(0);
        assert!(
            said.stdout.contains("starts nothing new"),
            "{}",
            said.stdout
        );
    }
    fixture.open_gate();
    coordinator.wait().exits(21).object();
    assert_journals_are_sound(&fixture);
    assert_eq!(
        fixture.log.attempts("end").len(),
        2,
        "{:?}",
        fixture.log.events()
    );
    let report = mesh_elsewhere(&fixture, 0, &["resume", "--json"]).exits(0);
    assert_done(&fixture, &work, &report.object());
    assert_journals_are_sound(&fixture);
    let starts = fixture.log.attempts("start");
    assert_eq!(starts.len(), 3, "{starts:?}");
}

/// From the first moment on: before there is a run, while its locks are being taken, while it begins, while it ends.
fn a_command_beside_a_starting_run_is_refused_or_right(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    for (round, args) in [
        &["resume"][..],
        &["stop"],
        &["stop", "--now"],
        &["clean", "--all", "--yes"],
        &["status"],
    ]
    .iter()
    .cycle()
    .take(repetitions(backends).min(15))
    .enumerate()
    {
        let keys = ["a", "b"].map(|key| format!("{key}{round}"));
        let jobs = keys.each_ref().map(|key| job(key, &[]));
        let work = fixture.plan_file(&format!("plan-{round}.jsonl"), &jobs);
        fixture.script(&work, |job| script::usual(&fixture, job, &[]));
        let first = fixture.start(&work, 2, &[]);
        let mut codes = Vec::new();
        for again in 0..4 {
            codes.push(mesh_elsewhere(&fixture, again, args).code);
        }
        // 2: there is no run yet. 0: it was asked, or has ended before; 21: what was resumed had been stopped.
        assert!(
            codes
                .iter()
                .all(|code| matches!(code, Some(0 | 2 | 13 | 21))),
            "{args:?}: {codes:?}"
        );
        let said = first.wait();
        assert!(
            matches!(said.code, Some(0 | 21)),
            "{args:?} {codes:?}: {said:?}"
        );
        assert_journals_are_sound(&fixture);
        let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
        assert_eq!(report["state"], "done", "{args:?} {codes:?}: {report:#}");
        // Each attempt started once; the log says so when it is asked for its spans.
        fixture.log.spans();
        fixture.mesh(&["clean", "--all", "--yes"]).ends(0);
    }
    fixture.assert_no_process();
}

fn two_stops_of_a_dead_run_both_end_it(backends: Backends) {
    let Some((fixture, work, coordinator)) = at_the_gate(backends) else {
        return;
    };
    coordinator.kill();
    let stop = |round: usize| {
        let stop = ["stop".to_owned(), "--now".to_owned()];
        Coordinator::start_with(&fixture, &stop, &elsewhere(&fixture, round))
    };
    let both = [0, 1, 2].map(stop);
    for stop in both {
        let said = stop.wait().exits(0);
        assert!(said.stdout.contains("has ended"), "{}", said.stdout);
    }
    fixture.assert_no_process();
    assert_journals_are_sound(&fixture);
    let status = fixture.mesh(&["status", "--json"]).exits(0).object();
    assert_eq!(status["state"], "incomplete");
    fixture.open_gate();
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    fixture.mesh(&["clean", "--all", "--yes"]).ends(0);
    assert_done(&fixture, &work, &report);
}

fn nothing_of_a_living_run_is_cleaned_away(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    // A run of before that left a workspace, and one that lives and has left one.
    let old = fixture.plan_file("old.jsonl", &[job("o", &[]).proof("false"), job("p", &[])]);
    fixture.script(&old, |job| script::usual(&fixture, job, &[]));
    fixture.run(&old, 2, &[]).ends(20);
    let jobs = [job("a", &[]).proof("false"), job("b", &[]), job("c", &[])];
    let work = fixture.plan_file("new.jsonl", &jobs);
    fixture.script(&work, |job| match job.key.as_str() {
        "a" => script::usual(&fixture, job, &[]),
        _ => script::usual(&fixture, job, &[script::gate(&fixture)]),
    });
    let coordinator = fixture.start(&work, 3, &[]);
    fixture.log.wait("the new run", |events| {
        events.iter().any(|event| event.task == "b")
    });
    let is_failed = || {
        let report = fixture.mesh(&["status", "--json"]).exits(0).object();
        crate::fixture::task(&report, "a")["state"] == "failed"
    };
    wait_until("a to fail", is_failed, || coordinator.stderr());
    let said = mesh_elsewhere(&fixture, 0, &["clean", "--all", "--yes"]).exits(0);
    let removed = |what: &str| {
        let mut lines = said.stdout.lines();
        lines.any(|line| line.starts_with("removed: ") && line.contains(what))
    };
    assert!(removed("o#"), "{}", said.stdout);
    assert!(!removed("a#"), "{}", said.stdout);
    fixture.open_gate();
    coordinator.wait().ends(20);
    fixture.mesh(&["clean", "--all", "--yes"]).ends(0);
    assert_eq!(fixture.known_workspaces(), 1);
}

/// Two repositories that work one plan: the plan's lock keeps the second one out, and the message leads to the first.
#[test]
fn another_repository_on_the_same_plan_is_refused_st_git() {
    let (fixture, work, coordinator) = at_the_gate(ST_GIT).expect("git is enough");
    let other = fixture.env.dir().join("other");
    fixture.env.must(
        "git",
        &[
            "clone",
            "--quiet",
            &fixture.repo.display().to_string(),
            &other.display().to_string(),
        ],
        &fixture.env.dir(),
    );
    let mut args = fixture.run_args(&work, 2, &[]);
    args.splice(0..0, ["-C".to_owned(), other.display().to_string()]);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let said = mesh_elsewhere(&fixture, 0, &args).exits(13);
    let repo = fixture.repo.display().to_string();
    assert!(said.stderr.contains(&repo), "{}", said.stderr);
    fixture.open_gate();
    coordinator.wait().ends(0);
}

/// A coordinator that is frozen is a living one.
#[test]
fn a_stopped_process_keeps_its_run_st_git() {
    let (fixture, work, coordinator) = at_the_gate(ST_GIT).expect("git is enough");
    coordinator.signal(Signal::STOP);
    mesh_elsewhere(&fixture, 0, &["resume"]).ends(13);
    let status = mesh_elsewhere(&fixture, 0, &["status", "--json"]);
    assert_eq!(status.exits(0).object()["state"], "running");
    coordinator.signal(Signal::CONT);
    fixture.open_gate();
    let report = coordinator.wait().exits(0).object();
    assert_done(&fixture, &work, &report);
}
