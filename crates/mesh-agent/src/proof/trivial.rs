//! Proofs that prove nothing.
//!
//! An agent that wants to be done writes `true`, `echo "tests pass"`, or something that looks like a test and cannot fail:
//! `cargo test || true`, `npm test | tail -5`. Such a command is refused. It is split at `&&`, `||`, `;`, `|`, `&` and line ends,
//! and each part is looked up in two short lists; nothing is interpreted. Whatever is not understood (a condition, a loop,
//! `set -e`, a group) passes: this stops the careless, and whoever wants to deceive can always write a test that tests nothing.
//! That is why such a result is called self-checked.

use crate::shell::is_shell;

/// Programs that succeed whatever the work is like.
const ALWAYS_SUCCEED: [&str; 13] = [
    "true", ":", "echo", "printf", "sleep", "wait", "pwd", "cd", "date", "whoami", "uname",
    "export", "unset",
];

/// Programs that succeed at the end of a pipeline, whatever comes in.
const FILTERS: [&str; 10] = [
    "cat", "tee", "head", "tail", "sort", "uniq", "wc", "sed", "tr", "less",
];

/// Programs that succeed unless they are given a file that is not there.
const LISTERS: [&str; 2] = ["ls", "cat"];

/// Words that make the rest of a script more than a sequence of commands.
const SYNTAX: [&str; 12] = [
    "if", "for", "while", "until", "case", "select", "function", "{", "(", "!", "set", "trap",
];

/// Whether `command` succeeds whatever the work is like, as far as a list of words can tell.
#[must_use]
pub fn proves_nothing(command: &str) -> bool {
    let Some(parts) = split(command) else {
        return false;
    };
    let mut nothing = true;
    for (operator, part) in &parts {
        let Some(words) = shlex::split(part) else {
            return false;
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let is_syntax = |word: &&str| SYNTAX.contains(word) || word.starts_with('(');
        if words.first().is_some_and(is_syntax) {
            return false;
        }
        if words.is_empty() {
            // A trailing `;` or line end changes nothing; a trailing `&` hides the exit code.
            nothing |= *operator == Operator::Background;
            continue;
        }
        if let ["exit", code] = words[..]
            && code != "0"
        {
            return false;
        }
        let this = succeeds(&words, *operator == Operator::Pipe);
        nothing = match operator {
            Operator::And => nothing && this,
            Operator::Or => nothing || this,
            Operator::Then | Operator::Pipe | Operator::Background => this,
        };
    }
    nothing
}

/// Whether a simple command succeeds whatever the work is like.
fn succeeds(words: &[&str], reads_pipe: bool) -> bool {
    let is_assignment = |word: &&&str| {
        word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        })
    };
    let assignments = words.iter().take_while(is_assignment).count();
    let Some((program, arguments)) = words[assignments..].split_first() else {
        // `X=$(cargo test)` ends as the substitution does.
        return words
            .iter()
            .all(|word| !word.contains("$(") && !word.contains('`'));
    };
    let name = match program.rsplit_once('/') {
        Some(("/bin" | "/usr/bin", name)) => name,
        Some(_) => return false,
        None => program,
    };
    let script = arguments
        .iter()
        .position(|word| matches!(*word, "-c" | "-lc"));
    match (name, script) {
        ("exit", _) => true,
        (_, Some(at)) if is_shell(name) => arguments
            .get(at + 1)
            .is_some_and(|text| proves_nothing(text)),
        _ => {
            ALWAYS_SUCCEED.contains(&name)
                || reads_pipe && FILTERS.contains(&name)
                || LISTERS.contains(&name) && arguments.iter().all(|word| word.starts_with('-'))
                || matches!(arguments, ["--version" | "--help"])
        }
    }
}

/// How a part of a script follows the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    And,
    Or,
    Then,
    Pipe,
    Background,
}

/// The parts of `script`, each with the operator before it; `None` when a quotation does not end or a document follows (`<<`).
fn split(script: &str) -> Option<Vec<(Operator, String)>> {
    let mut parts = vec![(Operator::Then, String::new())];
    let mut chars = script.chars().peekable();
    while let Some(c) = chars.next() {
        let part = parts.last_mut().map(|(_, part)| part)?;
        let operator = match c {
            '\\' => {
                part.push(c);
                part.extend(chars.next());
                continue;
            }
            '\'' | '"' | '`' => {
                part.push(c);
                loop {
                    let inner = chars.next()?;
                    part.push(inner);
                    if inner == '\\' && c != '\'' {
                        part.extend(chars.next());
                    }
                    if inner == c {
                        break;
                    }
                }
                continue;
            }
            '#' if part.is_empty() || part.ends_with(char::is_whitespace) => {
                while chars.next_if(|c| *c != '\n').is_some() {}
                continue;
            }
            '<' if chars.peek() == Some(&'<') => return None,
            // `2>&1`, `&>file`: the ampersand belongs to the redirection.
            '&' if part.ends_with('>') || chars.peek() == Some(&'>') => {
                part.push(c);
                continue;
            }
            '&' if chars.next_if_eq(&'&').is_some() => Operator::And,
            '|' if chars.next_if_eq(&'|').is_some() => Operator::Or,
            '|' => {
                chars.next_if_eq(&'&');
                Operator::Pipe
            }
            '&' => Operator::Background,
            ';' | '\n' => Operator::Then,
            _ => {
                part.push(c);
                continue;
            }
        };
        parts.push((operator, String::new()));
    }
    Some(parts)
}
