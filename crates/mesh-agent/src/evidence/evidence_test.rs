use super::*;
use crate::scope::ScopeReport;
use mesh_core::evidence::{
    BlockReading, ChangeSet, ChangedClaim, Ending, Failure, FailureClass, FinalBlock, ProofChoice,
    ProofEnd, ScopeBreach,
};
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
        ending: EndingRecord::from(&Ending::Exited(0)),
        block: Some(BlockRecord::from(&block)),
        changes: Some(ChangesRecord::from(&changes)),
        scope: Some(ScopeRecord::from(&scope)),
        proof: Some(ProofRecord::new(
            &ProofChoice::SelfChecked("make test".to_owned()),
            Some(&proof_end),
        )),
        failure: Some(FailureRecord::from(&Failure::new(
            FailureClass::VerifyFailed,
            "1 failed",
        ))),
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
        "version": 1, "run": "run-7", "task": "t", "attempt": 2, "profile": "command",
        "times": {"started_unix_ms": 1, "ended_unix_ms": 2},
        "ending": {"kind": "exited", "code": 0},
        "block": {"kind": "read", "pr": null, "verify": "make test", "changed": [], "no_diff": "done before", "blockers": null},
        "changes": {"commit": "c1", "paths": ["nvim/a"], "strays": ["c2"]},
        "scope": {"kind": "checked", "breaches": [{"path": "nvim/a", "group": "editor"}], "unmapped": ["b"]},
        "proof": {"choice": "self-checked", "command": "make test", "self_checked": true, "ending": {"kind": "exited", "code": 2}, "exit_code": 2, "tail": "1 failed"},
        "failure": {"class": "verify-failed", "detail": "1 failed"}
    });
    assert_eq!(json, wanted);
}

#[test]
fn every_ending_comes_back() {
    for ending in [
        Ending::Exited(3),
        Ending::Signaled(9),
        Ending::CouldNotStart("no such file".to_owned()),
        Ending::HardLimit,
        Ending::Flood,
        Ending::Stopped,
        Ending::NoReport,
    ] {
        let json = serde_json::to_string(&EndingRecord::from(&ending)).unwrap();
        let record: EndingRecord = serde_json::from_str(&json).unwrap();
        assert_eq!(Ending::from(&record), ending);
    }
}

#[test]
fn every_choice_of_a_proof_has_its_record() {
    let check = |choice, wanted, command: Option<&str>| {
        let record = ProofRecord::new(&choice, None);
        assert_eq!(
            (record.choice, record.command.as_deref()),
            (wanted, command)
        );
        assert_eq!(
            record.self_checked,
            wanted == ProofChoiceRecord::SelfChecked
        );
        assert_eq!((record.ending, record.exit_code), (None, None));
    };
    let command = || "x".to_owned();
    check(
        ProofChoice::Named(command()),
        ProofChoiceRecord::Named,
        Some("x"),
    );
    check(
        ProofChoice::SelfChecked(command()),
        ProofChoiceRecord::SelfChecked,
        Some("x"),
    );
    check(
        ProofChoice::Refused(command()),
        ProofChoiceRecord::Refused,
        Some("x"),
    );
    check(ProofChoice::Nothing, ProofChoiceRecord::Nothing, None);
    check(ProofChoice::Waived, ProofChoiceRecord::Waived, None);
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
    check("{\"version\": 2, \"new\": true}", "has version 2");
    let problem = evidence()
        .write(&folder.path().join("nowhere"))
        .unwrap_err()
        .to_string();
    assert!(problem.contains("nowhere"), "{problem}");
}
