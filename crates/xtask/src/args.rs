//! Reads a command's arguments: switches and options with one value, nothing else.
//!
//! Each command takes out what it knows and then calls [`Args::finish`], which refuses the rest, so a misspelt switch is never
//! silently without effect.

use std::fmt;

/// Arguments not yet taken.
pub struct Args {
    rest: Vec<String>,
}

/// The arguments do not fit the command; the program ends with 2.
#[derive(Debug)]
pub struct UsageError(pub String);

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

impl Args {
    /// Arguments after the command's name.
    pub fn new(words: impl Iterator<Item = String>) -> Self {
        Self {
            rest: words.collect(),
        }
    }

    /// Takes out the switch `name` (with its dashes); says whether it was there.
    pub fn switch(&mut self, name: &str) -> bool {
        let before = self.rest.len();
        self.rest.retain(|word| word != name);
        self.rest.len() != before
    }

    /// Takes out `name VALUE` or `name=VALUE`.
    ///
    /// # Errors
    /// When the value is missing or the option is given twice.
    pub fn option(&mut self, name: &str) -> Result<Option<String>, UsageError> {
        let glued = format!("{name}=");
        let mut found = None;
        let mut at = 0;
        while at < self.rest.len() {
            let value = if self.rest[at] == name {
                self.rest.remove(at);
                if at >= self.rest.len() || self.rest[at].starts_with("--") {
                    return Err(UsageError(format!("{name} needs a value")));
                }
                self.rest.remove(at)
            } else if let Some(value) = self.rest[at].strip_prefix(&glued) {
                let value = value.to_owned();
                self.rest.remove(at);
                value
            } else {
                at += 1;
                continue;
            };
            if found.replace(value).is_some() {
                return Err(UsageError(format!("{name} is given twice")));
            }
        }
        Ok(found)
    }

    /// Takes out the first word that is no option.
    pub fn word(&mut self) -> Option<String> {
        let at = self.rest.iter().position(|word| !word.starts_with("--"))?;
        Some(self.rest.remove(at))
    }

    /// Refuses whatever nobody took.
    ///
    /// # Errors
    /// Names the first argument that is left.
    pub fn finish(self) -> Result<(), UsageError> {
        match self.rest.first() {
            None => Ok(()),
            Some(word) => Err(UsageError(format!(
                "unexpected argument `{word}`; `cargo xtask help` lists what there is"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(words: &[&str]) -> Args {
        Args::new(words.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn switches_and_both_forms_of_an_option_are_taken() {
        let mut given = args(&["--json", "--only", "bd-1.3.0", "--record"]);
        assert!(given.switch("--json"));
        assert!(!given.switch("--all"));
        assert_eq!(given.option("--only").unwrap().as_deref(), Some("bd-1.3.0"));
        assert!(given.switch("--record"));
        given.finish().unwrap();
        assert_eq!(
            args(&["--only=x"]).option("--only").unwrap().as_deref(),
            Some("x")
        );
    }

    #[test]
    fn missing_values_repeats_and_leftovers_are_errors() {
        assert!(args(&["--only"]).option("--only").is_err());
        assert!(args(&["--only", "--json"]).option("--only").is_err());
        assert!(args(&["--only=a", "--only", "b"]).option("--only").is_err());
        assert!(
            args(&["--jsno"])
                .finish()
                .unwrap_err()
                .to_string()
                .contains("--jsno")
        );
    }
}
