//! The rules of `patch-first`.

use super::*;

fn story() -> Story {
    Story::of(Strategy::PatchFirst)
}

#[test]
fn a_patch_that_applies_is_the_result() {
    let mut story = story();
    assert_eq!(story.turns(), ["patch.1.worker.1"]);
    story.says("patch.1.worker.1", &fenced(DIFF));
    story.applies(None);
    assert!(story.accepted("patch.1.worker.1").is_empty());
}

#[test]
fn what_cannot_be_used_is_asked_for_once_more_with_the_reason() {
    let mut story = story();
    story.says("patch.1.worker.1", "I changed the file.");
    let prompt = story.prompt("patch.1.worker.2");
    assert!(
        prompt.contains("the first answer could not be used")
            && prompt.contains("neither a unified diff"),
        "{prompt}"
    );
    story.end(
        "patch.1.worker.2",
        End::NoAnswer {
            why: "crashed".to_owned(),
        },
    );
    story.blocked(Reason::NoResponse, "worker: there is neither a unified diff in a fenced block nor a line `NO_DIFF:<reason>`; asked again: it gave no answer: crashed");
}

#[test]
fn a_refreshed_patch_is_asked_for_once() {
    let mut story = story();
    story
        .says("patch.1.worker.1", &fenced(DIFF))
        .applies(Some("src/a.rs:1 does not match"));
    assert!(
        story
            .prompt("patch.1.worker.2")
            .contains("src/a.rs:1 does not match")
    );
    story
        .says("patch.1.worker.2", &fenced(DIFF))
        .applies(Some("again not"));
    story.blocked(Reason::NoResponse, "again not");
}

#[test]
fn a_patch_outside_the_scope_is_not_usable() {
    let mut story = story();
    story.says("patch.1.worker.1", &fenced(&DIFF.replace("src/", "docs/")));
    assert!(
        story
            .prompt("patch.1.worker.2")
            .contains("outside the task's scope: docs/a.rs")
    );
}

#[test]
fn at_the_soft_limit_a_second_one_joins_and_the_first_usable_patch_wins() {
    let mut story = story();
    story.entries.push(Entry::SoftLimit);
    assert_eq!(story.turns(), ["patch.1.worker.1", "patch.2.worker.1"]);
    assert!(
        story
            .prompt("patch.2.worker.1")
            .contains("Another agent has worked at this")
    );
    let first = story.id("patch.1.worker.1");
    story.says("patch.2.worker.1", &fenced(DIFF));
    // The other goes on while the patch is applied, and is ended when it is the result.
    assert_eq!(story.turns(), ["patch.1.worker.1"]);
    story.applies(None);
    assert_eq!(story.turns(), [""; 0]);
    story.entries.push(Entry::Turn {
        turn: first,
        end: End::Answer { text: fenced(DIFF) },
    });
    let notes = story.accepted("patch.2.worker.1");
    assert_eq!(
        notes,
        ["patch.1.worker.1: its answer was not used; patch.2.worker.1 was first"]
    );
}

#[test]
fn the_race_goes_on_when_the_first_patch_does_not_apply() {
    let mut story = story();
    story.entries.push(Entry::SoftLimit);
    story
        .says("patch.2.worker.1", &fenced(DIFF))
        .says("patch.1.worker.1", &fenced(DIFF));
    story.applies(Some("no"));
    assert_eq!(story.turns(), ["patch.2.worker.2"]);
    story.applies(None);
    story.accepted("patch.1.worker.1");
}

#[test]
fn without_a_race_the_soft_limit_starts_nobody() {
    let mut story = story();
    story.settings.race = false;
    story.entries.push(Entry::SoftLimit);
    assert_eq!(story.turns(), ["patch.1.worker.1"]);
}

#[test]
fn at_the_hard_limit_nobody_is_waited_for() {
    let mut story = story();
    story.entries.push(Entry::HardLimit);
    story.blocked(Reason::NoResponse, "the hard limit passed");
    // A patch that is there is still applied.
    let mut story = self::story();
    story.says("patch.1.worker.1", &fenced(DIFF));
    story.entries.push(Entry::HardLimit);
    story.applies(None);
    story.accepted("patch.1.worker.1");
}

#[test]
fn a_question_ends_it_with_the_default_that_was_recommended() {
    let mut story = story();
    story.entries.push(Entry::SoftLimit);
    story.says("patch.1.worker.1", "4) Notes\nHUMAN INPUT REQUIRED\nQuestion: Which order?\nRecommended default: files first\nWhat changes based on the answer: the docs\n");
    let Outcome::Question {
        question,
        recommended_default,
        what_changes,
        ..
    } = story.outcome()
    else {
        panic!()
    };
    assert_eq!(
        (
            question.as_str(),
            recommended_default.as_str(),
            what_changes.as_str()
        ),
        ("Which order?", "files first", "the docs")
    );
}

#[test]
fn no_change_is_a_result() {
    let mut story = story();
    story.says("patch.1.worker.1", "NO_DIFF:it is deterministic already");
    let Outcome::Accepted { change, .. } = story.outcome() else {
        panic!()
    };
    assert_eq!(
        change,
        Change::NoDiff {
            reason: "it is deterministic already".to_owned()
        }
    );
}

/// The template of 003, lines 283 to 320, word for word.
#[test]
fn the_prompt_is_the_template() {
    let mut story = story();
    story.task.question = Some(Asked {
        question: "Which order?".to_owned(),
        answer: Some("files first".to_owned()),
    });
    story.task.previous = Some("verify-failed: make test".to_owned());
    let prompt = story.prompt("patch.1.worker.1");
    for line in [
        "You are implementing one task from an inline task list.",
        "- Do NOT commit or push.",
        "- Prefer PATCH-FIRST: produce a unified diff for only this task.",
        "- Patch MUST be a valid unified diff with file headers and hunk ranges (example: `@@ -12,7 +12,9 @@`). Do not omit hunk line ranges.",
        "- Do NOT apply changes directly; return a patch only.",
        "- Do NOT wait for user input. If blocked, return `HUMAN INPUT REQUIRED` in Notes.",
        "- id: T1",
        "- name: Update config loader",
        "- status: todo",
        "- depends_on: ",
        "- location/scope: src/**",
        "Make config load order deterministic.",
        "- Deterministic precedence documented.",
        "Validation (do NOT run unless trivial; orchestrator will run post-step):",
        "make test",
        "Deliverable (required):",
        "1) Summary (1-3 bullets)",
        "2) Files touched (intended)",
        "   - If blocked by a missing decision, include:",
        "     - Recommended default",
        "     - What changes based on the answer",
        "files first",
        "verify-failed: make test",
    ] {
        assert!(
            prompt.lines().any(|found| found == line),
            "{line}\n\n{prompt}"
        );
    }
}
