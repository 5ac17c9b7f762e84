use std::collections::BTreeSet;

use mesh_core::id::{AttemptId, TaskId};

use super::{ListSelection, ListSource};

/// A coordinator claims and finalizes from as many threads as it has agents.
#[test]
fn statuses_that_are_written_at_the_same_time_are_all_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tasks.md");
    let attempts: Vec<AttemptId> = (0..40)
        .map(|number| AttemptId {
            task: TaskId::new(format!("t{number}")).expect("an id"),
            number: 1,
        })
        .collect();
    let items = attempts.iter().map(|attempt| {
        let id = &attempt.task;
        format!("- {id}\n  - id: {id}\n  - status: todo\n  - depends_on: []\n")
    });
    fs_err::write(&path, items.collect::<String>()).expect("a list");
    let selection = ListSelection {
        path: path.clone(),
        ids: Vec::new(),
        pick: None,
    };
    let loaded = selection.load().expect("loads").snapshot;
    let source = ListSource::new(selection.clone(), true, loaded);
    std::thread::scope(|scope| {
        for attempts in attempts.chunks(10) {
            let source = &source;
            scope.spawn(move || {
                for attempt in attempts {
                    source.take(&attempt.task).expect("nobody else has it");
                }
            });
        }
    });
    let details = selection.load().expect("loads").snapshot.details;
    let statuses: BTreeSet<&str> = details.values().map(|task| task.status.as_str()).collect();
    assert_eq!(statuses, BTreeSet::from(["doing"]));
}
