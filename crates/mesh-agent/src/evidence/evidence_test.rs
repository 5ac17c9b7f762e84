use super::*;
use crate::scope::ScopeReport;
use mesh_core::evidence::{ChangedClaim, FailureClass, FinalBlock, ScopeBreach};
use mesh_core::id::LockGroup;
use mesh_core::task::Commit;

fn evidence() -> EvidenceRecord {
    let block = BlockReading::Read(FinalBlock {
        pr: None,
        verify: Some("make test".to_owned()),
        changed: ChangedClaim::NoDiff("done before".to_owned()),
        blockers: None,
    });
    let breaches = vec![ScopeBreach {
        path: "nvim/a".to_owned(),
        group: LockGroup::new("editor").unwrap(),
    }];
    let changes = ChangeSet {
        unrecorded: Vec::new(),
        commit: Commit("c1".to_owned()),
        paths: vec!["nvim/a".to_owned()],
        conflicted: Vec::new(),
        strays: vec![Commit("c2".to_owned())],
        missing_needs: Vec::new(),
        breaches: breaches.clone(),
    };
    let scope = ScopeReport::Checked {
        breaches,
        unmapped: vec!["b".to_owned()],
    };
    let proof_end = ProofEnd {
        ending: Ending::Exited(2),
        tail: "1 failed".to_owned(),
        passed_in_workspace: false,
    };
    EvidenceRecord {
        version: VERSION,
        run: "run-7".to_owned(),
        task: "t".to_owned(),
        attempt: 2,
        profile: "command".to_owned(),
        times: Times {
            started_unix_ms: Some(1),
            ended_unix_ms: Some(2),
            ..Times::default()
        },
        ending: Ending::Exited(0),
        block: Some(block),
        changes: Some(changes),
        scope: Some(scope),
        proof: Some(ProofRecord {
            choice: ProofChoice::SelfChecked("make test".to_owned()),
            end: Some(proof_end),
        }),
        failure: Some(Failure::new(FailureClass::VerifyFailed, "1 failed")),
    }
}

#[test]
fn what_is_written_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    assert!(EvidenceRecord::read(folder.path()).unwrap().is_none());
    let mut evidence = evidence();
    evidence.write(folder.path()).unwrap();
    assert_eq!(
        EvidenceRecord::read(folder.path()).unwrap().as_ref(),
        Some(&evidence)
    );
    evidence.proof = None;
    evidence.write(folder.path()).unwrap();
    assert_eq!(EvidenceRecord::read(folder.path()).unwrap(), Some(evidence));
    let names: Vec<_> = fs_err::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, [FILE_NAME]);
}

#[test]
fn the_stored_form_is_this() {
    let json = serde_json::to_value(evidence()).unwrap();
    let wanted = serde_json::json!({
        "version": 2, "run": "run-7", "task": "t", "attempt": 2, "profile": "command",
        "times": {"started_unix_ms": 1, "ended_unix_ms": 2},
        "ending": {"how": "exited", "code": 0},
        "block": {"is": "read", "verify": "make test", "changed": {"is": "no_diff", "reason": "done before"}},
        "changes": {"commit": "c1", "paths": ["nvim/a"], "strays": ["c2"], "breaches": [{"path": "nvim/a", "group": "editor"}]},
        "scope": {"kind": "checked", "breaches": [{"path": "nvim/a", "group": "editor"}], "unmapped": ["b"]},
        "proof": {"choice": {"is": "self_checked", "command": "make test"}, "end": {"ending": {"how": "exited", "code": 2}, "tail": "1 failed"}},
        "failure": {"class": "verify-failed", "detail": "1 failed"}
    });
    assert_eq!(json, wanted);
}

/// What [`evidence`] was in version 1, which did not hold the breaches twice.
fn version_1() -> serde_json::Value {
    serde_json::json!({
        "version": 1, "run": "run-7", "task": "t", "attempt": 2, "profile": "command",
        "times": {"started_unix_ms": 1, "ended_unix_ms": 2},
        "ending": {"kind": "exited", "code": 0},
        "block": {"kind": "read", "pr": null, "verify": "make test", "changed": [], "no_diff": "done before", "blockers": null},
        "changes": {"commit": "c1", "paths": ["nvim/a"], "strays": ["c2"]},
        "scope": {"kind": "checked", "breaches": [{"path": "nvim/a", "group": "editor"}], "unmapped": ["b"]},
        "proof": {"choice": "self-checked", "command": "make test", "self_checked": true, "ending": {"kind": "exited", "code": 2}, "exit_code": 2, "tail": "1 failed"},
        "failure": {"class": "verify-failed", "detail": "1 failed"}
    })
}

fn read(stored: &serde_json::Value) -> Result<EvidenceRecord, EvidenceError> {
    let folder = tempfile::tempdir().unwrap();
    fs_err::write(folder.path().join(FILE_NAME), stored.to_string()).unwrap();
    EvidenceRecord::read(folder.path()).map(Option::unwrap)
}

#[test]
fn evidence_of_version_1_is_read() {
    let mut wanted = evidence();
    wanted.changes.as_mut().unwrap().breaches.clear();
    assert_eq!(read(&version_1()).unwrap(), wanted);

    let mut stored = version_1();
    stored["ending"] = serde_json::json!({"kind": "hard-limit"});
    stored["block"] = serde_json::json!({"kind": "missing", "why": "two blocks"});
    stored["proof"] = serde_json::json!({"choice": "waived", "self_checked": false});
    wanted.ending = Ending::HardLimit;
    wanted.block = Some(BlockReading::Missing("two blocks".to_owned()));
    wanted.proof = Some(ProofRecord {
        choice: ProofChoice::Waived,
        end: None,
    });
    assert_eq!(read(&stored).unwrap(), wanted);

    stored["block"] = serde_json::json!({"kind": "read", "pr": "x", "verify": null, "changed": ["a"], "blockers": null});
    stored["proof"] = serde_json::json!({"choice": "named", "command": "c", "self_checked": false, "ending": {"kind": "no-report"}});
    wanted.block = Some(BlockReading::Read(FinalBlock {
        pr: Some("x".to_owned()),
        verify: None,
        changed: ChangedClaim::Paths(vec!["a".to_owned()]),
        blockers: None,
    }));
    wanted.proof = Some(ProofRecord {
        choice: ProofChoice::Named("c".to_owned()),
        end: Some(ProofEnd {
            ending: Ending::NoReport,
            tail: String::new(),
            passed_in_workspace: false,
        }),
    });
    assert_eq!(read(&stored).unwrap(), wanted);
}

#[test]
fn damaged_evidence_of_either_version_is_an_error() {
    for whole in [version_1(), serde_json::to_value(evidence()).unwrap()] {
        for part in ["ending", "block", "changes", "scope", "proof", "failure"] {
            for damaged in [serde_json::json!(3), serde_json::json!({"kind": []})] {
                let mut stored = whole.clone();
                stored[part] = damaged;
                let problem = read(&stored).unwrap_err().to_string();
                assert!(problem.contains("not readable"), "{part}: {problem}");
            }
        }
    }
}

#[test]
fn what_cannot_be_used_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: &str, part: &str| {
        fs_err::write(folder.path().join(FILE_NAME), text).unwrap();
        let problem = EvidenceRecord::read(folder.path()).unwrap_err().to_string();
        assert!(problem.contains(part), "{problem}");
        assert!(problem.contains(FILE_NAME), "{problem}");
    };
    check("", "not readable");
    check("{\"version\": 1}", "not readable");
    check("{\"version\": 3, \"new\": true}", "has version 3");
    let problem = evidence()
        .write(&folder.path().join("nowhere"))
        .unwrap_err()
        .to_string();
    assert!(problem.contains("nowhere"), "{problem}");
}
