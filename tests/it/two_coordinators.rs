//! Two coordinators on one tracker. The second one is told who has it; and where the lock cannot keep them apart, the claims do.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use mesh_testkit::env::Said;

use crate::coordinator::Coordinator;
use crate::damage::at_the_gate;
use crate::epic::assert_done;
use crate::fixture::{
    BD_0_47_1_GIT, BD_1_0_5_JJ, BD_1_3_0_GIT, BD_1_3_0_JJ, Backends, FAKE_BD_0_47_1_GIT,
    FAKE_BD_GIT, Fixture, Vcs, Work, job, task,
};
use crate::script;

macro_rules! on_trackers {
    ($($story:ident),* $(,)?) => {
        mod fake_bd_1_3_0_git { $(#[test] fn $story() { super::$story(super::FAKE_BD_GIT); })* }
        mod fake_bd_0_47_1_git { $(#[test] fn $story() { super::$story(super::FAKE_BD_0_47_1_GIT); })* }
        mod real_bd_1_3_0_git { $(#[test] fn $story() { super::$story(super::BD_1_3_0_GIT); })* }
        mod real_bd_1_0_5_jj_0_45_1 { $(#[test] fn $story() { super::$story(super::BD_1_0_5_JJ); })* }
        mod real_bd_0_47_1_git { $(#[test] fn $story() { super::$story(super::BD_0_47_1_GIT); })* }
    };
}

on_trackers!(
    a_clone_with_the_same_tracker_is_told_who_has_it,
    the_beads_of_a_dead_run_elsewhere_are_left_to_it,
    no_bead_is_worked_twice_where_no_lock_keeps_two_apart,
);

/// Another clone of the repository.
fn clone(fixture: &Fixture) -> PathBuf {
    let other = fixture.env.dir().join("other/repo");
    fs_err::create_dir_all(other.parent().expect("a folder")).expect("a folder");
    let [from, to] = [&fixture.repo, &other].map(|path| path.display().to_string());
    let dir = fixture.env.dir();
    fixture
        .env
        .must("git", &["clone", "--quiet", &from, &to], &dir);
    if fixture.backends.vcs == Vcs::Jj {
        fixture
            .env
            .must("jj", &["git", "init", "--colocate"], &other);
    }
    other
}

/// A second way to the same database: a folder of links. The lock is on the folder, so this one has a lock of its own.
fn tracker_behind_links(fixture: &Fixture) -> PathBuf {
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    let links = fixture.env.dir().join("links");
    fs_err::create_dir_all(&links).expect("a folder");
    for entry in fs_err::read_dir(tracker.beads_dir()).expect("the tracker") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name");
        symlink(&path, links.join(name)).expect("a link");
    }
    links
}

/// `mesh run` over the same epic from the clone, with the tracker in `beads_dir`.
fn start_in_clone(
    fixture: &Fixture,
    work: &Work,
    clone: &std::path::Path,
    beads_dir: PathBuf,
) -> Coordinator {
    let args = fixture.run_args(work, 2, &[]);
    Coordinator::start_in(fixture, clone, &args, &[("BEADS_DIR", beads_dir)])
}

/// That it was refused, and by whom: the process, its run and the repository.
#[track_caller]
fn is_refused(fixture: &Fixture, said: Said, by: &Coordinator) {
    let said = said.exits(13);
    let run = fixture.only_run();
    let run = run.file_name().expect("a name").to_string_lossy();
    let repository = fixture.repo.display().to_string();
    for wanted in [&format!("process {}", by.pid()), &*run, &repository] {
        assert!(said.stderr.contains(wanted), "{wanted}: {}", said.stderr);
    }
}

fn a_clone_with_the_same_tracker_is_told_who_has_it(backends: Backends) {
    let Some((fixture, work, coordinator)) = at_the_gate(backends) else {
        return;
    };
    let beads_dir = fixture.tracker.as_ref().expect("a tracker").beads_dir();
    let clone = clone(&fixture);
    let second = start_in_clone(&fixture, &work, &clone, beads_dir);
    is_refused(&fixture, second.wait(), &coordinator);
    fixture.open_gate();
    let report = coordinator.wait().exits(0).object();
    assert_done(&fixture, &work, &report);
    assert_eq!(fixture.log.attempts("start").len(), 3);
}

/// Two workspaces of one repository share its store, its runs and the tracker.
fn another_workspace_is_told_who_has_it(backends: Backends) {
    let Some((fixture, work, coordinator)) = at_the_gate(backends) else {
        return;
    };
    let other = fixture.env.dir().join("other-workspace");
    let path = other.display().to_string();
    let (program, args): (_, &[&str]) = match fixture.backends.vcs {
        Vcs::Git => ("git", &["worktree", "add", "--quiet", "--detach", &path]),
        Vcs::Jj => ("jj", &["workspace", "add", "--name", "mine", &path]),
    };
    fixture.env.must(program, args, &fixture.repo);
    let args = fixture.run_args(&work, 2, &[]);
    let second = Coordinator::start_in(&fixture, &other, &args, &[]);
    is_refused(&fixture, second.wait(), &coordinator);
    fixture.open_gate();
    let report = coordinator.wait().exits(0).object();
    match fixture.backends.vcs {
        Vcs::Git => fixture.env.must(
            "git",
            &["worktree", "remove", "--force", &path],
            &fixture.repo,
        ),
        Vcs::Jj => fixture
            .env
            .must("jj", &["workspace", "forget", "mine"], &fixture.repo),
    };
    assert_done(&fixture, &work, &report);
    assert_eq!(fixture.log.attempts("start").len(), 3);
}

#[test]
fn another_workspace_is_told_who_has_it_fake_bd_1_3_0_git() {
    another_workspace_is_told_who_has_it(FAKE_BD_GIT);
}

#[test]
fn another_workspace_is_told_who_has_it_real_bd_1_3_0_jj_0_45_1() {
    another_workspace_is_told_who_has_it(BD_1_3_0_JJ);
}

/// A killed coordinator holds no lock, and its agents work on. Of a run of another repository mesh cannot know that.
fn the_beads_of_a_dead_run_elsewhere_are_left_to_it(backends: Backends) {
    let Some((fixture, work, coordinator)) = at_the_gate(backends) else {
        return;
    };
    coordinator.kill();
    let beads_dir = fixture.tracker.as_ref().expect("a tracker").beads_dir();
    let clone = clone(&fixture);
    let report = start_in_clone(&fixture, &work, &clone, beads_dir)
        .wait()
        .exits(21)
        .object();
    let run = fixture.only_run();
    let run = run.file_name().expect("a name").to_string_lossy();
    for key in ["a", "b"] {
        let reason = task(&report, work.id(key))["reason"].to_string();
        assert!(
            reason.contains("held by agent:mesh-") && reason.contains(&*run),
            "{reason}"
        );
    }
    assert_eq!(fixture.log.attempts("start").len(), 2);
    fixture.open_gate();
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    assert_done(&fixture, &work, &report);
    assert_eq!(fixture.log.attempts("start").len(), 3);
}

/// The second one comes while the first has one bead and most are to be had, and from then on they race for each.
fn no_bead_is_worked_twice_where_no_lock_keeps_two_apart(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let mut jobs = vec![job("a", &[]), job("z", &["a"])];
    jobs.extend(["b", "c", "d", "e", "f", "g"].map(|key| job(key, &[])));
    let work = fixture.plan("Eight", &jobs);
    fixture.script(&work, |job| match job.key.as_str() {
        "a" => script::usual(&fixture, job, &[script::gate(&fixture)]),
        _ => script::usual(&fixture, job, &[]),
    });
    let clone = clone(&fixture);
    let links = tracker_behind_links(&fixture);
    let first = fixture.start(&work, 2, &["--pick", work.id("a")]);
    fixture.log.wait_for("saw", 1);
    let second = start_in_clone(&fixture, &work, &clone, links);
    // `a` stays with the first one until everything else that can be done is done, by whomever.
    fixture.log.wait_for("end", 6);
    fixture.open_gate();
    let ends = [first, second].map(Coordinator::wait);
    let started = fixture.log.attempts("start");
    let distinct: BTreeSet<&String> = started.iter().collect();
    assert_eq!(started.len(), distinct.len(), "{started:?}\n{ends:#?}");
    for (key, id) in &work.ids {
        let count = started
            .iter()
            .filter(|attempt| attempt.split('#').next() == Some(id));
        assert_eq!(count.count(), 1, "{key}: {started:?}\n{ends:#?}");
    }
    for said in ends {
        assert!(matches!(said.code, Some(0 | 21)), "{said:#?}");
    }
    for (id, (status, _)) in fixture.tasks(&work) {
        assert_eq!(status, "closed", "{id}");
    }
    fixture.assert_no_process();
}
