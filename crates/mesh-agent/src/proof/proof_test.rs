use super::*;
use proptest::prelude::*;

#[test]
fn what_cannot_fail_is_refused() {
    let refused = [
        "",
        "# cargo test",
        "true",
        ":",
        "/bin/true",
        "A=b true",
        "X=1",
        "echo ok",
        "printf 'all tests pass\\n'",
        "echo \"$(cargo test)\"",
        "exit 0",
        "exit",
        "cargo test || true",
        "cargo test || :",
        "cargo test || echo failed",
        "cargo test || exit 0",
        "cargo test; true",
        "cargo test; exit 0",
        "cargo test; echo done;",
        "cargo test &",
        "cargo test & wait",
        "cargo test\ntrue\n",
        "cargo test | tail -5",
        "cargo test 2>&1 | tee log",
        "npm test |& cat",
        "cd app && ls",
        "ls -la",
        "cargo --version",
        "sh -c true",
        "bash -lc 'cargo test || true'",
        "echo a && echo b",
        "'true'",
        "  true  ;  ",
    ];
    for command in refused {
        assert!(proves_nothing(command), "must be refused: {command}");
    }
}

#[test]
fn what_can_fail_passes() {
    let passes = [
        "false",
        "exit 1",
        "./true.sh",
        "cargo test",
        "cargo test --workspace -- --nocapture",
        "cargo test 2>&1 >/dev/null",
        "cargo test &> log",
        "RUST_BACKTRACE=1 cargo test",
        "cargo fmt --check && cargo clippy",
        "cd app && npm test",
        "echo ok && cargo test",
        "cargo test && echo ok",
        "cargo test || exit 1; echo done",
        "cargo test || { echo bad; exit 1; }; echo done",
        "cargo test; exit $?",
        "cargo test || false",
        "set -e; cargo test; echo done",
        "set -o pipefail; cargo test | tail -5",
        "test -f a.txt",
        "ls a.txt",
        "cat a.txt | grep -q word",
        "cat expected.txt",
        "sh check.sh",
        "bash -ec 'cargo test; exit $?'",
        "sh -c 'cargo test'",
        "! grep -rn TODO src",
        "grep -q \"it's; true\" a.txt",
        "for f in *.sh; do bash -n \"$f\" || exit 1; done",
        "if cargo test; then exit 0; else exit 1; fi",
        "X=$(cargo test)",
        "$CHECK",
        "(cargo test)",
        "echo 'unbalanced",
        "cat <<EOF\nx\nEOF",
    ];
    for command in passes {
        assert!(!proves_nothing(command), "must pass: {command}");
    }
}

fn sources(task: &str, config: &str, agent: &str) -> ProofSources {
    let some = |text: &str| (text != "-").then(|| text.to_owned());
    ProofSources {
        task: some(task),
        config: some(config),
        agent: some(agent),
        waived: false,
    }
}

#[test]
fn the_order_of_who_names_the_proof() {
    let check = |task, config, agent, wanted| {
        assert_eq!(
            choose(&sources(task, config, agent)),
            wanted,
            "{task} | {config} | {agent}"
        );
    };
    let named = |command: &str| ProofChoice::Named(command.to_owned());
    check("make a", "make b", "make c", named("make a"));
    check("-", "make b", "make c", named("make b"));
    check(
        "-",
        "-",
        "make c",
        ProofChoice::SelfChecked("make c".to_owned()),
    );
    check("-", "-", "true", ProofChoice::Refused("true".to_owned()));
    check("-", "-", "-", ProofChoice::Nothing);
    check("  ", "# later", "none", ProofChoice::Nothing);
    check("none", " make b ", "-", named("make b"));
    // A person may say so; an agent may not.
    check("true", "-", "make c", named("true"));
    // A refused proof of the agent does not matter where another one is named.
    check("-", "make b", "true", named("make b"));
}

#[test]
fn a_task_that_needs_no_proof_still_gets_one_that_is_named() {
    let check = |task, config, agent, wanted| {
        let sources = ProofSources {
            waived: true,
            ..sources(task, config, agent)
        };
        assert_eq!(choose(&sources), wanted, "{task} | {config} | {agent}");
    };
    check("-", "-", "-", ProofChoice::Waived);
    check("-", "-", "true", ProofChoice::Waived);
    check("-", "make b", "-", ProofChoice::Named("make b".to_owned()));
    check(
        "-",
        "-",
        "make c",
        ProofChoice::SelfChecked("make c".to_owned()),
    );
}

proptest! {
    #[test]
    fn no_command_makes_it_panic(command in any::<String>()) {
        let _ = proves_nothing(&command);
    }

    #[test]
    fn no_mix_of_shell_pieces_makes_it_panic(
        pieces in proptest::collection::vec(
            proptest::sample::select(vec!["true", "cargo test", "&&", "||", ";", "|", "(", ")", "{", "}", "if", "fi", "$(", "`", "'", "\"", ">", "2>&1", "!", "\n", "exit 0", "sh -c", "\\", "[", "env", "eval", "#"]),
            0..30,
        )
    ) {
        let _ = proves_nothing(&pieces.join(" "));
    }
}
