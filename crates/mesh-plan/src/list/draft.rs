//! A draft of a task list from a plain one: with the fields that are missing, and nothing guessed.

use super::field::{KEYS, Value};
use super::markdown::{self, Found};

/// What a draft ends with: how to go on.
const ENDING: &str = "Run exactly this task list with `mesh run FILE` (no copy/paste).";

/// The first list of the document that is no task list, as one: ids by position, every status `todo` but for what is ticked off, every
/// `depends_on` empty.
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
            "- {title}\n  - id: T{number}\n  - status: {}\n  - depends_on: []\n",
            if is_ticked(text, item.at) {
                "done"
            } else {
                "todo"
            }
        ));
        let mut texts = item.text.clone();
        for field in &item.fields {
            let is_kept = KEYS.contains(&field.key.as_str()) && field.key != "description";
            match (is_kept, &field.value) {
                (true, Value::Text(text, _)) => {
                    entry(&mut draft, &field.key, std::slice::from_ref(text))
                }
                (true, Value::Many(many)) => {
                    let many: Vec<String> = many.iter().map(|(text, _)| text.clone()).collect();
                    entry(&mut draft, &field.key, &many);
                }
                (_, value) if field.key == "description" => texts.push(plain(value)),
                (_, value) => texts.push(format!("{}: {}", field.key, plain(value))),
            }
        }
        texts.extend(item.others.iter().map(|(_, text)| text.clone()));
        if !texts.is_empty() {
            entry(&mut draft, "description", &texts);
        }
    }
    draft.push_str(&format!("\n{ENDING}\n"));
    Some(draft)
}

/// Whether the item at this place has a checkbox with a cross in it.
fn is_ticked(text: &str, at: usize) -> bool {
    let line = text.get(at..).unwrap_or_default().trim_start();
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let rest = rest
        .trim_start_matches(['-', '*', '+', '.', ')'])
        .trim_start();
    rest.starts_with("[x]") || rest.starts_with("[X]")
}

fn entry(draft: &mut String, key: &str, texts: &[String]) {
    match texts {
        [only] if !only.contains('\n') => draft.push_str(&format!("  - {key}: {only}\n")),
        several => {
            draft.push_str(&format!("  - {key}:\n"));
            for text in several {
                draft.push_str(&format!("    - {}\n", text.replace('\n', "\n      ")));
            }
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Text(text, _) => text.clone(),
        Value::Many(many) => many
            .iter()
            .map(|(text, _)| text.as_str())
            .collect::<Vec<_>>()
            .join("; "),
        Value::Pairs(pairs) => {
            let pair = |(key, value, _): &(String, String, usize)| format!("{key}: {value}");
            pairs.iter().map(pair).collect::<Vec<_>>().join("; ")
        }
        Value::Other => String::new(),
    }
}
