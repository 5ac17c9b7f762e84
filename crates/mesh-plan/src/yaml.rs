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

/// How YAML of others is read: what is far larger or deeper than anything that a person writes is refused. The reader's own limit of 64
/// levels takes more than the stack of a thread.
pub(crate) fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        // Snippets of the source are not shown, so they need not be kept.
        with_snippet: false,
        budget: serde_saphyr::budget! { max_depth: 16 },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 10_000 },
    }
}

/// What is wrong, in one line and without the place, which stands in front already.
pub(crate) fn cause(problem: &serde_saphyr::Error) -> String {
    let text = problem.without_snippet().to_string();
    let line = text.lines().next().unwrap_or_default();
    let line = line
        .rsplit_once(" at line ")
        .map_or(line, |(cause, _)| cause);
    // Its advice and some of its words are for programmers.
    for (said, meant) in [
        ("alias replay", "its aliases make it too large"),
        ("budget breached: Depth", "it is nested too deeply"),
        ("budget breached", "it is too large"),
        ("recursion limit exceeded", "it is nested too deeply"),
        (
            "multiple YAML documents detected",
            "a second document begins here; one is read",
        ),
        (
            "expected mapping start",
            "keys with values are expected here",
        ),
    ] {
        if line.starts_with(said) {
            return meant.to_owned();
        }
    }
    line.split(", set DuplicateKeyPolicy")
        .next()
        .unwrap_or(line)
        .to_owned()
}
