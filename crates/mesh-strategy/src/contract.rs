//! The output contract of `pipeline`: one JSON object, strictly read. What it does not name is ignored; what contradicts itself is no
//! answer.

use serde::Deserialize;
use serde_json::Value;

use crate::answer;
use crate::step::Reason;

/// The failure codes that a role may give.
pub(crate) const CODES: [Reason; 8] = [
    Reason::SafetyRegressionRisk,
    Reason::ProofMissing,
    Reason::InvalidOutputSchema,
    Reason::ScopeOverlapConflict,
    Reason::TimeoutRetryExhausted,
    Reason::DeliveryBlocked,
    Reason::RequiresClarification,
    Reason::ToolingUnavailable,
];

/// What a role decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The patch is good.
    Accept,
    /// It is not, for one reason.
    Reject(Reason),
    /// Nothing has to be changed.
    NoDiff,
}

/// An answer that keeps the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) decision: Decision,
    pub(crate) patch: Option<String>,
    pub(crate) notes: String,
    /// The reason of `NO_DIFF:<reason>` in the notes; empty without one.
    pub(crate) no_diff: String,
}

#[derive(Deserialize)]
struct Wire {
    id: String,
    decision: WireDecision,
    proof_status: ProofStatus,
    failure_code: Option<String>,
    patch: Option<String>,
    notes: Option<String>,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum WireDecision {
    Accept,
    Reject,
    NoDiff,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum ProofStatus {
    Pass,
    Fail,
    Skipped,
}

/// Reads the one object of an answer about the unit `id`.
///
/// # Errors
/// Why it does not keep the contract.
pub(crate) fn read(text: &str, id: &str) -> Result<Verdict, String> {
    let wire: Wire = serde_json::from_str(object(text)?)
        .map_err(|problem| format!("the JSON object: {problem}"))?;
    if wire.id != id {
        return Err(format!(
            "`id` is `{}`, and must be `{id}`",
            wire.id.escape_debug()
        ));
    }
    let code = wire.failure_code.filter(|code| !code.is_empty());
    let decision = match (wire.decision, code) {
        (WireDecision::Reject, None) => return Err("`reject` needs a `failure_code`".to_owned()),
        (WireDecision::Reject, Some(code)) => Decision::Reject(reason(&code)?),
        (WireDecision::Accept | WireDecision::NoDiff, Some(_)) => {
            return Err("a `failure_code` is only for `reject`".to_owned());
        }
        (WireDecision::Accept, None) if wire.proof_status == ProofStatus::Fail => {
            return Err("`accept` with `proof_status` `fail` contradicts itself".to_owned());
        }
        (WireDecision::Accept, None) => Decision::Accept,
        (WireDecision::NoDiff, None) => Decision::NoDiff,
    };
    let patch = wire.patch.filter(|patch| !patch.trim().is_empty());
    if decision == Decision::NoDiff && patch.is_some() {
        return Err("`no_diff` with a `patch` contradicts itself".to_owned());
    }
    let notes = wire.notes.unwrap_or_default();
    let no_diff = answer::no_diff(&notes).unwrap_or_default();
    Ok(Verdict {
        decision,
        patch,
        notes,
        no_diff,
    })
}

fn reason(code: &str) -> Result<Reason, String> {
    CODES
        .into_iter()
        .find(|known| known.as_str() == code)
        .ok_or_else(|| {
            let known: Vec<&str> = CODES.iter().map(|code| code.as_str()).collect();
            format!(
                "`failure_code` `{}` is none of {}",
                code.escape_debug(),
                known.join(", ")
            )
        })
}

/// The one JSON object of an answer: a line that opens one begins it, whether in a fence or not.
fn object(text: &str) -> Result<&str, String> {
    let mut found: Option<&str> = None;
    let mut at = 0;
    while at < text.len() {
        let line_end = text[at..].find('\n').map_or(text.len(), |end| at + end + 1);
        let start = at + (text[at..].len() - text[at..].trim_start_matches([' ', '\t']).len());
        if text[start..].starts_with('{') {
            let mut values =
                serde_json::Deserializer::from_str(&text[start..]).into_iter::<Value>();
            match values.next() {
                Some(Ok(Value::Object(_))) => {}
                Some(Err(problem)) => {
                    return Err(format!("the JSON object cannot be read: {problem}"));
                }
                Some(Ok(_)) | None => return Err("there is no JSON object".to_owned()),
            }
            let end = start + values.byte_offset();
            if found.is_some() {
                return Err("there is more than one JSON object".to_owned());
            }
            found = Some(&text[start..end]);
            // What follows on the same line may be another one.
            at = end;
            continue;
        }
        at = line_end;
    }
    found.ok_or_else(|| "there is no JSON object".to_owned())
}

#[cfg(test)]
#[path = "contract_test.rs"]
mod tests;
