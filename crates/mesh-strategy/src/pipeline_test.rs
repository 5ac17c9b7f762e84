//! The rules of `pipeline`.

use super::*;

const ACCEPT: &str = r#"{"id":"T1","decision":"accept","proof_status":"skipped"}"#;

fn story() -> Story {
    Story::of(Strategy::Pipeline)
}

fn coded() -> String {
    serde_json::json!({"id": "T1", "decision": "accept", "proof_status": "skipped", "patch": DIFF})
        .to_string()
}

fn rejected(code: &str, notes: &str) -> String {
    serde_json::json!({"id": "T1", "decision": "reject", "proof_status": "fail", "failure_code": code, "notes": notes}).to_string()
}

#[test]
fn coder_then_fixer_then_mesh() {
    let mut story = story();
    assert_eq!(story.turns(), ["patch.1.coder.1"]);
    story.says("patch.1.coder.1", &coded());
    assert_eq!(story.turns(), ["review.1.fixer.1"]);
    assert!(story.prompt("review.1.fixer.1").contains(DIFF));
    story
        .says("review.1.fixer.1", ACCEPT)
        .applies(None)
        .proves(0);
    story.accepted("patch.1.coder.1");
}

#[test]
fn the_patch_is_kept_where_it_is_the_product() {
    for (delivery, wanted) in [(Delivery::CommitFirst, false), (Delivery::PatchFirst, true)] {
        let mut story = story();
        story.settings.delivery = delivery;
        story
            .says("patch.1.coder.1", &coded())
            .says("review.1.fixer.1", ACCEPT)
            .applies(None)
            .proves(0);
        let Outcome::Accepted {
            change: Change::Patch { keep_file, .. },
            ..
        } = story.outcome()
        else {
            panic!()
        };
        assert_eq!(keep_file, wanted);
    }
}

#[test]
fn a_unit_without_proof_command_is_not_begun() {
    let mut story = story();
    story.task.validation.clear();
    story.blocked(Reason::ProofMissing, "no proof command");
    story.task.allow_no_validation = true;
    story
        .says("patch.1.coder.1", &coded())
        .says("review.1.fixer.1", ACCEPT)
        .applies(None);
    story.accepted("patch.1.coder.1");
}

#[test]
fn a_rejection_has_one_code_and_ends_the_unit() {
    let mut story = story();
    story.says("patch.1.coder.1", &coded());
    story.says(
        "review.1.fixer.1",
        &rejected("safety_regression_risk", "src/a.rs:1 drops a check"),
    );
    story.blocked(
        Reason::SafetyRegressionRisk,
        "review.1.fixer.1: src/a.rs:1 drops a check",
    );
    let mut story = self::story();
    story.says("patch.1.coder.1", &rejected("tooling_unavailable", ""));
    story.blocked(Reason::ToolingUnavailable, "it gave no evidence");
}

#[test]
fn what_needs_clarification_is_a_question() {
    let mut story = story();
    story.says(
        "patch.1.coder.1",
        &rejected(
            "requires_clarification",
            "Question: which parser?\nRecommended default: the new one",
        ),
    );
    let Outcome::Question {
        question,
        recommended_default,
        ..
    } = story.outcome()
    else {
        panic!()
    };
    assert_eq!(
        (question.as_str(), recommended_default.as_str()),
        ("which parser?", "the new one")
    );
}

#[test]
fn a_clarification_without_a_question_says_so() {
    let mut story = story();
    story.says("patch.1.coder.1", &rejected("requires_clarification", ""));
    let Outcome::Question { question, .. } = story.outcome() else {
        panic!()
    };
    assert!(question.contains("did not say which"), "{question}");
}

#[test]
fn no_diff_is_reviewed_too() {
    let none =
        r#"{"id":"T1","decision":"no_diff","proof_status":"pass","notes":"NO_DIFF:done in u-000"}"#;
    let mut story = story();
    story.says("patch.1.coder.1", none);
    assert!(story.prompt("review.1.fixer.1").contains("done in u-000"));
    story.says("review.1.fixer.1", ACCEPT);
    let Outcome::Accepted { change, .. } = story.outcome() else {
        panic!()
    };
    assert_eq!(
        change,
        Change::NoDiff {
            reason: "done in u-000".to_owned()
        }
    );
    let mut story = self::story();
    story.says(
        "patch.1.coder.1",
        &none.replace("NO_DIFF:done in u-000", "nothing"),
    );
    assert!(
        story
            .prompt("patch.1.coder.2")
            .contains("needs `NO_DIFF:<reason>`")
    );
}

#[test]
fn an_answer_outside_the_contract_is_asked_for_once_more() {
    let mut story = story();
    story
        .says("patch.1.coder.1", "done")
        .says("patch.1.coder.2", &coded());
    // The one retry of the unit is used.
    story.says("review.1.fixer.1", "fine");
    story.blocked(
        Reason::InvalidOutputSchema,
        "fixer: there is no JSON object",
    );
}

#[test]
fn a_patch_of_the_fixers_own_is_no_review() {
    let mut story = story();
    let own = serde_json::json!({"id": "T1", "decision": "accept", "proof_status": "pass", "patch": DIFF.replace("+b", "+c")});
    story
        .says("patch.1.coder.1", &coded())
        .says("review.1.fixer.1", &own.to_string());
    assert!(
        story
            .prompt("review.1.fixer.2")
            .contains("the fixer makes no patch")
    );
}

#[test]
fn a_patch_outside_the_scope_has_the_code_for_it() {
    let outside = coded().replace("src/a.rs", "docs/a.rs");
    let mut story = story();
    story
        .says("patch.1.coder.1", &outside)
        .says("patch.1.coder.2", &outside);
    story.blocked(Reason::ScopeOverlapConflict, "docs/a.rs");
}

#[test]
fn one_retry_and_one_replacement_and_no_more() {
    let mut story = story();
    story
        .end("patch.1.coder.1", End::TimedOut)
        .end("patch.1.coder.2", End::TimedOut);
    story.says("patch.2.coder.1", &coded());
    story.end("review.1.fixer.1", End::TimedOut);
    story.blocked(
        Reason::TimeoutRetryExhausted,
        "fixer: its time limit passed",
    );
}

#[test]
fn a_lost_fixer_is_replaced_and_the_coders_patch_stays() {
    let mut story = story();
    story.says("patch.1.coder.1", &coded());
    story
        .end("review.1.fixer.1", End::TimedOut)
        .end("review.1.fixer.2", End::TimedOut);
    story
        .says("review.2.fixer.1", ACCEPT)
        .applies(None)
        .proves(0);
    story.accepted("patch.1.coder.1");
}

#[test]
fn what_cannot_be_delivered_is_made_anew_once_and_reviewed_again() {
    let mut story = story();
    story
        .says("patch.1.coder.1", &coded())
        .says("review.1.fixer.1", ACCEPT)
        .applies(None)
        .proves(1);
    let prompt = story.prompt("patch.2.coder.1");
    assert!(
        prompt.contains("ended with exit code 1: 1 failed"),
        "{prompt}"
    );
    story
        .says("patch.2.coder.1", &coded())
        .says("review.2.fixer.1", ACCEPT);
    story.applies(Some("conflict"));
    story.blocked(Reason::DeliveryBlocked, "conflict");
}

#[test]
fn the_hard_limit_leaves_no_replacement() {
    let mut story = story();
    story.entries.push(Entry::HardLimit);
    story.blocked(Reason::TimeoutRetryExhausted, "hard limit");
}
