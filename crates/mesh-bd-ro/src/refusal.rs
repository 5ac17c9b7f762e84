//! Why a call is not carried out: one line that says which rule, and what is allowed instead.

use crate::table::columns::flag_names;
use crate::table::kinds::Kind;
use crate::table::{GLOBALS, RULES, Rule, command_names, why_absent};

/// Said with every refusal that may have been meant as a write.
const WRITES: &str =
    "changes to the tracker are made by the coordinator: say in your answer what should change";

/// A call that the table forbids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Short stable name of the rule, for the log and for scripts.
    pub rule: &'static str,
    /// What is wrong, and what is allowed instead.
    pub line: String,
}

/// The refusal under `rule`; `why` is one line.
pub fn refuse<T>(rule: &'static str, why: String) -> Result<T, Refusal> {
    let line = format!("refused ({rule}): {why}");
    Err(Refusal { rule, line })
}

/// No row of the table begins with `words`.
pub fn no_rule<T>(words: &[&str]) -> Result<T, Refusal> {
    let Some(first) = words.first() else {
        let said = format!("nothing to read; allowed: {}", command_names(""));
        return refuse("no-command", said);
    };
    if first.starts_with('-') {
        return unknown_flag(None, first);
    }
    let is_group = RULES.iter().any(|rule| rule.path[0] == *first);
    let (rule, group, asked) = match (is_group, words.get(1)) {
        (false, _) => ("command", "", shown(first)),
        (true, None) => ("subcommand", *first, format!("{first} alone")),
        (true, Some(second)) => ("subcommand", *first, format!("{first} {}", shown(second))),
    };
    let allowed = command_names(group);
    let said = format!("{asked} is not an allowed read; allowed: {allowed}; {WRITES}");
    refuse(rule, said)
}

/// The row has no flag of that name, or before the command there is none.
pub fn unknown_flag<T>(row: Option<&Rule>, flag: &str) -> Result<T, Refusal> {
    let (rule, place) = match row {
        Some(row) => ("flag", format!("for {}", row.name())),
        None => ("global-flag", "before the command".to_string()),
    };
    let of_row = row.into_iter().flat_map(Rule::flags);
    let allowed = flag_names(of_row.chain(&GLOBALS));
    let why = why_absent(row, flag).map_or(String::new(), |why| format!(": {why}"));
    let flag = shown(flag);
    let said = format!("{flag} {place} is not allowed{why}; allowed: {allowed}; {WRITES}");
    refuse(rule, said)
}

/// What a value of that kind would look like.
pub fn wants(whose: &str, kind: Kind, word: &str) -> String {
    format!("{whose} wants {}, not {}", kind.describe(), shown(word))
}

/// A word of the caller, safe to show on one line: quoted, escaped, cut.
pub fn shown(word: &str) -> String {
    format!("{:?}", cut(word, 60))
}

/// The first `most` characters, and a sign if there are more.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::kinds::has_hidden_characters;

    fn line(refused: Result<(), Refusal>) -> String {
        refused.expect_err("it is a refusal").line
    }

    #[test]
    fn a_refusal_is_one_line_whatever_the_words_hold() {
        let hostile = "a\nb\u{1b}[2J\u{202e}".repeat(50);
        for refused in [
            no_rule(&[&hostile]),
            no_rule(&["dep", &hostile]),
            no_rule(&[&format!("--{hostile}")]),
            unknown_flag(Some(&RULES[1]), &hostile),
            refuse("value", wants("--status", Kind::Word, &hostile)),
        ] {
            let line = line(refused);
            assert!(!has_hidden_characters(&line), "{line:?}");
            assert!(line.len() < 2000, "{} bytes", line.len());
        }
    }

    #[test]
    fn a_refused_write_says_who_writes_and_what_is_allowed() {
        let update = line(no_rule(&["update", "bd-1"]));
        assert!(update.contains("refused (command): \"update\""), "{update}");
        assert!(
            update.contains("coordinator") && update.contains("swarm validate"),
            "{update}"
        );
        let claim = line(unknown_flag(Some(&RULES[2]), "--claim"));
        assert!(
            claim.contains("it takes the issue") && claim.contains("coordinator"),
            "{claim}"
        );
        let group = line(no_rule(&["dep", "add"]));
        assert!(
            group.contains("allowed: dep list, dep tree, dep cycles;"),
            "{group}"
        );
    }
}
