//! Ids that are no file names never leave the folders that are theirs.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::json;

use crate::fixture::{Backends, Fixture, Job, on_each_vcs, task};

on_each_vcs!(hostile_ids_stay_inside);

fn entries(folder: PathBuf) -> BTreeSet<PathBuf> {
    fs_err::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").path())
        .collect()
}

fn hostile_ids_stay_inside(backends: Backends) {
    let Some(fixture) = backends.open() else {
        return;
    };
    let long = "x".repeat(300);
    let ids = [
        "../../x",
        "/etc/x",
        ".",
        "..",
        ".git",
        "a b",
        "it's \"quoted\"",
        "-rf",
        "--help",
        "$(touch pwned)",
        "a;touch pwned",
        "A",
        "a",
        "ünï",
        "a\\b",
        "a+2",
        "a#1",
        "@",
        "*",
        &long,
    ];
    let jobs: Vec<Job> = ids
        .iter()
        .map(|id| Job {
            key: (*id).to_owned(),
            proof: Some("test -f out.txt".to_owned()),
            ..Job::default()
        })
        .collect();
    let work = fixture.plan("Hostile", &jobs);
    let told = fixture.marks().join("told");
    let number = |job: &Job| {
        ids.iter()
            .position(|id| *id == job.key)
            .expect("it is one of them")
            .to_string()
    };
    fixture.script(&work, |job| {
        json!([
            {"write": {"path": told.join(number(job)), "text": "{workspace}"}},
            {"write": {"path": "out.txt", "text": "{task}"}},
            {"final": {"changed": "out.txt"}},
        ])
    });
    let around: [PathBuf; 3] = [
        fixture.env.dir(),
        fixture.env.home(),
        fixture.env.temporary(),
    ];
    let before = around.clone().map(entries);
    let report = fixture.run(&work, 4, &[]).exits(0).object();
    for id in ids {
        assert_eq!(task(&report, id)["state"], "verified", "{id}");
    }
    let workspaces = told_workspaces(&fixture, &told);
    assert_eq!(workspaces.len(), ids.len(), "two tasks shared a workspace");
    for workspace in &workspaces {
        assert_eq!(
            workspace.parent(),
            Some(fixture.workspaces().as_path()),
            "{}",
            workspace.display()
        );
    }
    let run = entries(fixture.repo.join(".mesh/runs"))
        .pop_first()
        .expect("a run");
    assert_eq!(entries(run.join("attempts")).len(), ids.len());
    // Nothing new around, but what the run and the agents were told to make.
    let expected = [
        fixture.env.dir().join("plan.jsonl.lock"),
        fixture.env.home().join(".local"),
        told,
        fixture
            .repo
            .parent()
            .expect("it has one")
            .join("workspaces"),
    ];
    let after = around.map(entries);
    for (before, after) in before.iter().zip(&after) {
        let fresh: Vec<_> = after
            .difference(before)
            .filter(|path| !expected.contains(path) && !is_output(path))
            .collect();
        assert_eq!(fresh, Vec::<&PathBuf>::new());
    }
    fixture.assert_nothing_left(&work);
}

/// What this test keeps of mesh's own output.
fn is_output(path: &std::path::Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "stdout" || extension == "stderr")
}

fn told_workspaces(fixture: &Fixture, told: &std::path::Path) -> BTreeSet<PathBuf> {
    let parent =
        fs_err::canonicalize(fixture.repo.parent().expect("it has one")).expect("it is there");
    let read = |path: PathBuf| {
        let told = PathBuf::from(fs_err::read_to_string(path).expect("a path"));
        assert!(
            told.starts_with(&parent)
                && !told
                    .components()
                    .any(|part| part == std::path::Component::ParentDir),
            "{}",
            told.display()
        );
        told
    };
    entries(told.to_path_buf()).into_iter().map(read).collect()
}
