//! Payloads of the tracker's audit entries for things that mesh did, after the skill's contract: one JSON object with `ok`,
//! `input`, `output`, and `error` on failure.

use mesh_core::evidence::{Failure, ProofEnd};
use mesh_core::id::{AttemptId, TaskId};
use serde_json::{Value, json};

/// `{"ok":true,"input":…,"output":…}`.
#[must_use]
pub fn payload_ok(input: Value, output: Value) -> String {
    json!({ "ok": true, "input": input, "output": output }).to_string()
}

/// `{"ok":false,"error":…,"input":…,"output":null}`.
#[must_use]
pub fn payload_failed(error: &str, input: Value) -> String {
    json!({ "ok": false, "error": error, "input": input, "output": null }).to_string()
}

/// An attempt, for its entry `mesh.attempt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptAudit<'a> {
    /// The run.
    pub run: &'a str,
    /// The attempt.
    pub attempt: &'a AttemptId,
    /// Its working copy.
    pub workspace: &'a str,
    /// What it started from, as version-control ids.
    pub base: &'a [String],
    /// Its recorded result.
    pub commit: Option<&'a str>,
    /// The proof and how it ended.
    pub proof: Option<(&'a str, &'a ProofEnd)>,
    /// What it changed.
    pub changed: &'a [String],
    /// Why it was not accepted; `None` when it was.
    pub failure: Option<&'a Failure>,
}

/// The payload of an attempt. A failed one keeps workspace, proof and changes in its input, because the contract has no output
/// for it.
#[must_use]
pub fn attempt(audit: &AttemptAudit<'_>) -> String {
    let proof = audit
        .proof
        .map(|(command, end)| json!({ "command": command, "passed": end.passed() }));
    let mut input = json!({
        "run": audit.run,
        "task": audit.attempt.task.as_str(),
        "attempt": audit.attempt.number,
        "workspace": audit.workspace,
        "base": audit.base,
    });
    let listed = listed(audit.changed);
    let mut output = json!({ "commit": audit.commit, "proof": proof, "changed": listed });
    if listed.len() < audit.changed.len() {
        output["changed_count"] = json!(audit.changed.len());
    }
    match audit.failure {
        None => payload_ok(input, output),
        Some(failure) => {
            input["seen"] = output;
            payload_failed(&failure.to_string(), input)
        }
    }
}

/// A wave, for its entry `mesh.wave`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaveAudit<'a> {
    /// The run.
    pub run: &'a str,
    /// Which wave of it, from 1.
    pub number: u32,
    /// Its tasks.
    pub members: &'a [TaskId],
    /// Those that were verified.
    pub verified: &'a [TaskId],
    /// Those that were not.
    pub failed: &'a [TaskId],
}

/// The payload of a wave.
#[must_use]
pub fn wave(audit: &WaveAudit<'_>) -> String {
    let ids = |ids: &[TaskId]| ids.iter().map(TaskId::to_string).collect::<Vec<_>>();
    let mut input = json!({ "run": audit.run, "wave": audit.number, "tasks": ids(audit.members) });
    let verified = ids(audit.verified);
    if audit.failed.is_empty() {
        return payload_ok(input, json!({ "verified": verified }));
    }
    input["seen"] = json!({ "verified": verified, "failed": ids(audit.failed) });
    let error = format!("not verified: {}", ids(audit.failed).join(", "));
    payload_failed(&error, input)
}

/// The first paths, as many as an entry has room for: the tracker gets it in one argument.
fn listed(paths: &[String]) -> &[String] {
    const MOST_BYTES: usize = 32 * 1024;
    let mut bytes = 0;
    let fits = |path: &&String| {
        bytes += path.len() + 3;
        bytes <= MOST_BYTES
    };
    let count = paths.iter().take_while(fits).count();
    &paths[..count]
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_core::evidence::{Ending, FailureClass};

    #[test]
    fn a_wave_has_the_shape_of_the_contract() {
        let id = |text: &str| TaskId::new(text).expect("a plain id");
        let members = [id("t-1"), id("t-2")];
        let read = |text: String| serde_json::from_str::<Value>(&text).expect("it is JSON");
        let mut audit = WaveAudit {
            run: "r1",
            number: 3,
            members: &members,
            verified: &members,
            failed: &[],
        };
        assert_eq!(
            read(wave(&audit)),
            json!({
                "ok": true,
                "input": { "run": "r1", "wave": 3, "tasks": ["t-1", "t-2"] },
                "output": { "verified": ["t-1", "t-2"] },
            })
        );
        (audit.verified, audit.failed) = (&members[..1], &members[1..]);
        let failed = read(wave(&audit));
        assert_eq!(failed["ok"], false);
        assert_eq!(failed["error"], "not verified: t-2");
        assert_eq!(failed["output"], Value::Null);
        assert_eq!(failed["input"]["seen"]["verified"], json!(["t-1"]));
    }

    #[test]
    fn an_attempt_has_the_shape_of_the_contract() {
        let id = AttemptId {
            task: TaskId::new("t-1").expect("a plain id"),
            number: 2,
        };
        let end = ProofEnd {
            ending: Ending::Exited(0),
            tail: String::new(),
            passed_in_workspace: false,
        };
        let changed = ["a".to_owned()];
        let mut audit = AttemptAudit {
            run: "r1",
            attempt: &id,
            workspace: "/w/t-1",
            base: &[],
            commit: Some("c1"),
            proof: Some(("make", &end)),
            changed: &changed,
            failure: None,
        };
        let read = |text: String| serde_json::from_str::<Value>(&text).expect("it is JSON");
        let good = read(attempt(&audit));
        assert_eq!(good["ok"], true);
        assert_eq!(good["input"]["attempt"], 2);
        assert_eq!(
            good["output"],
            json!({"commit":"c1","proof":{"command":"make","passed":true},"changed":["a"]})
        );

        let failure = Failure::new(FailureClass::Scope, "no \"no\"");
        audit.failure = Some(&failure);
        let bad = read(attempt(&audit));
        assert_eq!(bad["ok"], false);
        assert_eq!(bad["error"], "scope: no \"no\"");
        assert_eq!(bad["output"], Value::Null);
        assert_eq!(bad["input"]["seen"]["changed"][0], "a");

        let many = vec!["src/components/a.txt".to_owned(); 5000];
        audit.changed = &many;
        let text = attempt(&audit);
        assert!(text.len() < 64 << 10, "{} bytes", text.len());
        assert_eq!(read(text)["input"]["seen"]["changed_count"], 5000);
    }
}
