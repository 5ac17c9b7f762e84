//! What an agent is doing now, from the end of its stream: for people, and to see that its provider answers.

use super::{plain, strategy, transcript};
use crate::profile::Protocol;
use mesh_core::text::{one_line, shortened};
use serde_json::Value;
use std::io;
use std::path::Path;

/// How much of the end of a stream is looked at.
const WINDOW_BYTES: u64 = 64 * 1024;

/// Most characters that are shown.
const SHOWN_CHARS: usize = 100;

/// What the end of a stream shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Activity {
    /// The last thing that the agent did or said, in one line without control characters.
    pub now: Option<String>,
    /// The model has answered: it did or said anything at all. Never known of a program that writes for people.
    pub has_answer: bool,
}

impl Protocol {
    /// What the agent whose standard output is in the file is doing.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn activity(self, stdout: &Path) -> io::Result<Activity> {
        let end = plain::last_message(stdout, WINDOW_BYTES)?;
        if self == Protocol::Plain {
            let last = end.text.lines().rfind(|line| !line.trim().is_empty());
            return Ok(Activity {
                now: last.map(shown),
                has_answer: false,
            });
        }
        let events = end.text.lines().rev();
        let events = events.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut said = events.filter_map(|event| match self {
            Protocol::Codex => Some((of_codex(&event)?, true)),
            Protocol::Claude => Some((of_claude(&event)?, true)),
            Protocol::Strategy => strategy::activity(&event),
            Protocol::Plain => None,
        });
        let Some((now, is_answer)) = said.next() else {
            return Ok(Activity::default());
        };
        Ok(Activity {
            has_answer: is_answer || said.any(|(_, is_answer)| is_answer),
            now: Some(shown(&now)),
        })
    }
}

fn shown(text: &str) -> String {
    shortened(&one_line(text), SHOWN_CHARS).into_owned()
}

fn of_codex(event: &Value) -> Option<String> {
    let item = event.get("item")?;
    let field = |name: &str| item[name].as_str().unwrap_or_default();
    Some(match field("type") {
        "command_execution" => format!("runs {}", field("command")),
        "agent_message" => format!("says {}", field("text")),
        "reasoning" => "thinks".to_owned(),
        "file_change" => {
            let changes = item["changes"].as_array().into_iter().flatten();
            let paths: Vec<&str> = changes.filter_map(|one| one["path"].as_str()).collect();
            format!("changes {}", paths.join(", "))
        }
        // A warning of the program's own.
        "error" | "" => return None,
        other => other.replace('_', " "),
    })
}

fn of_claude(event: &Value) -> Option<String> {
    // What stands in the stream under the model's name may be the program's own word on a refusal.
    if transcript::text(event, "/type") != Some("assistant") || event.get("error").is_some() {
        return None;
    }
    let parts = event.pointer("/message/content")?.as_array()?;
    parts.iter().rev().find_map(|part| {
        let input = &part["input"];
        Some(match part["type"].as_str()? {
            "text" => format!("says {}", part["text"].as_str()?),
            "thinking" => "thinks".to_owned(),
            "tool_use" => {
                let name = part["name"].as_str().unwrap_or("a tool");
                let what = ["command", "file_path", "path", "pattern", "description"];
                let what = what.into_iter().find_map(|key| input[key].as_str());
                match (name, what) {
                    ("Bash", Some(command)) => format!("runs {command}"),
                    (name, Some(what)) => format!("{name} {what}"),
                    (name, None) => name.to_owned(),
                }
            }
            _ => return None,
        })
    })
}
