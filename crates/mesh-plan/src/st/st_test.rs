use std::path::PathBuf;

use proptest::prelude::*;

use super::write::{StEvent, comment_text, event_line, progress_events, status};
use super::*;
use crate::file::Progress;
use crate::source_snapshot::SourceKind;

fn id(text: &str) -> TaskId {
    TaskId::new(text).expect("a plain id")
}

fn plans() -> Vec<PathBuf> {
    crate::fixtures::files("plans/valid", &["jsonl"])
}

/// Wherever a file is cut, reading goes on from there to the same plan.
#[test]
fn reading_on_from_any_byte_gives_the_whole_plan() {
    for path in plans() {
        let bytes = fs_err::read(&path).expect("the fixture can be read");
        let (whole, said) = read(&bytes);
        // Every place in small files; in larger ones every seventh, which meets every kind of place as well.
        for cut in (0..=bytes.len()).step_by(if bytes.len() < 600 { 1 } else { 7 }) {
            let (mut plan, _) = read(&bytes[..cut]);
            let sound = usize::try_from(plan.sound_bytes()).expect("a small file");
            assert!(sound <= cut);
            plan.extend(&bytes[sound..]);
            assert_eq!(plan.diagnostics(), said, "{} cut at {cut}", path.display());
            assert!(
                plan.items().eq(whole.items()),
                "{} cut at {cut}",
                path.display()
            );
            assert_eq!(
                plan.sound_bytes(),
                whole.sound_bytes(),
                "{} cut at {cut}",
                path.display()
            );
        }
    }
}

#[test]
fn an_item_names_its_agents() {
    let mut item = StItem::pending(id("st-001"), "one");
    item.notes = "```mesh\nagent: [codex, claude]\n```".to_owned();
    let (plan, said) = read(&new_plan("2026-03-01T10:00:00Z", &[item]));
    assert_eq!(said, []);
    let loaded = plan.load("plan.jsonl");
    assert_eq!(loaded.tasks[0].agents, ["codex", "claude"]);
}

#[test]
fn what_is_written_is_read_again() {
    let ts = "2026-03-01T10:00:00Z";
    let mut first = StItem::pending(id("st-001"), "one \"quoted\"\nstep");
    first.notes = "```mesh\nlocks: [a]\n```".to_owned();
    let mut second = StItem::pending(id("st-002"), "two");
    second.deps = vec![StDep::blocks(id("st-001"))];
    let mut bytes = new_plan(ts, &[first.clone(), second.clone()]);
    let (mut plan, said) = read(&bytes);
    assert_eq!(said, []);
    assert!(plan.items().eq([&first, &second]));
    assert_eq!((plan.watermark(), plan.needs_newline()), (1, false));

    let record = crate::file::Record {
        task: &first.id,
        progress: Progress::Failed,
        sets_status: true,
        detail: None,
        reason: Some("validation_failed"),
        validation: Some("`make test` ended with exit code 1"),
        metadata: None,
        marker: "(mesh r1 st-001#2)",
        time: ts,
    };
    let text = comment_text("the proof failed", &record);
    let mut events = progress_events(&first.id, Progress::Started, "mesh", None);
    events.extend(progress_events(
        &first.id,
        Progress::Failed,
        "mesh",
        Some(&text),
    ));
    for event in &events {
        let line = event_line(plan.watermark() + 1, ts, event);
        plan.extend(&line);
        bytes.extend(line);
    }
    assert_eq!(plan.diagnostics(), []);
    let (again, said) = read(&bytes);
    assert_eq!(said, []);
    assert!(again.items().eq(plan.items()));
    let item = again.item(&first.id).expect("it is there");
    assert_eq!(item.status, ItemStatus::Blocked);
    assert_eq!(
        item.comments[0].text,
        "[mesh] blocked: the proof failed\nreason: validation_failed\nvalidation: `make test` ended with exit code 1\n(mesh r1 st-001#2)"
    );
    assert_eq!(again.watermark(), 4);
}

#[test]
fn the_bytes_of_events_are_these() {
    let event = StEvent::SetStatus {
        id: id("st-1"),
        status: ItemStatus::InProgress,
    };
    let line = String::from_utf8(event_line(9, "2026-03-01T10:00:00Z", &event)).expect("text");
    assert_eq!(
        line,
        "{\"v\":3,\"ts\":\"2026-03-01T10:00:00Z\",\"lane\":\"event\",\"seq\":9,\"op\":\"set_status\",\"id\":\"st-1\",\"status\":\"in_progress\"}\n"
    );
    let event = StEvent::AddComment {
        id: id("st-1"),
        author: "mesh".to_owned(),
        text: "a\nb".to_owned(),
    };
    let line = String::from_utf8(event_line(10, "2026-03-01T10:00:00Z", &event)).expect("text");
    assert_eq!(
        line,
        "{\"v\":3,\"ts\":\"2026-03-01T10:00:00Z\",\"lane\":\"event\",\"seq\":10,\"op\":\"add_comment\",\"id\":\"st-1\",\
         \"comment\":{\"ts\":\"2026-03-01T10:00:00Z\",\"author\":\"mesh\",\"text\":\"a\\nb\"}}\n"
    );
}

#[test]
fn every_progress_has_its_status() {
    let of = |progress: Progress| status(progress).as_str();
    assert_eq!(of(Progress::Started), "in_progress");
    assert_eq!(of(Progress::Verified), "completed");
    assert_eq!(of(Progress::Failed), "blocked");
    assert_eq!(of(Progress::Question), "blocked");
    assert_eq!(of(Progress::Released), "pending");
    for one in ItemStatus::ALL {
        assert_eq!(ItemStatus::from_word(one.as_str()), Some(one));
    }
}

#[test]
fn ids_restrict_to_what_they_need() {
    let bytes = fs_err::read(
        plans()
            .iter()
            .find(|path| path.ends_with("whole.jsonl"))
            .expect("it is there"),
    );
    let mut loaded = load("whole.jsonl", &bytes.expect("it can be read"));
    let unknown = loaded
        .clone()
        .restrict(&[id("st-02")])
        .expect_err("no such task");
    assert_eq!(
        unknown[0].message,
        "st-02 is no task of st whole.jsonl; did you mean `st-002`?"
    );
    loaded.restrict(&[id("st-002")]).expect("it is there");
    let left: Vec<&str> = loaded.tasks.iter().map(|task| task.id.as_str()).collect();
    assert_eq!(left, ["st-001", "st-002"]);
    assert_eq!(loaded.details.len(), 2);
    assert!(loaded.plan(&Default::default()).is_ok());
}

/// The order and the spans are those of the file.
#[test]
fn a_big_plan_is_read_whole() {
    let items: Vec<StItem> = (0..10_000)
        .map(|number: usize| {
            let mut item = StItem::pending(
                id(&format!("st-{number:05}")),
                "do a thing that takes a line to say",
            );
            item.deps = number
                .checked_sub(7)
                .map(|need| StDep::blocks(id(&format!("st-{need:05}"))))
                .into_iter()
                .collect();
            item.notes = "```mesh\nscope: [src]\nvalidation: [make]\nlocks: [core]\n```".to_owned();
            item
        })
        .collect();
    let loaded = load("big.jsonl", &new_plan("2026-03-01T10:00:00Z", &items));
    assert_eq!(loaded.diagnostics, []);
    assert_eq!(
        loaded
            .plan(&Default::default())
            .map(|plan| plan.tasks().len()),
        Ok(10_000)
    );
    assert!(
        loaded
            .tasks
            .iter()
            .map(|task| &task.id)
            .eq(items.iter().map(|item| &item.id))
    );
    assert!(
        loaded
            .tasks
            .iter()
            .map(|task| loaded.spans[&task.id])
            .is_sorted()
    );
}

#[test]
fn deep_nesting_is_an_error_and_no_crash() {
    let deep =
        |open: &str, close: &str| format!("{}{}", open.repeat(100_000), close.repeat(100_000));
    let mut item = StItem::pending(id("a"), "s");
    for yaml in [
        deep("[", "]"),
        deep("{a: ", "}"),
        deep("- ", ""),
        deep("? ", ""),
    ] {
        item.notes = format!("```mesh\nswarm:\n  a: {yaml}\n```");
        let (_, said) = read(&new_plan(
            "2026-03-01T10:00:00Z",
            std::slice::from_ref(&item),
        ));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].is_error());
    }
    let line = format!(
        "{{\"v\":3,\"lane\":\"event\",\"op\":\"replace\",\"items\":{}}}\n",
        deep("[", "]")
    );
    assert!(load("x", line.as_bytes()).has_errors());
}

/// Lines that are nearly records, so that arbitrary input gets past the first check.
fn nearly_records() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just("{\"v\":3,\"lane\":\"event\",\"seq\":1,\"op\":\"replace\",\"items\":["),
        Just("{\"id\":\"a\",\"step\":\"s\",\"deps\":["),
        Just("{\"id\":\"b\",\"type\":\"blocks\"}"),
        Just("],\"notes\":\"```mesh\\n"),
        Just("scope: [a]\\n"),
        Just("locks: &x [*x, \\u0000]\\n"),
        Just("? {a: b}\\n"),
        Just("```\\n\"}"),
        Just("]}\n"),
        Just(","),
        Just("\\ud800"),
        Just(
            "{\"v\":3,\"lane\":\"event\",\"seq\":99999999999999999999,\"op\":\"set_status\",\"id\":\"a\",\"status\":\"done\"}\n"
        ),
        Just("{\"v\":3,\"kind\":\"checkpoint\",\"items\":[]}\n"),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat().into_bytes())
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = load("x", &bytes).plan(&Default::default());
    }

    #[test]
    fn nearly_records_never_panic(bytes in nearly_records()) {
        let _ = load("x", &bytes).plan(&Default::default());
    }

    #[test]
    fn notes_never_panic(notes in "(```|mesh|\n|: |- |\\[|\\]|[a-z&*!|>%@\"']| ){0,40}") {
        let (_, _, found) = meta::read(&notes);
        prop_assert!(found.iter().all(|found| found.line <= notes.lines().count()));
    }
}

#[test]
fn notes_get_what_their_block_does_not_say_and_lose_nothing() {
    let block = "scope:\n  - \"a.rs\"\nacceptance:\n  - \"it builds\"\nvalidation:\n  - \"true\"\n";
    let whole = format!("```mesh\n{block}```");
    for (notes, wanted) in [
        ("", Some(whole.clone())),
        ("Some words.\n", Some(format!("Some words.\n\n{whole}"))),
        (
            "Before.\n```mesh\nrisk: high\nscope:\n  - b.rs\n```\nBehind.",
            Some(
                "Before.\n```mesh\nrisk: high\nscope:\n  - b.rs\nacceptance:\n  - \"it builds\"\nvalidation:\n  - \"true\"\n```\nBehind."
                    .to_owned(),
            ),
        ),
        (whole.as_str(), None),
        // An empty list is said already, and a second one would not be read.
        (
            "```mesh\nscope: []\nacceptance: [it is]\nvalidation: [make]\n```",
            None,
        ),
    ] {
        let completed = super::meta::completed(notes, block);
        assert_eq!(completed, wanted, "{notes}");
        if let Some(completed) = completed {
            assert_eq!(super::meta::completed(&completed, block), None, "{notes}");
        }
    }
    assert_eq!(super::meta::completed("", "scope: {a"), None);
}

#[test]
fn metadata_that_agents_agreed_on_goes_into_the_notes_once() {
    let item = StItem::pending(id("st-001"), "one");
    let mut bytes = new_plan("2026-01-01T00:00:00Z", &[item]);
    let format = crate::file::format(SourceKind::St).expect("a plan file");
    let task = id("st-001");
    let record = crate::file::Record {
        task: &task,
        progress: Progress::Verified,
        sets_status: true,
        detail: None,
        reason: None,
        validation: None,
        metadata: Some("validation:\n  - \"true\"\n"),
        marker: "",
        time: "2026-01-01T00:00:01Z",
    };
    let selection = crate::file::Selection::default();
    let edit = format.record("plan.jsonl", &bytes, &selection, &record);
    let Ok(Some(crate::file::Edit::Append { bytes: added, .. })) = edit else {
        panic!("{edit:?}");
    };
    let text = String::from_utf8_lossy(&added).into_owned();
    assert!(
        text.contains(r#""op":"set_notes","id":"st-001","notes":"```mesh\nvalidation:"#),
        "{text}"
    );
    bytes.extend(added);
    let (plan, said) = read(&bytes);
    assert_eq!(said, []);
    assert!(
        plan.item(&task)
            .expect("it is there")
            .notes
            .contains("validation:")
    );
    let again = format.record("plan.jsonl", &bytes, &selection, &record);
    assert!(
        matches!(again, Ok(Some(crate::file::Edit::None))),
        "{again:?}"
    );
}
