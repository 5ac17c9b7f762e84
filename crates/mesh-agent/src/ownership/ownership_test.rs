use super::*;
use proptest::prelude::*;

#[test]
fn patterns() {
    let check = |pattern: &str, yes: &[&str], no: &[&str]| {
        let glob = Glob::parse(pattern).unwrap();
        for path in yes {
            assert!(glob.matches(path), "{pattern} must match {path}");
        }
        for path in no {
            assert!(!glob.matches(path), "{pattern} must not match {path}");
        }
    };
    check(
        "README.md",
        &["README.md"],
        &["docs/README.md", "README.mdx", "readme.md"],
    );
    check(
        "codex/",
        &["codex/a", "codex/a/b.rs", "codex"],
        &["codex2/a", "x/codex/a"],
    );
    for same in ["codex", "/codex", "./codex/", " codex "] {
        check(same, &["codex/a/b.rs"], &["codex2"]);
    }
    check("*.rs", &["a.rs", ".rs"], &["src/a.rs", "a.rsx"]);
    check("src/*.rs", &["src/a.rs"], &["src/a/b.rs", "src/a.c"]);
    check("src/*", &["src/a.rs", "src/a/b.rs"], &["src", "src2/a"]);
    check("**/*.rs", &["a.rs", "x/a.rs", "x/y/a.rs"], &["a.c"]);
    check("**", &["a", "a/b"], &[]);
    check(
        "src/**/test",
        &["src/test", "src/a/test/x", "src/a/b/test"],
        &["test", "src/a/tests"],
    );
    check("src/**", &["src/a", "src/a/b", "src"], &["srcs/a"]);
    check("a?c", &["abc", "a\u{fc}c/d"], &["ac", "a/c", "abbc"]);
    check("a**b", &["ab", "axxb"], &["a/b"]);
    check("*a*b*", &["xaybz", "ab"], &["ba"]);
    check("\\*.md", &["*.md"], &["a.md"]);
    check(
        "app/\\[id\\]/page.tsx",
        &["app/[id]/page.tsx"],
        &["app/i/page.tsx"],
    );
}

#[test]
fn what_is_no_pattern() {
    let check =
        |pattern, wanted| assert_eq!(Glob::parse(pattern).map(drop), Err(wanted), "{pattern}");
    check("", GlobProblem::Empty);
    check(" / ", GlobProblem::Empty);
    check("./.", GlobProblem::Empty);
    check("../x", GlobProblem::Parent);
    check("a/../b", GlobProblem::Parent);
    check("a.{rs,c}", GlobProblem::Unsupported('{'));
    check("[ab].rs", GlobProblem::Unsupported('['));
    check("!a", GlobProblem::Unsupported('!'));
    check("a\\", GlobProblem::Backslash);
}

#[test]
fn a_costly_pattern_is_none() {
    let glob = Glob::parse(&format!("{}x", "**/*a*a*a*a*a*a*/".repeat(20))).unwrap();
    assert!(!glob.matches(&format!("{}y", format!("{}/", "a".repeat(60)).repeat(40))));
}

fn map(groups: &[(&str, &[&str])]) -> GroupMap {
    let config = groups
        .iter()
        .map(|(name, patterns)| {
            (
                name.to_string(),
                patterns.iter().map(ToString::to_string).collect(),
            )
        })
        .collect();
    GroupMap::compile(&config).unwrap()
}

fn check(
    map: &GroupMap,
    paths: &[&str],
    held: &[&str],
    breaches: &[(&str, &str)],
    unmapped: &[&str],
) {
    let held = held
        .iter()
        .map(|name| LockGroup::new(*name).unwrap())
        .collect();
    let paths: Vec<String> = paths.iter().map(ToString::to_string).collect();
    let ScopeReport::Checked {
        breaches: found,
        unmapped: free,
    } = map.check(&paths, &held)
    else {
        panic!("the check is on");
    };
    let found: Vec<(&str, &str)> = found
        .iter()
        .map(|one| (one.path.as_str(), one.group.as_str()))
        .collect();
    assert_eq!(found, breaches);
    assert_eq!(free, unmapped);
}

#[test]
fn changed_paths_against_held_groups() {
    let map = map(&[
        ("core-config", &["Brewfile", "README.md", "lazygit/"]),
        ("editor", &["nvim/"]),
        ("docs", &["**/*.md"]),
    ]);
    check(&map, &["nvim/init.lua"], &["editor"], &[], &[]);
    check(
        &map,
        &["nvim/init.lua"],
        &["core-config"],
        &[("nvim/init.lua", "editor")],
        &[],
    );
    check(
        &map,
        &["nvim/init.lua"],
        &[],
        &[("nvim/init.lua", "editor")],
        &[],
    );
    check(
        &map,
        &["src/a.rs", "b", "src/a.rs"],
        &["editor"],
        &[],
        &["b", "src/a.rs"],
    );
    // In two groups: both must have been held.
    check(
        &map,
        &["README.md"],
        &["docs"],
        &[("README.md", "core-config")],
        &[],
    );
    check(&map, &["README.md"], &["docs", "core-config"], &[], &[]);
    check(
        &map,
        &["nvim/x.md"],
        &[],
        &[("nvim/x.md", "docs"), ("nvim/x.md", "editor")],
        &[],
    );
    check(&map, &[], &[], &[], &[]);
}

#[test]
fn without_a_map_nothing_is_said() {
    let report = GroupMap::default().check(&["a".to_owned()], &BTreeSet::new());
    assert_eq!(report, ScopeReport::Off);
    assert!(report.breaches().is_empty());
}

#[test]
fn all_problems_of_a_map_are_listed() {
    let config = BTreeMap::from([
        ("Bad Name".to_owned(), vec!["a".to_owned()]),
        ("empty".to_owned(), Vec::new()),
        (
            "shell".to_owned(),
            vec!["fish/".to_owned(), "../x".to_owned(), "[a]".to_owned()],
        ),
    ]);
    let problems = GroupMap::compile(&config).unwrap_err();
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let wanted = [
        "\"Bad Name\" is no name",
        "locks.groups.empty has no pattern",
        "locks.groups.shell: \"../x\": `..`",
        "`[` has no meaning",
    ];
    assert_eq!(texts.len(), wanted.len(), "{texts:#?}");
    for (text, part) in texts.iter().zip(wanted) {
        assert!(text.contains(part), "{text}");
    }
}

proptest! {
    #[test]
    fn no_pattern_and_no_path_make_it_panic(pattern in any::<String>(), path in any::<String>()) {
        if let Ok(glob) = Glob::parse(&pattern) {
            let _ = glob.matches(&path);
        }
    }

    #[test]
    fn a_regular_expression_agrees(
        pattern in proptest::collection::vec(proptest::sample::select(vec!["a", "b", "*", "?", "/", "**/"]), 1..8),
        path in proptest::collection::vec(proptest::sample::select(vec!["a", "b", "/"]), 1..8),
    ) {
        let (pattern, path) = (pattern.concat(), path.concat());
        let clean = |text: &str| text.split('/').filter(|name| !name.is_empty()).collect::<Vec<_>>().join("/");
        let (mut pattern, path) = (clean(&pattern), clean(&path));
        while pattern.contains("**/**") {
            pattern = pattern.replace("**/**", "**");
        }
        prop_assume!(!pattern.is_empty() && !path.is_empty());
        let mut text = String::from("^");
        for (i, name) in pattern.split('/').enumerate() {
            let is_last = i + 1 == pattern.split('/').count();
            match name {
                // Also the folder itself: whoever puts a file in its place changes the group's ground.
                "**" if is_last && text.ends_with('/') => drop(text.pop()),
                "**" if is_last => text.push_str(".+"),
                "**" => text.push_str("(?:[^/]+/)*"),
                name => {
                    text.push_str(&name.replace('*', "[^/]*").replace('?', "[^/]"));
                    text.push_str(if is_last { "" } else { "/" });
                }
            }
        }
        text.push_str("(?:/.*)?$");
        let judge = regex::Regex::new(&text).unwrap();
        prop_assert_eq!(Glob::parse(&pattern).unwrap().matches(&path), judge.is_match(&path), "{} on {}", text, path);
    }
}
