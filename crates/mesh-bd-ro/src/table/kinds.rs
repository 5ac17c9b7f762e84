//! The shapes that a value may have: every positional and every flag value is checked against one.
//!
//! A shape never repairs a value, and none accepts an empty one or one that could be read as a flag.

/// Most bytes in one value.
pub const VALUE_BYTES: usize = 1024;
/// Most bytes in one issue id; `bd`'s own are below 64.
pub const ID_BYTES: usize = 128;

/// What a value must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An issue id: letters, digits, `.`, `_`, `-`, starting with a letter or digit.
    Id,
    /// Ids separated by commas.
    Ids,
    /// A whole number of at most nine digits.
    Count,
    /// `0` to `4` or `P0` to `P4`.
    Priority,
    /// A name such as a status, type, dimension or label: letters, digits and `_ . : / @ + -`.
    Word,
    /// Words separated by commas.
    Words,
    /// A date, a time or a relative date, such as `2026-01-31`, `+6h`, `tomorrow`.
    Date,
    /// Two numbers, such as `1-50`.
    Range,
    /// `key=value`: a word, then any text.
    Pair,
    /// Any text without control characters.
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

impl Kind {
    /// Whether `value` has this shape.
    pub fn accepts(self, value: &str) -> bool {
        if value.is_empty() || value.len() > VALUE_BYTES || has_hidden_characters(value) {
            return false;
        }
        match self {
            Kind::Id => is_id(value),
            Kind::Ids => value.split(',').all(is_id),
            Kind::Count => value.len() <= 9 && is_digits(value),
            Kind::Priority => {
                matches!(
                    value.strip_prefix(['P', 'p']).unwrap_or(value),
                    "0" | "1" | "2" | "3" | "4"
                )
            }
            Kind::Word => is_word(value),
            Kind::Words => value.split(',').all(is_word),
            Kind::Date => is_date(value),
            Kind::Range => value
                .split_once('-')
                .is_some_and(|(from, to)| is_short_number(from) && is_short_number(to)),
            Kind::Pair => value.split_once('=').is_some_and(|(key, _)| is_word(key)),
            Kind::Text => !value.starts_with('-') && !value.trim().is_empty(),
            Kind::OneOf(words) => words.contains(&value),
        }
    }

    /// How a person would call it, for messages and help.
    pub fn describe(self) -> String {
        let fixed = match self {
            Kind::Id => "ID",
            Kind::Ids => "ID,ID…",
            Kind::Count => "NUMBER",
            Kind::Priority => "0-4 or P0-P4",
            Kind::Word => "WORD",
            Kind::Words => "WORD,WORD…",
            Kind::Date => "DATE",
            Kind::Range => "FROM-TO",
            Kind::Pair => "KEY=VALUE",
            Kind::Text => "TEXT",
            Kind::OneOf(words) => return words.join("|"),
        };
        fixed.to_string()
    }
}

/// Control characters, and those that change how the text around them is shown: they forge log lines and hide words.
pub fn has_hidden_characters(text: &str) -> bool {
    text.chars().any(|c| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
            || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

fn is_short_number(text: &str) -> bool {
    text.len() <= 9 && is_digits(text)
}

fn is_id(text: &str) -> bool {
    text.len() <= ID_BYTES
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '@'))
        && text
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | ':' | '/' | '@' | '+' | '-'))
}

fn is_date(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '+')
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b':' | b'.' | b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_takes_its_own_and_refuses_what_could_be_read_otherwise() {
        let cases: &[(Kind, &[&str], &[&str])] = &[
            (
                Kind::Id,
                &["bd-1", "t-a3f8.1", "x_1"],
                &[
                    "", "-1", "--x", "a b", "a/b", "../x", "é-1", "a,b", "a\n", ".a",
                ],
            ),
            (
                Kind::Ids,
                &["bd-1", "bd-1,bd-2"],
                &[",", "bd-1,", "bd-1,-x", "bd-1 bd-2"],
            ),
            (
                Kind::Count,
                &["0", "007", "999999999"],
                &["-1", "+1", "1e9", "1234567890", "1_0", "0x1", "١"],
            ),
            (
                Kind::Priority,
                &["0", "4", "P2", "p1"],
                &["5", "-1", "P", "PP1", "P10", "00"],
            ),
            (
                Kind::Word,
                &["open", "mesh-lock:api", "été"],
                &["-x", "a b", "a,b", "a=b", "a\"b", "$x", "`x`", "a;b"],
            ),
            (
                Kind::Words,
                &["a,b", "mesh-lock:api"],
                &["a,,b", "a, b", "a,-b"],
            ),
            (
                Kind::Date,
                &["2026-01-31", "2026-01-31T10:00:00Z", "+6h", "next monday"],
                &["-6h", "--x", "$(x)"],
            ),
            (
                Kind::Range,
                &["1-50"],
                &["1", "-5", "1--5", "a-b", "1-50-60", "1-1234567890"],
            ),
            (
                Kind::Pair,
                &["team=core", "k=a=b", "k="],
                &["team", "=x", "-k=v", "a b=c"],
            ),
            (
                Kind::Text,
                &["auth bug", "a=b; $(x)"],
                &["-x", "--", "a\u{7}", "a\nb", "a\u{202e}b", " "],
            ),
            (
                Kind::OneOf(&["up", "down"]),
                &["up"],
                &["UP", "u", "up,down", "both"],
            ),
        ];
        for (kind, good, bad) in cases {
            for value in *good {
                assert!(kind.accepts(value), "{kind:?} must take {value:?}");
            }
            for value in *bad {
                assert!(!kind.accepts(value), "{kind:?} must refuse {value:?}");
            }
        }
        assert!(!Kind::Text.accepts(&"x".repeat(VALUE_BYTES + 1)));
        assert!(!Kind::Id.accepts(&"x".repeat(ID_BYTES + 1)));
    }
}
