//! A journal that somebody wrote into, cut, replaced or deleted: what is shown is true, nothing is done twice, and there is a way out.

use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::json;

use crate::coordinator::Coordinator;
use crate::epic::assert_done;
use crate::fixture::{Backends, Fixture, ST_GIT, Work, job, on_each_vcs, on_main_backends, task};
use crate::log::wait_until;
use crate::script;

on_each_vcs!(
    a_line_that_was_put_in_is_taken_out_by_a_resume,
    a_living_run_goes_on_whatever_somebody_does_to_its_journal,
    a_journal_that_is_cut_under_a_living_run_stops_it,
);
on_main_backends!(records_that_are_lost_start_nothing_twice);

/// `a` and `b` wait at the gate, `c` needs `a`.
pub fn at_the_gate(backends: Backends) -> Option<(Fixture, Work, Coordinator)> {
    let fixture = backends.open()?;
    let work = fixture.plan("Three", &[job("a", &[]), job("b", &[]), job("c", &["a"])]);
    fixture.script(&work, |job| {
        script::usual(&fixture, job, &[script::gate(&fixture)])
    });
    let coordinator = fixture.start(&work, 2, &[]);
    fixture.log.wait_for("saw", 2);
    Some((fixture, work, coordinator))
}

/// The same when `a` is verified; `b` and `c` wait at the gate.
fn c_at_the_gate(backends: Backends) -> Option<(Fixture, Work, Coordinator)> {
    let fixture = backends.open()?;
    let work = fixture.plan("Three", &[job("a", &[]), job("b", &[]), job("c", &["a"])]);
    fixture.script(&work, |job| match job.key.as_str() {
        "a" => script::usual(&fixture, job, &[]),
        _ => script::usual(&fixture, job, &[script::gate(&fixture)]),
    });
    let coordinator = fixture.start(&work, 2, &[]);
    fixture.log.wait_for("saw", 3);
    wait_until(
        "a to be written down",
        || fixture.tasks(&work)[work.id("a")].0 == "closed",
        || coordinator.stderr(),
    );
    Some((fixture, work, coordinator))
}

fn journal(fixture: &Fixture) -> PathBuf {
    fixture.only_run().join("journal.jsonl")
}

/// Lets `change` have the journal's lines.
fn edit(fixture: &Fixture, change: impl FnOnce(&mut Vec<String>)) {
    let text = fs_err::read_to_string(journal(fixture)).expect("the journal");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    change(&mut lines);
    fs_err::write(journal(fixture), lines.join("\n") + "\n").expect("the journal");
}

fn a_line_that_was_put_in_is_taken_out_by_a_resume(backends: Backends) {
    let Some((fixture, work, coordinator)) = at_the_gate(backends) else {
        return;
    };
    coordinator.kill();
    edit(&fixture, |lines| lines.insert(2, "garbage".to_owned()));
    let said = fixture.mesh(&["status"]).exits(0).stdout;
    assert!(
        said.contains("line 3 (byte ") && said.contains("no record is missing"),
        "{said}"
    );
    for args in [
        &["report"][..],
        &["why", work.id("c")],
        &["logs", work.id("a")],
    ] {
        fixture.mesh(args).ends(0);
    }
    fixture.open_gate();
    let said = fixture.mesh(&["resume", "--json"]).exits(0);
    assert!(said.stderr.contains("damaged-1"), "{}", said.stderr);
    assert!(fixture.only_run().join("journal.jsonl.damaged-1").is_file());
    let report = said.object();
    assert!(report.get("damage").is_none(), "{report:#}");
    assert_done(&fixture, &work, &report);
    assert_eq!(fixture.log.attempts("start").len(), 3);
}

/// A record in the middle is overwritten, the way out is taken, and the next run does only what is not verified.
fn records_that_are_lost_start_nothing_twice(backends: Backends) {
    let Some((fixture, work, coordinator)) = c_at_the_gate(backends) else {
        return;
    };
    coordinator.kill();
    let mut before = 0;
    edit(&fixture, |lines| {
        before = lines.len();
        lines[3] = "garbage".to_owned();
    });
    let damaged = fs_err::read(journal(&fixture)).expect("the journal");
    let said = fixture.mesh(&["status", "--json"]).exits(0).object();
    assert_eq!(said["state"], "interrupted", "{said:#}");
    assert_eq!(
        (&said["damage"]["line"], &said["damage"]["is_lossy"]),
        (&json!(4), &json!(true))
    );
    fixture.mesh(&["report"]).ends(0);
    fixture.mesh(&["why", work.id("c")]).ends(0);
    let run: Vec<String> = fixture.run_args(&work, 2, &[]);
    let run: Vec<&str> = run.iter().map(String::as_str).collect();
    for args in [&["resume"][..], &["retry", work.id("a")]] {
        let said = fixture.mesh(args).exits(14);
        assert!(
            said.stderr.contains("line 4 (byte ") && said.stderr.contains("`mesh stop`"),
            "{}",
            said.stderr
        );
    }
    fixture.mesh(&run).ends(13);
    assert_eq!(
        fs_err::read(journal(&fixture)).expect("the journal"),
        damaged
    );
    assert!(before > 6, "{before}");

    fixture.mesh(&["stop"]).ends(0);
    fixture.assert_no_process();
    let kept = fixture.only_run().join("journal.jsonl.damaged-1");
    assert_eq!(fs_err::read(kept).expect("it is kept"), damaged);
    let said = fixture.mesh(&["status", "--json"]).exits(0).object();
    assert_eq!(said["state"], "incomplete", "{said:#}");
    // Attempts that its records do not know lie there: the old run is not gone on with.
    fixture.mesh(&["resume"]).ends(14);
    fixture.open_gate();
    let report = fixture.mesh(&run).exits(0).object();
    assert_eq!(
        task(&report, work.id("a"))["state"],
        "satisfied",
        "{report:#}"
    );
    let ends = fixture.log.attempts("end");
    assert_eq!(ends.len(), 3, "{ends:?}");
    fixture.mesh(&["clean", "--all", "--yes"]).ends(0);
    assert_eq!(fixture.known_workspaces(), 1);
}

fn a_living_run_goes_on_whatever_somebody_does_to_its_journal(backends: Backends) {
    type Meddle = fn(&PathBuf);
    let meddlers: [Meddle; 4] = [
        |path| {
            let mut text = fs_err::read_to_string(path).expect("the journal");
            text += "garbage without an end";
            fs_err::write(path, text).expect("the journal");
        },
        |path| fs_err::remove_file(path).expect("it was there"),
        |path| {
            fs_err::remove_file(path).expect("it was there");
            fs_err::create_dir(path).expect("a folder");
        },
        |path| {
            let text = fs_err::read_to_string(path).expect("the journal");
            let other = path.with_extension("edited");
            fs_err::write(&other, text.replacen("\"n\":2", "garbage", 1)).expect("a copy");
            fs_err::rename(other, path).expect("a rename");
        },
    ];
    for meddle in meddlers {
        let Some((fixture, work, coordinator)) = at_the_gate(backends) else {
            return;
        };
        coordinator.signal(Signal::STOP);
        meddle(&journal(&fixture));
        // Nobody takes the run for dead.
        let said = fixture.mesh(&["resume"]);
        assert!(matches!(said.code, Some(13 | 14)), "{said:?}");
        coordinator.signal(Signal::CONT);
        fixture.open_gate();
        let said = coordinator.wait();
        assert!(matches!(said.code, Some(0 | 21)), "{said:?}");
        let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
        assert_eq!(report["state"], "done", "{report:#}");
        fixture.mesh(&["clean", "--all", "--yes"]).ends(0);
        assert_done(&fixture, &work, &report);
        fixture.log.spans();
    }
}

fn a_journal_that_is_cut_under_a_living_run_stops_it(backends: Backends) {
    let Some((fixture, work, coordinator)) = at_the_gate(backends) else {
        return;
    };
    fs_err::write(journal(&fixture), "").expect("the journal");
    fixture.open_gate();
    let said = coordinator.wait().exits(14);
    assert!(
        said.stderr.contains("somebody cut the journal") && said.stderr.contains("`mesh stop`"),
        "{}",
        said.stderr
    );
    for args in [&["status"][..], &["report"], &["resume"]] {
        let said = fixture.mesh(args).exits(14);
        assert!(said.stderr.contains("has no header"), "{}", said.stderr);
    }
    fixture.mesh(&["stop"]).ends(0);
    fixture.assert_no_process();
    let report = fixture.run(&work, 2, &[]).exits(0).object();
    assert_eq!(report["state"], "done");
}

/// Nobody could find its agents any more, so they are ended, and the folders they worked in can be listed and removed.
#[test]
fn a_living_run_whose_folder_is_removed_ends_its_agents_st_git() {
    let (fixture, _, coordinator) = at_the_gate(ST_GIT).expect("git is enough");
    fs_err::remove_dir_all(fixture.repo.join(".mesh")).expect("it was there");
    // The next fact is what cannot be written down.
    coordinator.signal(Signal::INT);
    let said = coordinator.wait().exits(14);
    assert!(
        said.stderr.contains("was removed while the run lived"),
        "{}",
        said.stderr
    );
    fixture.assert_no_process();
    let left = fixture.mesh(&["workspaces"]).exits(0).stdout;
    assert!(left.contains("belongs to no run"), "{left}");
    fixture.mesh(&["clean", "--all", "--yes"]).ends(0);
    assert_eq!(fixture.known_workspaces(), 1);
}

/// Nothing is shown that would look whole, and a new run does not begin beside agents that nobody watches.
#[test]
fn a_journal_that_is_gone_does_not_hide_its_agents_st_git() {
    for replace in [false, true] {
        let (fixture, work, coordinator) = at_the_gate(ST_GIT).expect("git is enough");
        coordinator.kill();
        let path = journal(&fixture);
        fs_err::remove_file(&path).expect("it was there");
        if replace {
            fs_err::create_dir(&path).expect("a folder");
        }
        for args in [&["status"][..], &["report"], &["resume"], &["why", "a"]] {
            let said = fixture.mesh(args).exits(14);
            assert!(
                said.stderr.contains("cannot read the journal"),
                "{}",
                said.stderr
            );
        }
        fixture.run(&work, 2, &[]).ends(13);
        let said = fixture.mesh(&["stop"]).exits(0);
        assert!(
            said.stdout.contains("no agent of it is left"),
            "{}",
            said.stdout
        );
        fixture.assert_no_process();
        fixture.open_gate();
        fixture.run(&work, 2, &[]).ends(0);
        wait_until(
            "all to end",
            || fixture.log.attempts("end").len() == 3,
            String::new,
        );
    }
}

/// Cut at the end of a record a journal looks sound; what lies beside it says that it is not.
#[test]
fn a_journal_that_lost_its_end_is_not_gone_on_with_st_git() {
    let (fixture, work, coordinator) = c_at_the_gate(ST_GIT).expect("git is enough");
    coordinator.kill();
    edit(&fixture, |lines| lines.truncate(2));
    let said = fixture.mesh(&["resume"]).exits(14);
    assert!(
        said.stderr.contains("records are missing"),
        "{}",
        said.stderr
    );
    fixture.mesh(&["stop"]).ends(0);
    fixture.assert_no_process();
    fixture.open_gate();
    fixture.run(&work, 2, &[]).ends(0);
    assert_eq!(fixture.log.attempts("end").len(), 3);
}
