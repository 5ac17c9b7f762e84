//! What each end of the recorded streams means. They were recorded from the real programs and a model stand-in.

use super::*;
use crate::protocol::{claude, codex};
use mesh_core::evidence::ChangedClaim;
use mesh_core::time::Millis;

fn recorded(name: &str) -> Transcript {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/agents");
    let path = Path::new(folder).join(format!("{name}.jsonl"));
    let read = match name.starts_with("codex") {
        true => codex::read(&path),
        false => claude::read(&path, &Millis),
    };
    read.expect("a recorded stream")
}

#[test]
fn what_each_recorded_end_means() {
    let expected = [
        ("ok", "hello.txt"),
        ("command-fails", "NO_DIFF"),
        ("no-final-block", "missing: "),
        ("killed", "missing: its stream of events has no end"),
        ("api-error", "missing: it gave up: "),
    ];
    for program in ["codex", "claude"] {
        for (end, meaning) in expected {
            let transcript = recorded(&format!("{program}-{end}"));
            let said = match transcript.block() {
                BlockReading::Missing(why) => format!("missing: {why}"),
                BlockReading::Read(block) => match block.changed {
                    ChangedClaim::Paths(paths) => paths.join(", "),
                    ChangedClaim::NoDiff(_) => "NO_DIFF".to_owned(),
                },
            };
            assert!(said.starts_with(meaning), "{program}-{end}: {said}");
        }
    }
}

#[test]
fn a_message_is_cut_at_a_character() {
    let transcript = Transcript {
        message: Some("an ä at the end: ä".to_owned()),
        ..Transcript::default()
    };
    let cut = transcript.last_message(1);
    assert_eq!((cut.text.as_str(), cut.left_out_bytes), ("", 20));
    let whole = transcript.last_message(1000);
    assert_eq!(
        (whole.text.as_str(), whole.left_out_bytes),
        ("an ä at the end: ä", 0)
    );
}

fn stream(lines: &[&str]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs_err::write(file.path(), lines.join("\n")).expect("a stream");
    file
}

#[test]
fn what_is_no_event_is_passed_over_and_a_second_turn_counts() {
    let file = stream(&[
        "WARN something",
        r#"{"type":"turn.started"}"#,
        r#"{"type":"item.completed","item":{"type":"agent_message","text":"one"}}"#,
        r#"{"type":"turn.completed","usage":{"input_tokens":1}}"#,
        r#"{"type":"turn.started"}"#,
        "[1, 2]",
        r#"{"type":"error","message":"Reconnecting... 1/5"}"#,
    ]);
    let read = codex::read(file.path()).expect("it can be read");
    assert_eq!(
        read.end,
        StreamEnd::NoneAfter("Reconnecting... 1/5".to_owned())
    );
    let BlockReading::Missing(why) = read.block() else {
        panic!("it is not complete");
    };
    assert!(
        why.ends_with("its last error: Reconnecting... 1/5"),
        "{why}"
    );
}

#[test]
fn tools_that_were_refused_are_named() {
    let file = stream(&[
        r#"{"type":"result","subtype":"success","is_error":false,"result":"I may not.","permission_denials":[{"tool_name":"Bash"},{"tool_name":"Bash"}]}"#,
    ]);
    let read = claude::read(file.path(), &Millis).expect("it can be read");
    let BlockReading::Missing(why) = read.block() else {
        panic!("there is no block");
    };
    assert!(why.ends_with("it was not allowed to use Bash"), "{why}");
}
