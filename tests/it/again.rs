//! `mesh retry` of what is done.

use crate::fixture::{BD_1_3_0_JJ, Backends, FAKE_BD_GIT, Fixture, ST_GIT, Work, job, on_each_vcs};
use crate::script;

on_each_vcs!(a_task_of_a_plan_that_is_done_is_done_again);

/// A run that has ended with all done: `b` alone, `c` on `a`.
fn done(backends: Backends) -> Option<(Fixture, Work)> {
    let fixture = backends.open()?;
    let jobs = [job("a", &[]), job("b", &[]), job("c", &["a"])];
    let work = fixture.plan("Three", &jobs);
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    fixture.run(&work, 2, &[]).exits(0).object();
    Some((fixture, work))
}

/// Takes the run up again: all is done at its end, and these attempts have been made beside the first three.
#[track_caller]
fn goes_on(fixture: &Fixture, work: &Work, attempts: &[(&str, u32)]) {
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    crate::epic::assert_done(fixture, work, &report);
    let mut more = fixture.log.attempts("end").split_off(3);
    more.sort();
    let mut wanted: Vec<String> = attempts
        .iter()
        .map(|(key, number)| work.attempt(key, *number))
        .collect();
    wanted.sort();
    assert_eq!(more, wanted);
}

fn a_task_of_a_plan_that_is_done_is_done_again(backends: Backends) {
    let Some((fixture, work)) = done(backends) else {
        return;
    };
    let said = fixture.mesh(&["retry", "a"]).exits(2);
    assert!(said.stderr.contains("--with-dependents"), "{}", said.stderr);
    fixture.mesh(&["retry", "b"]).ends(0);
    fixture.mesh(&["retry", "a", "--with-dependents"]).ends(0);
    goes_on(&fixture, &work, &[("a", 2), ("b", 2), ("c", 2)]);
}

/// mesh opens no bead: as long as it is closed nothing of the run is touched, and the way out that is named is one.
fn a_closed_bead_is_done_again_once_it_is_open(backends: Backends) {
    let Some((fixture, work)) = done(backends) else {
        return;
    };
    let tracker = fixture.tracker.as_ref().expect("a tracker");
    let before = fixture.tracker_state();
    for (args, closed) in [
        (&["retry", work.id("b")][..], &["b"][..]),
        (
            &["retry", work.id("a"), "--with-dependents"],
            &["a", "c"][..],
        ),
    ] {
        let said = fixture.mesh(args).exits(2);
        assert_eq!(said.stdout, "");
        for key in closed {
            let wanted = format!("{} is closed", work.id(key));
            assert!(said.stderr.contains(&wanted), "{}", said.stderr);
        }
        let ids: Vec<&str> = closed.iter().map(|key| work.id(key)).collect();
        let way_out = format!("`bd update {} --status open --assignee ''`", ids.join(" "));
        assert!(said.stderr.contains(&way_out), "{}", said.stderr);
    }
    let nothing = fixture.mesh(&["resume", "--json"]).exits(0);
    assert_eq!(nothing.object()["state"], "done", "{}", nothing.stdout);
    assert_eq!(fixture.tracker_state(), before);
    for key in ["a", "b", "c"] {
        let open = ["--status", "open", "--assignee", ""];
        let args = [&["update", work.id(key), "--json"], &open[..]].concat();
        tracker.bd_json(&args);
    }
    fixture.mesh(&["retry", work.id("b")]).ends(0);
    let a = ["retry", work.id("a"), "--with-dependents"];
    fixture.mesh(&a).ends(0);
    goes_on(&fixture, &work, &[("a", 2), ("b", 2), ("c", 2)]);
}

#[test]
fn a_closed_bead_is_done_again_once_it_is_open_fake_bd_1_3_0_git() {
    a_closed_bead_is_done_again_once_it_is_open(FAKE_BD_GIT);
}

#[test]
fn a_closed_bead_is_done_again_once_it_is_open_real_bd_1_3_0_jj_0_45_1() {
    a_closed_bead_is_done_again_once_it_is_open(BD_1_3_0_JJ);
}

/// The world refuses, and what failed before that was clear was written down as failed already.
fn what_a_pause_excuses_is_done_afterwards(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    fixture.configure("retries = 0\n");
    let jobs = ["a", "b", "c", "d", "e", "f"].map(|key| job(key, &[]));
    let work = fixture.plan("Six", &jobs);
    let good = fixture.marks().join("good");
    fixture.script(&work, |job| {
        let world = serde_json::json!({"run": ["test", "-e", good]});
        script::then(
            serde_json::json!([world]),
            &script::usual(&fixture, job, &[]),
        )
    });
    fixture.run(&work, 4, &[]).ends(21);
    fs_err::write(good, "").expect("a file");
    let report = fixture.mesh(&["resume", "--json"]).exits(0).object();
    crate::epic::assert_done(&fixture, &work, &report);
}

#[test]
fn what_a_pause_excuses_is_done_afterwards_st_git() {
    what_a_pause_excuses_is_done_afterwards(ST_GIT);
}

#[test]
fn what_a_pause_excuses_is_done_afterwards_fake_bd_1_3_0_git() {
    what_a_pause_excuses_is_done_afterwards(FAKE_BD_GIT);
}
