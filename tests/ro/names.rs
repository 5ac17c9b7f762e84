//! Every command of all three versions, in simple forms: the 18 pass in one of them, nothing else does in any.

use std::collections::BTreeSet;
use std::ffi::OsString;

use mesh_bd_ro::parse::{Parsed, parse};
use mesh_bd_ro::table::{RULES, Takes, why_absent};
use mesh_testkit::ro::CONTRACT;
use mesh_testkit::ro::commands::{
    HelpCommand, HelpFlag, VERSIONS, ask, commands, dump, fixture, line,
};
use mesh_testkit::tools;

fn accepts(line: &str) -> bool {
    let args: Vec<OsString> = line
        .split(' ')
        .filter(|word| !word.is_empty())
        .map(OsString::from)
        .collect();
    matches!(parse(&args), Ok(Parsed::Request(_)))
}

fn all_commands() -> Vec<HelpCommand> {
    VERSIONS
        .iter()
        .flat_map(|version| commands(version))
        .filter(|command| !command.path.is_empty())
        .collect()
}

#[test]
fn each_of_the_18_passes_in_a_simple_form_and_nothing_else_in_any() {
    let mut passed = BTreeSet::new();
    let commands: BTreeSet<String> = all_commands()
        .iter()
        .map(|command| command.path.join(" "))
        .collect();
    for command in &commands {
        let forms = [
            "",
            "--help",
            "-h",
            "--json",
            "bd-1",
            "--json bd-1",
            "bd-1 bd-2",
            "bd-1 word",
            "-- bd-1",
        ];
        for form in forms {
            for line in [
                format!("{command} {form}"),
                format!("--json {command} {form}"),
            ] {
                if accepts(&line) {
                    assert!(CONTRACT.contains(&command.as_str()), "{line:?} got through");
                    passed.insert(command.clone());
                }
            }
        }
    }
    assert_eq!(
        passed,
        CONTRACT.iter().map(|path| (*path).to_string()).collect()
    );
    println!(
        "{} commands of {} tried, 18 passed",
        commands.len(),
        VERSIONS.join(", ")
    );
}

/// Whatever a refused command could be asked with: none of its own flags opens it.
#[test]
fn no_flag_of_a_refused_command_lets_it_through() {
    let mut tried = 0;
    for command in all_commands() {
        let name = command.path.join(" ");
        if CONTRACT.contains(&name.as_str()) {
            continue;
        }
        for flag in &command.flags {
            let short = flag.short.map(|short| format!("-{short}"));
            for spelled in short.into_iter().chain([format!("--{}", flag.long)]) {
                for line in [
                    format!("{name} {spelled}"),
                    format!("{name} {spelled} bd-1"),
                    format!("{name} {spelled}=bd-1 bd-2"),
                ] {
                    assert!(!accepts(&line), "{line:?} got through");
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 1000, "{tried} lines");
}

/// A flag that one of the 18 commands has is in its row, or the table says why it is not.
#[test]
fn every_flag_of_an_allowed_command_is_allowed_or_left_out_for_a_reason() {
    let mut unexplained = BTreeSet::new();
    for command in all_commands() {
        let Some(rule) = RULES.iter().find(|rule| rule.path == command.path) else {
            continue;
        };
        for flag in &command.flags {
            let name = format!("--{}", flag.long);
            let allowed = rule.all_flags().any(|known| known.long == flag.long);
            if !allowed && why_absent(Some(rule), &name).is_none() {
                unexplained.insert(format!("{} {name}", rule.name()));
            }
        }
    }
    assert_eq!(unexplained, BTreeSet::new());
}

#[test]
fn every_flag_of_the_table_is_a_flag_of_some_version_with_the_same_letter_and_arity() {
    let all = all_commands();
    for rule in &RULES {
        for flag in rule.flags() {
            let known: Vec<&HelpFlag> = all
                .iter()
                .filter(|command| command.path == rule.path)
                .flat_map(|command| &command.flags)
                .filter(|known| known.long == flag.long)
                .collect();
            let name = format!("{} --{}", rule.name(), flag.long);
            assert!(!known.is_empty(), "{name} is in no version's help");
            for known in known {
                assert_eq!(known.short, flag.short, "{name}");
                match (flag.takes, known.value.as_deref()) {
                    (Takes::Nothing, None) => {}
                    (Takes::Many(_), Some("strings" | "stringArray")) => {}
                    (Takes::One(_), Some("string" | "int")) => {}
                    (takes, value) => panic!("{name} takes {takes:?} here and {value:?} in bd"),
                }
            }
        }
    }
}

#[test]
fn the_fixtures_are_what_the_real_programs_say() {
    for version in VERSIONS {
        let Some(path) = tools::real("bd", version) else {
            continue;
        };
        if std::env::var_os("MESH_UPDATE_FIXTURES").is_some_and(|value| value == "1") {
            let to = format!(
                "{}/../fixtures/bd-help/{version}.txt",
                env!("CARGO_MANIFEST_DIR")
            );
            fs_err::write(to, dump(&path)).expect("the fixture can be written");
            continue;
        }
        // The commands that matter; all of them would be 300 calls.
        let groups = ["", "dep", "mol", "swarm", "epic"];
        for name in CONTRACT.iter().chain(&groups) {
            let words: Vec<String> = name
                .split(' ')
                .filter(|word| !word.is_empty())
                .map(String::from)
                .collect();
            let (command, below) = ask(&path, &words);
            let wanted = line(&command);
            assert!(
                fixture(version).lines().any(|line| line == wanted),
                "bd {version} now says: {wanted}"
            );
            for sub in below {
                let sub = words
                    .iter()
                    .cloned()
                    .chain([sub])
                    .collect::<Vec<_>>()
                    .join(" ");
                let there = fixture(version)
                    .lines()
                    .any(|line| line.split('\t').next() == Some(&sub));
                assert!(there, "bd {version} now has {sub}");
            }
        }
        println!("compared with bd {version}");
    }
}
