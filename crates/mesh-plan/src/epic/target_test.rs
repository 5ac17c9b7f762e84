use super::super::listings::*;
use super::*;
use crate::epic::load;

fn all_names(loaded: &crate::source_snapshot::SourceSnapshot) -> Vec<&str> {
    loaded.tasks.iter().map(|task| task.id.as_str()).collect()
}

fn target(words: &[&str], issues: &Listing) -> Result<Target, TargetProblem> {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    resolve_target(&words, issues)
}

#[test]
fn words_name_an_epic_members_or_a_bead_to_wrap() {
    let mut issues = recorded();
    let lone = task("t-lone", "alone", &[]);
    issues.insert(lone.id.clone(), lone);
    assert_eq!(target(&["t-wjx"], &issues), Ok(Target::Epic(id("t-wjx"))));
    assert_eq!(
        target(&["t-wjx.4", "t-wjx.1", "t-wjx.4"], &issues),
        Ok(Target::Members {
            epic: id("t-wjx"),
            ids: vec![id("t-wjx.4"), id("t-wjx.1")]
        })
    );
    assert_eq!(
        target(&["t-wjx.3"], &issues),
        Ok(Target::Members {
            epic: id("t-wjx"),
            ids: vec![id("t-wjx.3")]
        }),
        "its real epic goes before the one that was made to wrap it"
    );
    assert_eq!(
        target(&["t-lone"], &issues),
        Ok(Target::Wrap { bead: id("t-lone") })
    );

    let some = load(
        &target(&["t-wjx.4"], &issues).expect("a target"),
        &issues,
        &|_| false,
    );
    assert_eq!(
        all_names(&some),
        ["t-wjx.1", "t-wjx.2", "t-wjx.4"],
        "the bead and all it needs"
    );
    let single = load(&Target::Wrap { bead: id("t-lone") }, &issues, &|_| false);
    assert_eq!(all_names(&single), ["t-lone"]);
    assert!(single.plan(&Default::default()).is_ok());
}

#[test]
fn a_wrapper_is_found_again_and_not_wrapped_again() {
    let issues = listing([
        issue("w", "Swarm Epic: alone", IssueKind::Epic, &[]),
        task("lone", "alone", &[("w", PARENT)]),
    ]);
    assert_eq!(
        target(&["lone"], &issues),
        Ok(Target::Members {
            epic: id("w"),
            ids: vec![id("lone")]
        })
    );
}

#[test]
fn words_that_name_nothing_are_told_so() {
    let mut issues = recorded();
    let lone = task("t-lone", "alone", &[]);
    issues.insert(lone.id.clone(), lone);
    let message = |words: &[&str], issues: &Listing| {
        target(words, issues).expect_err("no target").to_string()
    };
    assert_eq!(
        message(&["t-wjx.9", "zzzzz", ""], &issues),
        "the tracker has no issue t-wjx.9 (did you mean t-wjx.1?), zzzzz, "
    );
    assert_eq!(
        message(&["t-wjx.1", "t-lone"], &issues),
        "t-wjx.1, t-lone have no epic in common; give one epic, or put them under one"
    );
    assert_eq!(
        message(&["t-wjx", "t-2rl"], &issues),
        "t-wjx, t-2rl have no epic in common; give one epic, or put them under one"
    );
    assert_eq!(
        message(&["t-a6w"], &issues),
        "t-a6w is a molecule, which is not worked; give an epic or beads"
    );
    let twice = listing([
        epic("e", &[]),
        epic("f", &[]),
        task("a", "a", &[("e", PARENT), ("f", PARENT)]),
    ]);
    assert_eq!(
        message(&["a"], &twice),
        "a belong to several epics (e, f); give the one that is meant"
    );
}

#[test]
fn without_words_it_is_the_bead_in_progress() {
    assert_eq!(
        target(&[], &recorded()),
        Err(TargetProblem::NothingInProgress)
    );
    let several = target(&[], &recorded_later()).expect_err("three are begun");
    assert_eq!(
        several.to_string(),
        "several beads are in progress (t-wjx.1, t-wjx.2, t-wjx.3); give the epic or bead that is meant"
    );
    let mut issues = recorded();
    issues.get_mut(&id("t-wjx.2")).expect("recorded").status = IssueStatus::InProgress;
    assert_eq!(target(&[], &issues), Ok(Target::Epic(id("t-wjx"))));
    let lone = listing([stands(
        task("lone", "lone", &[]),
        IssueStatus::InProgress,
        None,
    )]);
    assert_eq!(target(&[], &lone), Ok(Target::Wrap { bead: id("lone") }));
}

#[test]
fn a_bead_that_vanishes_lets_no_others_in() {
    let mut issues = recorded();
    let given = target(&["t-wjx.2", "t-wjx.3"], &issues).expect("a target");
    issues.remove(&id("t-wjx.3"));
    let loaded = load(&given, &issues, &|_| false);
    assert_eq!(all_names(&loaded), ["t-wjx.1", "t-wjx.2"]);
    assert_eq!(loaded.diagnostics.len(), 1);
    assert!(loaded.has_errors());
}
