//! The exact arguments of every call, as pure functions, so that a plan can print what a run will do.
//!
//! Nothing here starts anything. Every call that answers in JSON asks for it, lists are never cut short (`--limit 0`), and
//! every write names its actor. A text that comes from outside is either the value of a flag, which bd takes whole even if
//! it begins with a hyphen, or stands behind `--`.

use mesh_core::id::TaskId;

use crate::audit::AuditEntry;

fn args(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// `version`: what this binary is.
#[must_use]
pub fn version() -> Vec<String> {
    args(&["version", "--json"])
}

/// `where`: which tracker it works on.
#[must_use]
pub fn where_is() -> Vec<String> {
    args(&["where", "--json"])
}

/// The help of `command`, which tells whether it exists and which flags it has.
#[must_use]
pub fn help_of(command: &str) -> Vec<String> {
    args(&[command, "--help"])
}

/// Every issue with its edges, gates and infrastructure included, closed ones too.
#[must_use]
pub fn listing() -> Vec<String> {
    args(&[
        "list",
        "--json",
        "--all",
        "--limit",
        "0",
        "--include-gates",
        "--include-infra",
    ])
}

/// Some issues in full.
#[must_use]
pub fn show(ids: &[TaskId]) -> Vec<String> {
    let mut line = args(&["show"]);
    line.extend(ids.iter().map(|id| id.as_str().to_owned()));
    line.push("--json".to_owned());
    line
}

/// The comments of an issue.
#[must_use]
pub fn comments(id: &TaskId) -> Vec<String> {
    args(&["comments", id.as_str(), "--json"])
}

/// Claim an open issue for `actor` and note who did it, in one call.
#[must_use]
pub fn claim(id: &TaskId, actor: &str, metadata: &[(String, String)]) -> Vec<String> {
    let mut line = args(&["--actor", actor, "update", id.as_str(), "--claim"]);
    push_metadata(&mut line, metadata);
    line.push("--json".to_owned());
    line
}

/// Give an issue back. With `guarded` it names the holder, so that somebody else's claim stays as it is (bd 1.3).
#[must_use]
pub fn release(id: &TaskId, actor: &str, guarded: bool) -> Vec<String> {
    let mut line = args(&[
        "--actor",
        actor,
        "update",
        id.as_str(),
        "--status",
        "open",
        "--assignee",
        "",
    ]);
    if guarded {
        line.extend(args(&[
            "--if-assignee",
            actor,
            "--if-status",
            "in_progress",
        ]));
    }
    line.push("--json".to_owned());
    line
}

/// Close an issue.
#[must_use]
pub fn close(id: &TaskId, actor: &str, reason: &str) -> Vec<String> {
    args(&[
        "--actor",
        actor,
        "close",
        id.as_str(),
        "--reason",
        reason,
        "--json",
    ])
}

/// Write a comment.
#[must_use]
pub fn comment(id: &TaskId, actor: &str, text: &str) -> Vec<String> {
    args(&[
        "--actor",
        actor,
        "comments",
        "add",
        id.as_str(),
        "--json",
        "--",
        text,
    ])
}

/// Renew the lease of a claim (bd 1.3).
#[must_use]
pub fn renew(id: &TaskId, actor: &str) -> Vec<String> {
    args(&["--actor", actor, "heartbeat", id.as_str(), "--json"])
}

/// Mark an epic as worked by a swarm; bd wraps any other kind of issue in a new epic, each time it is called.
#[must_use]
pub fn swarm_create(id: &TaskId, actor: &str) -> Vec<String> {
    args(&[
        "--actor",
        actor,
        "swarm",
        "create",
        id.as_str(),
        "--coordinator",
        actor,
        "--json",
    ])
}

/// What bd thinks of an epic's structure.
#[must_use]
pub fn swarm_validate(epic: &TaskId) -> Vec<String> {
    args(&["swarm", "validate", epic.as_str(), "--json"])
}

/// What bd thinks of an epic's progress.
#[must_use]
pub fn swarm_status(epic: &TaskId) -> Vec<String> {
    args(&["swarm", "status", epic.as_str(), "--json"])
}

/// Append an audit entry, by flags only.
#[must_use]
pub fn audit(entry: &AuditEntry, actor: &str) -> Vec<String> {
    let mut line = args(&["--actor", actor, "audit", "record", "--kind", entry.kind()]);
    let mut flag = |name: &str, value: &str| line.extend(args(&[name, value]));
    flag("--issue-id", entry.issue().as_str());
    match entry {
        AuditEntry::LlmPrompt { model, prompt, .. } => {
            flag("--model", model);
            flag("--prompt", prompt);
        }
        AuditEntry::LlmResponse {
            model, response, ..
        } => {
            flag("--model", model);
            flag("--response", response);
        }
        AuditEntry::ToolCall {
            tool_name,
            exit_code,
            payload,
            ..
        } => {
            flag("--tool-name", tool_name);
            flag("--exit-code", &exit_code.to_string());
            flag("--error", payload);
        }
    }
    line.push("--json".to_owned());
    line
}

fn push_metadata(line: &mut Vec<String>, metadata: &[(String, String)]) {
    for (key, value) in metadata {
        line.push("--set-metadata".to_owned());
        line.push(format!("{key}={value}"));
    }
}

/// The command's words without the texts that follow them: what a message may name.
pub(crate) fn short_name(argv: &[String]) -> String {
    let mut words = argv.iter().map(String::as_str);
    let mut first = words.next().unwrap_or("");
    if first == "--actor" {
        first = words.nth(1).unwrap_or("");
    }
    let mut name = first.to_owned();
    if let Some(second) = words.next().filter(|word| !word.starts_with('-')) {
        name.push(' ');
        name.push_str(second);
        let grouped = matches!(
            (first, second),
            ("comments", "add") | ("label", "add") | ("swarm", _)
        );
        if let Some(third) = words
            .next()
            .filter(|word| grouped && !word.starts_with('-'))
        {
            name.push(' ');
            name.push_str(third);
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> TaskId {
        TaskId::new(text).expect("a plain id")
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn a_claim_is_one_call_with_its_metadata() {
        let line = claim(
            &id("t-1"),
            "agent:mesh-1",
            &pairs(&[("mesh.run", "r1"), ("mesh.slot", "a=b")]),
        );
        assert_eq!(
            line.join(" "),
            "--actor agent:mesh-1 update t-1 --claim --set-metadata mesh.run=r1 --set-metadata mesh.slot=a=b --json"
        );
    }

    #[test]
    fn a_comment_stands_behind_the_end_of_the_flags() {
        let line = comment(&id("t-1"), "mesh", "--json is not a flag here");
        assert_eq!(
            line[line.len() - 2..],
            ["--".to_owned(), "--json is not a flag here".to_owned()]
        );
        assert_eq!(short_name(&line), "comments add t-1");
    }

    #[test]
    fn a_release_is_guarded_where_bd_can() {
        let plain = release(&id("t-1"), "a", false);
        assert_eq!(
            plain,
            [
                "--actor",
                "a",
                "update",
                "t-1",
                "--status",
                "open",
                "--assignee",
                "",
                "--json"
            ]
        );
        assert!(
            release(&id("t-1"), "a", true)
                .join(" ")
                .contains("--if-assignee a")
        );
    }

    #[test]
    fn short_names_carry_no_texts() {
        assert_eq!(
            short_name(&close(&id("t-1"), "mesh", "secret")),
            "close t-1"
        );
        assert_eq!(short_name(&listing()), "list");
        assert_eq!(
            short_name(&swarm_create(&id("t-9"), "mesh")),
            "swarm create t-9"
        );
        let entry = AuditEntry::LlmPrompt {
            issue: id("t-1"),
            model: "m".into(),
            prompt: "secret".into(),
        };
        assert_eq!(short_name(&audit(&entry, "mesh")), "audit record");
    }

    #[test]
    fn audit_entries_are_flags_only() {
        let call = AuditEntry::ToolCall {
            issue: id("t-1"),
            tool_name: "mesh.attempt".into(),
            exit_code: 1,
            payload: "{\"ok\":false}".into(),
        };
        assert_eq!(
            audit(&call, "mesh").join(" "),
            "--actor mesh audit record --kind tool_call --issue-id t-1 --tool-name mesh.attempt --exit-code 1 \
             --error {\"ok\":false} --json"
        );
    }
}
