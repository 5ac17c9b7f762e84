//! Writes whose end says nothing: they are looked for and never repeated.

use mesh_bd::{AuditEntry, BdError, SwarmCreated};
use mesh_core::issue::IssueStatus;
use serde_json::json;

use crate::faults::{Fixture, fixture, impatient};
use crate::support::{id, pairs};

/// Ends after which nothing is known about a write.
const SILENT: [&str; 5] = ["die", "rubbish", "cut", "empty", "exit-1"];

#[test]
fn a_claim_that_happened_is_found() {
    for kind in SILENT {
        let Fixture {
            repo,
            client,
            heard,
            task,
        } = fixture();
        repo.script(&json!([{ "on": "--claim", "kind": kind, "applied": true }]));
        let claimed = client
            .claim(&task, "mesh-1", &pairs(&[("mesh.run", "r1")]))
            .unwrap_or_else(|e| panic!("{kind}: {e}"));
        assert_eq!(claimed.assignee, "mesh-1");
        let words: Vec<String> = heard.lines();
        assert_eq!(words.len(), 2, "{kind}: a claim and a look: {words:?}");
        assert!(words[1].starts_with("show "), "{kind}: {words:?}");
    }
}

#[test]
fn a_claim_that_did_not_happen_is_not_made_up_and_not_repeated() {
    for kind in SILENT {
        let Fixture {
            repo,
            client,
            heard,
            task,
        } = fixture();
        repo.script(&json!([{ "on": "--claim", "kind": kind }]));
        let failure = client.claim(&task, "mesh-1", &[]).expect_err(kind);
        assert!(
            !matches!(failure, BdError::Refused(_) | BdError::InDoubt { .. }),
            "{kind}: {failure:?}"
        );
        let claims = heard
            .lines()
            .iter()
            .filter(|line| line.contains("--claim"))
            .count();
        assert_eq!(claims, 1, "{kind}");
        assert_eq!(
            client.show_one(&task).expect("the bead").assignee,
            None,
            "{kind}"
        );
        client
            .claim(&task, "mesh-1", &[])
            .unwrap_or_else(|e| panic!("{kind}: asking again: {e}"));
    }
}

#[test]
fn a_silent_claim_beside_anothers_is_refused() {
    let Fixture {
        repo, client, task, ..
    } = fixture();
    client.claim(&task, "mesh-2", &[]).expect("a claim");
    repo.script(&json!([{ "on": "--claim", "kind": "die" }]));
    match client.claim(&task, "mesh-1", &[]) {
        Err(BdError::Refused(refusal)) => assert_eq!(
            refusal.to_string(),
            format!("the tracker refuses to claim {task}: mesh-2 has it")
        ),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_older_claim_of_the_same_name_is_not_taken_for_this_one() {
    let Fixture {
        repo, client, task, ..
    } = fixture();
    client
        .claim(&task, "mesh-1", &pairs(&[("mesh.run", "r1")]))
        .expect("a claim of an earlier run");
    repo.script(&json!([{ "on": "--claim", "kind": "die" }]));
    let failure = client
        .claim(&task, "mesh-1", &pairs(&[("mesh.run", "r2")]))
        .expect_err("not this run's");
    assert!(failure.is_transient(), "{failure:?}");
}

#[test]
fn closes_and_releases_are_looked_for() {
    for kind in SILENT {
        let Fixture {
            repo,
            client,
            heard,
            task,
        } = fixture();
        let fault = |on: &str| repo.script(&json!([{ "on": on, "kind": kind, "applied": true }]));
        client.claim(&task, "mesh-1", &[]).expect("a claim");
        fault("update");
        client
            .release(&task, "mesh-1")
            .unwrap_or_else(|e| panic!("{kind}: release: {e}"));
        fault("close");
        client
            .close(&task, "mesh-1", "done")
            .unwrap_or_else(|e| panic!("{kind}: close: {e}"));
        assert_eq!(
            client.show_one(&task).expect("the bead").status,
            IssueStatus::Closed
        );
        let closes = heard
            .lines()
            .iter()
            .filter(|line| line.contains(" close "))
            .count();
        assert_eq!(closes, 1, "{kind}");
    }
}

#[test]
fn a_comment_is_looked_for_and_not_doubled() {
    for kind in SILENT {
        let Fixture {
            repo, client, task, ..
        } = fixture();
        let text = "Verified.\n\n(mesh r1 t-1#1)\n";
        repo.script(&json!([{ "on": "comments add", "kind": kind, "applied": true }]));
        client
            .comment(&task, "mesh", text)
            .unwrap_or_else(|e| panic!("{kind}: {e}"));
        assert_eq!(client.comments(&task).expect("comments").len(), 1, "{kind}");
        repo.script(&json!([{ "on": "comments add", "kind": kind }]));
        client
            .comment(&task, "mesh", "Another.")
            .expect_err("it was not written");
        assert_eq!(client.comments(&task).expect("comments").len(), 1, "{kind}");
    }
}

#[test]
fn an_audit_entry_is_looked_for_behind_what_was_there() {
    for kind in SILENT {
        let Fixture {
            repo, client, task, ..
        } = fixture();
        let entry = AuditEntry::LlmPrompt {
            issue: task.clone(),
            model: "m".into(),
            prompt: "p".into(),
        };
        let first = client.audit(&entry, "mesh").expect("an entry");
        repo.script(&json!([{ "on": "audit record", "kind": kind }]));
        client
            .audit(&entry, "mesh")
            .expect_err("the older entry with the same words is another one");
        repo.script(&json!([{ "on": "audit record", "kind": kind, "applied": true }]));
        let second = client
            .audit(&entry, "mesh")
            .unwrap_or_else(|e| panic!("{kind}: {e}"));
        assert_ne!(first, second);
        let trail =
            fs_err::read_to_string(repo.beads_dir().join("interactions.jsonl")).expect("the trail");
        assert_eq!(
            trail
                .lines()
                .filter(|line| line.contains("llm_call"))
                .count(),
            2,
            "{kind}"
        );
    }
}

#[test]
fn a_swarm_is_looked_for() {
    let Fixture {
        repo,
        client,
        heard,
        ..
    } = fixture();
    let epic = id(&repo.create("epic", "Parser", &[]));
    repo.script(&json!([{ "on": "swarm create", "kind": "die", "applied": true }]));
    let made = client.swarm_create(&epic, "mesh").expect("a swarm");
    assert!(
        matches!(&made, SwarmCreated::Created { epic: named, .. } if *named == epic),
        "{made:?}"
    );
    assert_eq!(heard.lines().len(), 2, "{:?}", heard.lines());
}

#[test]
fn a_write_killed_at_its_limit_is_looked_for() {
    let Fixture {
        repo, client, task, ..
    } = impatient();
    client.claim(&task, "mesh-1", &[]).expect("a claim");
    repo.script(&json!([{ "on": "close", "kind": "hang", "applied": true }]));
    client
        .close(&task, "mesh-1", "done")
        .expect("it was closed before it hung");
    let other = id(&repo.create("task", "other", &[]));
    repo.script(&json!([{ "on": "close", "kind": "hang" }]));
    let failure = client
        .close(&other, "mesh", "done")
        .expect_err("it hung first");
    assert_eq!(
        failure,
        BdError::TimedOut {
            command: format!("close {other}"),
            limit_ms: 3000
        }
    );
}

#[test]
fn a_doubt_that_cannot_be_cleared_is_said() {
    let Fixture {
        repo, client, task, ..
    } = fixture();
    repo.script(&json!([{ "on": "close", "kind": "die", "applied": true }, { "on": "show", "kind": "die", "times": 9 }]));
    let failure = client
        .close(&task, "mesh", "done")
        .expect_err("nothing can be seen");
    assert!(matches!(&failure, BdError::InDoubt { .. }), "{failure:?}");
    assert!(
        failure
            .to_string()
            .contains("whether it happened is unknown"),
        "{failure}"
    );
}
