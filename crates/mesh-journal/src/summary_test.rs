use std::ops::Range;
use std::path::Path;

use mesh_core::event::Request;
use mesh_core::evidence::Ending;
use mesh_core::policy::Policy;

use super::*;
use crate::sample::{self, Script, header, task};

fn around(coordinated: bool, now: Option<u64>) -> SummaryContext<'static> {
    SummaryContext {
        coordinated,
        now: now.map(Millis),
        tracker_calls: CallCounts {
            calls: 41,
            failures: 1,
        },
        workspace: &|attempt| {
            (attempt.number == 1).then(|| PathBuf::from(format!("/w/{}", attempt.task)))
        },
        live: &|_, _| Live::default(),
        sandbox: &|_| None,
        turns: &|_| Vec::new(),
        damage: None,
        state: None,
    }
}

fn summary_of(records: &[Record]) -> Summary {
    summarize(&header(), records, &RunDir::at("/m"), &around(true, None)).unwrap()
}

fn find<'a>(summary: &'a Summary, id: &str) -> &'a TaskSummary {
    summary.tasks.iter().find(|task| task.id == id).unwrap()
}

fn without_reasons(mut value: serde_json::Value) -> serde_json::Value {
    let tasks = value["tasks"].as_array_mut().unwrap();
    for task in tasks {
        assert!(
            task.as_object_mut()
                .unwrap()
                .remove("reason")
                .unwrap()
                .is_string()
        );
        for attempt in task["attempts"].as_array_mut().unwrap() {
            for later in ["failure", "noticed"] {
                attempt.as_object_mut().unwrap().remove(later);
            }
        }
    }
    value
}

#[test]
fn the_small_run_is_told_as_it_was() {
    let summary = summary_of(&sample::small_run());
    assert_eq!(summary.state, RunState::Incomplete);
    assert_eq!(summary.ended_at, Some(sample::START.after(57_000)));
    assert_eq!(summary.concurrency, 3);
    // From 0, where `api` is decided to start, to 42.7 s, where `ui` is accepted.
    assert_eq!(summary.makespan_seconds, Some(42.7));
    // The lock group `core`: 20.08 and 10.08 s for `api`, 10.08 s for `ui`.
    assert_eq!(summary.lower_bound_seconds, Some(40.24));
    let words: Vec<(&str, &str)> = summary
        .tasks
        .iter()
        .map(|task| (task.id.as_str(), task.state))
        .collect();
    let expected = [
        ("api", "verified"),
        ("docs", "verified"),
        ("ui", "verified"),
        ("ship", "question"),
        ("before", "satisfied"),
        ("late", "skipped"),
    ];
    assert_eq!(words, expected);
    let outcomes = |id: &str| -> Vec<String> {
        find(&summary, id)
            .attempts
            .iter()
            .map(|attempt| attempt.outcome.clone().unwrap_or_default())
            .collect()
    };
    assert_eq!(outcomes("api"), ["verify-failed", "verified"]);
    assert_eq!(outcomes("late"), ["crashed", "skipped"]);
    assert_eq!(outcomes("ship"), ["setup", "question"]);
    assert_eq!(outcomes("before"), [""; 0]);
    assert!(
        find(&summary, "ship")
            .reason
            .contains("Which version number?")
    );
}

#[test]
fn an_attempt_has_its_times_its_proof_and_its_places() {
    let summary = summary_of(&sample::small_run());
    let [first, second] = &find(&summary, "api").attempts[..] else {
        panic!()
    };
    assert_eq!(first.slot, "mesh-1");
    assert_eq!(first.started_at, sample::START);
    assert_eq!(first.agent_started_at, Some(sample::START.after(220)));
    assert_eq!(first.ended_at, Some(sample::START.after(20_300)));
    assert_eq!(first.exit_code, Some(0));
    assert_eq!(first.changed, ["src/api.rs"]);
    let verify = |exit_code| VerifySummary {
        command: "make test".to_owned(),
        exit_code: Some(exit_code),
        self_checked: false,
    };
    assert_eq!(first.verify, Some(verify(1)));
    assert_eq!(first.workspace.as_deref(), Some(Path::new("/w/api")));
    assert_eq!(first.logs, Path::new("/m/attempts/api/1"));
    assert_eq!(second.verify, Some(verify(0)));
    assert_eq!(second.commit.as_deref(), Some("commit-api-2"));
    assert_eq!(second.workspace, None);
    let signalled = &find(&summary, "late").attempts[0];
    assert_eq!(
        (signalled.exit_code, signalled.verify.clone()),
        (None, None)
    );
    let never_ran = &find(&summary, "ship").attempts[0];
    assert_eq!(
        (never_ran.agent_started_at, never_ran.ended_at),
        (None, Some(sample::START.after(43_100)))
    );
}

#[test]
fn the_object_has_the_documented_fields_and_no_other() {
    let value = serde_json::to_value(summary_of(&sample::small_run())).unwrap();
    let names = |value: &serde_json::Value| -> std::collections::BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    let expected = |text: &str| {
        text.split(' ')
            .map(str::to_owned)
            .collect::<std::collections::BTreeSet<_>>()
    };
    let top = "schema run state source started_at ended_at concurrency overlap makespan_seconds lower_bound_seconds tracker tasks";
    assert_eq!(names(&value), expected(top));
    assert_eq!(names(&value["source"]), expected("kind id title"));
    assert_eq!(names(&value["overlap"]), expected("peak mean"));
    assert_eq!(
        names(&value["tracker"]),
        expected("dialect version calls failures")
    );
    assert_eq!(
        names(&value["tasks"][0]),
        expected("id state reason attempts")
    );
    let attempt = &value["tasks"][0]["attempts"][0];
    let fields = "number slot started_at agent_started_at ended_at exit_code outcome failure changed noticed verify workspace commit logs";
    assert_eq!(names(attempt), expected(fields));
    assert_eq!(
        names(&attempt["verify"]),
        expected("command exit_code self_checked")
    );
    assert_eq!(value["started_at"], "2026-03-01T08:15:30.250Z");
    assert_eq!(value["tracker"]["version"], "1.3.0");
}

/// Two agents for ten seconds each, the second from the middle of the first.
fn two_agents() -> Script {
    let mut script = Script::begin(
        vec![task("a", &[], &[]), task("b", &[], &[])],
        Policy::with_concurrency(2),
    );
    script.tell(
        1_000,
        Event::Started {
            attempt: sample::attempt("a", 1),
        },
    );
    script.tell(
        6_000,
        Event::Started {
            attempt: sample::attempt("b", 1),
        },
    );
    script
}

#[test]
fn overlap_is_what_the_agents_executed() {
    let mut script = two_agents();
    assert_eq!(summary_of(&script.records[..1]).overlap, Overlap::default());
    script.ended(11_000, "a", 1, Ending::Exited(0));
    script.ended(16_000, "b", 1, Ending::Exited(0));
    let summary = summary_of(&script.records);
    assert_eq!(
        summary.overlap,
        Overlap {
            peak: 2,
            mean: 1.333
        }
    );
    assert_eq!(summary.makespan_seconds, None);
    assert_eq!(summary.lower_bound_seconds, Some(10.0));
}

#[test]
fn a_handover_at_one_moment_is_no_overlap() {
    let mut script = Script::begin(
        vec![task("a", &[], &[]), task("b", &[], &[])],
        Policy::with_concurrency(2),
    );
    script.tell(
        0,
        Event::Started {
            attempt: sample::attempt("a", 1),
        },
    );
    script.ended(5_000, "a", 1, Ending::Exited(0));
    script.tell(
        5_000,
        Event::Started {
            attempt: sample::attempt("b", 1),
        },
    );
    script.ended(9_000, "b", 1, Ending::Exited(0));
    assert_eq!(
        summary_of(&script.records).overlap,
        Overlap { peak: 1, mean: 1.0 }
    );
}

#[test]
fn an_agent_that_goes_on_counts_until_now() {
    let script = two_agents();
    let at = |now| {
        summarize(
            &header(),
            &script.records,
            &RunDir::at("/m"),
            &around(true, now),
        )
        .unwrap()
    };
    assert_eq!(
        at(Some(16_000)).overlap,
        Overlap {
            peak: 2,
            mean: 1.667
        }
    );
    assert_eq!(at(Some(16_000)).lower_bound_seconds, None);
    // A clock behind the journal's is not believed.
    assert_eq!(at(Some(0)).overlap, at(None).overlap);
    assert_eq!(at(None).tasks[0].attempts[0].outcome, None);
}

#[test]
fn the_state_of_a_run_says_who_must_act() {
    let mut script = two_agents();
    let state = |records: &[Record], coordinated| {
        summarize(
            &header(),
            records,
            &RunDir::at("/m"),
            &around(coordinated, None),
        )
        .unwrap()
        .state
    };
    assert_eq!(state(&script.records, true), RunState::Running);
    assert_eq!(state(&script.records, false), RunState::Interrupted);
    script.tell(
        7_000,
        Event::Requested {
            request: Request::Stop { now: false },
        },
    );
    assert_eq!(state(&script.records, true), RunState::Stopping);
    for name in ["a", "b"] {
        script.proved(20_000, name, 1, &["x"], 0);
        script.settled(21_000, name, 1);
    }
    script.tell(22_000, Event::Concluded);
    assert_eq!(state(&script.records, false), RunState::Done);
    script.settled(30_000, "a", 1);
    let summary = summary_of(&script.records);
    assert_eq!(summary.ended_at, Some(sample::START.after(22_000)));
}

/// The folder of journals that must be read for ever.
fn fixture(version: &str, name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/journals")
        .join(version)
        .join(name)
}

/// Journals of a version were written once and are never written again. If this fails, a stored form was changed.
#[test]
fn a_journal_of_any_version_is_read_for_ever() {
    for version in ["v1", "v2"] {
        let crate::Contents {
            header,
            records,
            tail,
            damage,
        } = crate::read(&fixture(version, "small-run.jsonl")).unwrap();
        assert_eq!((tail, damage), (crate::Tail::Clean, None));
        let summary = summarize(&header, &records, &RunDir::at("/m"), &around(true, None)).unwrap();
        let expected = fs_err::read(fixture(version, "small-run.summary.json")).unwrap();
        let expected = serde_json::from_slice(&expected).unwrap();
        // Sentences for people may change.
        assert_eq!(
            without_reasons(serde_json::to_value(summary).unwrap()),
            without_reasons(expected),
            "{version}"
        );
    }
}

/// Each kind of event and decision that a version has, so that none is forgotten in a change.
#[test]
fn every_kind_of_any_version_is_read_for_ever() {
    for (version, events, decisions) in [("v1", 15, 22), ("v2", 19, 31)] {
        every_kind_is_read(version, 0..events, 0..decisions);
    }
}

fn every_kind_is_read(version: &str, events: Range<usize>, decisions: Range<usize>) {
    let records = crate::read(&fixture(version, "every-kind.jsonl"));
    let records = records.unwrap().records;
    let wanted = (events, decisions);
    let events: std::collections::BTreeSet<usize> = records
        .iter()
        .map(|record| sample::event_kind(&record.event))
        .collect();
    let decisions = records
        .iter()
        .flat_map(|record| &record.decisions)
        .map(sample::decision_kind);
    let decisions: std::collections::BTreeSet<usize> = decisions.collect();
    assert!(events.is_superset(&wanted.0.collect()), "{events:?}");
    assert!(decisions.is_superset(&wanted.1.collect()), "{decisions:?}");
}

/// Writes the fixtures where none are; the ones of a version that was released are never replaced.
#[test]
fn fixtures_that_are_missing_are_written() {
    let Some(folder) = std::env::var_os("MESH_WRITE_JOURNAL_FIXTURES").map(PathBuf::from) else {
        return;
    };
    let write = |name: &str, bytes: Vec<u8>| {
        let path = folder.join(name);
        if !path.exists() {
            fs_err::write(path, bytes).unwrap();
        }
    };
    let records = sample::small_run();
    write("small-run.jsonl", sample::bytes_of(&header(), &records));
    write(
        "small-run.summary.json",
        serde_json::to_vec_pretty(&summary_of(&records)).unwrap(),
    );
    let record = |(at, event): (usize, Event)| Record {
        number: at as u64 + 1,
        at: Millis(at as u64),
        wall: sample::START.after(at as u64),
        event,
        decisions: if at == 0 {
            sample::every_decision()
        } else {
            Vec::new()
        },
    };
    let records: Vec<Record> = sample::every_event()
        .into_iter()
        .enumerate()
        .map(record)
        .collect();
    write("every-kind.jsonl", sample::bytes_of(&header(), &records));
}
