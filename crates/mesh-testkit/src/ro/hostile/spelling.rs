//! The ways to write one flag, right and wrong, and what fits where.

use crate::ro::commands::{HelpCommand, HelpFlag};

/// Every way to write `flag`, with `value` where it takes one: those of the help text, those that other parsers know, and
/// those of somebody who guesses.
pub fn spellings(flag: &HelpFlag, value: &str) -> Vec<Vec<String>> {
    let long = &flag.long;
    let whole = format!("--{long}");
    let cut = |letters: usize| long.chars().take(letters).collect::<String>();
    let mut ways = vec![
        vec![whole.clone()],
        vec![whole.clone(), value.to_string()],
        vec![format!("{whole}={value}")],
        vec![format!("{whole}=")],
        vec![format!("{whole}=true")],
        vec![format!("{whole}=false")],
        vec![format!("{whole}=-1")],
        vec![format!("{whole}==")],
        vec![whole.clone(), "--".into(), value.to_string()],
        vec![whole.clone(), format!("={value}")],
        vec![whole.clone(), whole.clone()],
        vec![format!("{whole}={value}"), format!("{whole}={value}")],
        vec![format!("{whole}{value}")],
        vec![format!("{whole} {value}")],
        vec![format!("-{long}"), value.to_string()],
        vec![format!("---{long}")],
        vec![format!("--{}", long.to_uppercase())],
        vec![format!("--{}", cut(long.len().saturating_sub(1)))],
        vec![format!("--{}={value}", cut(3))],
        vec![format!("--no-{long}")],
        vec![format!("--{}", long.replace('-', "_"))],
        vec![format!("\u{2014}{long}")],
        vec![format!("{whole}\u{200b}={value}")],
        vec!["--".into(), whole.clone()],
    ];
    if let Some(letter) = flag.short {
        let other = if letter.is_lowercase() {
            letter.to_ascii_uppercase()
        } else {
            letter.to_ascii_lowercase()
        };
        ways.extend([
            vec![format!("-{letter}")],
            vec![format!("-{letter}"), value.to_string()],
            vec![format!("-{letter}={value}")],
            vec![format!("-{letter}{value}")],
            vec![format!("-{letter}q")],
            vec![format!("-q{letter}")],
            vec![format!("-{letter}{letter}")],
            vec![format!("--{letter}={value}")],
            vec![format!("-{letter}"), format!("{whole}={value}")],
            vec![format!("-{other}"), value.to_string()],
        ]);
    }
    ways
}

/// One of the two or three ways that the help text shows.
pub fn plain(flag: &HelpFlag, value: &str, way: usize) -> Vec<String> {
    let name = match (flag.short, way % 3) {
        (Some(letter), 0) => format!("-{letter}"),
        _ => format!("--{}", flag.long),
    };
    match (&flag.value, way % 2) {
        (None, _) => vec![name],
        (Some(_), 0) if name.starts_with("--") => vec![format!("{name}={value}")],
        (Some(_), _) => vec![name, value.to_string()],
    }
}

/// A value that every version takes for `flag`.
pub fn fitting(flag: &HelpFlag) -> &'static str {
    match (flag.long.as_str(), flag.value.as_deref()) {
        ("direction", _) => "up",
        ("range", _) => "1-5",
        ("metadata-field" | "var", _) => "team=core",
        ("parent" | "mol" | "id", _) => "bd-1",
        (long, _) if long.starts_with("priority") => "2",
        (long, _) if long.ends_with("-after") || long.ends_with("-before") => "2026-01-01",
        (_, Some("int" | "duration")) => "5",
        _ => "open",
    }
}

/// Positionals that `command` can do something with, when it is one of those that agents may call; else an id.
pub fn positionals(command: &HelpCommand) -> &'static [&'static str] {
    let path: Vec<&str> = command.path.iter().map(String::as_str).collect();
    match path.as_slice() {
        ["state"] => &["bd-1", "patrol"],
        ["search"] => &["Task", "one"],
        ["list" | "ready" | "blocked" | "count" | "status"]
        | ["dep", "cycles"]
        | ["swarm", "list"]
        | ["epic", "status"] => &[],
        _ => &["bd-1"],
    }
}
