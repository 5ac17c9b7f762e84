use super::*;
use crate::table::{COMMANDS, GLOBALS};

/// The rule that refuses the words of `line`, when `aliases` are configured.
fn refused_with(line: &str, aliases: &[(&str, &str)]) -> Option<&'static str> {
    let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    let mut asked = |name: &str| {
        assert!(
            !COMMANDS.contains(&name),
            "{name} is no alias, so nobody is asked"
        );
        let found = aliases.iter().find(|(alias, _)| *alias == name)?;
        Some(found.1.split_whitespace().map(str::to_owned).collect())
    };
    Some(judge(&args, &mut asked)?.rule?.name)
}

fn refused(line: &str) -> Option<&'static str> {
    refused_with(line, &[])
}

#[test]
fn what_the_table_names_is_refused_with_every_global_option_around() {
    for rule in RULES {
        for example in rule.examples {
            assert_eq!(refused(example), Some(rule.name), "{example}");
            let (first, rest) = example.split_once(' ').unwrap_or((example, ""));
            for global in GLOBALS.iter().chain(GLOBALS_WITH_VALUE) {
                let option = match *global {
                    "--help" | "-h" | "--ignore-immutable" => continue,
                    valued if GLOBALS_WITH_VALUE.contains(&valued) => format!("{valued} log"),
                    plain => plain.to_owned(),
                };
                for line in [
                    format!("{option} {example}"),
                    format!("{first} {option} {rest}"),
                    format!("{example} {option}"),
                ] {
                    // An example may begin with an option that takes the next word.
                    if !first.starts_with('-') {
                        assert_eq!(refused(&line), Some(rule.name), "{line}");
                    }
                }
            }
        }
    }
    for line in [
        "-R/repo undo",
        "-R=/repo undo",
        "--repository=/repo op restore x",
        "--config=a=b --color=never undo",
    ] {
        assert!(refused(line).is_some(), "{line}");
    }
}

#[test]
fn everything_else_passes() {
    for line in [
        "",
        "st",
        "log -r undo",
        "-R undo log",
        "--config undo log",
        "op log",
        "op show",
        "op diff",
        "op integrate 12",
        "workspace list",
        "workspace root",
        "git fetch",
        "git remote add x y",
        "git export",
        "util snapshot",
        "bookmark set undo",
        "bookmark delete main",
        "describe -m undo",
        "help undo",
        "undo --help",
        "op restore -h",
        "commit -m --",
        "-- undo",
        "new -- undo",
        "restore --from @-",
        "revert -r x",
        "abandon",
        "redoo",
        "--undo",
        "op",
        "workspace",
        "git",
        "-",
        "diff -- --ignore-immutable",
        "describe --message=--ignore-immutable",
    ] {
        assert_eq!(refused(line), None, "{line}");
    }
}

/// Whether the call works in the workspace that it is led to, and the repositories that it names.
#[test]
fn a_call_works_in_a_workspace_unless_it_only_reads() {
    let check = |line: &str, works: bool| {
        let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let call = judge(&args, &mut |name| match name {
            "led" => Some(vec!["-R".to_owned(), "x".to_owned(), "new".to_owned()]),
            "peek" => Some(vec!["log".to_owned(), "--ignore-working-copy".to_owned()]),
            "st" => Some(vec!["status".to_owned()]),
            _ => None,
        });
        assert_eq!(call.is_some_and(|call| call.works), works, "{line}");
    };
    for line in [
        "",
        "new",
        "led",
        "log",
        "st",
        "nosuch",
        "op log",
        "workspace list",
        "git fetch",
        "config set --repo a b",
        "util snapshot",
        "--quiet -R x new",
        "--ignore-working-copy new",
        "--ignore-working-copy file track a",
        "log -- --ignore-working-copy",
        "--at-op @ new",
    ] {
        check(line, true);
    }
    for line in [
        "peek",
        "st --ignore-working-copy",
        "--ignore-working-copy",
        "--version",
        "version",
        "help new",
        "new --help",
        "--ignore-working-copy --color never op --quiet log",
        "root",
        "workspace root",
        "config list",
        "git clone a b",
        "util exec -- x",
    ] {
        check(line, false);
    }
    let led = [OsString::from("led")];
    let call = judge(&led, &mut |_| {
        Some(vec!["-Rx".to_owned(), "new".to_owned()])
    });
    assert_eq!(
        call.map(|call| call.repositories),
        Some(vec![PathBuf::from("x")])
    );
}

#[test]
fn an_alias_is_what_it_stands_for() {
    let aliases = [
        ("u", "undo"),
        ("back", "--quiet op"),
        ("uu", "u"),
        ("loop", "loop"),
        ("ping", "pong"),
        ("pong", "ping x"),
        ("st", "status"),
        ("force", "squash --ignore-immutable"),
        ("w", "-R"),
    ];
    for (line, rule) in [
        ("u", Some("undo")),
        ("--color never u", Some("undo")),
        ("uu -R x", Some("undo")),
        ("back restore 1", Some("operation")),
        ("back log", None),
        ("force", Some("immutable")),
        ("w x undo", Some("undo")),
        ("st", None),
        ("loop", None),
        ("ping", None),
        ("u --help", None),
        ("-- u", None),
    ] {
        assert_eq!(refused_with(line, &aliases), rule, "{line}");
    }
}

#[test]
fn the_named_repositories_are_all_found() {
    let args: Vec<OsString> = "-R a --repository b undo --repository=c -Rd -R=e -- -R f"
        .split(' ')
        .map(OsString::from)
        .collect();
    let found = judge(&args, &mut |_| None).map(|call| call.repositories);
    assert_eq!(
        found,
        Some(["a", "b", "c", "d", "e"].map(PathBuf::from).to_vec())
    );
}

#[test]
fn words_that_are_no_text_are_left_to_jj() {
    use std::os::unix::ffi::OsStringExt;
    let args = [OsString::from("undo"), OsString::from_vec(vec![0xff])];
    assert_eq!(judge(&args, &mut |_| None), None);
}
