//! An epic from its first claim to its last close, what it leaves, and what a later run makes of it.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::fixture::{
    BD_0_47_1_GIT, BD_1_3_0_GIT, Backends, Fixture, Job, Work, job, on_each_backend,
};
use crate::script;
use crate::snapshot;

on_each_backend!(an_epic_runs_in_parallel_and_leaves_nothing);

#[test]
fn an_epic_runs_in_parallel_and_leaves_nothing_real_bd_1_3_0_git() {
    an_epic_runs_in_parallel_and_leaves_nothing(BD_1_3_0_GIT);
}

#[test]
fn an_epic_runs_in_parallel_and_leaves_nothing_real_bd_0_47_1_git() {
    an_epic_runs_in_parallel_and_leaves_nothing(BD_0_47_1_GIT);
}

/// Five roots of which four may run at once, two lock groups, a diamond, and a last task that needs both its arms.
pub fn diamond() -> Vec<Job> {
    vec![
        job("a", &[]),
        job("b", &[]).lock("left"),
        job("c", &[]).lock("left"),
        job("d", &[]).lock("right"),
        job("e", &[]),
        job("f", &["a", "b"]),
        job("g", &["a", "c"]),
        job("h", &["f", "g"]).lock("right"),
    ]
}

fn an_epic_runs_in_parallel_and_leaves_nothing(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let work = fixture.plan("A small epic", &diamond());
    fixture.make_dirty();
    // The first four wait for one another, so that their overlap does not depend on the machine; then work takes a moment.
    fixture.script(&work, |job| {
        script::usual(
            &fixture,
            job,
            &[script::gate(&fixture), json!({"sleep_ms": 150})],
        )
    });
    let before = snapshot::of(&fixture);
    let coordinator = fixture.start(&work, 4, &[]);
    fixture.log.wait_for("saw", 4);
    fixture.open_gate();
    let report = coordinator.wait().exits(0).object();

    assert_done(&fixture, &work, &report);
    assert_eq!(
        before,
        snapshot::of(&fixture),
        "the user's own things have changed"
    );
    assert_eq!(fixture.log.peak(), 4);
    assert_eq!(report["overlap"]["peak"], 4);
    once_each(&fixture, &work);
    audited(&fixture, &work, &report);

    running_it_again_does_nothing(&fixture, &work);
    a_second_epic_builds_on_the_first(&fixture, &work);
}

/// All closed, nothing left, and the agents saw and did what they should, by their own log.
#[track_caller]
pub fn assert_done(fixture: &Fixture, work: &Work, report: &Value) {
    for (id, (status, _)) in fixture.tasks(work) {
        assert_eq!(status, "closed", "{id}: {report:#}");
    }
    fixture.assert_nothing_left(work);
    assert_eq!(report["state"], "done", "{report:#}");
    let spans = fixture.log.spans();
    fixture
        .log
        .assert_apart("two holders of one lock", |one, other| {
            work.ids.values().any(|id| id == one)
                && work.ids.values().any(|id| id == other)
                && work.job(one).lock.is_some()
                && work.job(one).lock == work.job(other).lock
        });
    fixture
        .log
        .assert_apart("one task twice at once", |one, other| one == other);
    // An agent whose needs' files are missing ends before it says that it saw them.
    let saw = fixture.log.attempts("saw");
    for key in work.ids.keys() {
        let id = work.id(key);
        let good = spans.keys().any(|attempt| {
            saw.contains(attempt) && attempt.rsplit_once('#').is_some_and(|(task, _)| task == id)
        });
        assert!(good, "no agent of {key} saw what it needs");
    }
}

/// One attempt and one comment for each task.
fn once_each(fixture: &Fixture, work: &Work) {
    let mut started = fixture.log.attempts("start");
    started.sort();
    let mut wanted: Vec<String> = work.ids.keys().map(|key| work.attempt(key, 1)).collect();
    wanted.sort();
    assert_eq!(started, wanted);
    for key in work.ids.keys() {
        let comments = fixture.comments(work, key);
        let marked = |text: &&String| text.contains(&format!("{})", work.attempt(key, 1)));
        assert_eq!(
            comments.iter().filter(marked).count(),
            1,
            "{key}: {comments:#?}"
        );
    }
}

/// Prompt, response and one tool call of each attempt, each once.
fn audited(fixture: &Fixture, work: &Work, report: &Value) {
    if fixture.tracker.is_none() {
        return;
    }
    let mut counts: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for line in fixture.interactions() {
        let has = |name: &str| line[name].as_str().is_some_and(|text| !text.is_empty());
        let kind = match line["kind"].as_str() {
            Some("llm_call") if has("prompt") => "prompt",
            Some("llm_call") if has("response") => "response",
            Some("tool_call") if line["tool_name"] == "mesh.attempt" => "attempt",
            _ => continue,
        };
        *counts
            .entry((
                line["issue_id"].as_str().expect("an issue").to_owned(),
                kind,
            ))
            .or_default() += 1;
    }
    for id in work.ids.values() {
        for kind in ["prompt", "response", "attempt"] {
            assert_eq!(
                counts.get(&(id.clone(), kind)),
                Some(&1),
                "{id} {kind}: {counts:?} {report:#}"
            );
        }
    }
}

fn running_it_again_does_nothing(fixture: &Fixture, work: &Work) {
    let log = fixture.log.events();
    let tracker = fixture.tracker_state();
    let before = snapshot::of(fixture);
    let said = fixture.run(work, 4, &[]).exits(0);
    assert!(said.stderr.contains("nothing to do"), "{}", said.stderr);
    assert_eq!(said.object()["state"], "done");
    assert_eq!(fixture.log.events(), log, "an agent started");
    assert_eq!(fixture.tracker_state(), tracker);
    assert_eq!(snapshot::of(fixture), before);
}

/// Its tasks need a task that the first run closed and that nobody has landed.
fn a_second_epic_builds_on_the_first(fixture: &Fixture, first: &Work) {
    let work = match &fixture.tracker {
        Some(tracker) => {
            let work = fixture.plan("A second epic", &[job("p", &[]), job("q", &[])]);
            for key in ["p", "q"] {
                tracker.depend(work.id(key), first.id("h"), "blocks");
            }
            work
        }
        None => append_to_plan(fixture, first, &[job("p", &["h"]), job("q", &["h"])]),
    };
    fixture.script(&work, |job| {
        let mut steps: Vec<Value> = Vec::new();
        // h itself, and all that it stands on.
        for file in ["h", "f", "g", "a", "b", "c"] {
            steps.push(json!({"require": format!("{file}.txt")}));
        }
        let alone = Job {
            needs: Vec::new(),
            ..job.clone()
        };
        script::usual(fixture, &alone, &steps)
    });
    // One at a time, so that the second starts after the source has been read again.
    let report = fixture.run(&work, 1, &[]).exits(0).object();
    for key in ["p", "q"] {
        assert_eq!(fixture.tasks(&work)[work.id(key)].0, "closed", "{report:#}");
        assert!(fixture.log.attempts("end").contains(&work.attempt(key, 1)));
    }
    fixture.assert_nothing_left(&work);
}

/// The same plan file with more tasks, as a person adds them.
fn append_to_plan(fixture: &Fixture, first: &Work, jobs: &[Job]) -> Work {
    let done = fs_err::read_to_string(&first.source).expect("the plan");
    let all: Vec<Job> = first.jobs.iter().chain(jobs).cloned().collect();
    let work = fixture.plan_file("plan.jsonl", &all);
    let whole = fs_err::read_to_string(&work.source).expect("the plan");
    // One `replace` with all items, then what has happened to the old ones.
    let seq = |line: &str, seq: usize| {
        let mut record: Value = serde_json::from_str(line).expect("a record");
        record["seq"] = seq.into();
        record.to_string()
    };
    let events = done.lines().skip(1);
    let lines: Vec<String> = whole
        .lines()
        .chain(events)
        .enumerate()
        .map(|(index, line)| seq(line, index + 1))
        .collect();
    fs_err::write(&work.source, lines.join("\n") + "\n").expect("the plan");
    Work {
        jobs: jobs.to_vec(),
        ids: jobs
            .iter()
            .map(|job| (job.key.clone(), job.key.clone()))
            .collect(),
        ..work
    }
}
