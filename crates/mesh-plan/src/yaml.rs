//! YAML with its places, and what its reader says, for people.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_saphyr::Spanned;

/// Keys and values of a map with their places, in their order.
pub(crate) struct Entries(pub(crate) Vec<(Spanned<String>, Spanned<Value>)>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("keys with values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// What is wrong, in one line and without the place, which stands in front already.
pub(crate) fn cause(problem: &serde_saphyr::Error) -> String {
    let text = problem.without_snippet().to_string();
    let line = text.lines().next().unwrap_or_default();
    let line = line
        .rsplit_once(" at line ")
        .map_or(line, |(cause, _)| cause);
    // The reader's advice is for programmers.
    line.split(", set DuplicateKeyPolicy")
        .next()
        .unwrap_or(line)
        .to_owned()
}
