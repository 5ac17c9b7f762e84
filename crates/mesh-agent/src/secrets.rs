//! Values that must not be shown: what a profile lets through under a name that looks like a secret.
//!
//! An agent program may print the key it was given, and what it printed last is quoted in failures, comments and prompts. Only exact
//! occurrences are found; a value that was encoded or split gets through.

use crate::launch::{kept, looks_secret};
use crate::profile::Profile;
use mesh_proc::env::Env;
use std::fmt;

/// Shorter values are not masked: they would be found everywhere.
const MIN_VALUE_BYTES: usize = 6;

/// Shorter lines of a value with several lines, such as the last one of a private key, are not masked on their own.
const MIN_LINE_BYTES: usize = 16;

/// The secrets that attempts of a profile get.
#[derive(Clone, Default)]
pub struct Secrets {
    /// Name of the variable and what must not be shown, longest first, so that no part of a longer one is left over.
    values: Vec<(String, String)>,
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
            .flat_map(|(name, value)| parts(value).map(move |part| (name, part)))
            .map(|(name, part)| (name.to_owned(), part.to_owned()))
            .collect();
        let mut secrets = Secrets { values };
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
    let whole = Some(value).filter(|value| value.len() >= MIN_VALUE_BYTES);
    let lines = value
        .lines()
        .filter(move |line| line.len() >= MIN_LINE_BYTES && line.len() < value.len());
    whole.into_iter().chain(lines)
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
            &[("A_KEY", "abcdef"), ("B_KEY", "abcdefghi"), ("C_KEY", "1")],
        );
        assert_eq!(secrets.mask("abcdefghi abcdef 1"), "[B_KEY] [A_KEY] 1");
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
