//! The table of what reads change on a live tracker all the same, from what was measured on the real programs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::parse::{Parsed, parse};
use crate::table::{RULES, words};

/// What the suite `ro` measured and compares again, by version.
const MEASURED: [(&str, &str); 3] = [
    (
        "0.47.1",
        include_str!("../../../../fixtures/bd-files/0.47.1.txt"),
    ),
    (
        "1.0.5",
        include_str!("../../../../fixtures/bd-files/1.0.5.txt"),
    ),
    (
        "1.3.0",
        include_str!("../../../../fixtures/bd-files/1.3.0.txt"),
    ),
];

/// The fixtures' section about a tracker and a home that have not seen a call yet.
const FIRST_CALL: &str = "in an empty HOME, lock files missing";
/// The command that this section is about.
const FIRST_COMMAND: &str = "list";
/// Where 1.0.5 and 1.3.0 have their database; the folder after the first is named after the tracker's prefix.
const DOLT: &str = ".beads/embeddeddolt/bd/.dolt/noms/";

/// Files with the kinds of change that were seen.
type Footprint = BTreeMap<String, BTreeSet<String>>;

/// What one fixture says.
#[derive(Default)]
struct Version {
    /// By command.
    commands: BTreeMap<String, Footprint>,
    help: Footprint,
    first_call: Footprint,
}

impl Version {
    fn read(fixture: &str) -> Version {
        let mut version = Version::default();
        let mut section = "";
        for block in fixture.split("\n\n") {
            if let Some(name) = block.strip_prefix('[') {
                section = name.trim_end_matches(']');
                continue;
            }
            let (changes, examples): (Vec<&str>, Vec<&str>) = block
                .lines()
                .filter(|line| !line.starts_with('#'))
                .partition(|line| line.starts_with("    "));
            for example in examples {
                let footprint = version.place_of(section, example);
                // A folder's time says no more than that something came or went in it.
                let files = changes.iter().filter(|line| !line.ends_with('/'));
                for (kind, file) in files.filter_map(|line| line.trim().split_once(' ')) {
                    let kinds = footprint.entry(file.to_string()).or_default();
                    kinds.insert(kind.to_string());
                }
            }
        }
        version
    }

    fn place_of(&mut self, section: &str, example: &str) -> &mut Footprint {
        let args: Vec<_> = words(example).into_iter().map(Into::into).collect();
        let Ok(Parsed::Request(request)) = parse(&args) else {
            panic!("fixtures/bd-files has {example:?}, which is not allowed: measure again")
        };
        if section == FIRST_CALL {
            &mut self.first_call
        } else if request.flags.iter().any(|(flag, _)| flag.long == "help") {
            &mut self.help
        } else {
            self.commands.entry(request.rule.name()).or_default()
        }
    }

    fn of_command(&self, name: &str) -> &Footprint {
        let measured = self.commands.get(name);
        measured.unwrap_or_else(|| panic!("fixtures/bd-files lacks {name}: measure again"))
    }

    /// What the first call does besides what every call does.
    fn only_first(&self) -> Footprint {
        let always = self.of_command(FIRST_COMMAND);
        let first = self.first_call.iter();
        first
            .filter(|(file, _)| !always.contains_key(*file))
            .map(|(file, kinds)| (file.clone(), kinds.clone()))
            .collect()
    }
}

/// One row for all commands that change the same on every version.
pub(super) fn table() -> String {
    let versions = MEASURED.map(|(_, fixture)| Version::read(fixture));
    let mut rows: Vec<([String; 3], Vec<String>)> = Vec::new();
    let mut add = |name: String, footprints: [Footprint; 3]| {
        let cells = footprints.map(|footprint| cell(&footprint));
        match rows.iter_mut().find(|(same, _)| *same == cells) {
            Some((_, names)) => names.push(name),
            None => rows.push((cells, vec![name])),
        }
    };
    for rule in &RULES {
        let of_version = |version: &Version| version.of_command(&rule.name()).clone();
        add(
            format!("`{}`", rule.name()),
            versions.each_ref().map(of_version),
        );
    }
    add(
        "any with `--help`".to_string(),
        versions.each_ref().map(|version| version.help.clone()),
    );
    add(
        "the first of all, besides".to_string(),
        versions.each_ref().map(Version::only_first),
    );
    let names = MEASURED.map(|(version, _)| version);
    let mut out = format!(
        "| command | {} |\n| --- | --- | --- | --- |\n",
        names.join(" | ")
    );
    for (cells, names) in rows {
        let _ = writeln!(out, "| {} | {} |", names.join(", "), cells.join(" | "));
    }
    out
}

/// Files by what happened to them, the graver first.
fn cell(footprint: &Footprint) -> String {
    let mut by_kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (file, kinds) in footprint {
        let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
        let files = by_kinds.entry(kinds.join(" or ")).or_default();
        files.push(format!("`{}`", short(file)));
    }
    if by_kinds.is_empty() {
        return "nothing".to_string();
    }
    let part = |(kinds, files): (String, Vec<String>)| format!("{kinds}: {}", files.join(", "));
    by_kinds
        .into_iter()
        .map(part)
        .collect::<Vec<_>>()
        .join("; ")
}

/// A file's name as the page has it: below `.beads` unless it says otherwise.
fn short(file: &str) -> String {
    if let Some(below) = file.strip_prefix(DOLT) {
        return format!("noms/{below}");
    }
    match file.strip_prefix(".beads/") {
        Some(below) => below.to_string(),
        None if file.starts_with('$') => file.to_string(),
        None => format!("../{file}"),
    }
}

#[test]
fn a_fixture_is_read_by_sections_and_blocks() {
    let version = Version::read(
        "# a remark\n\n[after a write]\n\nshow bd-1\nshow bd-2 --json\n    changed .beads/a\n    touched .beads/\n\n\
         show --help\n    nothing\n\n[after `list`]\n\nshow bd-1\n    touched .beads/a\n    removed b\n\nlist\n    touched .beads/a\n\n\
         [in an empty HOME, lock files missing]\n\nlist\n    created $HOME/c\n    touched .beads/a\n",
    );
    assert_eq!(
        cell(version.of_command("show")),
        "changed or touched: `a`; removed: `../b`"
    );
    assert_eq!(cell(&version.help), "nothing");
    assert_eq!(cell(&version.only_first()), "created: `$HOME/c`");
}
