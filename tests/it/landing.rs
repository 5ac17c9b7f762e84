//! Landings: what comes onto the target, in which order, and what a kill, a stop or another person in the middle of one changes.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::conflicts::{make_target, readme, rivals};
use crate::coordinator::Coordinator;
use crate::fixture::{Backends, Fixture, Job, Vcs, Work, job, on_each_vcs, on_main_backends, task};
use crate::log::{wait_for_file, wait_until};
use crate::script;
use crate::snapshot;

on_main_backends!(a_result_that_conflicts_is_done_again_on_the_target);
on_each_vcs!(
    many_results_land_or_say_why_not,
    a_landing_is_adopted_after_a_kill,
    a_landing_that_ended_while_nobody_looked_counts,
    a_stop_ends_a_landing,
    results_of_an_ended_run_are_landed_on_demand,
);

fn a_result_that_conflicts_is_done_again_on_the_target(backends: Backends) {
    let jobs = [job("a", &[]), job("b", &[])];
    let Some((fixture, work)) = rivals(backends, &jobs, |_, _| json!([])) else {
        return;
    };
    make_target(&fixture);
    fixture.configure("land = \"trunk\"\n[tracker]\nclose = \"landed\"\n");
    let report = fixture.run(&work, 2, &[]).exits(0).object();
    let mut outcomes = Vec::new();
    for key in ["a", "b"] {
        let of = task(&report, work.id(key));
        assert_eq!(of["state"], "landed", "{report:#}");
        let attempts = of["attempts"].as_array().expect("attempts");
        outcomes.push((attempts.len(), key));
    }
    outcomes.sort_unstable();
    let [(1, winner), (2, loser)] = outcomes[..] else {
        panic!("{report:#}");
    };
    let first = &task(&report, work.id(loser))["attempts"][0];
    assert_eq!(first["outcome"], "conflict", "{report:#}");
    assert_eq!(readme(&fixture, "trunk"), format!("{loser}\n"));
    let below = match fixture.backends.vcs {
        Vcs::Git => "trunk~1",
        Vcs::Jj => "trunk-",
    };
    assert_eq!(readme(&fixture, below), format!("{winner}\n"));
    fixture.assert_nothing_left(&work);
}

/// No two files below `values` say the same: each result keeps it alone, not every two do together.
const CHECK: &str =
    "test \"$(cat values/* 2>/dev/null | sort)\" = \"$(cat values/* 2>/dev/null | sort -u)\"";

fn user_git(fixture: &Fixture, args: &[&str]) -> String {
    fixture.env.must("git", args, &fixture.repo)
}

/// A person commits onto the target, again when mesh moved it in between.
fn commit_on_target(fixture: &Fixture) {
    let run = |program: &str, args: &[&str]| fixture.env.run(program, args, &fixture.repo);
    let once = || match fixture.backends.vcs {
        Vcs::Git => {
            let at = user_git(fixture, &["rev-parse", "trunk"]);
            let tree = format!("{}^{{tree}}", at.trim());
            let args = ["commit-tree", "-p", at.trim(), "-m", "by a person", &tree];
            let commit = user_git(fixture, &args);
            let args = ["update-ref", "refs/heads/trunk", commit.trim(), at.trim()];
            run("git", &args).code == Some(0)
        }
        Vcs::Jj => {
            let theirs = "description(exact:\"by a person\\n\")";
            let jj = |args: &[&str]| run("jj", &[&["--ignore-working-copy"], args].concat());
            let made = jj(&["new", "--no-edit", "trunk", "-m", "by a person"]);
            let set = ["bookmark", "set", "trunk", "-r", theirs];
            let is_moved = made.code == Some(0) && jj(&set).code == Some(0);
            if !is_moved {
                let _ = jj(&["abandon", theirs]);
            }
            is_moved
        }
    };
    wait_until("the person's commit", once, String::new);
}

fn move_target_back(fixture: &Fixture, to: &str) {
    match fixture.backends.vcs {
        Vcs::Git => user_git(fixture, &["update-ref", "refs/heads/trunk", to]),
        Vcs::Jj => {
            let args = [
                "--ignore-working-copy",
                "bookmark",
                "set",
                "trunk",
                "--allow-backwards",
                "-r",
                to,
            ];
            fixture.env.must("jj", &args, &fixture.repo)
        }
    };
}

/// Some that go with everything, pairs that write one file, and some that go with nothing else.
fn many_results_land_or_say_why_not(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    // 50 take jj a minute.
    let (plain, rivals, alone) = match backends.vcs {
        Vcs::Git => (41, 6, 3),
        Vcs::Jj => (10, 4, 2),
    };
    let key = |group: &str, number: usize| format!("{group}{number:02}");
    let mut jobs: Vec<Job> = (1..=plain).map(|n| job(&key("t", n), &[])).collect();
    jobs.extend((1..=rivals).map(|n| job(&key("p", n), &[])));
    jobs.extend((1..=alone).map(|n| job(&key("f", n), &[])));
    for one in &mut jobs {
        one.proof = Some(CHECK.to_owned());
    }
    let work = fixture.plan("Many", &jobs);
    let writes = |path: String, text: String| json!({"write": {"path": path, "text": text}});
    fixture.script(&work, |job| {
        let number: usize = job.key[1..].parse().expect("a number");
        let value = |text: &str| writes(format!("values/{}", job.key), format!("{text}\n"));
        let step = match &job.key[..1] {
            "p" => writes(format!("pair{}", number.div_ceil(2)), job.key.clone()),
            "f" => value(&key("t", number)),
            _ => value(&job.key),
        };
        // The person acts while there is something left to land.
        let gate = (job.key == key("t", plain)).then(|| script::gate(&fixture));
        let steps: Vec<Value> = gate.into_iter().chain([step]).collect();
        script::usual(&fixture, job, &steps)
    });
    make_target(&fixture);
    let base = user_git(&fixture, &["rev-parse", "trunk"])
        .trim()
        .to_owned();
    let before = snapshot::of(&fixture);
    fixture.configure("land = \"trunk\"\n");
    let coordinator = fixture.start(&work, 6, &[]);
    wait_until(
        "the first landings",
        || coordinator.stderr().matches("landed as").count() >= 3,
        || coordinator.stderr(),
    );
    commit_on_target(&fixture);
    coordinator.kill();
    fixture.open_gate();
    let report = fixture.mesh(&["resume", "--json"]).exits(20).object();
    let (mut landed, mut others) = (0, Vec::new());
    for job in &work.jobs {
        let of = task(&report, work.id(&job.key));
        match of["state"].as_str() {
            Some("landed") => landed += 1,
            state => others.push((job.key.clone(), state.map(str::to_owned))),
        }
    }
    assert!(landed >= plain, "{landed} landed: {others:?}");
    // Of each two equal values one is there, and its rival says why it is not.
    assert_eq!(others.len(), alone, "{others:?}");
    let log = user_git(&fixture, &["log", "--format=%s", "trunk"]);
    assert_eq!(log.matches("by a person").count(), 1, "{log}");
    for commit in user_git(&fixture, &["rev-list", &format!("{base}..trunk")]).lines() {
        let folder = fixture.marks().join(format!("checked-{commit}"));
        let path = folder.display().to_string();
        user_git(
            &fixture,
            &["worktree", "add", "--detach", "-f", &path, commit],
        );
        fixture.env.must("sh", &["-c", CHECK], &folder);
        user_git(&fixture, &["worktree", "remove", "--force", &path]);
    }
    move_target_back(&fixture, &base);
    assert_eq!(before, snapshot::of(&fixture));
    fixture.assert_no_process();
}

/// A run whose landings wait for the gate in their proofs, each of which leaves a mark.
fn with_slow_landings(backends: Backends) -> Option<(Fixture, Work, PathBuf)> {
    let fixture = backends.open()?;
    let mark = fixture.marks().join("proved");
    let slow = format!(
        "case \"$PWD\" in *+land*) echo x >>{}; until test -e {}; do sleep 0.05; done;; esac",
        mark.display(),
        fixture.gate().display(),
    );
    let jobs = [job("a", &[]).proof(&slow), job("b", &[]).proof(&slow)];
    let work = fixture.plan("Two", &jobs);
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    make_target(&fixture);
    fixture.configure("land = \"trunk\"\n");
    Some((fixture, work, mark))
}

fn proofs(mark: &PathBuf) -> usize {
    fs_err::read_to_string(mark)
        .unwrap_or_default()
        .lines()
        .count()
}

fn both_landed(fixture: &Fixture, work: &Work, report: &Value) {
    for key in ["a", "b"] {
        assert_eq!(task(report, work.id(key))["state"], "landed", "{report:#}");
        user_git(fixture, &["cat-file", "-e", &format!("trunk:{key}.txt")]);
    }
    fixture.assert_nothing_left(work);
}

fn a_landing_is_adopted_after_a_kill(backends: Backends) {
    let Some((fixture, work, mark)) = with_slow_landings(backends) else {
        return;
    };
    let coordinator = fixture.start(&work, 2, &[]);
    wait_for_file(&mark);
    coordinator.kill();
    let resumed = Coordinator::start(&fixture, &["resume".to_owned(), "--json".to_owned()]);
    wait_until(
        "the resume",
        || resumed.stderr().contains("adopted"),
        || resumed.stderr(),
    );
    fixture.open_gate();
    both_landed(&fixture, &work, &resumed.wait().exits(0).object());
    assert_eq!(
        proofs(&mark),
        2,
        "the proof of the first landing was adopted"
    );
}

fn a_landing_that_ended_while_nobody_looked_counts(backends: Backends) {
    let Some((fixture, work, mark)) = with_slow_landings(backends) else {
        return;
    };
    let coordinator = fixture.start(&work, 2, &[]);
    wait_for_file(&mark);
    coordinator.kill();
    fixture.open_gate();
    both_landed(
        &fixture,
        &work,
        &fixture.mesh(&["resume", "--json"]).exits(0).object(),
    );
    assert_eq!(proofs(&mark), 2, "what was proved is not proved again");
}

fn a_stop_ends_a_landing(backends: Backends) {
    let Some((fixture, work, mark)) = with_slow_landings(backends) else {
        return;
    };
    let target = user_git(&fixture, &["rev-parse", "trunk"]);
    let coordinator = fixture.start(&work, 2, &[]);
    wait_for_file(&mark);
    wait_until(
        "both results",
        || coordinator.stderr().matches("verified").count() >= 2,
        || coordinator.stderr(),
    );
    let _ = fixture.mesh(&["stop", "--now"]).exits(0);
    let report = coordinator.wait().object();
    for key in ["a", "b"] {
        let of = task(&report, work.id(key));
        assert_eq!(of["state"], "verified", "{report:#}");
        let reason = of["reason"].as_str().expect("a reason");
        assert!(
            reason.contains("the run was stopped before it was landed"),
            "{reason}"
        );
    }
    assert_eq!(user_git(&fixture, &["rev-parse", "trunk"]), target);
    fixture.assert_nothing_left(&work);
    // Nothing of it is lost.
    fixture.open_gate();
    let said = fixture.mesh(&["land", "--json"]).exits(0);
    both_landed(&fixture, &work, &said.object());
}

fn results_of_an_ended_run_are_landed_on_demand(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let jobs = [job("a", &[]), job("b", &["a"]), job("c", &[])];
    let work = fixture.plan("Three", &jobs);
    fixture.script(&work, |job| script::usual(&fixture, job, &[]));
    let _ = fixture.run(&work, 2, &[]).exits(0);
    let said = fixture.mesh(&["land"]).exits(2);
    assert!(said.stderr.contains("--onto"), "{}", said.stderr);
    let said = fixture.mesh(&["land", "--onto", "trunk"]).exits(2);
    assert!(
        said.stderr.contains("`trunk` does not exist"),
        "{}",
        said.stderr
    );
    make_target(&fixture);
    let b = work.id("b");
    let said = fixture.mesh(&["land", b, "--onto", "trunk"]).exits(0);
    for key in ["a", "b"] {
        let line = format!("{}: landed as", work.id(key));
        assert!(said.stdout.contains(&line), "{}", said.stdout);
        user_git(&fixture, &["cat-file", "-e", &format!("trunk:{key}.txt")]);
    }
    assert!(!user_git(&fixture, &["ls-tree", "--name-only", "trunk"]).contains("c.txt"));
    let said = fixture.mesh(&["land", b, "--onto", "trunk"]).exits(2);
    assert!(said.stderr.contains("nothing to land"), "{}", said.stderr);
    let report = fixture.mesh(&["land", "--json"]).exits(0).object();
    assert_eq!(task(&report, work.id("c"))["state"], "landed", "{report:#}");
    assert_eq!(
        fixture.log.attempts("start").len(),
        3,
        "no agent was started"
    );
    fixture.assert_nothing_left(&work);
}
