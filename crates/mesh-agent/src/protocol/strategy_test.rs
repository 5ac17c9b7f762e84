use super::*;
use crate::profile::Protocol;
use crate::protocol::Sources;
use mesh_core::evidence::BlockReading;
use mesh_core::metered::RefusalClass;
use mesh_core::time::Millis;

fn stream(lines: &[Line]) -> tempfile::NamedTempFile {
    let text: String = lines
        .iter()
        .map(|line| format!("{}\n", serde_json::to_string(line).unwrap()))
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(file.path(), text).unwrap();
    file
}

fn turn(role: &str, output: u64) -> Line {
    Line::Turn(Turn {
        turn: format!("1-{role}"),
        role: role.to_owned(),
        agent: "codex".to_owned(),
        outcome: "answered".to_owned(),
        is_answered: true,
        usage: Some(Usage {
            output,
            ..Usage::default()
        }),
    })
}

fn step(text: &str) -> Line {
    let text = text.to_owned();
    Line::Step { text }
}

#[test]
fn a_complete_stream_has_a_block_its_usage_and_its_turns() {
    let message =
        "Done.\n\nPR: none\n\nVerify: make test  # pass\nChanged: a.txt\nBlockers: none".to_owned();
    let file = stream(&[
        turn("proposer", 3),
        turn("skeptic", 4),
        Line::End { message },
    ]);
    let block = Protocol::Strategy.read_block(file.path()).unwrap();
    assert!(matches!(block, BlockReading::Read(_)), "{block:?}");
    let metered = Protocol::Strategy.metered(&Sources {
        stdout: file.path(),
        stderr: file.path(),
        home: None,
        limit_patterns: &[],
        now_unix_ms: 0,
        moment: &Millis,
    });
    assert_eq!(metered.unwrap().usage.unwrap().output, 7);
    let roles: Vec<String> = turns(file.path())
        .unwrap()
        .into_iter()
        .map(|turn| turn.role)
        .collect();
    assert_eq!(roles, ["proposer", "skeptic"]);
}

#[test]
fn one_that_gave_up_says_why_and_whether_it_was_a_limit() {
    let refusal = Refusal {
        class: RefusalClass::Quota,
        resets_at: Some(Millis(7)),
        said: "usage limit reached".to_owned(),
    };
    let file = stream(&[Line::Failed {
        reason: "no_consensus".to_owned(),
        refusal: Some(refusal.clone()),
    }]);
    let read = read(file.path()).unwrap();
    assert_eq!(read.end, StreamEnd::Failed("no_consensus".to_owned()));
    assert_eq!(read.metered.refusal, Some(refusal));
}

#[test]
fn only_an_answer_of_a_role_is_an_answer() {
    let file = stream(&[step("proposer proposes")]);
    let now = Protocol::Strategy.activity(file.path()).unwrap();
    assert_eq!(now.now.as_deref(), Some("proposer proposes"));
    assert!(!now.has_answer);
    let file = stream(&[turn("proposer", 1), step("three roles critique")]);
    let now = Protocol::Strategy.activity(file.path()).unwrap();
    assert_eq!(now.now.as_deref(), Some("three roles critique"));
    assert!(now.has_answer);
}
