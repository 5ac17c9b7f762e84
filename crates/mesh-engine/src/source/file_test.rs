use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use mesh_core::id::{AttemptId, TaskId};
use mesh_plan::file::{Edit, Selection, format};
use mesh_plan::source_snapshot::SourceKind;

use super::{FileSource, apply};
use crate::setup::FileSetup;
use crate::source::{ClaimRefusal, Source as _};

const ITEM: &str = r#"{"v":3,"ts":"2026-01-01T00:00:00Z","lane":"event","seq":1,"op":"replace","items":[{"id":"c","step":"Write c","status":"pending","deps":[],"notes":"","comments":[]}]}"#;

fn set_status(seq: u64, status: &str) -> String {
    format!(
        r#"{{"v":3,"ts":"2026-01-01T00:00:01Z","lane":"event","seq":{seq},"op":"set_status","id":"c","status":"{status}"}}"#
    )
}

fn file(kind: SourceKind, path: &Path) -> FileSetup {
    FileSetup {
        format: format(kind).expect("a plan file"),
        path: path.to_path_buf(),
        selection: Selection {
            write: true,
            ..Selection::default()
        },
    }
}

fn source(file: &FileSetup) -> FileSource {
    let loaded = file.load().expect("loads");
    let details = Arc::new(Mutex::new(loaded.details.clone()));
    let run = "20260101-000000-abcd".to_owned();
    FileSource::new(file.clone(), loaded, run, details)
}

fn first_attempt(task: &str) -> AttemptId {
    AttemptId {
        task: TaskId::new(task).expect("an id"),
        number: 1,
    }
}

/// A start that was decided before the listing showed what a person did is asked for after it.
#[test]
fn what_a_person_withdrew_is_not_claimed_after_a_refresh_and_can_be_given_back() {
    let attempt = first_attempt("c");
    for status in ["completed", "blocked", "deferred", "canceled"] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("plan.jsonl");
        fs_err::write(&path, format!("{ITEM}\n")).expect("a plan");
        let file = file(SourceKind::St, &path);
        let source = source(&file);
        let says = |text: String| {
            fs_err::write(&path, format!("{ITEM}\n{text}\n")).expect("written");
            source.refresh().expect("a listing");
        };

        says(set_status(2, status));
        let claimed = source.take(&attempt);
        let Err(ClaimRefusal::Taken(said)) = claimed else {
            panic!("{status}: claimed");
        };
        assert_eq!(said, format!("its status was changed to {status}"));
        let after = file.load().expect("loads");
        assert_eq!(after.details[&attempt.task].status, status);

        says(format!(
            "{}\n{}",
            set_status(2, status),
            set_status(3, "pending")
        ));
        assert!(source.take(&attempt).is_ok(), "{status}: given back");
    }
}

#[test]
fn a_line_that_was_added_without_the_lock_is_not_cut_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("plan.jsonl");
    let torn = r#"{"v":3,"ts""#;
    let read = format!("{ITEM}\n{torn}");
    fs_err::write(&path, &read).expect("a plan");
    let edit = Edit::Append {
        sound_bytes: ITEM.len() as u64 + 1,
        bytes: b"ours\n".to_vec(),
    };
    apply(&path, read.len() as u64, &edit).expect("written");
    let text = fs_err::read_to_string(&path).expect("read");
    assert_eq!(text, format!("{ITEM}\nours\n"), "what was cut off goes");

    let foreign = r#"{"note":"of somebody who keeps no lock"}"#;
    fs_err::write(&path, format!("{ITEM}\n{foreign}\n")).expect("written");
    apply(&path, read.len() as u64, &edit).expect("written");
    let text = fs_err::read_to_string(&path).expect("read");
    assert_eq!(text, format!("{ITEM}\n{foreign}\nours\n"));
}

/// A coordinator claims and finalizes from as many threads as it has agents.
#[test]
fn statuses_that_are_written_at_the_same_time_are_all_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let ids: Vec<String> = (0..40).map(|number| format!("t{number}")).collect();
    let list: String = ids
        .iter()
        .map(|id| format!("- {id}\n  - id: {id}\n  - status: todo\n  - depends_on: []\n"))
        .collect();
    let items: Vec<String> = ids
        .iter()
        .map(|id| format!(r#"{{"id":"{id}","step":"Do {id}","status":"pending","deps":[],"notes":"","comments":[]}}"#))
        .collect();
    let plan = format!(
        r#"{{"v":3,"ts":"2026-01-01T00:00:00Z","lane":"event","seq":1,"op":"replace","items":[{}]}}"#,
        items.join(",")
    );
    for (kind, name, text, begun) in [
        (SourceKind::List, "tasks.md", list, "doing"),
        (SourceKind::St, "plan.jsonl", plan, "in_progress"),
    ] {
        let path = folder.path().join(name);
        fs_err::write(&path, text).expect("a plan");
        let file = file(kind, &path);
        let source = source(&file);
        std::thread::scope(|scope| {
            for ids in ids.chunks(10) {
                let source = &source;
                scope.spawn(move || {
                    for id in ids {
                        let taken = source.take(&first_attempt(id));
                        taken.expect("nobody else has it");
                    }
                });
            }
        });
        let details = file.load().expect("loads").details;
        let statuses: BTreeSet<&str> = details.values().map(|task| task.status.as_str()).collect();
        assert_eq!(statuses, BTreeSet::from([begun]), "{name}");
    }
}
