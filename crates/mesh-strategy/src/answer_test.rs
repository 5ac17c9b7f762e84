use super::*;

const DIFF: &str = "--- a/src/a.rs\n+++ b/src/a.rs\n@@ -1,2 +1,2 @@\n-a\n+b\n c\n";

fn of(text: &str) -> Result<Reading, String> {
    read(text, &[])
}

fn is_diff(text: &str) {
    match of(text) {
        Ok(Reading::Patch(patch)) => assert_eq!(patch.text, DIFF, "{text}"),
        other => panic!("{text}\n{other:?}"),
    }
}

#[test]
fn a_diff_is_found_in_the_order_of_the_rules() {
    let other = DIFF.replace("a.rs", "other.rs");
    is_diff(&format!(
        "1) Summary\n- x\n\n```diff\n{DIFF}```\n4) Notes: none\n"
    ));
    is_diff(&format!("```patch\n{DIFF}```\n"));
    is_diff(&format!("```patch\n{other}```\n```diff\n{DIFF}```\n"));
    is_diff(&format!("```\n{DIFF}```\n"));
    is_diff(&format!("Here it is:\n{DIFF}"));
    is_diff(&format!(
        "3) Patch\n   ```diff\n   {}\n   ```\n",
        DIFF.trim_end().replace('\n', "\n   ")
    ));
    is_diff(&format!("```diff\r\n{}```\r\n", DIFF.replace('\n', "\r\n")));
    let git = format!("diff --git a/src/a.rs b/src/a.rs\n{DIFF}");
    let Ok(Reading::Patch(patch)) = of(&format!("Text\n{git}\n\nThat is all.\n")) else {
        panic!()
    };
    assert_eq!(patch.text, git);
}

#[test]
fn a_diff_beats_a_reason_for_none() {
    is_diff(&format!("NO_DIFF:nothing to do\n```diff\n{DIFF}```\n"));
    assert_eq!(
        of("Looked at it.\nNO_DIFF: already there\n"),
        Ok(Reading::NoDiff("already there".to_owned()))
    );
    assert_eq!(
        of("```diff\nNO_DIFF:already there\n```"),
        Ok(Reading::NoDiff("already there".to_owned()))
    );
    for text in [
        "NO_DIFF:",
        "NO_DIFF:<reason>",
        "",
        "I changed the file.",
        "```diff\n```",
    ] {
        assert!(of(text).unwrap_err().contains("neither"), "{text}");
    }
}

#[test]
fn two_diffs_are_not_chosen_from() {
    let said = of(&format!("```diff\n{DIFF}```\nor\n```diff\n{DIFF}```\n")).unwrap_err();
    assert!(said.contains("2 fenced blocks"), "{said}");
}

#[test]
fn a_fence_within_a_diff_does_not_end_it() {
    let diff = "--- a/README.md\n+++ b/README.md\n@@ -1,3 +1,3 @@\n ```\n-a\n+b\n ```\n";
    let Ok(Reading::Patch(patch)) = of(&format!("```diff\n{diff}```\n")) else {
        panic!()
    };
    assert_eq!(patch.text, diff);
}

#[test]
fn a_question_comes_before_a_diff_and_is_read_by_its_labels() {
    let asked = "4) Notes / blockers\n   - `HUMAN INPUT REQUIRED`\n   - Question (one): Which port?\n   - **Recommended default**: 8080\n   \
                 - What changes based on the answer: the default in config.rs\n";
    let wanted = Question {
        question: "Which port?".to_owned(),
        recommended_default: "8080".to_owned(),
        what_changes: "the default in config.rs".to_owned(),
    };
    assert_eq!(of(asked), Ok(Reading::Question(wanted.clone())));
    assert_eq!(
        of(&format!("```diff\n{DIFF}```\n{asked}")),
        Ok(Reading::Question(wanted))
    );
    let Ok(Reading::Question(plain)) = of("HUMAN INPUT REQUIRED: may I drop\nthe old API?") else {
        panic!()
    };
    assert_eq!(plain.question, "may I drop\nthe old API?");
}

#[test]
fn no_question_is_made_of_the_words_alone() {
    is_diff(&format!("```diff\n{DIFF}```\nHUMAN INPUT REQUIRED: none\n"));
    is_diff(&format!("```diff\n{DIFF}```\n- HUMAN INPUT REQUIRED\n"));
    let diff = "--- a/x\n+++ b/x\n@@ -0,0 +1,2 @@\n+HUMAN INPUT REQUIRED\n+Question: x\n";
    assert!(matches!(
        of(&format!("```diff\n{diff}```")),
        Ok(Reading::Patch(_))
    ));
}

#[test]
fn a_vote_is_two_lines_and_nothing_else() {
    assert_eq!(
        vote("vote: agree\nreason: it is right\n"),
        Ok(Vote {
            agree: true,
            reason: "it is right".to_owned()
        })
    );
    assert_eq!(
        vote("\n vote: disagree\n\n reason: no test "),
        Ok(Vote {
            agree: false,
            reason: "no test".to_owned()
        })
    );
    for text in [
        "",
        "agree",
        "vote: agree",
        "vote: agree\nvote: disagree\nreason: x",
        "vote: Agree\nreason: x",
        "vote: agree|disagree\nreason: <one line>",
        "vote: agree\nreason:",
        "vote: agree\nreason: <one line>",
        "I think so.\nvote: agree\nreason: x",
        "vote: agree\nreason: x\nAlso, do more.",
        "reason: x\nvote: agree",
        "vote: abstain\nreason: x",
    ] {
        assert!(vote(text).is_err(), "{text}");
    }
}

fn synthesized(validation: &str) -> String {
    format!(
        "1) Decision log\n- critic_a: accepted\n* Patch is small: rejected, it is enough\n\n2) Patch\n```diff\n{DIFF}```\n\n{validation}\n4) Residual risk: low\n"
    )
}

#[test]
fn the_validation_of_a_synthesis_is_that_of_the_task_unless_it_says_otherwise() {
    let wanted = ["uv run pytest -q".to_owned(), "make lint".to_owned()];
    let read = |validation: &str| synthesis(&synthesized(validation), &[], &wanted);
    for same in [
        "3) Validation\n```sh\nuv run pytest -q\nmake lint\n```",
        "## Validation:\n- `uv run pytest -q`\n- `make lint`",
        "**Validation**\n- uv run pytest -q\n- make lint",
    ] {
        assert_eq!(
            read(same).map(|synthesis| synthesis.validation),
            Ok(wanted.to_vec()),
            "{same}"
        );
    }
    let other = "3) Validation\n```sh\nmake test\n```";
    assert!(
        read(other)
            .unwrap_err()
            .contains("are not those of mesh_meta")
    );
    let updated = format!("VALIDATION_UPDATED: pytest is not there\n{other}");
    assert_eq!(read(&updated).unwrap().validation, ["make test"]);
    assert!(read("").unwrap_err().contains("no validation commands"));
    assert_eq!(
        synthesis(&synthesized(""), &[], &[]).unwrap().validation,
        [""; 0]
    );
}

#[test]
fn a_synthesis_has_a_decision_log_and_a_patch_or_a_reason_for_none() {
    let whole = synthesized("3) Validation\n- `make`");
    let wanted = ["make".to_owned()];
    let read = |text: &str| synthesis(text, &[], &wanted);
    assert!(read(&whole).unwrap().patch.is_some());
    assert!(
        read(&whole.replace("1) Decision log", "1) Thoughts"))
            .unwrap_err()
            .contains("no decision log")
    );
    assert!(
        read(&whole.replace(DIFF, ""))
            .unwrap_err()
            .contains("neither")
    );
    let none = read(&whole.replace(DIFF, "NO_DIFF: it is there\n")).unwrap();
    assert_eq!((none.patch, none.no_diff.as_str()), (None, "it is there"));
    assert!(
        read(&format!("{whole}HUMAN INPUT REQUIRED: what?"))
            .unwrap_err()
            .contains("asks no question")
    );
}
