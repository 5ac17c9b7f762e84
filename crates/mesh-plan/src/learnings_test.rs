use mesh_core::evidence::{Ending, FailureClass, ProofEnd, ScopeBreach};
use mesh_core::id::{AttemptId, LockGroup, TaskId};
use mesh_core::task::Commit;

use super::lesson::{self, AttemptEnd};
use super::*;

fn attempt(number: u32) -> AttemptId {
    let task = TaskId::new("t-1").expect("an id");
    AttemptId { task, number }
}

const CAPTURE: Capture<'static> = Capture {
    at: "2026-02-10T08:15:30Z",
    branch: Some("main"),
    run: "r-1",
};

fn record(id: &str, at: &str, learning: &str, paths: &[&str]) -> Learning {
    Learning {
        id: id.to_owned(),
        captured_at: at.to_owned(),
        status: "do_more".to_owned(),
        learning: learning.to_owned(),
        evidence: Vec::new(),
        application: String::new(),
        source: "skill:learnings".to_owned(),
        fingerprint: fingerprint("do_more", learning),
        context: Some(Context {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
            ..Context::default()
        }),
        tags: Vec::new(),
        related_ids: Vec::new(),
        supersedes_id: None,
    }
}

#[test]
fn a_fingerprint_is_that_of_the_skill() {
    // sha1("do_more|when a b, run é"), as other programs compute it.
    assert_eq!(
        fingerprint("do_more", "When A b, run É"),
        "822454c53b700af5"
    );
}

#[test]
fn a_record_has_the_fields_of_the_skill_and_is_added_once() {
    let commit = Commit("c0ffee".to_owned());
    let proof = ProofEnd::of(Ending::Exited(0));
    let changed = ["src/a.rs".to_owned()];
    let end = AttemptEnd {
        verified: true,
        commit: Some(&commit),
        changed: &changed,
        proof: Some(("make test", &proof)),
        said: Some("When a.rs changes, run the generator first"),
        ..AttemptEnd::default()
    };
    let lessons = lesson::of_attempt(&attempt(1), &end);
    let (text, ids) = added(b"{\"torn", &lessons, CAPTURE);
    let text = String::from_utf8(text).expect("JSON");
    let line = text.strip_prefix('\n').expect("the torn line has its end");
    let value: serde_json::Value = serde_json::from_str(line).expect("one line");
    assert_eq!(value["id"], ids[0]);
    assert!(ids[0].starts_with("lrn-20260210T081530Z-"), "{ids:?}");
    assert_eq!(value["captured_at"], "2026-02-10T08:15:30Z");
    assert_eq!(value["status"], "review_later");
    assert_eq!(
        value["learning"],
        "When a.rs changes, run the generator first"
    );
    assert_eq!(
        value["evidence"],
        serde_json::json!([
            "t-1#1: verified as commit c0ffee",
            "t-1#1: `make test` ended with exit code 0"
        ])
    );
    assert_eq!(
        value["context"],
        serde_json::json!({"branch": "main", "paths": ["src/a.rs"], "run": "r-1", "task": "t-1"})
    );
    assert_eq!(value["fingerprint"].as_str().map(str::len), Some(16));
    let (again, same) = added(line.as_bytes(), &lessons, CAPTURE);
    assert!(again.is_empty());
    assert_eq!(same, ids);
}

#[test]
fn lines_of_older_tools_are_read_and_others_are_named() {
    let old = r#"{"id":"lrn-1","captured_at":"2026-02-10T00:00:00Z","status":"do_less","learning":"When x, y","evidence":["e"],"application":"z","source":"skill:learnings","fingerprint":"0123456789abcdef","context":{"branch":"main","paths":["a"]},"unknown":1}"#;
    let bare = r#"{"id":"lrn-2","captured_at":"2026-02-10T00:00:00Z","status":"do_less","learning":"When x, z","evidence":[],"application":"z","source":"s","fingerprint":"0123456789abcdee"}"#;
    let text = format!("{old}\n\n{{\"id\":1}}\nnonsense\r\n{bare}");
    let (records, problems) = read(text.as_bytes());
    let ids: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
    assert_eq!(ids, ["lrn-1", "lrn-2"]);
    let lines: Vec<usize> = problems.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [3, 4]);
}

#[test]
fn most_words_come_first_then_the_newest_and_what_is_replaced_is_not_found() {
    let mut records = vec![
        record(
            "old",
            "2026-01-01T00:00:00Z",
            "When parsing, quote the input",
            &["src/parse"],
        ),
        record(
            "new",
            "2026-01-03T00:00:00Z",
            "When parsing, fuzz",
            &["src/parse/a.rs"],
        ),
        record(
            "best",
            "2026-01-02T00:00:00Z",
            "When parsing input, quote and fuzz",
            &["docs/x.md"],
        ),
        record(
            "gone",
            "2026-01-04T00:00:00Z",
            "When parsing, do nothing",
            &["src"],
        ),
    ];
    records[2].supersedes_id = Some("gone".to_owned());
    records[2].tags.push("parser".to_owned());
    let check = |words: &[&str], paths: &[&str], tag: Option<&str>, wanted: &[&str]| {
        let texts = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        let query = Query {
            words: texts(words),
            paths: texts(paths),
            tag: tag.map(str::to_owned),
        };
        let found = search(&records, &query);
        let ids: Vec<&str> = found.iter().map(|record| record.id.as_str()).collect();
        assert_eq!(ids, wanted, "{query:?}");
    };
    check(&[], &[], None, &["new", "best", "old"]);
    check(&["Quote fuzz"], &[], None, &["best", "new", "old"]);
    check(&["src"], &[], None, &[]);
    check(&[], &["src/**"], None, &["new", "old"]);
    check(&[], &["src/parse/b.rs"], None, &["old"]);
    check(&["fuzz"], &["docs/*"], None, &["best"]);
    check(&[], &[], Some("parser"), &["best"]);
    check(&[], &[], Some("do_more"), &["new", "best", "old"]);
}

#[test]
fn only_what_says_when_and_what_is_a_learning() {
    for text in [
        "When the schema changes, run make gen before the tests",
        "Run the generator before the tests in this folder",
    ] {
        assert_eq!(lesson::check(text), Ok(()), "{text}");
    }
    for text in ["The tests are slow and there are many", "If slow, wait", ""] {
        assert!(lesson::check(text).is_err(), "{text}");
    }
}

/// What an attempt that changed two files teaches.
fn taught(end: &AttemptEnd<'_>) -> Vec<(&'static str, String)> {
    let changed = ["a.rs".to_owned(), "b.rs".to_owned()];
    let end = AttemptEnd {
        changed: &changed,
        ..end.clone()
    };
    let lessons = lesson::of_attempt(&attempt(3), &end);
    for lesson in &lessons {
        assert_eq!(lesson::check(&lesson.learning), Ok(()), "{lesson:?}");
        assert!(!lesson.evidence.is_empty() && !lesson.application.is_empty());
    }
    let short = |lesson: &lesson::Lesson| (lesson.status, lesson.learning.clone());
    lessons.iter().map(short).collect()
}

#[test]
fn a_task_teaches_what_cost_it_attempts_and_nothing_else() {
    let (passed, failed) = (
        ProofEnd::of(Ending::Exited(0)),
        ProofEnd::of(Ending::Exited(1)),
    );
    let commit = Commit("c0ffee".to_owned());
    let twice: Vec<(AttemptId, String)> = [1, 2]
        .map(|number| (attempt(number), "ended with exit code 1".to_owned()))
        .into();
    let verified = AttemptEnd {
        verified: true,
        commit: Some(&commit),
        proof: Some(("make test", &passed)),
        failed_proofs: &twice,
        ..AttemptEnd::default()
    };
    assert_eq!(taught(&verified)[0].0, "do_more");
    assert!(
        taught(&verified)[0]
            .1
            .contains("a.rs, b.rs, run `make test`")
    );
    let once = AttemptEnd {
        failed_proofs: &twice[..1],
        ..verified.clone()
    };
    assert_eq!(taught(&once), []);
    let given_up = AttemptEnd {
        verified: false,
        failure: Some(FailureClass::VerifyFailed),
        proof: Some(("make test", &failed)),
        said: Some("When nothing passes, say that it was all right"),
        ..verified.clone()
    };
    assert_eq!(taught(&given_up)[0].0, "investigate_more");
    assert_eq!(taught(&given_up).len(), 1, "what it says is not proved");
    let goes_on = AttemptEnd {
        retried: true,
        ..given_up.clone()
    };
    assert_eq!(taught(&goes_on), []);
    let conflicted = ["b.rs".to_owned()];
    let in_conflict = AttemptEnd {
        failure: Some(FailureClass::Conflict),
        retried: true,
        conflicted: &conflicted,
        ..AttemptEnd::default()
    };
    assert!(
        taught(&in_conflict)[0]
            .1
            .starts_with("When two tasks change b.rs,")
    );
    let breaches = [ScopeBreach {
        path: "a.rs".to_owned(),
        group: LockGroup::new("core").expect("kebab"),
    }];
    let out_of_scope = AttemptEnd {
        failure: Some(FailureClass::Scope),
        breaches: &breaches,
        ..AttemptEnd::default()
    };
    assert!(taught(&out_of_scope)[0].1.contains("the lock group core"));
    assert_eq!(taught(&AttemptEnd::default()), []);
}

#[test]
fn a_run_teaches_how_to_avoid_what_several_tasks_failed_of() {
    let ids = |names: &[&str]| -> Vec<TaskId> {
        let id = |name: &&str| TaskId::new(*name).expect("an id");
        names.iter().map(id).collect()
    };
    let of_run = |failed: &[(FailureClass, Vec<TaskId>)]| lesson::of_run("r-1", 9, failed);
    assert_eq!(of_run(&[(FailureClass::Hung, ids(&["a"]))]), None);
    assert_eq!(
        of_run(&[(FailureClass::Limit, ids(&["a", "b", "c"]))]),
        None
    );
    let learned = of_run(&[
        (FailureClass::Limit, ids(&["a", "b", "c"])),
        (FailureClass::VerifyFailed, ids(&["a", "b"])),
        (FailureClass::Scope, ids(&["c"])),
    ])
    .expect("two tasks failed so");
    assert_eq!(lesson::check(&learned.learning), Ok(()));
    assert_eq!(
        learned.evidence,
        ["run r-1: failure class verify-failed at 2 of 9 tasks: a, b"]
    );
}
