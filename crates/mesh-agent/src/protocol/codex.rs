//! The events of `codex exec --json` (0.169.0, 0.171.0). An `error` event is no end: the program may go on. Usage is that of the
//! whole thread, earlier calls included; cached tokens are part of the input. What its provider lets it use, and why it refused, stands
//! in the session's file alone ([`rollout`](super::rollout)).

use super::meter::{Sources, class_of_status, of_words};
use super::rollout;
use super::transcript::{SessionId, StreamEnd, Transcript, each_event, number, text};
use mesh_core::metered::{Refusal, Usage};
use mesh_core::text::one_line;
use serde_json::Value;
use std::io;
use std::path::Path;

/// Reads the stream in the file `stdout`.
///
/// # Errors
/// When the file cannot be read.
pub fn read(stdout: &Path) -> io::Result<Transcript> {
    let mut read = Transcript::default();
    read.metered.is_cumulative = true;
    each_event(stdout, |event| match text(event, "/type") {
        Some("thread.started") => {
            read.session = text(event, "/thread_id").and_then(SessionId::new);
            let session = read.session.as_ref().map(SessionId::as_str);
            read.metered.session = session.map(str::to_owned);
        }
        Some("item.completed") if text(event, "/item/type") == Some("agent_message") => {
            read.message = text(event, "/item/text").map(str::to_owned);
            read.metered.refusal = None;
        }
        Some("turn.completed") => {
            read.end = StreamEnd::Complete;
            read.metered.usage = event.get("usage").map(usage);
            read.metered.refusal = None;
        }
        Some("turn.failed") => {
            let reason = text(event, "/error/message").unwrap_or("without a reason");
            read.end = StreamEnd::Failed(reason.to_owned());
            read.metered.refusal = Some(refusal(reason));
        }
        Some("error") if matches!(read.end, StreamEnd::None | StreamEnd::NoneAfter(_)) => {
            let error = text(event, "/message").unwrap_or_default();
            read.end = StreamEnd::NoneAfter(error.to_owned());
            read.metered.refusal = Some(refusal(error));
        }
        // A turn that begins has not ended.
        Some("turn.started") => {
            read.end = StreamEnd::None;
            read.metered.refusal = None;
        }
        // The model answers: what was refused before was ridden out.
        Some("item.started") => read.metered.refusal = None,
        _ => {}
    })?;
    Ok(read)
}

/// As [`read`], with what the session's file adds.
///
/// # Errors
/// When the stream cannot be read. A session file that cannot be found or read adds nothing.
pub fn read_with_session(sources: &Sources<'_>) -> io::Result<Transcript> {
    let mut read = read(sources.stdout)?;
    let session = read.metered.session.as_deref();
    let file = session.and_then(|session| rollout::find(sources.home?, session));
    let Some(found) = file.and_then(|file| rollout::read(&file, sources.moment)) else {
        return Ok(read);
    };
    let metered = &mut read.metered;
    metered.usage = metered.usage.or(found.usage);
    metered.windows = found.windows;
    // The file has the ends of earlier calls too.
    if let (StreamEnd::Failed(reason), Some(end)) = (&read.end, found.end)
        && end.said == one_line(reason)
    {
        metered.refusal = Some(end);
    }
    if let Some(refusal) = metered.refusal.as_mut() {
        let used_up = metered.windows.iter().filter(|one| one.used_percent >= 100);
        refusal.resets_at = refusal
            .resets_at
            .or(used_up.filter_map(|one| one.resets_at).max());
    }
    Ok(read)
}

/// The tokens in an object of either file.
pub(super) fn usage(object: &Value) -> Usage {
    Usage {
        input: number(object, "/input_tokens"),
        cached_input: number(object, "/cached_input_tokens"),
        output: number(object, "/output_tokens"),
        cost_micro_usd: None,
    }
}

/// What the words mean where there is nothing better.
fn refusal(said: &str) -> Refusal {
    let status = said
        .split_once("status: ")
        .or_else(|| said.split_once("status "));
    let digits = status.and_then(|(_, rest)| rest.get(..3));
    let status = digits.and_then(|digits| digits.parse::<u64>().ok());
    Refusal {
        class: of_words(said).unwrap_or_else(|| class_of_status(status)),
        resets_at: None,
        said: one_line(said),
    }
}
