use super::*;

fn check(text: &str) -> Result<Decision, String> {
    read(text, "u-001").map(|verdict| verdict.decision)
}

#[test]
fn one_object_that_keeps_the_contract_is_read() {
    let accept = r#"{"id":"u-001","decision":"accept","proof_status":"skipped","patch":"x"}"#;
    for text in [
        accept.to_owned(),
        format!("Here is the result.\n\n```json\n{accept}\n```\nDone."),
        accept.replace(',', ",\n  "),
        accept.replace(
            "\"patch\"",
            "\"failure_code\":null,\"lane\":\"coder\",\"patch\"",
        ),
    ] {
        assert_eq!(check(&text), Ok(Decision::Accept), "{text}");
    }
    let reject = r#"{"id":"u-001","decision":"reject","proof_status":"fail","failure_code":"safety_regression_risk","notes":"x.rs:3"}"#;
    assert_eq!(
        check(reject),
        Ok(Decision::Reject(Reason::SafetyRegressionRisk))
    );
    let none = r#"{"id":"u-001","decision":"no_diff","proof_status":"pass","notes":"NO_DIFF:already rejected at the boundary"}"#;
    assert_eq!(
        read(none, "u-001").unwrap().no_diff,
        "already rejected at the boundary"
    );
}

#[test]
fn whatever_else_comes_is_no_answer() {
    let good = r#"{"id":"u-001","decision":"accept","proof_status":"pass","patch":"x"}"#;
    for (text, words) in [
        (String::new(), "no JSON object"),
        ("I accept the patch.".to_owned(), "no JSON object"),
        ("[1]".to_owned(), "no JSON object"),
        (good[..good.len() - 1].to_owned(), "cannot be read"),
        (good.replace("u-001", "u-002"), "`id` is `u-002`"),
        (good.replace(r#""id":"u-001","#, ""), "missing field `id`"),
        (
            good.replace(r#""decision":"accept","#, ""),
            "missing field `decision`",
        ),
        (
            good.replace(r#","proof_status":"pass""#, ""),
            "missing field `proof_status`",
        ),
        (
            good.replace("accept", "approve"),
            "unknown variant `approve`",
        ),
        (
            good.replace(r#""pass""#, r#""passed""#),
            "unknown variant `passed`",
        ),
        (
            good.replace(r#""id""#, r#""id":"u-001","id""#),
            "duplicate field",
        ),
        (format!("{good}\n{good}"), "more than one JSON object"),
        (format!("{good} {good}"), "more than one JSON object"),
        (
            format!("```json\n{good}\n```\n{good}"),
            "more than one JSON object",
        ),
        (good.replace(r#""pass""#, r#""fail""#), "contradicts itself"),
        (
            good.replace("\"patch\"", "\"failure_code\":\"proof_missing\",\"patch\""),
            "only for `reject`",
        ),
        (good.replace("accept", "reject"), "needs a `failure_code`"),
        (
            good.replace("accept", "reject")
                .replace("\"patch\"", "\"failure_code\":\"bad\",\"patch\""),
            "is none of",
        ),
        (good.replace("accept", "no_diff"), "contradicts itself"),
    ] {
        let said = check(&text).expect_err(&text);
        assert!(said.contains(words), "{text}\n{said}");
    }
}
