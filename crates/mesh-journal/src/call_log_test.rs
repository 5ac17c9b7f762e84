use super::*;

fn call(program: &str, outcome: CallOutcome) -> Call {
    Call {
        argv: vec![program.to_owned(), "show".to_owned(), "a b".to_owned()],
        cwd: Some("/repo".to_owned()),
        started_unix_ms: 12,
        elapsed_ms: 340,
        outcome,
    }
}

fn failed() -> CallOutcome {
    CallOutcome::Failed {
        problem: "exit code 1".to_owned(),
    }
}

#[test]
fn calls_are_counted_by_program_over_several_openings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.jsonl");
    assert_eq!(count(&path, "bd").unwrap(), CallCounts::default());
    let log = CallLog::open(&path, DEFAULT_LIMIT_BYTES).unwrap();
    log.record(&call("/usr/bin/bd", CallOutcome::Ok)).unwrap();
    log.record(&call("jj", failed())).unwrap();
    drop(log);
    CallLog::open(&path, DEFAULT_LIMIT_BYTES)
        .unwrap()
        .record(&call("bd", failed()))
        .unwrap();
    assert_eq!(
        count(&path, "bd").unwrap(),
        CallCounts {
            calls: 2,
            failures: 1
        }
    );
    assert_eq!(
        count(&path, "jj").unwrap(),
        CallCounts {
            calls: 1,
            failures: 1
        }
    );
}

#[test]
fn a_line_says_all_of_the_call() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.jsonl");
    CallLog::open(&path, DEFAULT_LIMIT_BYTES)
        .unwrap()
        .record(&call("bd", failed()))
        .unwrap();
    let line = fs_err::read(&path).unwrap();
    assert_eq!(from_line::<Call>(&line).unwrap(), call("bd", failed()));
}

#[test]
fn the_log_ends_at_its_limit_and_says_so_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.jsonl");
    let log = CallLog::open(&path, 1000).unwrap();
    for _ in 0..50 {
        log.record(&call("bd", CallOutcome::Ok)).unwrap();
    }
    let text = fs_err::read_to_string(&path).unwrap();
    assert!(text.len() < 1100, "{} bytes", text.len());
    assert_eq!(text.matches("full").count(), 1);
    assert!(text.ends_with("{\"v\":2,\"full\":true}\n"));
    let counted = count(&path, "bd").unwrap().calls;
    assert_eq!(counted, text.lines().count() as u64 - 1);
    CallLog::open(&path, 1000)
        .unwrap()
        .record(&call("bd", CallOutcome::Ok))
        .unwrap();
    assert_eq!(
        fs_err::read_to_string(&path)
            .unwrap()
            .matches("full")
            .count(),
        1
    );
}

#[test]
fn a_prompt_among_the_arguments_is_cut_between_letters() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("calls.jsonl");
    let mut long = call("bd", CallOutcome::Ok);
    long.argv.push("ä".repeat(5000));
    CallLog::open(&path, DEFAULT_LIMIT_BYTES)
        .unwrap()
        .record(&long)
        .unwrap();
    let text = fs_err::read_to_string(&path).unwrap();
    assert!(text.len() < 3000);
    assert!(text.contains("… 7952 bytes more"), "{text}");
}

#[test]
fn a_full_disk_is_an_error_and_no_panic() {
    let log = CallLog::open(Path::new("/dev/full"), DEFAULT_LIMIT_BYTES).unwrap();
    log.record(&call("bd", CallOutcome::Ok)).unwrap_err();
}
