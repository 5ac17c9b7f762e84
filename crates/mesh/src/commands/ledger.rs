//! `mesh ledger`: what has occurred of a ledger.

use std::path::{Path, PathBuf};

use mesh_core::text::counted;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::{CommandError, Kind};
use crate::exit_code;
use crate::helper::Format;
use crate::ui::shell::Shell;

/// Keep what has occurred of a ledger: entries that say nothing, `false`, `none` or 0 are left out.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The ledger: an object.
    #[arg(long, value_name = "FILE")]
    input_json: PathBuf,
    #[command(flatten)]
    pub format: Format,
}

#[derive(Serialize)]
struct Answer {
    command: &'static str,
    events: Map<String, Value>,
}

pub(crate) fn run(args: &Args, folder: &Path, shell: &mut Shell) -> Result<u8, CommandError> {
    let path = folder.join(&args.input_json);
    let text = fs_err::read(&path)?;
    let mut events: Map<String, Value> = serde_json::from_slice(&text).map_err(|error| {
        let message = format!("{} is no ledger: {error}", path.display());
        CommandError::new(Kind::PlanInvalid, message)
            .hint("it is one JSON object, such as {\"spawned\": 2, \"timeouts\": 0}")
    })?;
    events.retain(|_, value| has_occurred(value));
    let line = format!("ledger: {}", counted(events.len(), "event"));
    let command = "ledger";
    args.format
        .print(shell, &Answer { command, events }, &line)?;
    Ok(exit_code::OK)
}

/// Whether an entry says anything.
pub(crate) fn has_occurred(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64().is_none_or(|number| number > 0.0),
        Value::String(text) => !text.is_empty() && text != "none",
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => !object.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_says_nothing_has_not_occurred() {
        for nothing in [
            json!(null),
            json!(false),
            json!(0),
            json!(0.0),
            json!(-3),
            json!(""),
            json!("none"),
            json!([]),
            json!({}),
        ] {
            assert!(!has_occurred(&nothing), "{nothing}");
        }
        for something in [
            json!(true),
            json!(1),
            json!(0.5),
            json!("None of them"),
            json!([null]),
            json!({"a": null}),
            json!(u64::MAX),
        ] {
            assert!(has_occurred(&something), "{something}");
        }
    }
}
