//! What a role answered: a diff, a reason for none, a question, or nothing that can be used.

use crate::patch::{Patch, lines_of};
use crate::step::Outcome;

/// An answer that was to have a patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reading {
    /// A patch that may be applied.
    Patch(Patch),
    /// Nothing has to be changed, and why.
    NoDiff(String),
    /// A person has to answer first.
    Question(Question),
}

/// A question of a role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) question: String,
    pub(crate) recommended_default: String,
    pub(crate) what_changes: String,
}

impl Question {
    /// The end of a strategy that asks it.
    pub(crate) fn outcome(self, notes: Vec<String>) -> Outcome {
        let Question {
            mut question,
            recommended_default,
            what_changes,
        } = self;
        if question.is_empty() {
            question.push_str("a decision of a person is needed; the agent did not say which");
        }
        Outcome::Question {
            question,
            recommended_default,
            what_changes,
            notes,
        }
    }
}

/// Reads an answer: a question comes before a diff, because what depends on an answer is not applied without it; a diff comes before
/// a line `NO_DIFF:<reason>`.
///
/// # Errors
/// Why it cannot be used.
pub(crate) fn read(text: &str, scope: &[String]) -> Result<Reading, String> {
    read_found(&Found::in_text(text)?, text, scope)
}

fn read_found(found: &Found, text: &str, scope: &[String]) -> Result<Reading, String> {
    if let Some(question) = question(&found.outside) {
        return Ok(Reading::Question(question));
    }
    if let Some(diff) = &found.diff {
        return match Patch::read(diff, scope) {
            Ok(patch) => Ok(Reading::Patch(patch)),
            Err(problem) => Err(problem.describe()),
        };
    }
    no_diff(text).map(Reading::NoDiff).ok_or_else(|| {
        "there is neither a unified diff in a fenced block nor a line `NO_DIFF:<reason>`".to_owned()
    })
}

/// The diff of an answer, and what else it says.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) diff: Option<String>,
    /// The answer without the diff.
    pub(crate) outside: String,
}

/// A fenced block.
struct Fence {
    word: String,
    /// Its text, without the fences' indentation.
    text: String,
    /// Lines of the answer, both fences among them.
    lines: std::ops::Range<usize>,
}

impl Found {
    /// Looks for the diff: a fence `diff`, a fence `patch`, from a line `diff --git`, from `---` with `+++` and `@@`.
    ///
    /// # Errors
    /// When there are several: which one is meant is not guessed.
    pub(crate) fn in_text(text: &str) -> Result<Found, String> {
        let lines = lines_of(text);
        let fences = fences(&lines);
        for word in ["diff", "patch"] {
            let diffs: Vec<&Fence> = fences
                .iter()
                .filter(|fence| {
                    fence.word == word
                        && start_of_diff(&fence.text.lines().collect::<Vec<_>>()).is_some()
                })
                .collect();
            match diffs.as_slice() {
                [] => {}
                [fence] => {
                    let outside = [&lines[..fence.lines.start], &lines[fence.lines.end..]].concat();
                    return Ok(Found {
                        diff: Some(fence.text.clone()),
                        outside: outside.join("\n"),
                    });
                }
                several => {
                    return Err(format!(
                        "there are {} fenced blocks with a diff; put all of it into one",
                        several.len()
                    ));
                }
            }
        }
        // Without a word after the fence, or without a fence.
        let Some(start) = start_of_diff(&lines) else {
            return Ok(Found {
                diff: None,
                outside: text.to_owned(),
            });
        };
        let around = fences.iter().find(|fence| fence.lines.contains(&start));
        let (diff, end) = match around {
            Some(fence) => (fence.text.clone(), fence.lines.end),
            None => {
                let end = end_of_diff(&lines, start);
                (lines[start..end].join("\n"), end)
            }
        };
        let outside = [&lines[..start], &lines[end..]].concat();
        Ok(Found {
            diff: Some(diff),
            outside: outside.join("\n"),
        })
    }
}

/// All fenced blocks of back quotes. One ends at a line of nothing but as many of them, indented as its first line: in a diff such
/// a line has a mark or a blank in front. One that is not closed goes on to the end.
fn fences(lines: &[&str]) -> Vec<Fence> {
    let mut fences = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let indent = lines[at].len() - lines[at].trim_start_matches(' ').len();
        let opening = lines[at].trim();
        let ticks = opening.len() - opening.trim_start_matches('`').len();
        let word = opening[ticks..].trim();
        if ticks < 3 || word.contains('`') {
            at += 1;
            continue;
        }
        let is_close = |line: &str| {
            let rest = line.trim_end();
            let own = rest.len() - rest.trim_start_matches(' ').len();
            let mark = rest.trim_start_matches(' ');
            (own == indent || own == 0)
                && mark.len() >= ticks
                && mark.bytes().all(|byte| byte == b'`')
        };
        let end = lines[at + 1..]
            .iter()
            .position(|line| is_close(line))
            .map_or(lines.len(), |offset| at + 1 + offset);
        let body = &lines[at + 1..end];
        let is_indented = body.iter().all(|line| {
            line.trim().is_empty() || line.len() - line.trim_start_matches(' ').len() >= indent
        });
        let cut = if is_indented { indent } else { 0 };
        let body: Vec<&str> = body
            .iter()
            .map(|line| line.get(cut..).unwrap_or_default())
            .collect();
        let lines_with_fences = at..(end + 1).min(lines.len());
        at = lines_with_fences.end;
        fences.push(Fence {
            word: word.to_lowercase(),
            text: body.join("\n"),
            lines: lines_with_fences,
        });
    }
    fences
}

/// Where a diff begins.
fn start_of_diff(lines: &[&str]) -> Option<usize> {
    let git = lines
        .iter()
        .position(|line| line.trim_start().starts_with("diff --git "));
    git.or_else(|| {
        lines.windows(3).position(|three| {
            three[0].trim_start().starts_with("--- ")
                && three[1].trim_start().starts_with("+++ ")
                && three[2].trim_start().starts_with("@@")
        })
    })
}

/// Where a diff that stands in no fence ends: before the first line that can be no part of one.
fn end_of_diff(lines: &[&str], start: usize) -> usize {
    let part = |line: &&str| {
        let marks = [
            "diff --git ",
            "index ",
            "new ",
            "old ",
            "deleted ",
            "rename ",
            "copy ",
            "similarity ",
            "@@",
        ];
        line.is_empty()
            || line.starts_with([' ', '+', '-', '\\'])
            || marks.iter().any(|mark| line.starts_with(mark))
    };
    start + lines[start..].iter().take_while(|line| part(line)).count()
}

/// The reason of the first line `NO_DIFF:<reason>`.
pub(crate) fn no_diff(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let line = line.trim().trim_start_matches(['-', '*', '`', ' ']);
        let reason = line
            .strip_prefix("NO_DIFF:")?
            .trim()
            .trim_end_matches('`')
            .trim();
        let is_reason = !reason.is_empty() && !matches!(reason, "<reason>" | "reason");
        is_reason.then(|| reason.to_owned())
    })
}

const MARKER: &str = "HUMAN INPUT REQUIRED";

/// The question after a line `HUMAN INPUT REQUIRED`, if there is one and it asks something.
pub(crate) fn question(text: &str) -> Option<Question> {
    let lines: Vec<&str> = text.lines().collect();
    let at = lines
        .iter()
        .position(|line| bare(line).starts_with(MARKER))?;
    let rest = bare(lines[at])[MARKER.len()..].trim_start_matches([':', '*', '`', '-', ' ']);
    if !rest.is_empty() && is_none(rest) {
        return None;
    }
    Some(labelled(rest, &lines[at + 1..])).filter(|question| !is_none(&question.question))
}

/// Whether a text says that there is nothing.
fn is_none(text: &str) -> bool {
    let text = text.trim_end_matches('.').to_lowercase();
    matches!(text.as_str(), "" | "-" | "no" | "none" | "nothing" | "n/a")
}

/// A question in labelled lines (`Question:`, `Recommended default:`, `What changes based on the answer:`); without any label the
/// whole text is the question.
pub(crate) fn labelled(first: &str, lines: &[&str]) -> Question {
    let mut question = Question::default();
    let mut place = 0;
    for line in std::iter::once(&first).chain(lines) {
        let mut text = bare(line);
        for (number, label) in ["Question", "Recommended default", "What changes"]
            .iter()
            .enumerate()
        {
            let is_label = text
                .get(..label.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(label));
            if let Some((_, value)) = text.split_once(':').filter(|_| is_label) {
                place = number;
                text = value.trim_start_matches(['*', '`', ' ']);
                break;
            }
        }
        let field = [
            &mut question.question,
            &mut question.recommended_default,
            &mut question.what_changes,
        ];
        let [a, b, c] = field;
        let target = match place {
            0 => a,
            1 => b,
            _ => c,
        };
        if !text.is_empty() {
            if !target.is_empty() {
                target.push('\n');
            }
            target.push_str(text);
        }
    }
    question
}

/// A line without list marks, bold marks and back quotes in front.
fn bare(line: &str) -> &str {
    line.trim()
        .trim_start_matches(['-', '*', '+', '>', '`', '#', ' '])
        .trim_end_matches(['*', '`'])
        .trim()
}

/// A vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Vote {
    pub(crate) agree: bool,
    pub(crate) reason: String,
}

/// Reads a vote: two lines and nothing else.
///
/// # Errors
/// Why it is none.
pub(crate) fn vote(text: &str) -> Result<Vote, String> {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let [vote, reason] = lines.as_slice() else {
        return Err(format!(
            "it has {} lines; a vote is the lines `vote: agree|disagree` and `reason: <one line>`, and nothing else",
            lines.len()
        ));
    };
    let agree = match vote.strip_prefix("vote:").map(str::trim) {
        Some("agree") => true,
        Some("disagree") => false,
        _ => return Err("its first line is neither `vote: agree` nor `vote: disagree`".to_owned()),
    };
    let reason = reason
        .strip_prefix("reason:")
        .map(str::trim)
        .unwrap_or_default();
    if reason.is_empty() || reason == "<one line>" {
        return Err("its second line gives no reason (`reason: <one line>`)".to_owned());
    }
    Ok(Vote {
        agree,
        reason: reason.to_owned(),
    })
}

/// What the synthesizer answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Synthesis {
    pub(crate) patch: Option<Patch>,
    pub(crate) no_diff: String,
    pub(crate) validation: Vec<String>,
}

/// Reads a synthesis: patch, decision log, and validation commands, which are `wanted` unless it says that it updated them.
///
/// # Errors
/// Why it cannot be used.
pub(crate) fn synthesis(
    text: &str,
    scope: &[String],
    wanted: &[String],
) -> Result<Synthesis, String> {
    let found = Found::in_text(text)?;
    let (patch, no_diff) = match read_found(&found, text, scope)? {
        Reading::Patch(patch) => (Some(patch), String::new()),
        Reading::NoDiff(reason) => (None, reason),
        Reading::Question(_) => {
            return Err(
                "the synthesizer asks no question; it decides and says what it assumed".to_owned(),
            );
        }
    };
    let lines: Vec<&str> = found.outside.lines().collect();
    if !section(&lines, "decision log")
        .is_some_and(|log| log.iter().any(|line| !line.trim().is_empty()))
    {
        return Err("there is no decision log (`1) Decision log`)".to_owned());
    }
    let commands = section(&lines, "validation")
        .map(|section| commands(&section))
        .unwrap_or_default();
    let is_updated = lines.iter().any(|line| {
        bare(line)
            .strip_prefix("VALIDATION_UPDATED:")
            .is_some_and(|reason| !reason.trim().is_empty())
    });
    let trimmed: Vec<&str> = wanted.iter().map(|command| command.trim()).collect();
    if commands.is_empty() && !wanted.is_empty() {
        return Err(
            "there are no validation commands (`3) Validation`, one fenced block `sh`)".to_owned(),
        );
    }
    if commands != trimmed && !is_updated {
        return Err("the validation commands are not those of mesh_meta, and no line `VALIDATION_UPDATED:<reason>` says so".to_owned());
    }
    Ok(Synthesis {
        patch,
        no_diff,
        validation: commands,
    })
}

/// The headings of a synthesis.
const HEADINGS: [&str; 4] = ["decision log", "patch", "validation", "residual risk"];

/// The lines under the heading that begins with `name`, and what follows it on its own line.
fn section<'a>(lines: &[&'a str], name: &str) -> Option<Vec<&'a str>> {
    let heading = |line: &'a str| -> Option<&'a str> {
        let is_marked = line.starts_with(|c: char| c.is_ascii_digit() || c == '#' || c == '*')
            || line.ends_with(':');
        let text = line.trim_start_matches(|c: char| c.is_ascii_digit() || " #*).".contains(c));
        let is_known = HEADINGS.iter().any(|known| {
            let is_start = text
                .get(..known.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(known));
            let rest = || &text[known.len()..];
            is_start
                && (rest().is_empty()
                    || rest().starts_with([':', '*'])
                    || rest().starts_with(" (")
                    || rest().ends_with(':'))
        });
        (is_known && (is_marked || text.len() == line.len())).then_some(text)
    };
    let at = lines.iter().position(|line| {
        heading(line).is_some_and(|text| {
            text.get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name))
        })
    })?;
    let own = heading(lines[at])?
        .split_once(':')
        .map_or("", |(_, rest)| rest.trim_matches(['*', ' ']));
    let end = lines[at + 1..]
        .iter()
        .position(|line| heading(line).is_some())
        .map_or(lines.len(), |offset| at + 1 + offset);
    Some(
        std::iter::once(own)
            .chain(lines[at + 1..end].iter().copied())
            .collect(),
    )
}

/// The commands of a section: those of its fenced block, else its list marks or back quotes.
fn commands(section: &[&str]) -> Vec<String> {
    let fences = fences(section);
    let plain = |line: &str| line.trim().to_owned();
    if let Some(fence) = fences.first() {
        return fence
            .text
            .lines()
            .map(plain)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
    }
    let marked = section
        .iter()
        .map(|line| line.trim())
        .filter(|line| line.starts_with(['-', '*', '`']));
    let unmarked = |line: &str| {
        line.trim_start_matches(['-', '*', ' '])
            .trim_matches('`')
            .trim()
            .to_owned()
    };
    marked
        .map(unmarked)
        .filter(|line| !line.is_empty() && !line.starts_with("VALIDATION_UPDATED:"))
        .collect()
}

#[cfg(test)]
#[path = "answer_test.rs"]
mod tests;
