//! The events of `claude -p --output-format stream-json --verbose` (2.1.197, 2.1.332). Only the `result` counts: its subtype is
//! "success" also when the model could not be called, so `is_error` is looked at. Cached tokens are not part of its input.

use super::transcript::{SessionId, StreamEnd, Transcript, Usage, each_event, number, text};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io;
use std::path::Path;

/// Reads the stream in the file `stdout`.
///
/// # Errors
/// When the file cannot be read.
pub fn read(stdout: &Path) -> io::Result<Transcript> {
    let mut read = Transcript::default();
    each_event(stdout, |event| {
        if let Some(session) = text(event, "/session_id").and_then(SessionId::new) {
            read.session = Some(session);
        }
        match (text(event, "/type"), text(event, "/subtype")) {
            (Some("system"), Some("api_retry")) => {
                let error = text(event, "/error").unwrap_or("unknown");
                let status = number(event, "/error_status");
                read.end = StreamEnd::NoneAfter(format!("{error} ({status})"));
            }
            (Some("result"), subtype) => take_result(&mut read, event, subtype),
            _ => {}
        }
    })?;
    Ok(read)
}

fn take_result(read: &mut Transcript, event: &Value, subtype: Option<&str>) {
    let is_error = event
        .pointer("/is_error")
        .and_then(Value::as_bool)
        .unwrap_or(true);
    let message = text(event, "/result");
    read.end = match subtype {
        Some("success") if !is_error => {
            read.message = message.map(str::to_owned);
            StreamEnd::Complete
        }
        subtype => {
            let errors = event.pointer("/errors").and_then(Value::as_array);
            let errors = errors.into_iter().flatten().filter_map(Value::as_str);
            let errors: Vec<&str> = errors.collect();
            StreamEnd::Failed(match (message, errors.as_slice()) {
                (Some(message), _) => message.to_owned(),
                (None, []) => subtype.unwrap_or("without a reason").to_owned(),
                (None, errors) => errors.join("; "),
            })
        }
    };
    let cached = number(event, "/usage/cache_read_input_tokens");
    let written = number(event, "/usage/cache_creation_input_tokens");
    read.usage = Usage {
        input: number(event, "/usage/input_tokens") + cached + written,
        cached_input: cached,
        output: number(event, "/usage/output_tokens"),
    };
    let denied = event
        .pointer("/permission_denials")
        .and_then(Value::as_array);
    let names = denied.into_iter().flatten();
    let names = names.filter_map(|denial| text(denial, "/tool_name"));
    let names: BTreeSet<&str> = names.collect();
    read.denied = names.into_iter().map(str::to_owned).collect();
}
