use std::path::Path;
use std::sync::{Arc, Mutex};

use mesh_core::id::{AttemptId, TaskId};
use mesh_plan::source_snapshot::SourceSnapshot;

use super::{StSource, load};
use crate::source::{ClaimRefusal, Source as _};

const ITEM: &str = r#"{"v":3,"ts":"2026-01-01T00:00:00Z","lane":"event","seq":1,"op":"replace","items":[{"id":"c","step":"Write c","status":"pending","deps":[],"notes":"","comments":[]}]}"#;

fn set_status(seq: u64, status: &str) -> String {
    format!(
        r#"{{"v":3,"ts":"2026-01-01T00:00:01Z","lane":"event","seq":{seq},"op":"set_status","id":"c","status":"{status}"}}"#
    )
}

fn source(path: &Path, loaded: SourceSnapshot) -> StSource {
    let details = Arc::new(Mutex::new(loaded.details.clone()));
    let run = "20260101-000000-abcd".to_owned();
    StSource::new(path.to_path_buf(), Vec::new(), loaded, run, details)
}

/// A start that was decided before the listing showed what a person did is asked for after it.
#[test]
fn what_a_person_withdrew_is_not_claimed_after_a_refresh_and_can_be_given_back() {
    let attempt = AttemptId {
        task: TaskId::new("c").expect("an id"),
        number: 1,
    };
    for status in ["completed", "blocked", "deferred", "canceled"] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("plan.jsonl");
        fs_err::write(&path, format!("{ITEM}\n")).expect("a plan");
        let loaded = load(&path, &[]).expect("loads");
        let source = source(&path, loaded);
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
        let after = load(&path, &[]).expect("loads");
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
    fs_err::write(&path, format!("{ITEM}\n")).expect("a plan");
    let source = source(&path, load(&path, &[]).expect("loads"));
    let locked = source.lock().expect("a lock");
    let foreign = r#"{"note":"of somebody who keeps no lock"}"#;
    fs_err::write(&path, format!("{ITEM}\n{foreign}\n")).expect("written");
    super::write_at_end(&path, &locked, b"ours\n").expect("written");
    let text = fs_err::read_to_string(&path).expect("read");
    assert_eq!(text, format!("{ITEM}\n{foreign}\nours\n"));
}
