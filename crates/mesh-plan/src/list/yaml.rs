//! A list of maps in YAML, with the place of each key and value.

use std::ops::Range;

use serde_json::Value as Json;
use serde_saphyr::Spanned;

use super::field::{Field, Item, Value, known_key};
use crate::yaml::{Entries, cause};

/// Text that is no list of maps.
#[derive(Debug)]
pub(super) struct Problem {
    /// Where, from the beginning of what was read.
    pub offset: usize,
    /// What, as a fragment.
    pub message: String,
}

/// The items of the list in `document[range]`.
///
/// # Errors
/// It is no YAML, or no list of maps.
pub(super) fn items(document: &str, range: Range<usize>) -> Result<Vec<Item>, Problem> {
    let text = &document[range.clone()];
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let starts: Vec<usize> = std::iter::once(0)
        .chain(text.match_indices('\n').map(|(at, _)| at + 1))
        .collect();
    let offset = |line: u64, column: u64| {
        let number = |value: u64| usize::try_from(value).unwrap_or(1).saturating_sub(1);
        let start = starts.get(number(line)).copied().unwrap_or(text.len());
        // Columns count letters.
        let line = &text[start..];
        let column = line
            .char_indices()
            .nth(number(column))
            .map_or(0, |(at, _)| at);
        start + column
    };
    let options = serde_saphyr::options! { with_snippet: false };
    let maps: Vec<Spanned<Entries>> =
        serde_saphyr::from_str_with_options(text, options).map_err(|problem| {
            let at = problem.location();
            Problem {
                offset: at.map_or(0, |at| offset(at.line(), at.column())),
                message: format!("this is no list of tasks in YAML: {}", cause(&problem)),
            }
        })?;
    let place = |at: &serde_saphyr::Location| range.start + offset(at.line(), at.column());
    let item = |map: Spanned<Entries>| Item {
        at: place(&map.referenced),
        title: None,
        fields: map
            .value
            .0
            .into_iter()
            .map(|(key, value)| Field {
                key: known_key(&key.value),
                at: place(&key.referenced),
                value: value_of(document, place(&value.referenced), value.value),
            })
            .collect(),
        others: Vec::new(),
    };
    Ok(maps.into_iter().map(item).collect())
}

fn value_of(document: &str, at: usize, value: Json) -> Value {
    match value {
        Json::Null => Value::Text(String::new(), at..at),
        Json::String(text) => {
            // A plain or quoted word is written as it is read; a block is not, and nobody writes into one.
            let inner = document[at..].find(text.as_str()).filter(|skip| *skip <= 1);
            let range = inner.map_or(at..at, |skip| at + skip..at + skip + text.len());
            Value::Text(text, range)
        }
        Json::Array(members) => {
            let text = |member: &Json| match member {
                Json::String(text) => Some((text.clone(), at)),
                Json::Number(number) => Some((number.to_string(), at)),
                _ => None,
            };
            match members.iter().map(text).collect() {
                Some(many) => Value::Many(many),
                None => Value::Other(Json::Array(members).to_string()),
            }
        }
        Json::Object(pairs) => {
            let pair = |(key, value): (String, Json)| {
                let value = match value {
                    Json::String(text) => text,
                    other => other.to_string(),
                };
                (key, value, at)
            };
            Value::Pairs(pairs.into_iter().map(pair).collect())
        }
        other => {
            // A number that is written as it is read is a word like any other.
            let text = other.to_string();
            if document[at..].starts_with(&text) {
                let range = at..at + text.len();
                Value::Text(text, range)
            } else {
                Value::Other(text)
            }
        }
    }
}
