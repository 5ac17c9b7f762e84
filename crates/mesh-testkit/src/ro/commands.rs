//! Commands and flags of each supported `bd`, from its own help texts.
//!
//! `fixtures/bd-help/<version>.txt` holds one command a line: its words, then a tab before each flag, spelled
//! `--long`, `-s/--long`, with `=type` when it takes a value (`=?` when the value is optional). The first line is the root,
//! with the global flags. The suite compares the fixtures with the real programs and rewrites them when told to.

use std::path::Path;
use std::process::Command;

/// The versions that the wrapper supports.
pub const VERSIONS: [&str; 3] = ["0.47.1", "1.0.5", "1.3.0"];

/// One flag of `bd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelpFlag {
    /// Name without dashes.
    pub long: String,
    /// One-letter form.
    pub short: Option<char>,
    /// Type of the value as the help names it; `None` for a switch, `?` for an optional value.
    pub value: Option<String>,
}

/// One command of `bd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelpCommand {
    /// Its words; none for the root.
    pub path: Vec<String>,
    /// Its flags; for the root the global ones.
    pub flags: Vec<HelpFlag>,
}

/// Text of the fixture of `version`.
///
/// # Panics
/// When there is none.
pub fn fixture(version: &str) -> &'static str {
    match version {
        "0.47.1" => include_str!("../../../../fixtures/bd-help/0.47.1.txt"),
        "1.0.5" => include_str!("../../../../fixtures/bd-help/1.0.5.txt"),
        "1.3.0" => include_str!("../../../../fixtures/bd-help/1.3.0.txt"),
        other => panic!("no help fixture of bd {other}"),
    }
}

/// All commands of `version`, root first.
pub fn commands(version: &str) -> Vec<HelpCommand> {
    fixture(version).lines().map(parse_line).collect()
}

/// One command as a line of the fixture.
pub fn line(command: &HelpCommand) -> String {
    let mut line = command.path.join(" ");
    for flag in &command.flags {
        line.push('\t');
        line.extend(flag.short.map(|short| format!("-{short}/")));
        line.push_str(&format!("--{}", flag.long));
        line.extend(flag.value.as_ref().map(|value| format!("={value}")));
    }
    line
}

fn parse_line(line: &str) -> HelpCommand {
    let mut parts = line.split('\t');
    let path = parts
        .next()
        .unwrap_or_default()
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(String::from)
        .collect();
    let flags = parts.map(parse_flag).collect();
    HelpCommand { path, flags }
}

fn parse_flag(text: &str) -> HelpFlag {
    let (names, value) = text.split_once('=').map_or((text, None), |(names, value)| {
        (names, Some(value.to_string()))
    });
    let (short, long) = names
        .split_once('/')
        .map_or((None, names), |(short, long)| (short.chars().nth(1), long));
    HelpFlag {
        long: long.trim_start_matches('-').to_string(),
        short,
        value,
    }
}

/// Asks the real program `bd` for the help of `path`; also gives the names of its subcommands.
///
/// # Panics
/// When the program cannot be run.
pub fn ask(bd: &Path, path: &[String]) -> (HelpCommand, Vec<String>) {
    let home = std::env::temp_dir();
    let output = Command::new(bd)
        .args(path)
        .arg("--help")
        .env_clear()
        .env("HOME", &home)
        .env("BD_DISABLE_METRICS", "1")
        .env("BEADS_NO_DAEMON", "1")
        .current_dir(&home)
        .output()
        .unwrap_or_else(|error| panic!("{} --help: {error}", bd.display()));
    read_help(&String::from_utf8_lossy(&output.stdout), path)
}

fn read_help(help: &str, path: &[String]) -> (HelpCommand, Vec<String>) {
    let mut flags = Vec::new();
    let mut below = Vec::new();
    let mut section = "";
    for line in help.lines().skip_while(|line| !line.starts_with("Usage:")) {
        if !line.starts_with(' ') {
            section = line;
        } else if section == "Flags:" {
            flags.extend(read_flag(line));
        } else if !matches!(
            section,
            "Usage:" | "Aliases:" | "Examples:" | "Global Flags:" | ""
        ) {
            let name = line
                .strip_prefix("  ")
                .and_then(|rest| rest.split(' ').next());
            below.extend(name.filter(|name| !name.is_empty()).map(String::from));
        }
    }
    (
        HelpCommand {
            path: path.to_vec(),
            flags,
        },
        below,
    )
}

/// Such as `  -n, --limit int   Maximum …` or `      --deps string[="x"]   Annotate …`.
fn read_flag(line: &str) -> Option<HelpFlag> {
    let line = line.trim_start();
    let (short, rest) = match line.strip_prefix("--") {
        Some(rest) => (None, rest),
        None => (line.chars().nth(1), line.split_once("--")?.1),
    };
    let names = rest.split("   ").next()?;
    let mut words = names.split(' ').filter(|word| !word.is_empty());
    let long = words.next()?.to_string();
    let value = words.next().map(|word| {
        if word.contains('[') {
            "?".to_string()
        } else {
            word.to_string()
        }
    });
    Some(HelpFlag { long, short, value })
}

/// The whole fixture of a real program: every command, found from its help.
///
/// # Panics
/// When the program cannot be run.
pub fn dump(bd: &Path) -> String {
    let mut lines = String::new();
    let mut open = vec![Vec::new()];
    while let Some(path) = open.pop() {
        let (command, below) = ask(bd, &path);
        lines.push_str(&line(&command));
        lines.push('\n');
        // The generated completion scripts and the list of topics are no commands on the tracker, but are refused as well.
        for name in below.into_iter().rev() {
            open.push(path.iter().cloned().chain([name]).collect());
        }
    }
    lines
}
