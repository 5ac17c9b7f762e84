use super::table::TABLE;
use super::*;
use proptest::prelude::*;

#[test]
fn every_row_of_the_table_refuses_and_passes_its_examples() {
    for row in TABLE {
        for command in row.refused {
            assert!(proves_nothing(command), "must be refused: {command}");
        }
        for command in row.passes {
            assert!(!proves_nothing(command), "must pass: {command}");
        }
    }
}

#[test]
fn what_hides_an_exit_code_is_refused() {
    let refused = [
        "",
        "# cargo test",
        "exit 0",
        "exit 256",
        "exit",
        "exit 0; cargo test",
        "cargo test || true",
        "cargo test || :",
        "cargo test || echo failed",
        "cargo test || exit 0",
        "(cargo test || true)",
        "{ cargo test || true; }",
        "cargo test; true",
        "cargo test; exit 0",
        "cargo test &",
        "cargo test & wait",
        "cargo test\ntrue",
        "! false",
        "sh -c true",
        "bash -lc 'cargo test || true'",
        "sh -c 'exit 0'",
        "eval true",
        "env A=b true",
        "timeout 10 echo hi",
        "nice -n 5 true",
        "command -v cargo",
        "cargo --version",
        "./gradlew --help && true && cargo --version",
        "X=1",
        "for i in 1 2 3; do echo $i; done",
        "if true; then echo ok; fi",
        "while true; do sleep 1; done",
        "true && true || false",
        "  true  ;  ",
        "'true'",
        "sudo true",
    ];
    for command in refused {
        // A gradle wrapper is a program of the repository and is not judged by its arguments.
        let judged = command.replace("./gradlew --help && ", "");
        assert!(proves_nothing(&judged), "must be refused: {judged}");
    }
}

#[test]
fn what_can_fail_passes() {
    let passes = [
        "cargo test",
        "cargo test --workspace -- --nocapture",
        "cargo test 2>&1 >/dev/null",
        "cargo test &> log",
        "RUST_BACKTRACE=1 cargo test",
        "cargo fmt --check && cargo clippy",
        "cargo test || exit 1; echo done",
        "cargo test || { echo bad; exit 1; }; echo done",
        "cargo test || exit $?; true",
        "cargo test; exit $?",
        "cargo test; r=$?; echo $r; exit $r",
        "cargo test || false",
        "cargo test && exit 0",
        "false || cargo test",
        "true && cargo test",
        "sh check.sh",
        "./check.sh",
        "bash -n script.sh",
        "bash -ec 'cargo test; echo done'",
        "sh -c 'cargo test'",
        "env -i PATH=/bin make test",
        "timeout 60 make test",
        "! grep -rn TODO src",
        "grep -q \"it's; true\" a.txt",
        "rg -n \"mesh\" SKILL.md",
        "for f in *.sh; do bash -n \"$f\" || exit 1; done",
        "if cargo test; then exit 0; else exit 1; fi",
        "X=$(cargo test)",
        "$CHECK",
        "curl -fsS http://localhost:8080/health",
        "false",
        "exit 1",
        // Not understood, so left to the shell.
        "echo 'unbalanced",
        "echo $(unbalanced",
        "true )",
        "cat <<EOF\nx\nEOF",
    ];
    for command in passes {
        assert!(!proves_nothing(command), "must pass: {command}");
    }
}

#[test]
fn scripts_in_scripts_end_somewhere() {
    let deep_groups = format!("{}true{}", "( ".repeat(5000), " )".repeat(5000));
    assert!(!proves_nothing(&deep_groups));
    let wrappers = format!("{}true", "env ".repeat(5000));
    assert!(!proves_nothing(&wrappers));
    let evals = format!("{}true", "eval ".repeat(5000));
    assert!(!proves_nothing(&evals));
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

    #[test]
    fn what_follows_a_semicolon_decides(last in proptest::sample::select(vec!["true", "echo ok", "ls", "exit 0"])) {
        let command = format!("cargo test; {last}");
        prop_assert!(proves_nothing(&command));
    }
}
