//! What a backend remembers instead of asking again is what its program would have answered.

use crate::on_both;
use crate::world::{RUN, World};
use mesh_vcs::{CommitId, Fate, KeptResult};

on_both!(
    ancestry_is_as_a_later_process_finds_it,
    a_recorded_result_is_the_same_for_a_later_process,
    refs_of_results_are_looked_after_wherever_they_are_stored,
    nothing_of_an_attempt_without_changes_is_left_by_a_later_process,
);

fn ancestry_is_as_a_later_process_finds_it(world: &World) {
    let base = world.base();
    let a = world.finished("a", &base, &[("a", "a\n")]);
    let b = world.finished("b", &base, &[("b", "b\n")]);
    let c = world.finished("c", &[a.clone(), b.clone()], &[("c", "c\n")]);
    let unchanged = world.finished("unchanged", std::slice::from_ref(&a), &[]);
    let by_agent = world.add("by-agent", std::slice::from_ref(&b));
    fs_err::write(by_agent.path.join("d"), "d\n").unwrap();
    world.agent_ok(&by_agent, world.commit_command());
    fs_err::write(by_agent.path.join("e"), "e\n").unwrap();
    let found = world.backend.snapshot(&by_agent, &[]).unwrap();
    assert!(found.missing_needs.is_empty(), "{found:?}");
    world.end(&by_agent, &found, "by-agent");
    let commits = [base[0].clone(), a, b, c, unchanged, found.commit];
    let later = world.later_process();
    for one in &commits {
        for other in &commits {
            let of = std::slice::from_ref(other);
            assert_eq!(
                world.backend.is_in(one, of).unwrap(),
                later.is_in(one, of).unwrap(),
                "{one} in {other} of {commits:?}"
            );
            let both = [one.clone(), other.clone()];
            assert_eq!(
                world.backend.heads(&both).unwrap(),
                later.heads(&both).unwrap(),
                "heads of {both:?} of {commits:?}"
            );
        }
    }
    assert_eq!(
        world.backend.heads(&commits).unwrap(),
        later.heads(&commits).unwrap()
    );
}

fn a_recorded_result_is_the_same_for_a_later_process(world: &World) {
    let base = world.base();
    let a = world.finished("a", &base, &[("a", "a\n"), ("both", "one\n")]);
    let b = world.finished("b", &base, &[("b", "b\n")]);
    let workspace = world.add("c", &[a, b]);
    fs_err::create_dir(workspace.path.join("out")).unwrap();
    fs_err::write(workspace.path.join("out/c"), "c\n").unwrap();
    fs_err::remove_file(workspace.path.join("both")).unwrap();
    let found = world
        .backend
        .record(&workspace, &["out/c".to_owned()], RUN, "c", 1)
        .unwrap();
    let later = world.later_process();
    let again = later.snapshot(&workspace, &["out/c".to_owned()]).unwrap();
    assert_eq!(found, again);
    assert_eq!(found.changed.len(), 2);
    assert!(
        found.missing_needs.is_empty() && found.unrecorded.is_empty(),
        "{found:?}"
    );
    let kept = world.user("git rev-parse refs/mesh/r1/c/1");
    assert_eq!(kept.trim_end(), found.commit.as_str());
    fs_err::create_dir(workspace.path.join("ignored")).unwrap();
    fs_err::write(workspace.path.join("ignored/x"), "not recorded\n").unwrap();
    let words = ["out/c", "out", "ignored/x", "a.txt"].map(str::to_owned);
    for backend in [&world.backend, &later] {
        let left = backend
            .not_in_commit(&workspace, &found.commit, &words)
            .unwrap();
        assert_eq!(left, ["ignored/x"]);
        let changed = backend
            .discard_changes_since(&workspace, &found.commit)
            .unwrap();
        assert!(changed.is_empty(), "{changed:?}");
    }
}

fn refs_of_results_are_looked_after_wherever_they_are_stored(world: &World) {
    let base = world.base();
    let result = |task: &str| {
        let commit = world.finished(task, &base, &[(task, "x\n")]);
        KeptResult {
            attempt: (RUN.to_owned(), task.to_owned(), 1),
            commit,
            copy: world.dir.join(format!("{task}.bundle")),
        }
    };
    let results = ["a", "b"].map(result);
    let check = |expected: [Fate; 2]| {
        let fates = world.backend.put_back(&results).unwrap();
        assert_eq!(fates, expected);
    };
    check([Fate::Held, Fate::Held]);
    world.user("git update-ref -d refs/mesh/r1/b/1");
    check([Fate::Held, Fate::PutBack]);
    world.user("git update-ref refs/mesh/r1/a/1 refs/mesh/r1/b/1");
    check([Fate::PutBack, Fate::Held]);
    world.user("git pack-refs --all --prune");
    check([Fate::Held, Fate::Held]);
    world.user("git update-ref -d refs/mesh/r1/a/1");
    check([Fate::PutBack, Fate::Held]);
    let named = world.user("git rev-parse refs/mesh/r1/a/1 refs/mesh/r1/b/1");
    let expected: Vec<&str> = results.iter().map(|one| one.commit.as_str()).collect();
    assert_eq!(named.lines().collect::<Vec<_>>(), expected);
}

/// What a workspace was started from is made again when an agent had it collected.
#[test]
fn a_collected_join_is_made_again_git() {
    let world = World::git();
    let base = world.base();
    let a = world.finished("a", &base, &[("a", "a\n")]);
    let b = world.finished("b", &base, &[("b", "b\n")]);
    let needs: Vec<CommitId> = vec![a, b];
    let workspace = world.add("c", &needs);
    let join = world.user(&format!(
        "git -C '{}' rev-parse HEAD",
        workspace.path.display()
    ));
    world.agent_ok(
        &workspace,
        &format!("git checkout -q --detach {} && echo c > c", base[0]),
    );
    // Past what holds it for mesh.
    world.user(&format!(
        "echo {} >$(echo .git/worktrees/*)/HEAD && git reflog expire --expire=now --all && git gc -q --prune=now",
        base[0]
    ));
    let gone = world.user(&format!("git cat-file -e {} || echo gone", join.trim_end()));
    assert_eq!(gone, "gone\n");
    let found = world.backend.snapshot(&workspace, &[]).unwrap();
    assert_eq!(found.missing_needs, needs);
    let paths: Vec<_> = found.changed.iter().map(|one| one.path.clone()).collect();
    assert_eq!(paths, ["a", "b", "c"].map(std::path::PathBuf::from));
}

/// The list of refs is not taken for the same when only packed ones changed.
#[test]
fn changes_of_packed_refs_are_said_git() {
    let world = World::git();
    world.user("git tag one && git tag two && git branch side && git pack-refs --all --prune");
    let mut before = world.backend.shared_state(&[]).unwrap();
    for (change, said) in [
        ("git tag -d one", "tag one was deleted"),
        (
            "git branch -m side aside && git pack-refs --all",
            "branch aside was made",
        ),
        ("git tag three", "tag three was made"),
        ("git tag -f two HEAD^{tree}", "tag two moved"),
    ] {
        world.user(change);
        let now = world.backend.shared_state(&[]).unwrap();
        let changes = now.changes_since(&before);
        assert!(
            changes.iter().any(|one| one.contains(said)),
            "{change}: {changes:?}"
        );
        let same = world.backend.shared_state(&[]).unwrap().changes_since(&now);
        assert!(same.is_empty(), "{same:?}");
        before = now;
    }
}

fn nothing_of_an_attempt_without_changes_is_left_by_a_later_process(world: &World) {
    let before = world.heads_of_people();
    let workspace = world.add("idle", &world.base());
    assert!(world.backend.snapshot(&workspace, &[]).unwrap().no_change);
    let later = world.later_process();
    later.open_hub(RUN).unwrap();
    later.forget(&workspace.name).unwrap();
    later.remove(&workspace).unwrap();
    assert_eq!(world.heads_of_people(), before);
}
