//! A draft of a task list from a plain one: with the fields that are missing, and nothing guessed.

use super::markdown::{self, Found};

/// What a draft ends with: how to go on.
const ENDING: &str = "Run exactly this task list with `mesh run FILE` (no copy/paste).";

/// The first list of the document that is no task list, as one: ids by position, every status `todo`, every `depends_on` empty.
/// Nothing when there is no such list.
#[must_use]
pub fn draft(text: &str) -> Option<String> {
    let items = markdown::lists(text)
        .into_iter()
        .find_map(|found| match found {
            Found::Items(_, items) if !items.iter().any(|item| item.has_required_field()) => {
                Some(items)
            }
            _ => None,
        })?;
    let mut draft = String::new();
    for (at, item) in items.iter().enumerate() {
        let number = at + 1;
        let title = item.title.as_deref().unwrap_or("(no title)");
        draft.push_str(&format!(
            "- {title}\n  - id: T{number}\n  - status: todo\n  - depends_on: []\n"
        ));
        match item.others.as_slice() {
            [] => {}
            [(_, only)] => draft.push_str(&format!("  - description: {only}\n")),
            several => {
                draft.push_str("  - description:\n");
                for (_, text) in several {
                    draft.push_str(&format!("    - {text}\n"));
                }
            }
        }
    }
    draft.push_str(&format!("\n{ENDING}\n"));
    Some(draft)
}
