//! Items and their fields, however they are written.

use std::ops::Range;

/// The fields that a task has to have.
pub(super) const REQUIRED: [&str; 3] = ["id", "status", "depends_on"];

/// The field whose texts are commands.
pub(super) const VALIDATION: &str = "validation";

/// The field that names the agents which may work a task.
pub(super) const AGENT: &str = "agent";

/// The field that holds keys with values.
pub(super) const TIMEOUTS: &str = "timeouts";

/// All fields there are.
pub(super) const KEYS: [&str; 11] = [
    "id",
    "status",
    "depends_on",
    "name",
    "description",
    "location",
    "acceptance",
    VALIDATION,
    "scope",
    TIMEOUTS,
    AGENT,
];

/// One item of a list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Item {
    /// Where it begins in the document, in bytes.
    pub at: usize,
    /// Its own line, where it has one that is no field.
    pub title: Option<String>,
    /// Its fields, in its order.
    pub fields: Vec<Field>,
    /// Sub-items that are no fields, with where they begin.
    pub others: Vec<(usize, String)>,
    /// Sub-items that are tasks or hold some, with where they begin.
    pub inner: Vec<(usize, String)>,
    /// Paragraphs and code of its own that are in no field.
    pub text: Vec<String>,
}

/// A field of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// The key, as it is known: lower case, words joined by `_`.
    pub key: String,
    /// Where it begins in the document, in bytes.
    pub at: usize,
    /// What it says.
    pub value: Value,
}

/// What a field says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    /// A text, perhaps empty, with where it stands in the document.
    Text(String, Range<usize>),
    /// Several, each with where it begins.
    Many(Vec<(String, usize)>),
    /// Keys with values, each with where it begins.
    Pairs(Vec<(String, String, usize)>),
    /// Lists in lists and the like, which no field has.
    Other,
}

impl Item {
    /// Whether it has one of the fields that make a list a task list.
    pub(super) fn has_required_field(&self) -> bool {
        self.fields
            .iter()
            .any(|field| REQUIRED.contains(&field.key.as_str()))
    }
}

/// A key as it is known: `Depends On`, `**depends-on**` and `depends_on` are one.
pub(super) fn known_key(written: &str) -> String {
    let plain = unmarked(written).to_lowercase();
    plain
        .split([' ', '-', '_', '\t', '\\'])
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join("_")
}

/// A text without the marks of bold, emphasis and code around the whole of it.
pub(super) fn unmarked(text: &str) -> &str {
    let mut text = text.trim();
    for mark in ["**", "__", "*", "_", "`"] {
        let inner = text
            .strip_prefix(mark)
            .and_then(|rest| rest.strip_suffix(mark));
        if let Some(inner) = inner.filter(|inner| !inner.contains(mark) && !inner.is_empty()) {
            text = inner.trim();
        }
    }
    text
}

/// `[text](target)` with its two parts.
pub(super) fn link(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_prefix('[')?.strip_suffix(')')?;
    let (text, target) = inner.split_once("](")?;
    (!text.contains(['[', ']']) && !target.contains('(')).then_some((text, target))
}

/// The members of `[a, "b, c"]`, with where each begins in the text; nothing for what is not between brackets.
pub(super) fn bracketed(text: &str) -> Option<Vec<(usize, &str)>> {
    let inner = text.strip_prefix('[')?.strip_suffix(']')?;
    let mut members = Vec::new();
    let mut quote = None;
    let mut start = 0;
    let ends = inner.char_indices().chain([(inner.len(), ',')]);
    for (at, letter) in ends {
        match quote {
            Some(open) if letter == open => quote = None,
            None if matches!(letter, '"' | '\'') && inner[start..at].trim().is_empty() => {
                quote = Some(letter)
            }
            _ if letter == ',' && (quote.is_none() || at == inner.len()) => {
                let member = &inner[start..at];
                let trimmed = member.trim();
                let word = ['"', '\'']
                    .into_iter()
                    .find_map(|mark| trimmed.strip_prefix(mark)?.strip_suffix(mark))
                    .unwrap_or(trimmed);
                let lead = member.len() - member.trim_start().len()
                    + usize::from(word.len() < trimmed.len());
                if !word.is_empty() {
                    members.push((1 + start + lead, word));
                }
                start = at + 1;
            }
            _ => {}
        }
    }
    Some(members)
}

/// Splits `key: value`. The key is a word or a few, perhaps with marks around it or around it and the colon.
pub(super) fn split(text: &str) -> Option<(String, &str)> {
    let (before, after) = text.split_once(':')?;
    let before = before.trim();
    // `**id:** T1` has its closing mark behind the colon.
    let marks = ["**", "__", "*", "_", "`"];
    let open = marks
        .into_iter()
        .find(|mark| before.starts_with(mark) && !before[mark.len()..].contains(mark));
    let (key, rest) = match open {
        Some(mark) => (
            before.trim_start_matches(mark),
            after.trim_start().strip_prefix(mark)?,
        ),
        None => (before, after),
    };
    let plain = unmarked(key);
    let is_word = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '\\');
    let is_key = !plain.is_empty()
        && plain.len() <= 30
        && plain.chars().all(is_word)
        && plain.split([' ', '-', '_']).count() <= 3
        && (rest.is_empty() || rest.starts_with(char::is_whitespace));
    is_key.then(|| (known_key(key), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_known_however_they_are_written() {
        for text in [
            "depends_on: [T1]",
            "Depends on: [T1]",
            "depends-on: [T1]",
            "**depends_on**: [T1]",
            "**Depends On:** [T1]",
            "`depends_on`: [T1]",
        ] {
            let (key, value) = split(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(
                (key.as_str(), value.trim()),
                ("depends_on", "[T1]"),
                "{text}"
            );
        }
        for text in [
            "T1",
            "see http://example.invalid",
            "a: b: c".split_at(1).0,
            "x:y",
        ] {
            assert_eq!(split(text), None, "{text}");
        }
    }

    #[test]
    fn lists_between_brackets_are_taken_apart_outside_of_quotes() {
        let members = |text| {
            bracketed(text).map(|all| all.into_iter().map(|(_, word)| word).collect::<Vec<_>>())
        };
        assert_eq!(members("[]"), Some(vec![]));
        assert_eq!(members("[a, 'b, c',\"d\",]"), Some(vec!["a", "b, c", "d"]));
        assert_eq!(members("[it's, so]"), Some(vec!["it's", "so"]));
        assert_eq!(members("[\"open, x]"), Some(vec!["\"open, x"]));
        assert_eq!(members("[ a ]"), Some(vec!["a"]));
        assert_eq!(members("a, b"), None);
        let text = "[a, \"bc\"]";
        for (at, word) in bracketed(text).unwrap() {
            assert!(text[at..].starts_with(word));
        }
    }

    #[test]
    fn links_have_a_text_and_a_target() {
        assert_eq!(link("[a](src/a.rs)"), Some(("a", "src/a.rs")));
        for text in ["[a]", "[a, b]", "[a](b) and [c](d)", "a (b)"] {
            assert_eq!(link(text), None, "{text}");
        }
    }

    #[test]
    fn marks_are_taken_off_only_around_the_whole() {
        assert_eq!(unmarked("**T1**"), "T1");
        assert_eq!(unmarked("`make test`"), "make test");
        assert_eq!(unmarked("src/*.rs tests/*.rs"), "src/*.rs tests/*.rs");
        assert_eq!(unmarked("**"), "**");
    }
}
