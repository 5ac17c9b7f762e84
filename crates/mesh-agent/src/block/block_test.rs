use super::*;
use mesh_core::evidence::ChangedClaim;
use proptest::prelude::*;

const GOOD: &str =
    "PR: none\nVerify: make test  # pass\nChanged: a.txt, src/b.rs\nBlockers: none\n";

fn block() -> FinalBlock {
    FinalBlock {
        pr: None,
        verify: Some("make test".to_owned()),
        changed: paths(&["a.txt", "src/b.rs"]),
        blockers: None,
        learning: None,
    }
}

fn paths(paths: &[&str]) -> ChangedClaim {
    ChangedClaim::Paths(paths.iter().map(|path| (*path).to_owned()).collect())
}

/// The text ends with the block of [`GOOD`].
fn check_read(text: &str) {
    assert_eq!(parse(text), BlockReading::Read(block()), "{text}");
}

/// The text ends with no block, and the reason contains `part`.
fn check_missing(text: &str, part: &str) {
    match parse(text) {
        BlockReading::Missing(why) => assert!(why.contains(part), "{text}\n=> {why}"),
        BlockReading::Read(block) => panic!("{text}\n=> {block:?}"),
    }
}

#[test]
fn what_real_models_write_is_read() {
    check_read(GOOD);
    check_read(GOOD.trim_end());
    check_read(&format!("Did it.\n\n{GOOD}\n\n  \n"));
    check_read(&GOOD.replace('\n', "\r\n"));
    check_read(&GOOD.replace('\n', "\n\n"));
    check_read(&GOOD.replace('\n', "   \n"));
    check_read(&format!("  {}", GOOD.replace('\n', "\n  ")));
    for (from, to) in [
        ("PR:", "- PR:"),
        ("PR:", "**PR:**"),
        ("PR:", "**PR**:"),
        ("PR:", "- **PR:**"),
        ("PR:", "__PR:__"),
        ("PR:", "`PR:`"),
        ("PR: none", "PR:none"),
        ("PR: none", "PR: None."),
        ("PR: none", "PR: N/A"),
        ("PR: none", "PR: -"),
        ("PR: none", "PR:"),
        ("PR: none", "PR: none  # commit 0123abcd"),
        ("PR: none", "PR: none (commit 0123abcd)"),
        ("PR: none", "PR: `none`"),
        ("make test  # pass", "`make test`  # pass"),
        ("make test  # pass", "`make test  # pass`"),
        ("make test  # pass", "`make test` (pass)"),
        (
            "make test  # pass",
            "`make test` \u{2014} all 12 tests pass",
        ),
        ("make test  # pass", "make test (passed)"),
        ("make test  # pass", "make test"),
        ("a.txt, src/b.rs", "`a.txt`, `src/b.rs`"),
        ("a.txt, src/b.rs", "a.txt src/b.rs"),
        ("a.txt, src/b.rs", "a.txt, src/b.rs,"),
        ("a.txt, src/b.rs", "a.txt,src/b.rs  # both new"),
        ("Blockers: none", "Blockers: None"),
        ("Blockers: none", "Blockers: none."),
        ("Blockers: none", "Blockers: NONE"),
        ("Blockers: none", "Blockers: n/a"),
        ("Blockers: none", "Blockers: -"),
        ("Blockers: none", "Blockers: no"),
        ("Blockers: none", "Blockers: no blockers"),
        ("Blockers: none", "Blockers: none (all criteria met)"),
        ("Blockers: none", "Blockers: none; everything passes"),
        ("Blockers: none", "Blockers: none at this time"),
        ("Blockers: none", "Blockers:"),
    ] {
        assert!(GOOD.contains(from));
        check_read(&GOOD.replace(from, to));
    }
}

#[test]
fn terminal_output_is_read_as_a_terminal_shows_it() {
    check_read(&GOOD.replace("PR:", "\x1b[1;32mPR:\x1b[0m"));
    check_read(&format!("\x1b]0;a title\x07{GOOD}\x1b[?25h"));
    check_read(&format!(
        "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n{GOOD}\x1b(B"
    ));
    check_read(&format!("working 10%\rworking 99%\r{GOOD}"));
    check_read(&GOOD.replace("none", "\u{7}none\0"));
    // What a title or a hidden string says is not what was said.
    check_missing(
        "\x1b]0;PR: none\x07\nVerify: x\nChanged: a\nBlockers: none",
        "lacks the line PR",
    );
}

#[test]
fn a_fence_around_the_block_alone_is_no_quotation() {
    check_read(&format!("```\n{GOOD}```\n"));
    check_read(&format!("Done.\n\n```text\n{GOOD}```\n\n"));
    check_read(&format!("~~~~\n{GOOD}~~~~"));
    check_read(&format!("```rust\nfn a() {{}}\n```\nDone:\n```\n{GOOD}```"));
    check_read(&format!("```\nlog\n```\n{GOOD}"));
    // Fences as models nest them, and a log with a stray one under Markdown's rules.
    check_read(&format!("```markdown\n```rust\nx\n```\n```\n{GOOD}"));
    check_read(&format!("```\n```rust\n```\n{GOOD}"));
    check_read(&format!("inline ```code``` here\n{GOOD}"));
    check_read(&format!("    ```\n{GOOD}"));
}

#[test]
fn a_quoted_block_is_none() {
    check_missing(
        &format!("```\n{GOOD}```\nThat is what I would write."),
        "it is not the end",
    );
    check_missing(
        &format!("The log:\n```\nlog line\n{GOOD}```"),
        "it is not the end",
    );
    check_missing(
        &format!("The log:\n```\n{GOOD}"),
        "code fence that is not closed",
    );
    check_missing(
        &format!("```\nlog\n```text\n{GOOD}"),
        "code fence that is not closed",
    );
    check_missing(
        &format!("```\nlog line\n```\n{GOOD}```\nlog\n"),
        "it is not the end",
    );
    let quoted = GOOD
        .lines()
        .map(|line| format!("> {line}\n"))
        .collect::<String>();
    check_missing(&quoted, "does not end with the final block");
    let logged = GOOD
        .lines()
        .map(|line| format!("12:00:01 {line}\n"))
        .collect::<String>();
    check_missing(&logged, "does not end with the final block");
    // The closing line of an earlier fence, four lines, and the opening of another: nothing is wrapped here.
    check_missing(&format!("```\nlog\n```\n{GOOD}```"), "it is not the end");
}

#[test]
fn of_two_blocks_only_the_one_at_the_end_counts() {
    let other = GOOD
        .replace("make test", "true")
        .replace("none\n", "I give up\n");
    check_read(&format!("{other}{GOOD}"));
    check_read(&format!("{other}\nNo, this is it:\n\n{GOOD}"));
    check_missing(
        &format!("{GOOD}{other}\nand more"),
        "it is not the end: `and more`",
    );
    check_missing(&format!("{GOOD}bye"), "it is not the end: `bye`");
    match parse(&format!("{GOOD}{other}")) {
        BlockReading::Read(block) => assert_eq!(block.blockers.as_deref(), Some("I give up")),
        BlockReading::Missing(why) => panic!("{why}"),
    }
}

#[test]
fn what_is_no_block_says_why() {
    check_missing("", "without a word");
    check_missing(" \n\t\r\n\x1b[0m\n", "without a word");
    check_missing("All done!", "its last line is `All done!`");
    check_missing(
        &GOOD.replace("Verify:", "Checked:"),
        "lacks the line Verify",
    );
    check_missing("Verify: a\nChanged: b\nBlockers: none", "lacks the line PR");
    check_missing(
        "Blockers: none",
        "lacks the line PR and the line Verify and the line Changed",
    );
    check_missing(
        "PR: none\nChanged: a\nVerify: b\nBlockers: none",
        "are PR, Changed, Verify, Blockers, and must be",
    );
    check_missing(
        "PR: none\nVerify: b\nChanged: a",
        "must be the line Blockers",
    );
    check_missing(
        &format!("{GOOD}- and more details"),
        "`- and more details` follows it",
    );
    check_missing(&GOOD.to_lowercase(), "does not end with the final block");
    check_missing(
        &format!(
            "PR: none\nVerify: {}\nChanged: a\nBlockers: none",
            "a".repeat(40_000)
        ),
        "the line Verify of the final block has 40000 bytes; at most 32768 are allowed",
    );
    check_missing(
        &format!(
            "PR: none\nVerify: a\nChanged: NO_DIFF:{}\nBlockers: none",
            "a".repeat(40_000)
        ),
        "the line Changed of the final block has 40008 bytes",
    );
    let long = "x".repeat(10_000);
    let BlockReading::Missing(why) = parse(&long) else {
        panic!("no block")
    };
    assert!(why.len() < 300, "{why}");
}

#[test]
fn the_template_itself_is_no_answer() {
    let template =
        "PR: <url>\nVerify: <command>  # <pass/fail>\nChanged: <paths>\nBlockers: <none|details>\n";
    check_missing(template, "not filled in: its line PR still says `<url>`");
    check_missing(&template.replace("<url>", "none"), "its line Verify");
    check_missing(
        &GOOD.replace("a.txt, src/b.rs", "<paths, separated by commas>"),
        "its line Changed",
    );
    check_missing(
        &GOOD.replace("Blockers: none", "Blockers: <none|details>"),
        "its line Blockers",
    );
    check_missing(&format!("```text\n{template}```"), "not filled in");
}

fn values(pr: &str, verify: &str, changed: &str, blockers: &str) -> FinalBlock {
    let text = format!("PR: {pr}\nVerify: {verify}\nChanged: {changed}\nBlockers: {blockers}");
    match parse(&text) {
        BlockReading::Read(block) => block,
        BlockReading::Missing(why) => panic!("{text}\n=> {why}"),
    }
}

#[test]
fn links() {
    let check = |value, wanted: Option<&str>| {
        assert_eq!(values(value, "", "a", "").pr.as_deref(), wanted, "{value}");
    };
    check("https://x.example/p/1", Some("https://x.example/p/1"));
    check(
        "https://x.example/p/1#top",
        Some("https://x.example/p/1#top"),
    );
    check(
        "https://x.example/p/1  # draft",
        Some("https://x.example/p/1"),
    );
    check("<https://x.example/p/1>", Some("https://x.example/p/1"));
    check("#12", Some("#12"));
    check("none # commit 12", None);
    check("# none yet", None);
}

#[test]
fn commands() {
    let check = |value, wanted: Option<&str>| {
        assert_eq!(
            values("none", value, "a", "").verify.as_deref(),
            wanted,
            "{value}"
        );
    };
    check(
        "cargo test -p a -- --exact b::c",
        Some("cargo test -p a -- --exact b::c"),
    );
    check("grep '#x' a.txt  # pass", Some("grep '#x' a.txt"));
    check("grep \"a # b\" a.txt # pass", Some("grep \"a # b\" a.txt"));
    check("grep \\# a.txt", Some("grep \\# a.txt"));
    check("make a#b", Some("make a#b"));
    check(
        "`cargo test`, `cargo clippy`",
        Some("cargo test && cargo clippy"),
    );
    check(
        "`cargo test` and `cargo clippy` # pass",
        Some("cargo test && cargo clippy"),
    );
    check(
        "`cargo test` && `cargo clippy`",
        Some("cargo test && cargo clippy"),
    );
    check("`cargo test` -> pass", Some("cargo test"));
    check("`cargo test` passes", Some("cargo test"));
    // A substitution that is meant as one stays.
    check("`which cargo` test", Some("`which cargo` test"));
    check(
        "test \"$(cat a.txt)\" = x",
        Some("test \"$(cat a.txt)\" = x"),
    );
    check("", None);
    check("none", None);
    check("n/a # no tests", None);
    check("# nothing to run", None);
    check("none - documentation only", None);
    check("nothing", None);
    check("nonexistent-tool --check", Some("nonexistent-tool --check"));
}

#[test]
fn claims() {
    let check =
        |value, wanted| assert_eq!(values("none", "", value, "").changed, wanted, "{value}");
    let no_diff = |reason: &str| ChangedClaim::NoDiff(reason.to_owned());
    check("NO_DIFF:already done", no_diff("already done"));
    check(
        "NO_DIFF: already done, see a.txt # really",
        no_diff("already done, see a.txt # really"),
    );
    check("NO_DIFF:<already done>", no_diff("already done"));
    check("`NO_DIFF:already done`", no_diff("already done"));
    check("NO_DIFF: nothing to do here", no_diff("nothing to do here"));
    check("NO_DIFF", paths(&[]));
    check("NO_DIFF:", paths(&[]));
    check("NO_DIFF: <reason>", paths(&[]));
    check("NO_DIFF: none", paths(&[]));
    check("none", paths(&[]));
    check("", paths(&[]));
    check("no", paths(&[]));
    check(
        "\"with space.txt\", b.txt",
        paths(&["with space.txt", "b.txt"]),
    );
    check("no_diff.txt", paths(&["no_diff.txt"]));
    check("none.txt", paths(&["none.txt"]));
    check("NO_DIFFERENCE.md", paths(&["NO_DIFFERENCE.md"]));
}

#[test]
fn blockers_that_are_some() {
    let check = |value: &str| {
        assert_eq!(
            values("none", "", "a", value).blockers.as_deref(),
            Some(value)
        );
    };
    check("the schema is missing, who owns it?");
    check("no access to the database");
    check("none, but the tests could not run");
    check("none except a missing token");
    check("none (tests cannot run here)");
    check("nonexistent module");
    check("# 12 must be merged first");
}

/// A second, simpler reading of the rule, as judge: the last four non-empty lines start with the labels, marks aside.
fn ends_like_a_block(text: &str) -> bool {
    let clean = without_terminal_sequences(text);
    let plain = |line: &str| line.replace(['*', '_', '`', '-', '+', '\u{2022}', ' ', '\t'], "");
    let is_fence = |line: &str| line.trim().starts_with("```") || line.trim().starts_with("~~~");
    let mut full: Vec<&str> = clean
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    if full.last().is_some_and(|line| is_fence(line)) {
        full.pop();
    }
    let start = full.len().saturating_sub(4);
    full.len() >= 4
        && full[start..]
            .iter()
            .zip(LABELS)
            .all(|(line, label)| plain(line.trim()).starts_with(&format!("{label}:")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_bytes_make_it_panic_or_see_a_block_that_is_not_there(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let BlockReading::Read(_) = parse(&text) {
            prop_assert!(ends_like_a_block(&text), "{text}");
        }
    }

    #[test]
    fn no_mix_of_block_lines_is_a_block_unless_it_ends_like_one(
        lines in proptest::collection::vec(proptest::sample::select(vec![
            "PR: none", "Verify: make test", "Changed: a.txt", "Blockers: none", "- PR: x", "**Verify:** `x`", "Changed: NO_DIFF:y",
            "Blockers: z", "```", "```text", "~~~", "", "  ", "log", "> PR: none", "\x1b[1m", "PR: <url>", "\r", "#", "PR", "Verify: `a`, `b",
        ]), 0..14),
        end in proptest::sample::select(vec!["", "\n", "\r\n", "\n\n"]),
    ) {
        let text = lines.join("\n") + end;
        if let BlockReading::Read(_) = parse(&text) {
            prop_assert!(ends_like_a_block(&text), "{text}");
        }
    }

    #[test]
    fn whatever_comes_before_without_a_fence_changes_nothing(before in "[^`~\x1b]{0,200}") {
        let text = format!("{before}\n{GOOD}");
        prop_assert_eq!(parse(&text), BlockReading::Read(block()));
    }

    #[test]
    fn any_line_after_it_takes_it_away(after in "[a-zA-Z0-9 .,:;!?-]{1,60}") {
        prop_assume!(!after.trim().is_empty());
        let text = format!("{GOOD}{after}\n");
        prop_assert!(matches!(parse(&text), BlockReading::Missing(_)));
    }
}

#[test]
fn line_ends_of_windows_and_blanks_behind_the_lines_change_nothing() {
    let BlockReading::Read(plain) = parse(GOOD) else {
        panic!("a block")
    };
    let windows = GOOD.replace('\n', " \t \r\n");
    for text in [
        windows.clone(),
        format!("{windows}\r\n \r\n"),
        GOOD.replace('\n', "\r\r\n"),
    ] {
        assert_eq!(parse(&text), BlockReading::Read(plain.clone()), "{text:?}");
    }
}

#[test]
fn a_learning_stands_beside_the_block_and_never_costs_it() {
    let learned = |text: &str| match parse(text) {
        BlockReading::Read(found) => {
            let learning = found.learning.clone();
            let without = FinalBlock {
                learning: None,
                ..found
            };
            assert_eq!(without, block(), "{text}");
            learning
        }
        BlockReading::Missing(why) => panic!("{text}\n=> {why}"),
    };
    let said = Some("When a, do b".to_owned());
    for text in [
        format!("Learning: When a, do b\n{GOOD}"),
        format!("Did it.\n\n- **Learning:** When a, do b\n\n{GOOD}"),
        format!("{GOOD}Learning: When a, do b\n"),
        format!("```\nLearning: When a, do b\n{GOOD}```\n"),
        format!("```\n{GOOD}Learning: When a, do b\n```\n"),
    ] {
        assert_eq!(learned(&text), said, "{text}");
    }
    for text in [
        format!("Learning: none\n{GOOD}"),
        format!("Learning: When <condition>, <what to do> because <why>\n{GOOD}"),
        format!("Learning: When a, do b\nand c\n{GOOD}"),
    ] {
        assert_eq!(learned(&text), None, "{text}");
    }
    check_missing("Learning: When a, do b\n", "nothing but a learning");
    check_missing(&format!("```\nnotes\n{GOOD}```\n"), "");
    let long = format!("Learning: When a, {}\n{GOOD}", "b ".repeat(1000));
    assert!(learned(&long).is_some_and(|text| text.chars().count() == LEARNING_CHARS + 1));
}
