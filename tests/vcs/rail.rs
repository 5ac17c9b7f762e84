//! The rail against what jj itself says of its commands, options and aliases.

use std::ffi::OsString;
use std::process::{Command, Output};

use mesh_jj::table::{COMMANDS, GLOBALS, GLOBALS_WITH_VALUE, RULES};
use mesh_testkit::tools;

const RAIL: &str = env!("CARGO_BIN_EXE_mesh-jj-dup");
/// Every command of jj without subcommands, and what becomes of it; looked through by a person for each version.
const LISTED: &str = include_str!("../../fixtures/jj/commands-0.45.1.txt");

fn is_refused(line: &str) -> bool {
    let args: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    mesh_jj::command::judge(&args, &mut |name| {
        panic!("{name} is a command of jj, not an alias")
    })
    .is_some_and(|call| call.rule.is_some())
}

#[test]
fn every_listed_command_is_refused_or_passes_as_listed() {
    for line in LISTED.lines() {
        let (what, command) = line.split_at("refused ".len());
        assert_eq!(is_refused(command), what == "refused ", "{line}");
    }
}

/// What `jj` answers outside of any repository.
fn asked(args: &[&str]) -> Option<String> {
    let jj = tools::real("jj", tools::JJ_VERSION)?;
    let output = Command::new(jj)
        .args(args)
        .env("JJ_CONFIG", "")
        .output()
        .expect("jj runs");
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).expect("text"))
}

#[test]
fn the_list_is_that_of_the_real_jj_0_45_1() {
    let Some(help) = asked(&["util", "markdown-help"]) else {
        return;
    };
    let names: Vec<&str> = help
        .lines()
        .filter_map(|line| line.strip_prefix("## `jj ")?.strip_suffix('`'))
        .collect();
    let is_group = |name: &str| {
        names
            .iter()
            .any(|other| other.starts_with(&format!("{name} ")))
    };
    let leaves: Vec<&str> = names
        .iter()
        .copied()
        .filter(|name| !is_group(name))
        .collect();
    let listed: Vec<&str> = LISTED
        .lines()
        .map(|line| &line["refused ".len()..])
        .collect();
    assert_eq!(leaves, listed);
    for name in names {
        let first = name.split(' ').next().expect("a word");
        assert!(COMMANDS.contains(&first), "{name}");
    }
}

#[test]
fn the_global_options_are_those_of_the_real_jj_0_45_1() {
    let Some(help) = asked(&["util", "markdown-help"]) else {
        return;
    };
    let own = help
        .split("\n## `jj")
        .nth(1)
        .expect("the program itself comes first");
    let options = own
        .split("###### **Options:**")
        .nth(1)
        .expect("it has options");
    let mut found = Vec::new();
    for line in options.lines().filter(|line| line.starts_with("* `-")) {
        let with_value = line
            .split('—')
            .next()
            .is_some_and(|names| names.contains('<'));
        let known = if with_value {
            GLOBALS_WITH_VALUE
        } else {
            GLOBALS
        };
        for quoted in line.split('`').skip(1).step_by(2) {
            let name = quoted.split(' ').next().expect("a name");
            let name = if name.starts_with('-') {
                name.to_owned()
            } else {
                format!("--{name}")
            };
            assert!(known.contains(&name.as_str()), "{line}");
            found.push(name);
        }
    }
    assert!(found.len() > 10, "{found:?}");
}

/// A repository with the real jj, and the rail in it.
struct Lab(tempfile::TempDir);

impl Lab {
    fn open() -> Option<Lab> {
        let jj = tools::real("jj", tools::JJ_VERSION)?;
        let lab = Lab(tempfile::tempdir().expect("a folder"));
        fs_err::create_dir_all(lab.0.path().join("repo")).expect("a folder");
        fs_err::os::unix::fs::symlink(jj, lab.0.path().join("jj")).expect("a link");
        assert!(lab.rail("git init").status.success());
        Some(lab)
    }

    fn config(&self, text: &str) {
        fs_err::write(self.0.path().join("config.toml"), text).expect("own file");
    }

    fn rail(&self, line: &str) -> Output {
        let path = format!("{}:/usr/bin:/bin", self.0.path().display());
        Command::new(RAIL)
            .args(line.split_whitespace())
            .env_clear()
            .env("HOME", self.0.path())
            .env("JJ_CONFIG", self.0.path().join("config.toml"))
            .env("PATH", path)
            .current_dir(self.0.path().join("repo"))
            .output()
            .expect("the rail starts")
    }
}

#[test]
fn aliases_of_the_real_jj_0_45_1_are_seen_through() {
    let Some(lab) = Lab::open() else {
        return;
    };
    lab.config(concat!(
        "[aliases]\nu = ['undo']\nback = ['--quiet', 'op', 'restore']\nvia = ['u']\nround = ['round']\n",
        "st = ['undo']\n'a b' = ['undo']\nodd.definition = ['workspace', 'forget']\nodd.doc = 'x'\n",
        "fine = ['log', '-n', '1', '-T', '\"undo\"']\nnone = 3\n",
    ));
    for line in [
        "u",
        "via",
        "back @",
        "st",
        "--color never u",
        "-R . u",
        "odd",
        "--config aliases.u=['log'] u",
    ] {
        let output = lab.rail(line);
        assert_eq!(output.status.code(), Some(77), "{line}: {output:?}");
    }
    for line in ["fine", "log", "u --help", "version"] {
        let output = lab.rail(line);
        assert_eq!(output.status.code(), Some(0), "{line}: {output:?}");
    }
    // What jj does not understand is jj's to say; an alias that only the command line defines is none for jj.
    for line in [
        "round",
        "none",
        "nosuch",
        "--config aliases.x=['undo'] x",
        "-- u",
    ] {
        let output = lab.rail(line);
        assert!(
            !output.status.success() && output.status.code() != Some(77),
            "{line}: {output:?}"
        );
    }
    assert!(
        lab.rail("config set --repo aliases.mine ['redo']")
            .status
            .success()
    );
    assert_eq!(lab.rail("mine").status.code(), Some(77));
}

#[test]
fn the_real_jj_0_45_1_keeps_its_exit_codes() {
    let Some(lab) = Lab::open() else {
        return;
    };
    for (line, code) in [("log -r nosuch", 1), ("log --nosuch", 2), ("st", 0)] {
        assert_eq!(lab.rail(line).status.code(), Some(code), "{line}");
    }
    for rule in RULES {
        assert_eq!(
            lab.rail(rule.examples[0]).status.code(),
            Some(77),
            "{}",
            rule.name
        );
    }
}
