use super::*;

/// `line` split at blanks; `+` stands for a blank inside a word.
fn words(line: &str) -> Vec<String> {
    line.split(' ')
        .filter(|word| !word.is_empty())
        .map(|word| word.replace('+', " "))
        .collect()
}

fn canonical(line: &str) -> Vec<String> {
    [&words("bd --readonly --sandbox")[..], &words(line)].concat()
}

fn call(line: &str) -> Vec<OsString> {
    words(line).into_iter().map(OsString::from).collect()
}

#[test]
fn canonical_forms_of_allowed_calls_pass() {
    let checker = Checker::default();
    for good in [
        "show --json -- bd-1 bd-2",
        "show --help",
        "list",
        "list --status=open --label=a --label=b --limit=0",
        "list --parent=bd-1.2 --priority-max=P2 --id=bd-1,bd-2",
        "list --metadata-field=team=core --metadata-field=k=",
        "ready --unassigned --sort=oldest --json",
        "blocked --parent=bd-1",
        "search --limit=3 -- Task+one two",
        "search --query=a;b",
        "count --by-status",
        "status --no-activity",
        "state -- bd-1 patrol",
        "dep list --direction=up -- bd-1",
        "dep tree --max-depth=3 -- bd-1",
        "dep cycles",
        "mol show --parallel -- bd-1",
        "mol current --range=1-50",
        "mol progress",
        "swarm status -- bd-1",
        "swarm validate --verbose -- bd-1",
        "swarm list --quiet",
        "epic status --eligible-only",
    ] {
        assert_eq!(checker.check(&canonical(good)), Ok(()), "{good}");
    }
}

#[test]
fn a_list_that_is_no_canonical_form_or_breaks_the_contract_does_not_pass() {
    let checker = Checker::default();
    for bad in [
        // Another command, or none.
        "",
        "update -- bd-1",
        "close -- bd-1",
        "dep -- bd-1",
        "dep --help",
        "mol",
        "swarm --json",
        "epic close-eligible",
        "dep add -- bd-1 bd-2",
        "mol burn -- bd-1",
        "swarm create -- bd-1",
        "view -- bd-1",
        "stats",
        "set-state -- bd-1 a=b",
        "comments add -- bd-1 x",
        "sql",
        "show-all",
        "SHOW -- bd-1",
        "--json show -- bd-1",
        "--help",
        // A flag that writes, never ends, runs text or reads something else.
        "ready --claim",
        "ready --claim=true",
        "list --watch",
        "show --watch -- bd-1",
        "show --current",
        "show --as-of=x -- bd-1",
        "show --id=bd-1",
        "list --format={{.ID}}",
        "list --format=json",
        "dep tree --format=mermaid -- bd-1",
        "dep list --blocks=bd-2 -- bd-1",
        "dep --blocks=bd-2 -- bd-1",
        "dep tree --blocks=bd-2 -- bd-1",
        "dep cycles --no-cycle-check",
        "list --rig=other",
        "list --offset=1",
        "list --state=open",
        "list --filter-parent=bd-1",
        "list --deps",
        "list --deps=x",
        "swarm validate --fix -- bd-1",
        "swarm status --force -- bd-1",
        "state --reason=x -- bd-1 a",
        // A global flag that is not allowed.
        "show --db=/tmp/x -- bd-1",
        "list --db",
        "list --actor=me",
        "list --directory=/tmp",
        "list --global",
        "list --profile",
        "list --cpu-profile",
        "list --mem-profile=x",
        "list --no-daemon",
        "list --no-db",
        "list --allow-stale",
        "list --lock-timeout=1h",
        "list --dolt-auto-commit=on",
        "list --readonly",
        "list --sandbox",
        "list --readonly=false",
        "list --sandbox=false",
        "list --no-color",
        "list --version",
        "list --ignore-schema-skew",
        "list --database=x",
        "list --no-auto-import",
        // Not written out.
        "list -w",
        "list -C /tmp",
        "-C /tmp list",
        "list -q",
        "list -n=5",
        "list -n5",
        "list --limit 5",
        "list --status open",
        "show bd-1",
        "show bd-1 --json",
        "list --stat=open",
        "list --",
        "dep --json list -- bd-1",
        "list -rn5",
        "list --= x",
        // Flags given wrongly.
        "list --json=true",
        "list --all=true",
        "list --all=false",
        "list --json --json",
        "list --all --all",
        "list --status=open --status=closed",
        "list --status",
        "list --status=",
        "list --limit=-1",
        "list --limit=x",
        "list --limit=1e3",
        "list --priority=9",
        "list --invented=1",
        "show --claim -- bd-1",
        "blocked --limit=3",
        "list --label=",
        "list --label=a,,b",
        "list --label=-w",
        "list --label=a,-w",
        "list --label=\"a,b",
        "list --title=-x",
        "list --parent=-x",
        "list --parent=../x",
        "list --parent=a,b",
        "list --id=bd-1,",
        "list --metadata-field=x",
        "list --metadata-field=-a=b",
        "dep list --direction=sideways -- bd-1",
        "mol current --range=1",
        "mol current --range=-5",
        // Positionals that are too many, too few, or something else.
        "list -- bd-1",
        "show",
        "show --json",
        "dep tree -- bd-1 bd-2",
        "state -- bd-1",
        "state -- bd-1 a b",
        "state -- list bd-1",
        "state -- bd-1 a=b",
        "status -- bd-1",
        "show -- --help",
        "show -- -1",
        "show -- bd-1 --watch",
        "show -- -bd-1",
        "show -- --",
        "search -- -w",
        "search -- x --format=y",
        "show -- bd-1+bd-2",
        "show -- a/b",
        "show -- ../a",
        "show -- bd-1;x",
        "show -- é-1",
        "show -- .a",
        "mol progress -- a b",
    ] {
        assert!(checker.check(&canonical(bad)).is_err(), "{bad:?}");
    }
}

#[test]
fn a_list_without_both_flags_in_front_does_not_pass() {
    let checker = Checker::default();
    for bad in [
        "",
        "bd",
        "bd --readonly --sandbox",
        "bd list",
        "bd --sandbox list",
        "bd --readonly list",
        "bd --sandbox --readonly list",
        "bd --readonly --sandbox=false list",
        "bd list --readonly --sandbox",
        "sh --readonly --sandbox list",
        "--readonly --sandbox list",
        "bd --readonly --sandbox --readonly list",
    ] {
        assert!(checker.check(&words(bad)).is_err(), "{bad:?}");
    }
}

#[test]
fn what_cannot_be_seen_does_not_pass() {
    let checker = Checker::default();
    for hidden in [
        "\n",
        "\t",
        "\u{0}",
        "\u{7f}",
        "\u{1b}[2J",
        "\u{9b}",
        "\u{202e}",
        "\u{200b}",
        "\u{2066}",
        "\u{feff}",
        "\u{ad}",
    ] {
        let with = |word: &str| format!("{word}{hidden}");
        for place in [
            vec!["search".into(), "--".into(), with("a")],
            vec!["list".into(), with("--title=a")],
            vec![with("list")],
        ] {
            let argv = [words("bd --readonly --sandbox"), place].concat();
            assert!(checker.check(&argv).is_err(), "{argv:?}");
        }
        let called = [OsString::from("search"), OsString::from(with("a"))];
        assert!(
            checker
                .check_call(&called, &canonical("search -- a"))
                .is_err()
        );
    }
}

#[test]
fn what_is_made_of_a_call_asks_what_the_call_asked() {
    let checker = Checker::default();
    let made = |asked: &str, made: &str| checker.check_call(&call(asked), &canonical(made));
    for (asked, good) in [
        (
            "-q show bd-2 bd-1 --json",
            "show --json --quiet -- bd-2 bd-1",
        ),
        (
            "list -s open -l b --label a",
            "list --status=open --label=b --label=a",
        ),
        ("search --json a -- b", "search --json -- a b"),
        ("dep tree --help", "dep tree --help"),
    ] {
        assert_eq!(made(asked, good), Ok(()), "{asked}");
    }
    for (asked, bad) in [
        ("ready --claim", "ready"),
        ("list --watch", "list"),
        ("list --db x", "list"),
        ("--db x list", "list"),
        ("update bd-1", "show -- bd-1"),
        ("show bd-1 bd-2", "show -- bd-1"),
        ("show bd-1", "show -- bd-2"),
        ("show bd-1 bd-2", "show -- bd-2 bd-1"),
        ("list", "list --all"),
        ("list --all", "list"),
        ("list --json=false", "list --json"),
        ("list -l a -l b", "list --label=b --label=a"),
        ("list --status open --status closed", "list --status=closed"),
        (
            "list --title x --status open",
            "list --title=open --status=x",
        ),
        ("list -sopen", "list --status=open"),
        ("list -ar", "list --assignee=r"),
        ("list --stat open", "list --status=open"),
        ("swarm list", "list"),
        ("dep --json list bd-1", "dep list --json -- bd-1"),
        ("-- list", "list"),
        ("ready list", "list"),
        ("list --status --json", "list --json"),
    ] {
        assert!(made(asked, bad).is_err(), "{asked:?} as {bad:?}");
    }
}

#[test]
fn a_call_beyond_the_limits_does_not_pass_whatever_is_made_of_it() {
    use std::os::unix::ffi::OsStringExt;
    let checker = Checker::default();
    let ids = |count: usize| -> Vec<String> { (0..count).map(|n| format!("bd-{n}")).collect() };
    let show = |ids: &[String]| -> (Vec<OsString>, Vec<String>) {
        let call = std::iter::once("show".to_string()).chain(ids.to_vec());
        let argv = [canonical("show --"), ids.to_vec()].concat();
        (call.map(OsString::from).collect(), argv)
    };
    let (called, argv) = show(&ids(63));
    assert_eq!(checker.check_call(&called, &argv), Ok(()));
    let (called, argv) = show(&ids(64));
    assert!(checker.check_call(&called, &argv).is_err());
    let (called, argv) = show(&["x".repeat(MOST_BYTES)]);
    assert!(checker.check_call(&called, &argv).is_err());
    let called = [OsString::from("show"), OsString::from_vec(vec![b'b', 0xff])];
    assert!(
        checker
            .check_call(&called, &canonical("show -- b"))
            .is_err()
    );
}

#[test]
fn own_help_is_only_for_those_who_ask_for_nothing_else() {
    let checker = Checker::default();
    for good in ["--help", "-h", "--json --help", "-h -v"] {
        assert_eq!(checker.check_own_help(&call(good)), Ok(()), "{good}");
    }
    for bad in [
        "",
        "--json",
        "help",
        "--help list",
        "--help update",
        "--help --db=x",
        "-hv",
        "--help=true",
    ] {
        assert!(checker.check_own_help(&call(bad)).is_err(), "{bad}");
    }
}
