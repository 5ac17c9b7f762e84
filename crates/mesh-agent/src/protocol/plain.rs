//! A program that writes text for people: its whole standard output is its message, and the final block is the end of it.
//!
//! Only the end of a file is ever read, so a log of any size costs the same. Bytes that are not UTF-8 are shown as the replacement
//! character.

use super::meter::Sources;
use crate::block::{self, LABELS};
use mesh_core::evidence::BlockReading;
use mesh_core::metered::{Metered, Refusal, RefusalClass};
use mesh_core::text::{one_line, shortened};
use regex::{Regex, RegexBuilder};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

/// How the last lines show that a limit of the provider ended the program, where its profile does not say otherwise: regular
/// expressions without regard to case. They are few on purpose: an agent that works on rate limits writes of them too.
pub const LIMIT_PATTERNS: [&str; 4] = [
    r"\b(usage|session|weekly|5-hour|daily|spending) limit\b.*\b(reached|exceeded|resets?|try again)\b",
    r"\bhit your\b.*\blimit\b",
    r"\b(quota|rate limit|rate_limit)\b.*\b(exceeded|reached|exhausted)\b",
    r"\b429\b.*\btoo many requests\b",
];

/// How many of the last lines of each stream are looked at for a limit.
const LIMIT_LINES: usize = 5;

/// How much of the end of an output is searched for the final block. It bounds the paths that a block can name: tens of thousands.
pub const BLOCK_WINDOW_BYTES: u64 = 2 * 1024 * 1024;

/// The end of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastMessage {
    /// The text, without terminal sequences.
    pub text: String,
    /// How many bytes before it were left out; 0 when the text is complete.
    pub left_out_bytes: u64,
}

/// The final block at the end of the file `stdout`.
///
/// # Errors
/// When the file cannot be read.
pub fn read_block(stdout: &Path) -> io::Result<BlockReading> {
    let end = end_of(stdout, BLOCK_WINDOW_BYTES)?;
    let lines = end.text.lines().filter(|line| !line.trim().is_empty());
    let is_cut = end.left_out_bytes > 0 && lines.take(LABELS.len() + 1).count() <= LABELS.len();
    Ok(match block::parse(&end.text) {
        BlockReading::Missing(why) if is_cut => BlockReading::Missing(format!(
            "{why}; only the last {BLOCK_WINDOW_BYTES} bytes of the output are read"
        )),
        reading => reading,
    })
}

/// The message in the file `stdout`: at most `limit` bytes from its end.
///
/// # Errors
/// When the file cannot be read.
pub fn last_message(stdout: &Path, limit: u64) -> io::Result<LastMessage> {
    let end = end_of(stdout, limit)?;
    Ok(LastMessage {
        text: block::without_terminal_sequences(&end.text),
        left_out_bytes: end.left_out_bytes,
    })
}

/// The last `lines` lines of the file, at most `bytes` bytes from its end, for people and for the prompt of a retry. A file that does
/// not exist has none.
///
/// # Errors
/// When the file is there and cannot be read.
pub fn tail(path: &Path, lines: usize, bytes: u64) -> io::Result<String> {
    let end = match end_of(path, bytes) {
        Ok(end) => end,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) => return Err(error),
    };
    let text = block::without_terminal_sequences(&end.text);
    let all: Vec<&str> = text.trim_end().lines().collect();
    Ok(all[all.len().saturating_sub(lines)..].join("\n"))
}

/// What is wrong with a pattern for [`LIMIT_PATTERNS`]' place.
///
/// # Errors
/// The sentence.
pub fn check_limit_pattern(pattern: &str) -> Result<(), String> {
    compiled(pattern).map(drop).map_err(|error| {
        let text = error.to_string();
        text.lines().last().unwrap_or_default().trim().to_owned()
    })
}

fn compiled(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).case_insensitive(true).build()
}

/// Whether a limit ended the program, by the last lines of what it wrote. One that ended with a final block worked to its end.
///
/// # Errors
/// When its standard output cannot be read.
pub(super) fn metered(sources: &Sources<'_>) -> io::Result<Metered> {
    let nothing = Metered::default();
    if matches!(read_block(sources.stdout)?, BlockReading::Read(_)) {
        return Ok(nothing);
    }
    let patterns = sources.limit_patterns.iter();
    let patterns: Vec<Regex> = patterns.filter_map(|one| compiled(one).ok()).collect();
    let mut lines = String::new();
    for file in [sources.stderr, sources.stdout] {
        lines.push_str(&tail(file, LIMIT_LINES, 8 * 1024)?);
        lines.push('\n');
    }
    let is_limit = |line: &&str| patterns.iter().any(|pattern| pattern.is_match(line));
    let refusal = lines.lines().find(is_limit).map(|line| Refusal {
        class: RefusalClass::Quota,
        resets_at: reset(&lines, sources),
        said: shortened(&one_line(line), 300).into_owned(),
    });
    Ok(Metered { refusal, ..nothing })
}

/// When the limit is over: `retry-after: SECONDS`, or `resets_at` with seconds since 1970.
fn reset(lines: &str, sources: &Sources<'_>) -> Option<mesh_core::time::Millis> {
    let number = |pattern: &str| {
        let found = compiled(pattern).ok()?.captures(lines)?;
        found.get(1)?.as_str().parse::<u64>().ok()
    };
    let after = number(r#"retry[-_ ]after["':= ]+(\d{1,7})\b"#).map(|seconds| seconds * 1000);
    let at = number(r#"resets?[-_ ]?at["':= ]+(\d{10})\b"#).map(|seconds| seconds * 1000);
    let unix_ms = at.or(after.map(|after| sources.now_unix_ms.saturating_add(after)))?;
    Some((sources.moment)(unix_ms))
}

/// The last `limit` bytes as text. When something was left out, the text starts at a line's start if there is one.
fn end_of(path: &Path, limit: u64) -> io::Result<LastMessage> {
    let mut file = fs_err::File::open(path)?;
    let length = file.metadata()?.len();
    let mut start = length.saturating_sub(limit);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    // The file may still grow; what comes after its length is not part of this reading.
    file.take(length - start).read_to_end(&mut bytes)?;
    if start > 0
        && let Some(line_end) = bytes.iter().position(|b| *b == b'\n')
        && line_end + 1 < bytes.len()
    {
        bytes.drain(..=line_end);
        start += line_end as u64 + 1;
    }
    Ok(LastMessage {
        text: String::from_utf8_lossy(&bytes).into_owned(),
        left_out_bytes: start,
    })
}

#[cfg(test)]
#[path = "plain_test.rs"]
mod tests;
