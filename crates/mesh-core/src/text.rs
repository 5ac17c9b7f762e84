//! Text from outside, made safe to show.
//!
//! Titles, paths, names of branches and whatever agents and trackers write are text of others. A terminal obeys control characters
//! in it, and bidirectional controls make it read as what it is not. Everything that leaves for a terminal, a log, a commit message, a
//! comment, a report or the frame of a prompt goes through here; objects of `--json` and the journal keep the exact text.

use std::borrow::Cow;

/// Whether `c` is obeyed instead of shown: a control character (C0, DEL, C1) or a bidirectional control.
#[must_use]
pub fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text of several lines: line ends and tabs stay, every other control character is written out, such as `\u{1b}`.
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    let text = if text.contains("\r\n") {
        Cow::Owned(text.replace("\r\n", "\n"))
    } else {
        Cow::Borrowed(text)
    };
    if text.chars().all(stays) {
        return text;
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if stays(c) {
            shown.push(c);
        } else {
            shown.extend(c.escape_unicode());
        }
    }
    Cow::Owned(shown)
}

/// Text where one line is meant: white space, line ends among it, becomes single spaces, and the rest is as in [`visible`].
#[must_use]
pub fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    visible(&words.join(" ")).into_owned()
}

/// At most `chars` characters of `text`; a cut shows.
#[must_use]
pub fn shortened(text: &str, chars: usize) -> Cow<'_, str> {
    match text.char_indices().nth(chars) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// A number of things: `1 agent`, `3 agents`.
#[must_use]
pub fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

fn stays(c: char) -> bool {
    matches!(c, '\n' | '\t') || !is_control(c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        for (text, wanted) in [
            ("plain ä 日本", "plain ä 日本"),
            ("a\x1b]0;title\x07b", "a\\u{1b}]0;title\\u{7}b"),
            ("a\r\nb\tc\n", "a\nb\tc\n"),
            ("over\rwritten", "over\\u{d}written"),
            ("\u{9b}31m\u{7f}\0", "\\u{9b}31m\\u{7f}\\u{0}"),
            ("x\u{202e}gpj.exe", "x\\u{202e}gpj.exe"),
            (
                "\u{2066}\u{2069}\u{200e}\u{200f}\u{61c}",
                "\\u{2066}\\u{2069}\\u{200e}\\u{200f}\\u{61c}",
            ),
        ] {
            assert_eq!(visible(text), wanted);
        }
    }

    #[test]
    fn one_line_is_one_line() {
        assert_eq!(one_line(" a\n\tb\r\nc\rd \x1b[1m"), "a b c d \\u{1b}[1m");
        assert_eq!(one_line(" \n"), "");
    }

    proptest! {
        #[test]
        fn nothing_is_left_to_obey(text in any::<String>()) {
            let shown = visible(&text);
            prop_assert!(shown.chars().all(stays));
            prop_assert_eq!(visible(&shown), shown.as_ref());
            prop_assert!(!one_line(&text).chars().any(is_control));
        }
    }

    #[test]
    fn one_thing_has_no_plural() {
        assert_eq!(counted(1, "agent"), "1 agent");
        assert_eq!(counted(0, "agent"), "0 agents");
    }
}
