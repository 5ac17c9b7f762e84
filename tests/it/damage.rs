//! A journal that somebody wrote into, cut, replaced or deleted: what is shown is true, nothing is done twice, and there is a way out.

use std::path::PathBuf;

use rustix::process::Signal;
use serde_json::json;

use crate::coordinator::Coordinator;
use crate::epic::assert_done;
use crate::log::wait_until;
use crate::script;
use crate::stage::{ST_GIT, Scene, Stage, Work, job, on_each_vcs, on_main_stages, task};

on_each_vcs!(
    a_line_that_was_put_in_is_taken_out_by_a_resume,
    a_living_run_goes_on_whatever_somebody_does_to_its_journal,
    a_journal_that_is_cut_under_a_living_run_stops_it,
);
on_main_stages!(records_that_are_lost_start_nothing_twice);

/// `a` and `b` wait at the gate, `c` needs `a`.
fn at_the_gate(stage: Stage) -> Option<(Scene, Work, Coordinator)> {
    let scene = stage.open()?;
    let work = scene.plan("Three", &[job("a", &[]), job("b", &[]), job("c", &["a"])]);
    scene.script(&work, |job| {
        script::usual(&scene, job, &[script::gate(&scene)])
    });
    let coordinator = scene.start(&work, 2, &[]);
    scene.log.wait_for("saw", 2);
    Some((scene, work, coordinator))
}

/// The same when `a` is verified; `b` and `c` wait at the gate.
fn c_at_the_gate(stage: Stage) -> Option<(Scene, Work, Coordinator)> {
    let scene = stage.open()?;
    let work = scene.plan("Three", &[job("a", &[]), job("b", &[]), job("c", &["a"])]);
    scene.script(&work, |job| match job.key.as_str() {
        "a" => script::usual(&scene, job, &[]),
        _ => script::usual(&scene, job, &[script::gate(&scene)]),
    });
    let coordinator = scene.start(&work, 2, &[]);
    scene.log.wait_for("saw", 3);
    Some((scene, work, coordinator))
}

fn journal(scene: &Scene) -> PathBuf {
    scene.only_run().join("journal.jsonl")
}

/// Lets `change` have the journal's lines.
fn edit(scene: &Scene, change: impl FnOnce(&mut Vec<String>)) {
    let text = fs_err::read_to_string(journal(scene)).expect("the journal");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    change(&mut lines);
    fs_err::write(journal(scene), lines.join("\n") + "\n").expect("the journal");
}

fn a_line_that_was_put_in_is_taken_out_by_a_resume(stage: Stage) {
    let Some((scene, work, coordinator)) = at_the_gate(stage) else {
        return;
    };
    coordinator.kill();
    edit(&scene, |lines| lines.insert(2, "garbage".to_owned()));
    let said = scene.mesh(&["status"]).exits(0).stdout;
    assert!(
        said.contains("line 3 (byte ") && said.contains("no record is missing"),
        "{said}"
    );
    for args in [
        &["report"][..],
        &["why", work.id("c")],
        &["logs", work.id("a")],
    ] {
        scene.mesh(args).ends(0);
    }
    scene.open_gate();
    let said = scene.mesh(&["resume", "--json"]).exits(0);
    assert!(said.stderr.contains("damaged-1"), "{}", said.stderr);
    assert!(scene.only_run().join("journal.jsonl.damaged-1").is_file());
    let report = said.object();
    assert!(report.get("damage").is_none(), "{report:#}");
    assert_done(&scene, &work, &report);
    assert_eq!(scene.log.attempts("start").len(), 3);
}

/// A record in the middle is overwritten, the way out is taken, and the next run does only what is not verified.
fn records_that_are_lost_start_nothing_twice(stage: Stage) {
    let Some((scene, work, coordinator)) = c_at_the_gate(stage) else {
        return;
    };
    coordinator.kill();
    let mut before = 0;
    edit(&scene, |lines| {
        before = lines.len();
        lines[3] = "garbage".to_owned();
    });
    let damaged = fs_err::read(journal(&scene)).expect("the journal");
    let said = scene.mesh(&["status", "--json"]).exits(0).object();
    assert_eq!(said["state"], "interrupted", "{said:#}");
    assert_eq!(
        (&said["damage"]["line"], &said["damage"]["is_lossy"]),
        (&json!(4), &json!(true))
    );
    scene.mesh(&["report"]).ends(0);
    scene.mesh(&["why", work.id("c")]).ends(0);
    let run: Vec<String> = scene.run_args(&work, 2, &[]);
    let run: Vec<&str> = run.iter().map(String::as_str).collect();
    for args in [&["resume"][..], &["retry", work.id("a")]] {
        let said = scene.mesh(args).exits(14);
        assert!(
            said.stderr.contains("line 4 (byte ") && said.stderr.contains("`mesh stop`"),
            "{}",
            said.stderr
        );
    }
    scene.mesh(&run).ends(13);
    assert_eq!(fs_err::read(journal(&scene)).expect("the journal"), damaged);
    assert!(before > 6, "{before}");

    scene.mesh(&["stop"]).ends(0);
    scene.assert_no_process();
    let kept = scene.only_run().join("journal.jsonl.damaged-1");
    assert_eq!(fs_err::read(kept).expect("it is kept"), damaged);
    let said = scene.mesh(&["status", "--json"]).exits(0).object();
    assert_eq!(said["state"], "incomplete", "{said:#}");
    // Attempts that its records do not know lie there: the old run is not gone on with.
    scene.mesh(&["resume"]).ends(14);
    scene.open_gate();
    let report = scene.mesh(&run).exits(0).object();
    assert_eq!(
        task(&report, work.id("a"))["state"],
        "satisfied",
        "{report:#}"
    );
    let ends = scene.log.attempts("end");
    assert_eq!(ends.len(), 3, "{ends:?}");
    scene.mesh(&["clean", "--all", "--yes"]).ends(0);
    assert_eq!(scene.known_workspaces(), 1);
}

fn a_living_run_goes_on_whatever_somebody_does_to_its_journal(stage: Stage) {
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
        let Some((scene, work, coordinator)) = at_the_gate(stage) else {
            return;
        };
        coordinator.signal(Signal::STOP);
        meddle(&journal(&scene));
        // Nobody takes the run for dead.
        let said = scene.mesh(&["resume"]);
        assert!(matches!(said.code, Some(13 | 14)), "{said:?}");
        coordinator.signal(Signal::CONT);
        scene.open_gate();
        let said = coordinator.wait();
        assert!(matches!(said.code, Some(0 | 21)), "{said:?}");
        let report = scene.mesh(&["resume", "--json"]).exits(0).object();
        assert_eq!(report["state"], "done", "{report:#}");
        scene.mesh(&["clean", "--all", "--yes"]).ends(0);
        assert_done(&scene, &work, &report);
        scene.log.spans();
    }
}

fn a_journal_that_is_cut_under_a_living_run_stops_it(stage: Stage) {
    let Some((scene, work, coordinator)) = at_the_gate(stage) else {
        return;
    };
    fs_err::write(journal(&scene), "").expect("the journal");
    scene.open_gate();
    let said = coordinator.wait().exits(14);
    assert!(
        said.stderr.contains("somebody cut the journal") && said.stderr.contains("`mesh stop`"),
        "{}",
        said.stderr
    );
    for args in [&["status"][..], &["report"], &["resume"]] {
        let said = scene.mesh(args).exits(14);
        assert!(said.stderr.contains("has no header"), "{}", said.stderr);
    }
    scene.mesh(&["stop"]).ends(0);
    scene.assert_no_process();
    let report = scene.run(&work, 2, &[]).exits(0).object();
    assert_eq!(report["state"], "done");
}

/// Nobody could find its agents any more, so they are ended, and the folders they worked in can be listed and removed.
#[test]
fn a_living_run_whose_folder_is_removed_ends_its_agents_st_git() {
    let (scene, _, coordinator) = at_the_gate(ST_GIT).expect("git is enough");
    fs_err::remove_dir_all(scene.repo.join(".mesh")).expect("it was there");
    // The next fact is what cannot be written down.
    coordinator.signal(Signal::INT);
    let said = coordinator.wait().exits(14);
    assert!(
        said.stderr.contains("was removed while the run lived"),
        "{}",
        said.stderr
    );
    scene.assert_no_process();
    let left = scene.mesh(&["workspaces"]).exits(0).stdout;
    assert!(left.contains("belongs to no run"), "{left}");
    scene.mesh(&["clean", "--all", "--yes"]).ends(0);
    assert_eq!(scene.known_workspaces(), 1);
}

/// Nothing is shown that would look whole, and a new run does not begin beside agents that nobody watches.
#[test]
fn a_journal_that_is_gone_does_not_hide_its_agents_st_git() {
    for replace in [false, true] {
        let (scene, work, coordinator) = at_the_gate(ST_GIT).expect("git is enough");
        coordinator.kill();
        let path = journal(&scene);
        fs_err::remove_file(&path).expect("it was there");
        if replace {
            fs_err::create_dir(&path).expect("a folder");
        }
        for args in [&["status"][..], &["report"], &["resume"], &["why", "a"]] {
            let said = scene.mesh(args).exits(14);
            assert!(
                said.stderr.contains("cannot read the journal"),
                "{}",
                said.stderr
            );
        }
        scene.run(&work, 2, &[]).ends(13);
        let said = scene.mesh(&["stop"]).exits(0);
        assert!(
            said.stdout.contains("no agent of it is left"),
            "{}",
            said.stdout
        );
        scene.assert_no_process();
        scene.open_gate();
        scene.run(&work, 2, &[]).ends(0);
        wait_until(
            "all to end",
            || scene.log.attempts("end").len() == 3,
            String::new,
        );
    }
}

/// Cut at the end of a record a journal looks sound; what lies beside it says that it is not.
#[test]
fn a_journal_that_lost_its_end_is_not_gone_on_with_st_git() {
    let (scene, work, coordinator) = c_at_the_gate(ST_GIT).expect("git is enough");
    coordinator.kill();
    edit(&scene, |lines| lines.truncate(2));
    let said = scene.mesh(&["resume"]).exits(14);
    assert!(
        said.stderr.contains("records are missing"),
        "{}",
        said.stderr
    );
    scene.mesh(&["stop"]).ends(0);
    scene.assert_no_process();
    scene.open_gate();
    scene.run(&work, 2, &[]).ends(0);
    assert_eq!(scene.log.attempts("end").len(), 3);
}
