//! Values that must not be shown, nor recorded: what a profile lets through under a name that looks like a secret.
//!
//! An agent program may print the key it was given, what it printed last is quoted in failures, comments and prompts, and an agent may
//! write the key into a file. Exact occurrences are found, and the base64 forms of a value; one that was encoded otherwise or split gets
//! through. Short values and plain words are not looked for: they would be found everywhere.

use crate::launch::{kept, looks_secret};
use crate::profile::Profile;
use mesh_proc::env::Env;
use regex::bytes::{Regex, RegexBuilder};
use std::fmt;

/// Shorter values are not looked for: they would be found everywhere.
const MIN_VALUE_BYTES: usize = 8;

/// Shorter lines of a value with several lines, such as the last one of a private key, are not masked on their own.
const MIN_LINE_BYTES: usize = 16;

/// Most memory for the pattern that finds any of them.
const PATTERN_BYTES: usize = 64 << 20;

/// The secrets that attempts of a profile get.
#[derive(Clone, Default)]
pub struct Secrets {
    /// Name of the variable and what must not be shown, longest first, so that no part of a longer one is left over.
    values: Vec<(String, String)>,
    /// Any of the values, for bytes of any length; nothing when there is none.
    any: Option<Regex>,
}

impl Secrets {
    /// Those that `profile` passes out of `ours`, our own environment, or sets itself.
    #[must_use]
    pub fn of(profile: &Profile, ours: &Env) -> Secrets {
        let passed = kept(ours, &profile.env_keep);
        let passed = passed
            .iter()
            .filter_map(|(name, value)| Some((name.to_str()?, value.to_str()?)));
        let set = profile
            .env_set
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let values: Vec<(String, String)> = passed
            .chain(set)
            .filter(|(name, _)| looks_secret(name))
            .flat_map(|(name, value)| {
                let forms = parts(value).flat_map(forms);
                forms.map(|form| (name.to_owned(), form))
            })
            .collect();
        let mut secrets = Secrets { values, any: None };
        secrets.sort();
        secrets
    }

    /// These and those of others.
    #[must_use]
    pub fn and(mut self, others: impl Iterator<Item = Secrets>) -> Secrets {
        self.values.extend(others.flat_map(|others| others.values));
        self.sort();
        self
    }

    fn sort(&mut self) {
        let values = &mut self.values;
        values.sort_by(|(_, one), (_, two)| two.len().cmp(&one.len()).then(one.cmp(two)));
        values.dedup();
        let any: Vec<String> = values
            .iter()
            .map(|(_, value)| regex::escape(value))
            .collect();
        // A pattern that is too large for this is found without it.
        self.any = RegexBuilder::new(&any.join("|"))
            .size_limit(PATTERN_BYTES)
            .build()
            .ok()
            .filter(|_| !values.is_empty());
    }

    /// Whether there is nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The variable of a secret that `bytes` hold, if they hold one.
    #[must_use]
    pub fn find(&self, bytes: &[u8]) -> Option<&str> {
        let bytes = match &self.any {
            Some(any) => any.find(bytes)?.as_bytes(),
            None => bytes,
        };
        let is_in = |value: &str| {
            let mut places = bytes.windows(value.len());
            places.any(|place| place == value.as_bytes())
        };
        let found = self.values.iter().find(|(_, value)| is_in(value));
        found.map(|(name, _)| name.as_str())
    }

    /// `text` with each secret replaced by the name of its variable in brackets.
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        self.values
            .iter()
            .fold(text.to_owned(), |text, (name, value)| {
                text.replace(value, &format!("[{name}]"))
            })
    }
}

/// The whole value and, of one with several lines, each line: a log may hold only a part of it.
fn parts(value: &str) -> impl Iterator<Item = &str> {
    let value = value.trim();
    let whole = Some(value).filter(|value| value.len() >= MIN_VALUE_BYTES && !is_common(value));
    let lines = value
        .lines()
        .filter(move |line| line.len() >= MIN_LINE_BYTES && line.len() < value.len());
    whole.into_iter().chain(lines)
}

/// A plain word, a number, a path: what stands in files for other reasons.
fn is_common(value: &str) -> bool {
    let is_word = value.bytes().all(|byte| byte.is_ascii_lowercase())
        || value.bytes().all(|byte| byte.is_ascii_uppercase());
    is_word || value.bytes().all(|byte| byte.is_ascii_digit()) || value.starts_with('/')
}

/// The value, and what of its base64 form does not depend on what stands around it, for each of the three places at which it may begin.
fn forms(value: &str) -> Vec<String> {
    let mut forms = vec![value.to_owned()];
    for before in 0..3 {
        let mut bytes = vec![0; before];
        bytes.extend_from_slice(value.as_bytes());
        let digits = base64_digits(&bytes);
        // The first and the last digit share their bits with a neighbour.
        let first = (before * 8).div_ceil(6);
        let form = digits.get(first..bytes.len() * 8 / 6).unwrap_or_default();
        for form in [form.to_owned(), form.replace('+', "-").replace('/', "_")] {
            if form.len() >= MIN_VALUE_BYTES && !forms.contains(&form) {
                forms.push(form);
            }
        }
    }
    forms
}

/// The digits of base64, without padding. A package for this alone is not worth having.
fn base64_digits(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..=chunk.len() {
            let at = bits >> (18 - 6 * digit) & 0x3f;
            text.push(char::from(DIGITS[at as usize]));
        }
    }
    text
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.values.iter().map(|(name, _)| name);
        f.debug_set().entries(names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(keep: &[&str], set: &[(&str, &str)], ours: &[(&str, &str)]) -> Secrets {
        let mut profile = Profile::command("agent").unwrap();
        profile.env_keep = keep.iter().map(|&name| name.to_owned()).collect();
        profile.env_set = set
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Secrets::of(&profile, &ours.iter().copied().collect())
    }

    #[test]
    fn what_the_profile_passes_or_sets_is_masked_and_nothing_else() {
        let secrets = secrets(
            &["OPENAI_API_KEY", "REGION"],
            &[("MY_TOKEN", "fixed-token"), ("MODE", "careful-mode")],
            &[
                ("OPENAI_API_KEY", "sk-12345678"),
                ("REGION", "eu-west-1"),
                ("OTHER_KEY", "never-passed"),
            ],
        );
        assert_eq!(
            secrets.mask("sk-12345678 fixed-token eu-west-1 careful-mode never-passed"),
            "[OPENAI_API_KEY] [MY_TOKEN] eu-west-1 careful-mode never-passed"
        );
        assert!(!format!("{secrets:?}").contains("sk-"));
    }

    #[test]
    fn a_longer_secret_goes_first_and_a_short_one_is_left() {
        let secrets = secrets(
            &["A_KEY", "B_KEY", "C_KEY"],
            &[],
            &[
                ("A_KEY", "abcdef-1"),
                ("B_KEY", "abcdef-1-ghi"),
                ("C_KEY", "1"),
            ],
        );
        assert_eq!(secrets.mask("abcdef-1-ghi abcdef-1 1"), "[B_KEY] [A_KEY] 1");
    }

    #[test]
    fn plain_words_numbers_and_paths_are_not_looked_for() {
        let common = ["development", "PRODUCTION", "1234567890", "/run/agent.sock"];
        for value in common {
            let secrets = secrets(&["A_TOKEN"], &[], &[("A_TOKEN", value)]);
            assert!(secrets.is_empty(), "{value}");
        }
    }

    #[test]
    fn a_secret_is_found_in_bytes_and_in_base64_wherever_it_begins() {
        let secrets = secrets(&["A_KEY"], &[], &[("A_KEY", "sk-12345678?>")]);
        assert_eq!(secrets.find(b"\xff\0sk-12345678?>\0"), Some("A_KEY"));
        assert_eq!(secrets.find(b"sk-1234567"), None);
        for before in ["", "x", "xy", "xyz"] {
            let text = format!("{before}sk-12345678?>{before}");
            let encoded = base64_digits(text.as_bytes());
            assert_eq!(secrets.find(encoded.as_bytes()), Some("A_KEY"), "{encoded}");
            let safe = encoded.replace('+', "-").replace('/', "_");
            assert_eq!(secrets.find(safe.as_bytes()), Some("A_KEY"), "{safe}");
            assert!(secrets.mask(&encoded).contains("[A_KEY]"));
        }
        assert_eq!(base64_digits(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVhcw");
    }

    #[test]
    fn each_line_of_a_key_with_several_lines_is_masked() {
        let key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\nshort\n";
        let secrets = secrets(&["MY_PRIVATE_KEY"], &[], &[("MY_PRIVATE_KEY", key)]);
        assert_eq!(
            secrets.mask("x MIIEvQIBADANBgkqhkiG9w0B y"),
            "x [MY_PRIVATE_KEY] y"
        );
        assert_eq!(secrets.mask(key), "[MY_PRIVATE_KEY]\n");
    }
}
