//! The events of `codex exec --json` (0.169.0, 0.171.0). An `error` event is no end: the program may go on. Usage is that of the
//! whole thread, earlier calls included; cached tokens are part of the input.

use super::transcript::{SessionId, StreamEnd, Transcript, Usage, each_event, number, text};
use std::io;
use std::path::Path;

/// Reads the stream in the file `stdout`.
///
/// # Errors
/// When the file cannot be read.
pub fn read(stdout: &Path) -> io::Result<Transcript> {
    let mut read = Transcript::default();
    each_event(stdout, |event| match text(event, "/type") {
        Some("thread.started") => {
            read.session = text(event, "/thread_id").and_then(SessionId::new);
        }
        Some("item.completed") if text(event, "/item/type") == Some("agent_message") => {
            read.message = text(event, "/item/text").map(str::to_owned);
        }
        Some("turn.completed") => {
            read.end = StreamEnd::Complete;
            read.usage = Usage {
                input: number(event, "/usage/input_tokens"),
                cached_input: number(event, "/usage/cached_input_tokens"),
                output: number(event, "/usage/output_tokens"),
            };
        }
        Some("turn.failed") => {
            let reason = text(event, "/error/message").unwrap_or("without a reason");
            read.end = StreamEnd::Failed(reason.to_owned());
        }
        Some("error") if matches!(read.end, StreamEnd::None | StreamEnd::NoneAfter(_)) => {
            let error = text(event, "/message").unwrap_or_default();
            read.end = StreamEnd::NoneAfter(error.to_owned());
        }
        // A turn that begins has not ended.
        Some("turn.started") => read.end = StreamEnd::None,
        _ => {}
    })?;
    Ok(read)
}
