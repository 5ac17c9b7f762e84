use super::*;

fn good() -> Evidence {
    let proof = ProofChoice::Named("make check".to_owned());
    Evidence::clean(Commit("c1".to_owned()), vec!["a".to_owned()], proof)
}

#[track_caller]
fn check(change: impl FnOnce(&mut Evidence), expected: &str) {
    let mut evidence = good();
    change(&mut evidence);
    let said = match judge(&evidence, false) {
        Verdict::Prove {
            command,
            self_checked,
        } => format!("prove {command} self_checked={self_checked}"),
        Verdict::Accept => "accept".to_owned(),
        Verdict::Ask(text) => format!("ask {text}"),
        Verdict::Fail(failure) => failure.class.to_string(),
    };
    assert_eq!(said, expected);
}

fn block(evidence: &mut Evidence) -> &mut FinalBlock {
    match &mut evidence.block {
        BlockReading::Read(block) => block,
        BlockReading::Missing(_) => unreachable!("the good evidence has a block"),
    }
}

#[test]
fn each_finding_has_its_ruling() {
    check(|_| {}, "prove make check self_checked=false");
    check(
        |f| f.proof = ProofChoice::SelfChecked("make test".to_owned()),
        "prove make test self_checked=true",
    );
    check(
        |f| f.proof = ProofChoice::Refused("true".to_owned()),
        "missing-proof",
    );
    check(|f| f.proof = ProofChoice::Nothing, "missing-proof");
    check(
        |f| f.block = BlockReading::Missing("none".to_owned()),
        "no-result",
    );
    check(
        |f| block(f).blockers = Some("which port?".to_owned()),
        "ask which port?",
    );
    check(
        |f| f.changes.strays = vec![Commit("s".to_owned())],
        "stray-commits",
    );
    check(
        |f| f.changes.missing_needs = vec![Commit("n".to_owned())],
        "stray-commits",
    );
    check(|f| f.changes.conflicted = vec!["a".to_owned()], "conflict");
    check(|f| f.changes.paths.clear(), "no-change");
    // A nested repository is all there is: the reason is that it cannot be recorded, not that nothing changed.
    check(
        |f| {
            f.changes.paths.clear();
            f.changes.unrecorded = vec![Unrecorded {
                path: "app".to_owned(),
                why: "a repository of its own".to_owned(),
            }];
        },
        "not-recorded",
    );
    check(
        |f| block(f).changed = ChangedClaim::NoDiff("done".to_owned()),
        "no-result",
    );
    check(
        |f| {
            f.changes.paths.clear();
            block(f).changed = ChangedClaim::NoDiff("done".to_owned());
        },
        "prove make check self_checked=false",
    );
    let breach = || ScopeBreach {
        path: "x".to_owned(),
        group: LockGroup::new("core").unwrap(),
    };
    check(|f| f.changes.breaches = vec![breach()], "scope");
}

#[test]
fn only_exit_code_zero_leaves_the_verdict_to_the_findings() {
    assert_eq!(judge_ending(&Ending::Exited(0), ""), None);
    for ending in [
        Ending::Exited(1),
        Ending::Signaled(9),
        Ending::HardLimit,
        Ending::Flood,
        Ending::Stopped,
        Ending::NoReport,
    ] {
        assert!(judge_ending(&ending, "").is_some(), "{ending:?}");
    }
}

#[test]
fn a_failure_quotes_what_the_agent_wrote_last() {
    let detail = |ending, tail| judge_ending(&ending, tail).unwrap().detail;
    assert_eq!(
        detail(Ending::Exited(1), "starting\nauthentication failed\n"),
        "the agent ended with exit code 1\nstarting\nauthentication failed"
    );
    assert_eq!(
        detail(Ending::Signaled(9), " \n"),
        "the agent was ended by signal 9"
    );
}

#[test]
fn a_quoted_failure_in_one_line_ends_with_the_last_line() {
    assert_eq!(brief("the agent was stopped"), "the agent was stopped");
    assert_eq!(
        brief("the agent ended with exit code 1\ntrace\n  no API key \n\n"),
        "the agent ended with exit code 1: no API key"
    );
    let long = "é".repeat(500);
    assert_eq!(brief(&format!("{long}\n{long}")).chars().count(), 604);
}
