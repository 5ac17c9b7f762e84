//! The final block: four lines at the very end of what an agent said.
//!
//! ```text
//! PR: <url>
//! Verify: <command>  # <pass/fail>
//! Changed: <paths>
//! Blockers: <none|details>
//! ```
//!
//! They must be the last four non-empty lines, in this order and outside code fences. Whatever stands there instead is no block, and
//! the reading says why in words that also help the agent in a second try. A block further up, in a quoted log, or followed by
//! anything does not count; of two blocks only the one at the end does.
//!
//! A fifth line may stand before them (or, tolerated, behind them): `Learning: <what later work should know>`. It never costs a block.
//!
//! Tolerated, because real models write so and nothing else can be meant:
//! * blank lines, trailing blanks, CRLF, terminal colours, a progress line overwritten by carriage return;
//! * a list mark before a label (`- PR:`), a label in bold (`**PR:**`, `**PR**:`) or in backticks;
//! * a code fence around exactly these lines, if nothing follows it;
//! * a value in backticks, a link in `<…>`, a remark `(pass)` or `# pass` after the command.
//!
//! Not tolerated: labels in another case, missing or doubled lines, values that go on in a second line, and the template itself
//! with its `<…>` still in place, which is what a program that only repeats its prompt ends with.

mod fence;
mod value;

pub use value::{is_none, strip_comment};

use mesh_core::evidence::{BlockReading, FinalBlock};
use mesh_core::text::{is_control, shortened};
use regex::Regex;
use std::sync::LazyLock;

/// The labels in their order.
pub const LABELS: [&str; 4] = ["PR", "Verify", "Changed", "Blockers"];

/// The label of the line that may stand beside them.
const LEARNING: &str = "Learning";

/// The longest learning, in characters; it is one sentence.
const LEARNING_CHARS: usize = 500;

/// The longest value of a line of a block, in bytes. A command and a question have to fit into one argument of a program. Paths do not:
/// what a large change names is bounded only by how much of the output is read.
const MAX_VALUE_BYTES: usize = 32 * 1024;

/// How much of a line a reason quotes, in characters.
const QUOTED_CHARS: usize = 80;

/// Reads the final block at the end of `text`.
#[must_use]
pub fn parse(text: &str) -> BlockReading {
    match read(text) {
        Ok(block) => BlockReading::Read(block),
        Err(why) => BlockReading::Missing(why),
    }
}

fn read(text: &str) -> Result<FinalBlock, String> {
    let clean = without_terminal_sequences(text);
    let lines: Vec<&str> = clean.lines().map(str::trim_end).collect();
    let full: Vec<usize> = (0..lines.len())
        .filter(|i| !lines[*i].trim().is_empty())
        .collect();
    if full.is_empty() {
        return Err("the agent ended without a word".to_owned());
    }
    let said = |at: Option<&usize>| match label_and_value(lines[*at?])? {
        (LEARNING, value) => Some(value),
        _ => None,
    };
    let fenced = fence::unwrapped(&lines, &full, LABELS.len()).or_else(|| {
        let five = fence::unwrapped(&lines, &full, LABELS.len() + 1)?;
        let first = five.get(five.len() - LABELS.len() - 1);
        (said(first).is_some() || said(five.last()).is_some()).then_some(five)
    });
    let is_fenced = fenced.is_some();
    let ended = fenced.unwrap_or(&full);
    let learned = said(ended.last());
    let wanted = &ended[..ended.len() - usize::from(learned.is_some())];
    if wanted.is_empty() {
        return Err("the agent ended with nothing but a learning".to_owned());
    }
    let before = wanted.len().checked_sub(LABELS.len() + 1);
    let learned = learned.or_else(|| said(wanted.get(before?)));
    let last_four = &wanted[wanted.len().saturating_sub(LABELS.len())..];
    let found: Vec<&str> = last_four.iter().map(|i| lines[*i]).collect();
    let Some(values) = values_of(&found) else {
        return Err(why_no_block(&lines, &full, &found));
    };
    if fence::is_open_at(&lines, last_four[0]) && !is_fenced {
        return Err("the final block stands inside a code fence that is not closed".to_owned());
    }
    for (label, value) in LABELS.iter().zip(&values) {
        let has_limit = *label != "Changed" || value::is_no_diff(value);
        if has_limit && value.len() > MAX_VALUE_BYTES {
            let bytes = value.len();
            return Err(format!(
                "the line {label} of the final block has {bytes} bytes; at most {MAX_VALUE_BYTES} are allowed"
            ));
        }
        if value::is_template(value) {
            return Err(format!(
                "the final block is not filled in: its line {label} still says {}",
                quoted(value)
            ));
        }
    }
    Ok(FinalBlock {
        pr: value::link(values[0]),
        verify: value::command(values[1]),
        changed: value::changed(values[2]),
        blockers: value::blockers(values[3]),
        learning: learned.and_then(value::learning),
    })
}

/// The four values, if these are the four lines.
fn values_of<'a>(lines: &[&'a str]) -> Option<[&'a str; 4]> {
    let mut values = [""; 4];
    if lines.len() != LABELS.len() {
        return None;
    }
    for ((slot, line), label) in values.iter_mut().zip(lines).zip(LABELS) {
        let (found, value) = label_and_value(line)?;
        if found != label {
            return None;
        }
        *slot = value;
    }
    Some(values)
}

/// The label and the value of a line of a block.
fn label_and_value(line: &str) -> Option<(&'static str, &str)> {
    static LINE: LazyLock<Regex> = LazyLock::new(|| {
        let pattern = r"^\s*(?:[-*+\u{2022}]\s+)?(?:(PR|Verify|Changed|Blockers|Learning):|\*\*(PR|Verify|Changed|Blockers|Learning)(?::\*\*|\*\*:)|__(PR|Verify|Changed|Blockers|Learning)(?::__|__:)|`(PR|Verify|Changed|Blockers|Learning)(?::`|`:))(.*)$";
        Regex::new(pattern).expect("the pattern is a constant and covered by tests")
    });
    let captures = LINE.captures(line)?;
    let found = (1..=4).find_map(|group| captures.get(group))?.as_str();
    let mut known = LABELS.into_iter().chain([LEARNING]);
    let label = known.find(|label| *label == found)?;
    Some((label, captures.get(5)?.as_str().trim()))
}

/// Says in one sentence what stands where the block should.
fn why_no_block(lines: &[&str], full: &[usize], found: &[&str]) -> String {
    let labels: Vec<Option<&str>> = found
        .iter()
        .map(|line| label_and_value(line).map(|(label, _)| label))
        .collect();
    let last = lines[full[full.len() - 1]];
    let earlier = full.windows(LABELS.len()).rev().find(|window| {
        let four: Vec<&str> = window.iter().map(|i| lines[*i]).collect();
        values_of(&four).is_some()
    });
    if let Some(window) = earlier {
        let after = full.iter().copied().find(|i| *i > window[LABELS.len() - 1]);
        let what = after.map_or(last, |i| lines[i]);
        return format!(
            "a final block is there, but it is not the end: {} follows it",
            quoted(what)
        );
    }
    if labels.iter().all(Option::is_some) && labels.len() == LABELS.len() {
        let order: Vec<&str> = labels.into_iter().flatten().collect();
        return format!(
            "the last four lines are {}, and must be {}",
            order.join(", "),
            LABELS.join(", ")
        );
    }
    let said: Vec<&str> = labels.iter().copied().flatten().collect();
    if labels.last() == Some(&Some("Blockers")) {
        let missing: Vec<&str> = LABELS
            .into_iter()
            .filter(|label| !said.contains(label))
            .collect();
        return format!(
            "the final block lacks the line {}",
            missing.join(" and the line ")
        );
    }
    if said.is_empty() {
        let last = quoted(last);
        return format!(
            "the output does not end with the final block (PR:, Verify:, Changed:, Blockers:); its last line is {last}"
        );
    }
    format!(
        "the last line is {}, and must be the line Blockers of the final block",
        quoted(last)
    )
}

fn quoted(line: &str) -> String {
    format!("`{}`", shortened(line.trim(), QUOTED_CHARS))
}

/// `text` as a terminal would leave it to read: without escape sequences, control characters and bidirectional controls, and of a
/// line that was overwritten only the last state.
#[must_use]
pub fn without_terminal_sequences(text: &str) -> String {
    static SEQUENCES: LazyLock<Regex> = LazyLock::new(|| {
        // CSI; OSC, DCS and their kin up to their end or the end of the line; every other escape of two or three characters.
        let pattern = "\x1b\\[[0-?]*[ -/]*[@-~]|\x1b[\\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\\\)?|\x1b[ -/]*[0-~]?";
        Regex::new(pattern).expect("the pattern is a constant and covered by tests")
    });
    let plain = SEQUENCES.replace_all(text, "");
    let mut clean = String::with_capacity(plain.len());
    for (i, line) in plain.split('\n').enumerate() {
        if i > 0 {
            clean.push('\n');
        }
        let line = line.trim_end_matches('\r');
        let shown = line.rsplit('\r').next().unwrap_or(line);
        clean.extend(shown.chars().filter(|c| *c == '\t' || !is_control(*c)));
    }
    clean
}

#[cfg(test)]
#[path = "block_test.rs"]
mod tests;
