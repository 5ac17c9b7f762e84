//! The table judged by the function that guards: every row's examples, and what the table promises about itself.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use crate::canonical::argv;
use crate::parse::{MAX_ARGUMENTS, Parsed, Request, parse};
use crate::refusal::Refusal;
use crate::table::{GLOBALS, GLOBALS_ABSENT, REFUSED_OUTRIGHT, RULES, words};

fn judge(example: &str) -> Result<Parsed, Refusal> {
    let args: Vec<OsString> = words(example).into_iter().map(OsString::from).collect();
    parse(&args)
}

fn accepted(example: &str) -> Request {
    match judge(example) {
        Ok(Parsed::Request(request)) => request,
        other => panic!("{example:?} must be a read, not {other:?}"),
    }
}

fn canonical(example: &str) -> String {
    argv(&accepted(example)).join(" ")
}

fn refused(example: &str) -> &'static str {
    judge(example).expect_err(example).rule
}

#[test]
fn every_passing_example_is_its_rows_and_every_refused_one_is_refused() {
    for rule in &RULES {
        assert!(
            rule.passes.len() >= 3 && rule.refuses.len() >= 3,
            "{} needs examples on both sides",
            rule.name()
        );
        for example in rule.passes {
            assert_eq!(accepted(example).rule.path, rule.path, "{example:?}");
        }
        for example in rule.refuses {
            assert!(judge(example).is_err(), "{example:?} must be refused");
        }
        for absent in rule.absent.iter().flat_map(|absent| absent.names) {
            for example in [
                format!("{} {absent}", rule.name()),
                format!("{} {absent}=x", rule.name()),
            ] {
                assert!(judge(&example).is_err(), "{example:?} must be refused");
            }
        }
    }
    for example in REFUSED_OUTRIGHT {
        assert!(judge(example).is_err(), "{example:?} must be refused");
    }
}

#[test]
fn no_row_contradicts_itself_or_the_global_flags() {
    let paths: BTreeSet<_> = RULES.iter().map(|rule| rule.path).collect();
    assert_eq!(paths.len(), RULES.len());
    for rule in &RULES {
        let longs: Vec<&str> = rule.flags().chain(&GLOBALS).map(|flag| flag.long).collect();
        let shorts: Vec<char> = rule
            .flags()
            .chain(&GLOBALS)
            .filter_map(|flag| flag.short)
            .collect();
        assert_eq!(
            longs.iter().collect::<BTreeSet<_>>().len(),
            longs.len(),
            "{} has a flag twice",
            rule.name()
        );
        assert_eq!(
            shorts.iter().collect::<BTreeSet<_>>().len(),
            shorts.len(),
            "{} has a letter twice",
            rule.name()
        );
        for name in rule
            .absent
            .iter()
            .chain(&GLOBALS_ABSENT)
            .flat_map(|absent| absent.names)
        {
            let bare = name.trim_start_matches('-');
            assert!(
                !longs.contains(&bare),
                "{name} is both allowed and absent for {}",
                rule.name()
            );
        }
    }
}

#[test]
fn the_canonical_form_is_long_glued_ordered_and_ends_with_the_positionals() {
    assert_eq!(
        canonical("show bd-2 bd-1 --json"),
        "bd --readonly --sandbox show --json -- bd-2 bd-1"
    );
    assert_eq!(
        canonical("-q list -n 5 -s open --json"),
        "bd --readonly --sandbox list --status=open --limit=5 --json --quiet"
    );
    assert_eq!(
        canonical("list --limit=5 --json --status=open -q"),
        canonical("-q list -n 5 -s open --json")
    );
    assert_eq!(
        canonical("list -l b --label=a"),
        "bd --readonly --sandbox list --label=b --label=a"
    );
    assert_eq!(
        canonical("swarm validate -v e"),
        "bd --readonly --sandbox swarm validate --verbose -- e"
    );
    assert_eq!(
        canonical("search 'a  b' c"),
        "bd --readonly --sandbox search -- a  b c"
    );
    assert_eq!(
        canonical("-h dep tree"),
        "bd --readonly --sandbox dep tree --help"
    );
}

#[test]
fn a_canonical_form_is_read_as_the_same_request() {
    for example in RULES.iter().flat_map(|rule| rule.passes) {
        let request = accepted(example);
        let again: Vec<OsString> = argv(&request)[3..].iter().map(OsString::from).collect();
        assert_eq!(parse(&again), Ok(Parsed::Request(request)), "{example:?}");
    }
}

#[test]
fn each_refusal_names_its_rule() {
    for (example, rule) in [
        ("", "no-command"),
        ("-q", "no-command"),
        ("update bd-1", "command"),
        ("view bd-1", "command"),
        ("dep", "subcommand"),
        ("dep bd-1", "subcommand"),
        ("dep --help", "subcommand"),
        ("state list bd-1", "subcommand"),
        ("--actor x list", "global-flag"),
        ("-- list", "global-flag"),
        ("ready --claim", "flag"),
        ("ready --claim=true", "flag"),
        ("show -x bd-1", "flag"),
        ("list -sopen", "bundled-flags"),
        ("list -qv", "bundled-flags"),
        ("list -s=open", "bundled-flags"),
        ("--json list --json", "repeated-flag"),
        ("list -s open --status closed", "repeated-flag"),
        ("list --json=false", "flag-without-value"),
        ("list --all=true", "flag-without-value"),
        ("list --status", "missing-value"),
        ("list --status --all", "missing-value"),
        ("list --status=", "value"),
        ("list --limit x", "value"),
        ("show -", "looks-like-a-flag"),
        ("show -- -1", "looks-like-a-flag"),
        ("show a/b", "argument"),
        ("show", "missing-argument"),
        ("list bd-1", "extra-argument"),
        ("dep tree a b", "extra-argument"),
    ] {
        assert_eq!(refused(example), rule, "{example:?}");
    }
}

#[test]
fn words_that_are_not_plain_text_or_too_many_are_refused() {
    let rule = |args: &[OsString]| parse(args).expect_err("hostile words").rule;
    assert_eq!(
        rule(&["show".into(), OsString::from_vec(vec![b'b', 0xff])]),
        "not-text"
    );
    assert_eq!(rule(&["show".into(), "bd-1\n".into()]), "control-character");
    assert_eq!(
        rule(&["search".into(), "a\u{202e}b".into()]),
        "control-character"
    );
    let most = |count: usize| -> Vec<OsString> {
        ["show".into()]
            .into_iter()
            .chain((1..count).map(|n| OsString::from(format!("bd-{n}"))))
            .collect()
    };
    assert_eq!(rule(&most(MAX_ARGUMENTS + 1)), "too-many-arguments");
    assert_eq!(rule(&most(MAX_ARGUMENTS)), "extra-argument");
    assert!(parse(&most(51)).is_ok());
    let long: Vec<OsString> = (0..17).map(|_| OsString::from("x".repeat(1000))).collect();
    assert_eq!(rule(&long), "too-long");
}

#[test]
fn own_help_is_for_the_bare_flag_only() {
    for example in ["--help", "-h", "--json --help", "-h -v"] {
        assert_eq!(judge(example), Ok(Parsed::OwnHelp), "{example:?}");
    }
    assert!(judge("--help --help").is_err());
    assert_eq!(
        canonical("--help show"),
        "bd --readonly --sandbox show --help"
    );
}
