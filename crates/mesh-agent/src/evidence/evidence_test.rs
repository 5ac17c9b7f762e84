use super::*;
use crate::ownership::ScopeReport;
use mesh_core::evidence::{ChangedClaim, Evidence, FailureClass, ScopeBreach};
use mesh_core::id::LockGroup;
use mesh_core::task::Commit;

fn evidence() -> EvidenceRecord {
    let breaches = vec![ScopeBreach {
        path: "nvim/a".to_owned(),
        group: LockGroup::new("editor").unwrap(),
    }];
    let choice = ProofChoice::SelfChecked("make test".to_owned());
    let mut found = Evidence::clean(Commit("c1".to_owned()), vec!["nvim/a".to_owned()], choice);
    found.changes.strays = vec![Commit("c2".to_owned())];
    found.changes.breaches = breaches.clone();
    if let BlockReading::Read(block) = &mut found.block {
        block.verify = Some("make test".to_owned());
        block.changed = ChangedClaim::NoDiff("done before".to_owned());
    }
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
        ending: Some(Ending::Exited(0)),
        block: Some(found.block),
        changes: Some(found.changes),
        scope: Some(scope),
        proof: Some(ProofRecord {
            choice: found.proof,
            end: Some(proof_end),
        }),
        failure: Some(Failure::new(FailureClass::VerifyFailed, "1 failed")),
    }
}

#[test]
fn it_is_written_whole_and_again() {
    let folder = tempfile::tempdir().unwrap();
    for ending in [Ending::Exited(0), Ending::HardLimit] {
        let mut evidence = evidence();
        evidence.ending = Some(ending);
        evidence.write(folder.path()).unwrap();
        let bytes = fs_err::read(folder.path().join(FILE_NAME)).unwrap();
        let read: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(read, serde_json::to_value(&evidence).unwrap());
    }
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
