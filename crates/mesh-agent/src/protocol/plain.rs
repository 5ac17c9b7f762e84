//! A program that writes text for people: its whole standard output is its message, and the final block is the end of it.
//!
//! Only the end of a file is ever read, so a log of any size costs the same. Bytes that are not UTF-8 are shown as the replacement
//! character.

use crate::block::{self, LABELS};
use mesh_core::evidence::BlockReading;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

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
