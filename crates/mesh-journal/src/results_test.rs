use super::*;
use crate::sample::{START, attempt, commit, header, id};

fn source(name: &str) -> SourceKey {
    SourceKey {
        kind: "st".to_owned(),
        id: name.to_owned(),
    }
}

fn result(task: &str, result: &str) -> ResultRecord {
    ResultRecord {
        run: header().run,
        attempt: attempt(task, 2),
        commit: commit(result),
        needs: vec![NeedCommit {
            task: id("need"),
            commit: commit("n1"),
        }],
        source: source("plan.jsonl"),
        self_checked: true,
        text_fingerprint: "0011".to_owned(),
        at: START,
    }
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("results.jsonl");
    (folder, path)
}

#[test]
fn the_latest_result_of_a_task_counts_and_sources_are_apart() {
    let (_folder, path) = place();
    assert_eq!(read(&path).unwrap(), Results::default());
    let records = [result("a", "c1"), result("b", "c2"), result("a", "c3")];
    for record in &records {
        append(&path, record).unwrap();
    }
    let elsewhere = ResultRecord {
        source: source("other.jsonl"),
        ..result("a", "c4")
    };
    append(&path, &elsewhere).unwrap();
    let results = read(&path).unwrap();
    assert_eq!(results.skipped, []);
    assert_eq!(
        results.latest_for(&source("plan.jsonl"), &id("a")),
        Some(&records[2])
    );
    assert_eq!(
        results.latest_for(&source("other.jsonl"), &id("a")),
        Some(&elsewhere)
    );
    assert_eq!(results.latest_for(&source("other.jsonl"), &id("b")), None);
}

#[test]
fn a_torn_last_line_is_passed_over_and_overwritten_at_every_byte() {
    let (_folder, path) = place();
    append(&path, &result("a", "c1")).unwrap();
    let one = fs_err::read(&path).unwrap();
    append(&path, &result("b", "c2")).unwrap();
    let two = fs_err::read(&path).unwrap();
    for cut in one.len()..two.len() {
        fs_err::write(&path, &two[..cut]).unwrap();
        assert_eq!(
            read(&path).unwrap(),
            Results {
                records: vec![result("a", "c1")],
                skipped: Vec::new()
            }
        );
        append(&path, &result("b", "c2")).unwrap();
        assert_eq!(fs_err::read(&path).unwrap(), two, "cut at {cut}");
    }
}

#[test]
fn a_torn_line_longer_than_what_is_looked_at_in_one_go_is_cut_whole() {
    let (_folder, path) = place();
    append(&path, &result("a", "c1")).unwrap();
    let mut bytes = fs_err::read(&path).unwrap();
    bytes.extend(std::iter::repeat_n(b'x', 10_000));
    fs_err::write(&path, &bytes).unwrap();
    append(&path, &result("b", "c2")).unwrap();
    assert_eq!(fs_err::read(&path).unwrap().last(), Some(&b'\n'));
    let results = read(&path).unwrap();
    assert_eq!(results.records, [result("a", "c1"), result("b", "c2")]);
    assert_eq!(results.skipped, []);
}

#[test]
fn a_line_that_cannot_be_read_is_named_and_the_others_count() {
    let (_folder, path) = place();
    append(&path, &result("a", "c1")).unwrap();
    let mut bytes = fs_err::read(&path).unwrap();
    bytes.extend_from_slice(b"rubbish\n{\"v\":7}\n");
    fs_err::write(&path, &bytes).unwrap();
    append(&path, &result("b", "c2")).unwrap();
    let results = read(&path).unwrap();
    assert_eq!(results.records.len(), 2);
    let lines: Vec<usize> = results.skipped.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [2, 3]);
}

#[test]
fn runs_that_write_at_once_lose_nothing() {
    let (_folder, path) = place();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let path = &path;
            scope.spawn(move || {
                for number in 0..8 {
                    append(path, &result(&format!("t-{thread}-{number}"), "c")).unwrap();
                }
            });
        }
    });
    let results = read(&path).unwrap();
    assert_eq!((results.records.len(), results.skipped.len()), (32, 0));
}

#[test]
fn a_full_disk_is_an_error_that_names_the_file() {
    let error = append(Path::new("/dev/full"), &result("a", "c1")).unwrap_err();
    assert!(error.to_string().contains("/dev/full"), "{error}");
}
