//! Judges an argument list that is about to reach `bd`, from the contract and from `bd`'s help texts.
//!
//! The wrapper's own table is not consulted: what both let through was decided twice.

use crate::ro::commands::{HelpCommand, HelpFlag, VERSIONS, commands};

/// The command paths of the contract, with the fewest and most positionals that the command has a use for.
const PATHS: [(&[&str], usize, usize); 18] = [
    (&["show"], 1, 64),
    (&["list"], 0, 0),
    (&["ready"], 0, 0),
    (&["blocked"], 0, 0),
    (&["search"], 0, 64),
    (&["count"], 0, 0),
    (&["status"], 0, 0),
    (&["state"], 2, 2),
    (&["dep", "list"], 1, 64),
    (&["dep", "tree"], 1, 1),
    (&["dep", "cycles"], 0, 0),
    (&["mol", "show"], 1, 1),
    (&["mol", "current"], 0, 1),
    (&["mol", "progress"], 0, 1),
    (&["swarm", "status"], 1, 1),
    (&["swarm", "validate"], 1, 1),
    (&["swarm", "list"], 0, 0),
    (&["epic", "status"], 0, 0),
];

/// The global flags of the contract.
const GLOBALS: [&str; 4] = ["help", "json", "quiet", "verbose"];

/// Flags that write, never end, execute text, choose their target or open something else, in any version.
const NEVER: [&str; 36] = [
    "actor",
    "allow-stale",
    "as-of",
    "blocks",
    "claim",
    "coordinator",
    "cpu-profile",
    "current",
    "database",
    "db",
    "deps",
    "directory",
    "dolt-auto-commit",
    "dry-run",
    "filter-parent",
    "force",
    "format",
    "global",
    "ignore-schema-skew",
    "lock-timeout",
    "mem-profile",
    "no-auto-flush",
    "no-auto-import",
    "no-color",
    "no-cycle-check",
    "no-daemon",
    "no-db",
    "offset",
    "profile",
    "readonly",
    "reason",
    "rig",
    "sandbox",
    "state",
    "version",
    "watch",
];

/// The checker, with the help of all versions read once.
#[derive(Debug)]
pub struct Checker {
    versions: Vec<Vec<HelpCommand>>,
}

impl Default for Checker {
    fn default() -> Checker {
        Checker {
            versions: VERSIONS.iter().map(|version| commands(version)).collect(),
        }
    }
}

impl Checker {
    /// Whether `argv`, the program's name first, keeps the contract.
    ///
    /// # Errors
    /// What it breaks.
    pub fn check(&self, argv: &[String]) -> Result<(), String> {
        let Some((["bd", "--readonly", "--sandbox"], words)) = split_text::<3>(argv) else {
            return Err("does not start with bd --readonly --sandbox".into());
        };
        if argv.iter().any(|word| word.chars().any(char::is_control)) {
            return Err("a control character".into());
        }
        let (path, least, most) = PATHS
            .iter()
            .filter(|(path, ..)| words.starts_with(path))
            .max_by_key(|(path, ..)| path.len())
            .ok_or("not one of the 18 commands")?;
        let words = &words[path.len()..];
        let end = words
            .iter()
            .position(|word| *word == "--")
            .unwrap_or(words.len());
        let mut seen: Vec<&str> = Vec::new();
        for word in &words[..end] {
            let flag = word
                .strip_prefix("--")
                .ok_or_else(|| format!("{word:?} is no long flag"))?;
            let (name, value) = flag
                .split_once('=')
                .map_or((flag, None), |(name, value)| (name, Some(value)));
            self.check_flag(path, name, value, seen.contains(&name))?;
            seen.push(name);
        }
        let positionals = words.get(end + 1..).unwrap_or_default();
        if positionals
            .iter()
            .any(|word| word.is_empty() || word.starts_with('-'))
        {
            return Err("an empty positional, or one that looks like a flag".into());
        }
        if positionals.len() > *most || (positionals.len() < *least && !seen.contains(&"help")) {
            return Err(format!(
                "{} positionals, not {least} to {most}",
                positionals.len()
            ));
        }
        if path == &["state"] && positionals.first() == Some(&"list") {
            return Err("state list is another command".into());
        }
        if path != &["search"]
            && positionals
                .iter()
                .any(|word| word.contains(char::is_whitespace))
        {
            return Err("an id with white space".into());
        }
        Ok(())
    }

    fn check_flag(
        &self,
        path: &[&str],
        name: &str,
        value: Option<&str>,
        again: bool,
    ) -> Result<(), String> {
        if NEVER.contains(&name) {
            return Err(format!("--{name} is never allowed"));
        }
        if GLOBALS.contains(&name) {
            return if value.is_none() && !again {
                Ok(())
            } else {
                Err(format!("--{name} with a value or twice"))
            };
        }
        let known: Vec<&HelpFlag> = self
            .versions
            .iter()
            .flatten()
            .filter(|command| command.path == path)
            .flat_map(|command| &command.flags)
            .filter(|flag| flag.long == name)
            .collect();
        if known.is_empty() {
            return Err(format!("{path:?} has no --{name} in any version"));
        }
        if value.is_some_and(str::is_empty) {
            return Err(format!("--{name} with an empty value"));
        }
        for flag in known {
            match flag.value.as_deref() {
                None if value.is_some() || again => return Err(format!("--{name} is a switch")),
                Some("?") => return Err(format!("--{name} has an optional value")),
                Some(_) if value.is_none() => return Err(format!("--{name} lacks its value")),
                Some(kind) if again && !matches!(kind, "strings" | "stringArray") => {
                    return Err(format!("--{name} twice"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The first `N` words and the rest, as text.
fn split_text<const N: usize>(argv: &[String]) -> Option<([&str; N], Vec<&str>)> {
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    let first = words.get(..N)?.try_into().ok()?;
    Some((first, words[N..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str) -> Result<(), String> {
        let argv: Vec<String> = line.split(' ').map(String::from).collect();
        Checker::default().check(&argv)
    }

    #[test]
    fn what_keeps_the_contract_passes_and_what_breaks_it_does_not() {
        for good in [
            "bd --readonly --sandbox show --json -- bd-1 bd-2",
            "bd --readonly --sandbox list --status=open --label=a --label=b",
            "bd --readonly --sandbox swarm validate --verbose -- bd-1",
            "bd --readonly --sandbox dep tree --help",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "bd --sandbox show -- bd-1",
            "bd --readonly --sandbox update -- bd-1",
            "bd --readonly --sandbox dep --blocks=bd-2 -- bd-1",
            "bd --readonly --sandbox ready --claim",
            "bd --readonly --sandbox list --watch",
            "bd --readonly --sandbox list -w",
            "bd --readonly --sandbox list --json=true",
            "bd --readonly --sandbox list --status=open --status=closed",
            "bd --readonly --sandbox list --status",
            "bd --readonly --sandbox list --all=true",
            "bd --readonly --sandbox list --invented=1",
            "bd --readonly --sandbox list -- bd-1",
            "bd --readonly --sandbox show bd-1",
            "bd --readonly --sandbox show -- --help",
            "bd --readonly --sandbox show",
            "bd --readonly --sandbox state -- list bd-1",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
