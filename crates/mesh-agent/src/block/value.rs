//! The values of a final block.

use mesh_core::evidence::ChangedClaim;
use mesh_core::text::shortened;
use regex::Regex;
use std::sync::LazyLock;

/// Whether `value` is one of the ways to say "nothing": `none`, `None.`, `n/a`, `-`, `no`, an empty value, also with a remark that
/// takes nothing back (`none, all tests pass`; but not `none, except …`).
#[must_use]
pub fn is_none(value: &str) -> bool {
    static NONE: LazyLock<Regex> = LazyLock::new(|| {
        let pattern = r"^(?i)(?:|-+|–|—|(?:none|n/?a|nil|null|nothing|no blockers?|no)(?:\s+(?:known|remaining|found|identified|so far|at this time|at the moment|needed|required))?(?:\s*(?:[.,;:!]+(?:\s.*)?|[(–—#].*|-\s.*)?))$";
        Regex::new(pattern).expect("the pattern is a constant and covered by tests")
    });
    static TAKEN_BACK: LazyLock<Regex> = LazyLock::new(|| {
        let pattern = r"(?i)\b(?:but|except|however|although|though|unless|until|need|needs|cannot|can't|could not|couldn't|unable|fail|fails|failed|failing|missing|blocked|waiting|not)\b";
        Regex::new(pattern).expect("the pattern is a constant and covered by tests")
    });
    let value = bare(value.trim());
    NONE.is_match(value) && !TAKEN_BACK.is_match(value)
}

/// `text` without a comment, as a shell would see it: from a `#` at the start of a word outside quotes.
#[must_use]
pub fn strip_comment(text: &str) -> &str {
    let mut quote: Option<char> = None;
    let mut is_escaped = false;
    let mut starts_word = true;
    for (at, c) in text.char_indices() {
        let was_start = std::mem::replace(&mut starts_word, false);
        match (quote, c) {
            _ if is_escaped => is_escaped = false,
            (None | Some('"'), '\\') => is_escaped = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '#') if was_start => return text[..at].trim_end(),
            (None, c) => {
                starts_word = c.is_whitespace() || matches!(c, ';' | '&' | '|' | '(' | ')')
            }
        }
    }
    text.trim_end()
}

/// Whether this is a place in the template that was never filled in, such as `<url>` or `<none|details>`.
pub(super) fn is_template(value: &str) -> bool {
    let value = bare(strip_comment(value));
    value.starts_with('<') && value.ends_with('>') && !value.contains("://")
}

/// One pair of backticks, or of bold marks, around the whole is taken off.
fn bare(value: &str) -> &str {
    for mark in ["**", "`"] {
        if let Some(inner) = value
            .strip_prefix(mark)
            .and_then(|rest| rest.strip_suffix(mark))
            && !inner.is_empty()
            && !inner.contains('`')
        {
            return inner.trim();
        }
    }
    value
}

/// The value of `PR`: a link, a number, or `None`.
pub(super) fn link(value: &str) -> Option<String> {
    // `#12` is a pull request; a comment has a blank or a word after its mark.
    let is_number = value
        .strip_prefix('#')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let value = bare(if is_number {
        value
    } else {
        strip_comment(value)
    });
    let value = value
        .strip_prefix('<')
        .and_then(|rest| rest.strip_suffix('>'))
        .unwrap_or(value);
    (!is_none(value)).then(|| value.to_owned())
}

/// The value of `Verify`: a command as it can be given to a shell, or `None`.
///
/// Backticks around a command are marks for readers here. A shell would run what stands in them and then run its *output*, so they
/// must not reach it: several commands in backticks, joined by a comma or `and`, become one that needs all of them to pass.
pub(super) fn command(value: &str) -> Option<String> {
    static REMARK: LazyLock<Regex> = LazyLock::new(|| {
        let pattern = r"(?i)\s+\((?:all\s+)?(?:pass(?:es|ed|ing)?|fail(?:s|ed)?|ok|green)\)\.?$";
        Regex::new(pattern).expect("the pattern is a constant and covered by tests")
    });
    let command = match in_backticks(value.trim()) {
        Some(commands) => {
            let plain = commands
                .iter()
                .map(|one| strip_comment(one).trim())
                .filter(|one| !one.is_empty());
            plain.collect::<Vec<_>>().join(" && ")
        }
        None => {
            let without_remark = REMARK.replace(strip_comment(value), "");
            bare(without_remark.trim()).to_owned()
        }
    };
    (!is_none(&command)).then_some(command)
}

/// The commands of a value that is nothing but commands in backticks and words that join them, with a remark at the end or without.
fn in_backticks(value: &str) -> Option<Vec<&str>> {
    static JOINED: LazyLock<Regex> = LazyLock::new(|| {
        let pattern = r"(?i)^`[^`]+`(?:\s*(?:,|;|&&|\+|and|then|, and)\s*`[^`]+`)*(?:\s*(?:$|(?:[-–—(:,#✓✅✔]|->|=>|→|pass|fail|ok\b)[^`]*$))";
        Regex::new(pattern).expect("the pattern is a constant and covered by tests")
    });
    JOINED
        .is_match(value)
        .then(|| value.split('`').skip(1).step_by(2).map(str::trim).collect())
}

/// Whether a value of `Changed` gives a reason instead of paths.
pub(super) fn is_no_diff(value: &str) -> bool {
    value.starts_with("NO_DIFF")
}

/// The value of `Changed`.
pub(super) fn changed(value: &str) -> ChangedClaim {
    let value = bare(value.trim());
    let no_diff = value.strip_prefix("NO_DIFF");
    if let Some(rest) = no_diff
        .filter(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || "._/-".contains(c)))
    {
        let reason = rest
            .trim_start_matches([':', ' ', '\t', '-', '–', '—'])
            .trim();
        let inner = reason
            .strip_prefix('<')
            .and_then(|rest| rest.strip_suffix('>'));
        let reason = inner.unwrap_or(reason).trim();
        // A mark without a reason claims nothing; the core then sees "no change and no reason".
        let says_nothing = reason == "reason" || is_none(reason);
        return if says_nothing {
            ChangedClaim::Paths(Vec::new())
        } else {
            ChangedClaim::NoDiff(reason.to_owned())
        };
    }
    let value = strip_comment(value);
    if is_none(value) {
        return ChangedClaim::Paths(Vec::new());
    }
    let parts: Vec<&str> = if value.contains(',') {
        value.split(',').collect()
    } else {
        value.split_whitespace().collect()
    };
    let unquoted = |path: &str| path.trim().trim_matches(['`', '"', '\'']).trim().to_owned();
    ChangedClaim::Paths(
        parts
            .into_iter()
            .map(unquoted)
            .filter(|path| !path.is_empty())
            .collect(),
    )
}

/// The value of `Blockers`: what keeps the agent from going on, or `None`.
pub(super) fn blockers(value: &str) -> Option<String> {
    (!is_none(value)).then(|| bare(value.trim()).to_owned())
}

/// The value of `Learning`, or `None` when it says nothing or is still the template.
pub(super) fn learning(value: &str) -> Option<String> {
    let is_said = !is_none(value) && !value.contains("<condition>");
    is_said.then(|| shortened(bare(value.trim()), super::LEARNING_CHARS).into_owned())
}
