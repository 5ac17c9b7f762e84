use mesh_core::evidence::{Ending, FailureClass};

use super::*;

fn id(text: &str) -> TaskId {
    TaskId::new(text).expect("a plain id")
}

fn base(attempt: &AttemptId) -> BeadComment<'_> {
    BeadComment {
        run: "r-7",
        attempt,
        title: "Parse the input",
        outcome: AttemptOutcome::Verified {
            self_checked: false,
            no_change: None,
        },
        pr: None,
        commit: None,
        proof: None,
        changed: &[],
        notes: &[],
    }
}

fn said(comment: &BeadComment<'_>) -> String {
    bead(comment).expect("the template is sound")
}

#[test]
fn the_comment_of_a_verified_attempt() {
    let attempt = AttemptId {
        task: id("t-1"),
        number: 2,
    };
    let commit = Commit("0a1b2c".to_owned());
    let end = ProofEnd {
        ending: Ending::Exited(0),
        tail: String::new(),
        passed_in_workspace: false,
    };
    let changed = ["src/a.rs".to_owned(), "src/b.rs".to_owned()];
    let comment = BeadComment {
        commit: Some(&commit),
        proof: Some(("cargo test", &end)),
        changed: &changed,
        ..base(&attempt)
    };
    assert_eq!(
        said(&comment),
        "Checkpoint: verified: Parse the input\n- PR: none (commit 0a1b2c)\n- Verify: cargo test  # pass\n\
         - Notes: changed src/a.rs, src/b.rs\n(mesh r-7 t-1#2)\n"
    );
    let comment = BeadComment {
        pr: Some("https://example.com/pr/1"),
        outcome: AttemptOutcome::Verified {
            self_checked: true,
            no_change: Some("it was there"),
        },
        changed: &[],
        ..comment
    };
    assert_eq!(
        said(&comment),
        "Checkpoint: verified without a change: it was there\n- PR: https://example.com/pr/1\n- Verify: cargo test  # pass\n\
         - Notes: self-checked: only the agent named the proof\n(mesh r-7 t-1#2)\n"
    );
}

#[test]
fn the_comments_of_attempts_that_are_not_done() {
    let attempt = AttemptId {
        task: id("t-1"),
        number: 1,
    };
    let failure = Failure::new(FailureClass::VerifyFailed, "exit code 1\nof make");
    let end = ProofEnd {
        ending: Ending::Exited(1),
        tail: String::new(),
        passed_in_workspace: false,
    };
    let failed = |retried| AttemptOutcome::Failed {
        failure: &failure,
        retried,
    };
    let comment = BeadComment {
        outcome: failed(true),
        proof: Some(("make", &end)),
        ..base(&attempt)
    };
    assert_eq!(
        said(&comment),
        "Checkpoint: failed: verify-failed: exit code 1\n- PR: none\n- Verify: make  # fail\n- Notes: it is tried again\n- Last lines of its output:\n> of make\n\
         (mesh r-7 t-1#1)\n"
    );
    let notes = ["workspace kept at /w".to_owned()];
    let comment = BeadComment {
        outcome: failed(false),
        notes: &notes,
        ..base(&attempt)
    };
    assert!(said(&comment).contains(
        "- Verify: none\n- Notes: no attempt is left; a person must look; workspace kept at /w\n"
    ));
    let comment = BeadComment {
        outcome: AttemptOutcome::Question("which\nport?"),
        ..base(&attempt)
    };
    assert!(said(&comment).starts_with("Checkpoint: question: which port?\n"));
    let comment = BeadComment {
        outcome: AttemptOutcome::Stopped("a person took it"),
        ..base(&attempt)
    };
    assert!(said(&comment).contains(
        "Checkpoint: stopped: a person took it\n- PR: none\n- Verify: none\n- Notes: none\n"
    ));
}

fn task_buckets() -> TaskBuckets {
    TaskBuckets {
        ready: vec![id("t-4"), id("t-5")],
        active: vec![(id("t-2"), SlotId(1))],
        blocked: vec![(id("t-3"), "needs\nt-2".to_owned())],
        completed: vec![
            (id("t-1"), WorkLocation::Commit(Commit("0a1b".to_owned()))),
            (id("t-0"), WorkLocation::Nothing),
            (
                id("t-6"),
                WorkLocation::Pr("https://example.com/pr/9".to_owned()),
            ),
        ],
    }
}

#[test]
fn the_swarm_status() {
    let notes = ["the epic may be closed".to_owned()];
    let task_buckets = task_buckets();
    let status = SwarmStatus {
        run: "r-7",
        what: "end",
        task_buckets: &task_buckets,
        next_wave: &[],
        verify: Some(("make check", true)),
        notes: &notes,
    };
    assert_eq!(
        swarm_status(&status).expect("the template is sound"),
        "Swarm status\n- Completed: t-1 -> commit 0a1b, t-0 -> no PR, t-6 -> https://example.com/pr/9\n- Active: t-2 -> mesh-1\n\
         - Blocked: t-3 -> needs t-2\n- Next wave: (none)\n- Verify: make check  # pass\n- Notes: the epic may be closed\n\
         (mesh r-7 end)\n"
    );
    let bare = SwarmStatus {
        verify: None,
        notes: &[],
        ..status
    };
    assert!(
        swarm_status(&bare)
            .expect("the template is sound")
            .ends_with("- Next wave: (none)\n(mesh r-7 end)\n")
    );
}

#[test]
fn the_wave_status() {
    let task_buckets = task_buckets();
    let recommended = [id("t-4")];
    let status = WaveStatus {
        task_buckets: &task_buckets,
        recommended: &recommended,
        cap: 1,
        rank: Rank::Default,
        marker: None,
    };
    assert_eq!(
        wave_status(&status).expect("the template is sound"),
        "Wave status\n- Ready: t-4, t-5\n- Blocked: t-3 -> needs t-2\n- Active: t-2 -> mesh-1\n\
         - Completed: t-1 -> commit 0a1b, t-0 -> no PR, t-6 -> https://example.com/pr/9\n\
         - Recommended wave: t-4 (cap: 1; heuristic: manual -> priority -> longest path -> unlocks -> checkpoints -> id)\n"
    );
    let marked = WaveStatus {
        marker: Some(("r-7", "wave-2")),
        ..status
    };
    assert!(
        wave_status(&marked)
            .expect("the template is sound")
            .ends_with(")\n(mesh r-7 wave-2)\n")
    );
}
