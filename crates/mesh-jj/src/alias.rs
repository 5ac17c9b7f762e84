//! What an alias stands for: the real jj is asked, because only it knows all its configuration files and their order.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

/// Name, number of words, and the words of each definition, all ended by NUL, which no argument can hold.
const TEMPLATE: &str = concat!(
    r#"name ++ "\0" ++ value.as_string_list().len() ++ "\0""#,
    r#" ++ value.as_string_list().map(|word| word ++ "\0").join("")"#
);
/// Most bytes that are read of an answer.
const MOST_BYTES: u64 = 64 * 1024;

/// The words that `aliases.NAME` stands for, if there is such an alias. Where jj answers with an error there is none: the call
/// itself then shows that error.
pub fn definition(program: &Path, name: &str) -> Option<Vec<String>> {
    let mut asked = Command::new(program)
        .args([
            "--ignore-working-copy",
            "--no-pager",
            "--color",
            "never",
            "--quiet",
        ])
        .args([
            "config",
            "list",
            "--include-defaults",
            "-T",
            TEMPLATE,
            &key(name),
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut answer = String::new();
    let read = asked
        .stdout
        .take()?
        .take(MOST_BYTES)
        .read_to_string(&mut answer);
    let ended = asked.wait().ok()?;
    read.ok().filter(|_| ended.success())?;
    parse(&answer)
}

/// `aliases.NAME` as a key of TOML, whatever the name holds.
fn key(name: &str) -> String {
    let escaped: String = name
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c.is_control() => format!("\\u{:04X}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("aliases.\"{escaped}\"")
}

/// The first definition in an answer: `aliases.NAME` is a list of words, or a table whose `definition` is.
fn parse(answer: &str) -> Option<Vec<String>> {
    let mut fields = answer.split_terminator('\0');
    while let Some(name) = fields.next() {
        let count: usize = fields.next()?.parse().ok()?;
        let words: Vec<String> = fields.by_ref().take(count).map(str::to_owned).collect();
        if words.len() != count {
            return None;
        }
        if count > 0 && !name.ends_with(".doc") {
            return Some(words);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_read_whatever_its_words_hold() {
        let words = |answer: &str| parse(answer);
        assert_eq!(
            words("aliases.u\x002\0op\0a\nb \"c\"\0"),
            Some(vec!["op".to_owned(), "a\nb \"c\"".to_owned()])
        );
        assert_eq!(
            words("aliases.u.definition\x001\0undo\0"),
            Some(vec!["undo".to_owned()])
        );
        assert_eq!(words("aliases.u\x000\0"), None);
        for rubbish in [
            "",
            "aliases.u",
            "aliases.u\0x\0",
            "aliases.u\x003\0one\0",
            "aliases.u\0<Error: no list>\0",
        ] {
            assert_eq!(words(rubbish), None, "{rubbish:?}");
        }
    }

    #[test]
    fn any_name_is_one_key() {
        assert_eq!(key("st"), "aliases.\"st\"");
        assert_eq!(key("a.b\"\\\n"), "aliases.\"a.b\\\"\\\\\\u000A\"");
    }
}
