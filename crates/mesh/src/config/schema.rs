//! The keys that there are, and what may stand behind each. `defaults.toml` documents them; a test holds the two together.

use mesh_agent::nearest::nearest;
use mesh_agent::profile::SandboxMode;
use mesh_core::duration::{parse_bytes, parse_span};
use mesh_core::policy::{Dispatch, Rank, RetryMode};
use toml::de::{DeTable, DeValue};

/// What a value must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Any text but an empty one.
    Text,
    /// A name, or a list of names, which becomes a text with commas.
    Names,
    /// An amount of US dollars: a number, or a text.
    Dollars,
    /// A number of tokens: a number, or a text such as `"20M"`.
    Tokens,
    /// A text that is looked at together with others, later.
    Loose,
    /// What is logged: a level, or levels of modules.
    LogFilter,
    /// A length of time, such as `"15m"`, longer than nothing.
    Span,
    /// A size, such as `"64MiB"`.
    Bytes,
    /// A whole number in these bounds.
    Count(i64, i64),
    /// `true` or `false`.
    Flag,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A table of texts.
    TextTable,
}

/// A key.
#[derive(Debug)]
pub(super) struct Key {
    /// Its name with the tables it lies in; `*` is any name.
    pub path: &'static [&'static str],
    /// What may stand behind it.
    pub kind: Kind,
    /// The variable that sets it as well.
    pub variable: Option<&'static str>,
}

const fn key(path: &'static [&'static str], kind: Kind) -> Key {
    Key {
        path,
        kind,
        variable: None,
    }
}

const fn with_variable(path: &'static [&'static str], kind: Kind, variable: &'static str) -> Key {
    Key {
        path,
        kind,
        variable: Some(variable),
    }
}

/// Every key there is.
pub(super) const KEYS: &[Key] = &[
    with_variable(&["concurrency"], Kind::Count(1, 1000), "MESH_CONCURRENCY"),
    with_variable(&["rank"], Kind::Choice(&Rank::WORDS), "MESH_RANK"),
    with_variable(
        &["dispatch"],
        Kind::Choice(&Dispatch::WORDS),
        "MESH_DISPATCH",
    ),
    with_variable(&["agent"], Kind::Names, "MESH_AGENT"),
    with_variable(
        &["strategy"],
        Kind::Choice(&crate::strategy::WORDS),
        "MESH_STRATEGY",
    ),
    key(&["strategies", "patch-first", "race"], Kind::Flag),
    key(&["strategies", "patch-first", "soft_limit"], Kind::Span),
    key(&["strategies", "patch-first", "hard_limit"], Kind::Span),
    key(
        &["strategies", "patch-first", "roles", "worker"],
        Kind::Text,
    ),
    key(
        &["strategies", "pipeline", "delivery"],
        Kind::Choice(&["commit_first", "patch_first"]),
    ),
    key(&["strategies", "pipeline", "soft_limit"], Kind::Span),
    key(&["strategies", "pipeline", "hard_limit"], Kind::Span),
    key(&["strategies", "pipeline", "roles", "coder"], Kind::Text),
    key(&["strategies", "pipeline", "roles", "fixer"], Kind::Text),
    key(&["strategies", "consensus", "members"], Kind::Count(3, 5)),
    key(&["strategies", "consensus", "threshold"], Kind::Count(1, 5)),
    key(&["strategies", "consensus", "retries"], Kind::Count(0, 9)),
    key(&["strategies", "consensus", "soft_limit"], Kind::Span),
    key(&["strategies", "consensus", "hard_limit"], Kind::Span),
    key(
        &["strategies", "consensus", "roles", "proposer"],
        Kind::Text,
    ),
    key(
        &["strategies", "consensus", "roles", "critic_a"],
        Kind::Text,
    ),
    key(
        &["strategies", "consensus", "roles", "critic_b"],
        Kind::Text,
    ),
    key(&["strategies", "consensus", "roles", "skeptic"], Kind::Text),
    key(
        &["strategies", "consensus", "roles", "synthesizer"],
        Kind::Text,
    ),
    with_variable(&["verify"], Kind::Text, "MESH_VERIFY"),
    key(&["proof_limit"], Kind::Span),
    key(&["proof", "where"], Kind::Choice(&["workspace", "clean"])),
    key(&["allow_no_validation"], Kind::Flag),
    key(&["base_conflict"], Kind::Choice(&["agent", "fail"])),
    with_variable(&["land"], Kind::Text, "MESH_LAND"),
    with_variable(
        &["audit_level"],
        Kind::Choice(&["full", "minimal", "none"]),
        "MESH_AUDIT_LEVEL",
    ),
    with_variable(&["log"], Kind::LogFilter, "MESH_LOG"),
    key(&["retries"], Kind::Count(0, 10)),
    key(&["retry", "mode"], Kind::Choice(&RetryMode::WORDS)),
    key(&["start_retries"], Kind::Count(0, 10)),
    key(&["start_pause"], Kind::Span),
    key(&["budget", "max_cost"], Kind::Dollars),
    key(&["budget", "max_tokens"], Kind::Tokens),
    key(&["budget", "max_time"], Kind::Span),
    key(&["budget", "task_max_cost"], Kind::Dollars),
    key(&["budget", "task_max_tokens"], Kind::Tokens),
    key(&["budget", "task_max_time"], Kind::Span),
    key(&["locks", "unknown"], Kind::Choice(&["free", "alone"])),
    key(&["locks", "patience"], Kind::Count(0, 1000)),
    key(&["locks", "groups", "*"], Kind::Texts),
    key(&["locks", "capacity", "*"], Kind::Count(1, 1000)),
    key(&["workspace", "root"], Kind::Text),
    key(&["workspace", "setup"], Kind::Text),
    key(&["workspace", "setup_limit"], Kind::Span),
    key(
        &["workspace", "keep"],
        Kind::Choice(&["unverified", "failed"]),
    ),
    key(
        &["tracker", "close"],
        Kind::Choice(&["verified", "landed", "never"]),
    ),
    key(&["tracker", "close_epic"], Kind::Flag),
    key(&["tracker", "trust_agent_verify"], Kind::Flag),
    key(&["tracker", "allow_untested"], Kind::Flag),
    key(&["tracker", "molecule"], Kind::Flag),
    key(&["tracker", "arms"], Kind::Flag),
    key(&["tracker", "view"], Kind::Choice(&["copy", "live"])),
    key(&["tracker", "view_limit"], Kind::Bytes),
    key(&["tracker", "read_limit"], Kind::Span),
    key(&["tracker", "write_limit"], Kind::Span),
    with_variable(
        &["sandbox", "mode"],
        Kind::Choice(&SandboxMode::WORDS),
        "MESH_SANDBOX",
    ),
    key(&["sandbox", "write"], Kind::Texts),
    key(&["learnings", "write"], Kind::Flag),
    key(&["learnings", "prompt"], Kind::Flag),
    with_variable(&["tools", "bd"], Kind::Text, "MESH_BD"),
    with_variable(&["tools", "jj"], Kind::Text, "MESH_JJ"),
    with_variable(&["tools", "git"], Kind::Text, "MESH_GIT"),
    with_variable(&["tools", "bd_ro"], Kind::Text, "MESH_BD_RO"),
    with_variable(&["tools", "jj_rail"], Kind::Text, "MESH_JJ_RAIL"),
    key(&["agents", "*", "extends"], Kind::Text),
    key(&["agents", "*", "command"], Kind::Loose),
    key(&["agents", "*", "args"], Kind::Texts),
    key(&["agents", "*", "model_args"], Kind::Texts),
    key(&["agents", "*", "view_args"], Kind::Texts),
    key(&["agents", "*", "resume_args"], Kind::Texts),
    key(
        &["agents", "*", "protocol"],
        Kind::Choice(&["plain", "codex", "claude"]),
    ),
    key(&["agents", "*", "own_tmpdir"], Kind::Flag),
    key(
        &["agents", "*", "prompt"],
        Kind::Choice(&["stdin", "argument"]),
    ),
    key(&["agents", "*", "start_limit"], Kind::Loose),
    key(&["agents", "*", "silence_limit"], Kind::Loose),
    key(&["agents", "*", "soft_limit"], Kind::Loose),
    key(&["agents", "*", "hard_limit"], Kind::Loose),
    key(&["agents", "*", "log_limit"], Kind::Loose),
    key(&["agents", "*", "grace"], Kind::Loose),
    key(&["agents", "*", "env_keep"], Kind::Texts),
    key(&["agents", "*", "env_set"], Kind::TextTable),
    key(&["agents", "*", "state_variable"], Kind::Loose),
    key(
        &["agents", "*", "sandbox"],
        Kind::Choice(&SandboxMode::WORDS),
    ),
    key(&["agents", "*", "sandboxed_args"], Kind::Texts),
    key(&["agents", "*", "unsandboxed_args"], Kind::Texts),
    key(&["agents", "*", "write"], Kind::Texts),
    key(&["agents", "*", "model"], Kind::Text),
    key(&["agents", "*", "account"], Kind::Text),
    key(&["agents", "*", "limit_patterns"], Kind::Texts),
    key(&["agents", "*", "pr"], Kind::Flag),
];

/// What a name with the tables it lies in is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A key.
    Key(Kind),
    /// A table of keys.
    Table,
    /// Nothing.
    Unknown,
}

/// What `path` is.
pub(super) fn meaning(path: &[String]) -> Meaning {
    let begins = |key: &&Key| {
        path.len() <= key.path.len()
            && path
                .iter()
                .zip(key.path)
                .all(|(name, wanted)| *wanted == "*" || name == wanted)
    };
    match KEYS.iter().find(begins) {
        Some(key) if key.path.len() == path.len() => Meaning::Key(key.kind),
        Some(_) => Meaning::Table,
        None => Meaning::Unknown,
    }
}

/// The key that an unknown `path` was probably meant to be: one of the same table with a similar name, or one of another table.
pub(super) fn probably(path: &[String]) -> Option<String> {
    let (name, table) = path.split_last()?;
    let siblings = KEYS.iter().filter_map(|key| {
        let is_here = key.path.len() > table.len()
            && table
                .iter()
                .zip(key.path)
                .all(|(ours, theirs)| *theirs == "*" || ours == theirs);
        is_here.then(|| key.path[table.len()])
    });
    if let Some(found) = nearest(name, siblings.filter(|name| *name != "*")) {
        return Some(dotted(
            table
                .iter()
                .map(String::as_str)
                .chain(std::iter::once(found)),
        ));
    }
    let plain = || KEYS.iter().filter(|key| !key.path.contains(&"*"));
    let elsewhere = nearest(name, plain().filter_map(|key| key.path.last().copied()))?;
    let named_so: Vec<&Key> = plain()
        .filter(|key| key.path.last() == Some(&elsewhere))
        .collect();
    // One in no table before those in tables.
    let in_none = named_so.iter().find(|key| key.path.len() == 1);
    let key = match named_so.as_slice() {
        [only] => Some(only),
        _ => in_none,
    };
    key.map(|key| dotted(key.path.iter().copied()))
}

/// A path as it is written in a file.
pub(super) fn dotted<'a>(path: impl IntoIterator<Item = &'a str>) -> String {
    let plain = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    let names: Vec<String> = path
        .into_iter()
        .map(|name| {
            if plain(name) {
                name.to_owned()
            } else {
                format!("{name:?}")
            }
        })
        .collect();
    names.join(".")
}

/// Checks a value from a file and takes it over.
///
/// # Errors
/// A fragment that says what it must be.
pub(super) fn check(kind: Kind, value: &DeValue<'_>) -> Result<toml::Value, String> {
    match kind {
        Kind::Names => {
            let names = match value {
                DeValue::Array(list) => {
                    let names = list.iter().map(|name| text(name.get_ref()));
                    let names: Result<Vec<String>, String> = names.collect();
                    names.map_err(|problem| format!("in the list: {problem}"))?
                }
                other => vec![text(other)?],
            };
            let names = names.join(",");
            check_text(Kind::Text, &names)?;
            Ok(toml::Value::String(names))
        }
        Kind::Dollars | Kind::Tokens => {
            let number = match value {
                DeValue::Integer(number) => number.to_string(),
                DeValue::Float(number) => number.to_string(),
                other => text(other)?,
            };
            check_text(kind, &number)?;
            Ok(toml::Value::String(number))
        }
        Kind::Text | Kind::Loose | Kind::LogFilter | Kind::Span | Kind::Bytes | Kind::Choice(_) => {
            let text = text(value)?;
            check_text(kind, &text)?;
            Ok(toml::Value::String(text))
        }
        Kind::Count(least, most) => {
            let DeValue::Integer(number) = value else {
                return Err(not(value, "a whole number"));
            };
            let number = i64::from_str_radix(number.as_str(), number.radix())
                .map_err(|_| out_of_bounds(least, most))?;
            count(number, least, most).map(toml::Value::Integer)
        }
        Kind::Flag => match value {
            DeValue::Boolean(flag) => Ok(toml::Value::Boolean(*flag)),
            other => Err(not(other, "true or false")),
        },
        Kind::Texts => texts(value),
        Kind::TextTable => match value {
            DeValue::Table(table) => text_table(table),
            other => Err(not(other, "a table of texts")),
        },
    }
}

/// Checks a value from a variable and takes it over.
///
/// # Errors
/// A fragment that says what it must be.
pub(super) fn check_word(kind: Kind, word: &str) -> Result<toml::Value, String> {
    match kind {
        Kind::Count(least, most) => {
            let number = word
                .trim()
                .parse()
                .map_err(|_| out_of_bounds(least, most))?;
            count(number, least, most).map(toml::Value::Integer)
        }
        Kind::Flag => match word {
            "true" => Ok(toml::Value::Boolean(true)),
            "false" => Ok(toml::Value::Boolean(false)),
            _ => Err("it must be true or false".to_owned()),
        },
        Kind::Text
        | Kind::Names
        | Kind::Dollars
        | Kind::Tokens
        | Kind::Loose
        | Kind::LogFilter
        | Kind::Span
        | Kind::Bytes
        | Kind::Choice(_) => check_text(kind, word).map(|()| toml::Value::String(word.to_owned())),
        Kind::Texts | Kind::TextTable => Err("it cannot be set by a variable".to_owned()),
    }
}

fn check_text(kind: Kind, text: &str) -> Result<(), String> {
    if text.contains('\0') {
        return Err("it contains a NUL byte".to_owned());
    }
    match kind {
        Kind::Text | Kind::Names if text.trim().is_empty() => {
            Err("it must not be empty".to_owned())
        }
        Kind::Span => match parse_span(text)? {
            mesh_core::time::Span(0) => Err("it must be longer than nothing".to_owned()),
            _ => Ok(()),
        },
        Kind::Bytes => parse_bytes(text).map(|_| ()),
        Kind::Dollars => crate::budget::micro_usd(text).map(|_| ()),
        Kind::Tokens => crate::budget::tokens(text).map(|_| ()),
        Kind::LogFilter => crate::log::filter(text).map(|_| ()),
        Kind::Choice(words) if !words.contains(&text) => {
            let hint = nearest(text, words.iter().copied())
                .map_or_else(String::new, |word| format!(" (did you mean \"{word}\"?)"));
            let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
            Err(match words.as_slice() {
                [only] => format!("it can only be {only}{hint}"),
                words => format!("it must be one of {}{hint}", words.join(", ")),
            })
        }
        _ => Ok(()),
    }
}

fn count(number: i64, least: i64, most: i64) -> Result<i64, String> {
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(out_of_bounds(least, most))
    }
}

fn out_of_bounds(least: i64, most: i64) -> String {
    format!("it must be a whole number from {least} to {most}")
}

fn not(value: &DeValue<'_>, wanted: &str) -> String {
    let article = match value.type_str() {
        kind @ ("integer" | "array") => format!("an {kind}"),
        kind => format!("a {kind}"),
    };
    format!("it must be {wanted}, not {article}")
}

fn text(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        other => Err(not(other, "a text in quotes")),
    }
}

fn texts(value: &DeValue<'_>) -> Result<toml::Value, String> {
    let DeValue::Array(array) = value else {
        return Err(not(value, "a list of texts"));
    };
    let texts: Result<Vec<toml::Value>, String> = array
        .iter()
        .map(|entry| {
            let text = text(entry.get_ref())?;
            check_text(Kind::Loose, &text).map(|()| toml::Value::String(text))
        })
        .collect();
    texts
        .map(toml::Value::Array)
        .map_err(|problem| format!("in the list: {problem}"))
}

fn text_table(table: &DeTable<'_>) -> Result<toml::Value, String> {
    let mut texts = toml::Table::new();
    for (name, entry) in table.iter() {
        let name = name.get_ref();
        let text = text(entry.get_ref()).map_err(|problem| format!("{name}: {problem}"))?;
        check_text(Kind::Loose, &text).map_err(|problem| format!("{name}: {problem}"))?;
        texts.insert(name.to_string(), toml::Value::String(text));
    }
    Ok(toml::Value::Table(texts))
}
