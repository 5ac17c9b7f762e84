//! JSON values that know where they stand in their line. serde_json does the reading; this only keeps the slices.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::diagnostic::Place;

/// A line of the file.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    pub(crate) number: u32,
    pub(crate) text: &'a str,
}

impl Line<'_> {
    /// Where `value` begins. It is a slice of this line.
    pub(crate) fn place(&self, value: &RawValue) -> Place {
        self.place_of(value, 0)
    }

    /// Where the byte `offset` of `value` is.
    pub(crate) fn place_of(&self, value: &RawValue, offset: usize) -> Place {
        let from = offset_in(self.text, value);
        self.column(from.saturating_add(offset).saturating_add(1))
    }

    /// A byte column, from 1.
    pub(crate) fn column(&self, column: usize) -> Place {
        Place {
            line: self.number,
            column: Some(u32::try_from(column).unwrap_or(u32::MAX)),
        }
    }
}

/// Where `value`, which is a slice of `text`, begins in it.
pub(crate) fn offset_in(text: &str, value: &RawValue) -> usize {
    (value.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize)
}

/// The keys of an object with their raw values, in their order.
pub(crate) struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'a> Fields<'a> {
    /// The value of `key`; of two the last, as JSON readers do.
    pub(crate) fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.0
            .iter()
            .rev()
            .find(|(name, _)| name == key)
            .map(|(_, value)| *value)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::with_capacity(8);
                while let Some(entry) = map.next_entry()? {
                    fields.push(entry);
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Keys).map(Fields)
    }
}

/// The object in `value`, or nothing if it is something else.
pub(crate) fn object(value: &RawValue) -> Option<Fields<'_>> {
    serde_json::from_str(value.get()).ok()
}

/// The members of the array in `value`, or nothing if it is something else.
pub(crate) fn array(value: &RawValue) -> Option<Vec<&RawValue>> {
    serde_json::from_str(value.get()).ok()
}

/// The text in `value`, or nothing if it is something else.
pub(crate) fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

pub(crate) fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// Byte offset, inside a raw JSON string, at which the decoded text's line `line` (from 0) begins.
pub(crate) fn offset_of_line(raw: &str, line: usize) -> usize {
    let mut offset = 1;
    let mut left = line;
    while left > 0 {
        let Some(found) = raw.get(offset..).and_then(|rest| rest.find('\\')) else {
            return 1;
        };
        let escape = offset + found;
        let (length, newline) = match raw.get(escape + 1..escape + 2) {
            Some("n") => (2, true),
            Some("u") => (
                6,
                raw.get(escape + 2..escape + 6)
                    .is_some_and(|code| code.eq_ignore_ascii_case("000a")),
            ),
            _ => (2, false),
        };
        offset = escape + length;
        left -= usize::from(newline);
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_inside_a_json_string_are_found() {
        let raw = r#""a\\nb\nc\u000Ad\"\ne""#;
        assert_eq!(
            serde_json::from_str::<String>(raw).expect("JSON"),
            "a\\nb\nc\nd\"\ne"
        );
        let starts: Vec<&str> = (0..4)
            .map(|line| &raw[offset_of_line(raw, line)..])
            .map(|rest| &rest[..1])
            .collect();
        assert_eq!(starts, ["a", "c", "d", "e"]);
        assert_eq!(offset_of_line(raw, 9), 1);
    }

    #[test]
    fn a_key_that_is_there_twice_counts_as_last_written() {
        let fields: Fields<'_> = serde_json::from_str(r#"{"a":1,"b":2,"a":3}"#).expect("JSON");
        assert_eq!(fields.get("a").map(RawValue::get), Some("3"));
        assert!(fields.get("c").is_none());
    }
}
