use super::*;

const RECORDED: [&str; 2] = [
    include_str!("../../../../fixtures/bd/1.3.0.jsonl"),
    include_str!("../../../../fixtures/bd/1.0.5.jsonl"),
];

fn answer(stdout: &[u8]) -> CallOutput {
    CallOutput {
        command: "list".to_owned(),
        code: 0,
        stdout: stdout.to_owned(),
        stderr: Vec::new(),
    }
}

fn recorded(recording: &str, step: &str) -> CallOutput {
    let line = recording
        .lines()
        .find(|line| line.contains(&format!("\"step\": \"{step}\"")));
    let line: Value = serde_json::from_str(line.expect("the step")).expect("a line of a recording");
    answer(line["stdout"].as_str().expect("a text").as_bytes())
}

#[test]
fn recorded_listings_are_read() {
    for recording in RECORDED {
        let found = listing(&recorded(recording, "list-all")).expect("a listing");
        assert_eq!(found.issues.len(), 9);
        let docs = found
            .issues
            .values()
            .find(|issue| issue.title == "docs")
            .expect("docs");
        assert_eq!(
            found.parents_of(&docs.id).len(),
            2,
            "the epic and the wrapper"
        );
        assert_eq!(
            found
                .wrapper_of(&docs.id)
                .map(|w| found.issues[&w].title.clone()),
            Some("Swarm Epic: docs".into())
        );
        let end = listing(&recorded(recording, "list-end")).expect("a listing");
        assert!(
            end.issues
                .values()
                .any(|issue| issue.kind == IssueKind::Epic)
        );
    }
}

#[test]
fn an_envelope_and_null_are_no_obstacle() {
    let bare = br#"[{"id":"t-1","title":"x","status":"hooked","priority":1}]"#;
    let wrapped = format!(
        r#"{{"schema_version":2,"data":{}}}"#,
        String::from_utf8_lossy(bare)
    );
    assert_eq!(listing(&answer(bare)), listing(&answer(wrapped.as_bytes())));
    let issues = listing(&answer(bare)).expect("a listing").issues;
    let issue = &issues[&TaskId::new("t-1").expect("a plain id")];
    assert_eq!(issue.status, IssueStatus::Other("hooked".into()));
    assert_eq!(listing(&answer(b"null")), Ok(Listing::default()));
    let error = answer(br#"{"schema_version":1,"data":{"error":"no"}}"#);
    assert_eq!(error.error().as_deref(), Some("no"));
}

#[test]
fn what_is_no_listing_is_not_an_empty_one() {
    for bytes in [
        &b""[..],
        b" \n",
        b"{}",
        b"[{}]",
        b"[{\"id\":\"\",\"status\":\"open\"}]",
        b"[{\"id\":\"t-1\",\"status\":\"open\",\"dependencies\":[{\"id\":\"t-2\"}]}]",
        b"[1]",
        b"\xff\xfe",
        b"[{\"id\":\"t",
    ] {
        let text = String::from_utf8_lossy(bytes);
        assert!(listing(&answer(bytes)).is_err(), "{text}");
    }
}

#[test]
fn metadata_is_compared_as_bd_keeps_it() {
    assert!(same_metadata("1e5", "100000"));
    assert!(same_metadata("r1", "r1"));
    assert!(!same_metadata("r1", "r2"));
    assert!(!same_metadata("007", "r7"));
}
