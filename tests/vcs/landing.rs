//! Putting results onto a target.

use crate::on_both;
use crate::world::{Landed, World};
use mesh_vcs::{CommitId, Publication, VcsError};
use std::path::Path;

on_both!(
    the_first_result_lands_as_it_is,
    a_second_one_is_copied_and_both_are_there,
    only_its_own_commits_land,
    several_commits_stay_several,
    a_result_on_two_needs_lands_after_them,
    it_lands_once,
    a_copy_lands_once_too,
    a_conflict_leaves_the_target_alone,
    a_failed_proof_leaves_the_target_alone,
    a_target_that_moved_meanwhile_is_not_overwritten,
    a_target_that_moved_back_meanwhile_is_not_overwritten,
    a_target_that_does_not_exist,
    dependents_are_left_alone,
    a_landing_that_was_published_is_published_again,
    what_landed_is_not_withdrawn,
);

fn land(world: &World, tip: &CommitId, without: &[CommitId]) -> Landed {
    world
        .land(&world.landing(tip, without), &mut |_| true)
        .unwrap()
}

fn moved_to(landed: &Landed) -> CommitId {
    match landed {
        Landed::Moved(candidate) => candidate.to.clone(),
        other => panic!("it did not land: {other:?}"),
    }
}

fn visible_commits(world: &World) -> usize {
    if !world.is_jj {
        return 0;
    }
    world
        .user("jj --ignore-working-copy log --no-graph -r 'all()' -T 'commit_id ++ \"\\n\"'")
        .lines()
        .count()
}

fn the_first_result_lands_as_it_is(world: &World) {
    let base = world.base();
    let done = world.finished("t", &base, &[("work", "w\n")]);
    let Landed::Moved(candidate) = land(world, &done, &base) else {
        panic!("it did not land")
    };
    assert_eq!(candidate.from, base[0]);
    assert_eq!((candidate.to, candidate.copies), (done.clone(), Vec::new()));
    assert_eq!(world.target("trunk"), done.as_str());
}

fn a_second_one_is_copied_and_both_are_there(world: &World) {
    let base = world.base();
    let one = world.finished("one", &base, &[("one", "1\n")]);
    let two = world.finished("two", &base, &[("two", "2\n")]);
    land(world, &one, &base);
    let both = |commit: &CommitId| {
        let file = |name| world.file_at(commit, name);
        (file("one").as_deref(), file("two").as_deref()) == (Some("1\n"), Some("2\n"))
    };
    let mut proved = None;
    let landed = world
        .land(&world.landing(&two, &base), &mut |candidate| {
            proved = Some(candidate.to.clone());
            world.target("trunk") == one.as_str() && both(&candidate.to)
        })
        .unwrap();
    let to = moved_to(&landed);
    assert_eq!(proved.as_ref(), Some(&to));
    assert_ne!(to, two);
    assert_eq!(world.target("trunk"), to.as_str());
    assert!(
        world
            .backend
            .is_in(&one, std::slice::from_ref(&to))
            .unwrap(),
        "what was there is below it"
    );
    if world.is_jj {
        assert_eq!(
            world.user("git rev-parse trunk").trim(),
            to.as_str(),
            "git sees it too"
        );
    }
}

fn only_its_own_commits_land(world: &World) {
    let base = world.base();
    let need = world.finished("need", &base, &[("need", "n\n")]);
    let done = world.finished("t", std::slice::from_ref(&need), &[("work", "w\n")]);
    let to = moved_to(&land(world, &done, &[base[0].clone(), need]));
    assert_eq!(world.file_at(&to, "work").as_deref(), Some("w\n"));
    assert_eq!(world.file_at(&to, "need"), None);
}

fn several_commits_stay_several(world: &World) {
    let base = world.base();
    let other = world.finished("other", &base, &[("other", "o\n")]);
    let workspace = world.add("t", &base);
    let commit = world.commit_command();
    world.agent_ok(
        &workspace,
        &format!("echo 1 > one; {commit}; echo 2 > two; {commit}"),
    );
    let found = world.backend.snapshot(&workspace, &[]).unwrap();
    world.end(&workspace, &found, "t");
    land(world, &other, &base);
    let Landed::Moved(candidate) = land(world, &found.commit, &base) else {
        panic!("it did not land")
    };
    let (to, commits) = (candidate.to, candidate.copies);
    assert_eq!(commits.len(), 2);
    assert_eq!(commits.last(), Some(&to));
    assert_eq!(
        (
            world.file_at(&commits[0], "one").is_some(),
            world.file_at(&commits[0], "two").is_some()
        ),
        (true, false)
    );
    let log = world.user(&format!("git log --format=%an:%s -2 {to}"));
    assert_eq!(log, "User:by the agent\nUser:by the agent\n");
}

fn a_result_on_two_needs_lands_after_them(world: &World) {
    let base = world.base();
    let a = world.finished("a", &base, &[("from-a", "a\n")]);
    let b = world.finished("b", &base, &[("from-b", "b\n")]);
    let done = world.finished("t", &[a.clone(), b.clone()], &[("work", "w\n")]);
    land(world, &a, &base);
    land(world, &b, &base);
    let to = moved_to(&land(world, &done, &[base[0].clone(), a, b]));
    for name in ["from-a", "from-b", "work"] {
        assert!(world.file_at(&to, name).is_some(), "{name}");
    }
}

fn it_lands_once(world: &World) {
    let base = world.base();
    let done = world.finished("t", &base, &[("work", "w\n")]);
    let to = moved_to(&land(world, &done, &base));
    assert_eq!(
        land(world, &done, &base),
        Landed::AlreadyThere { at: to.clone() }
    );
    assert_eq!(
        land(world, &base[0], &base),
        Landed::AlreadyThere { at: to }
    );
}

fn a_copy_lands_once_too(world: &World) {
    let base = world.base();
    let one = world.finished("one", &base, &[("one", "1\n")]);
    let two = world.finished("two", &base, &[("two", "2\n")]);
    land(world, &one, &base);
    let to = moved_to(&land(world, &two, &base));
    assert_eq!(
        land(world, &two, &base),
        Landed::AlreadyThere { at: to.clone() }
    );
    assert_eq!(world.target("trunk"), to.as_str());
}

fn a_conflict_leaves_the_target_alone(world: &World) {
    let base = world.base();
    let a = world.finished("a", &base, &[("shared.txt", "first\nfrom a\n")]);
    let b = world.finished("b", &base, &[("shared.txt", "first\nfrom b\n")]);
    let at = moved_to(&land(world, &a, &base));
    let before = visible_commits(world);
    let landed = world
        .land(&world.landing(&b, &base), &mut |_| {
            panic!("nothing to prove")
        })
        .unwrap();
    assert_eq!(
        landed,
        Landed::Conflict {
            paths: vec![Path::new("shared.txt").to_path_buf()]
        }
    );
    assert_eq!(world.target("trunk"), at.as_str());
    assert_eq!(
        visible_commits(world),
        before,
        "nobody sees what did not merge"
    );
}

fn a_failed_proof_leaves_the_target_alone(world: &World) {
    let base = world.base();
    let a = world.finished("a", &base, &[("a", "a\n")]);
    let b = world.finished("b", &base, &[("b", "b\n")]);
    let at = moved_to(&land(world, &a, &base));
    let before = visible_commits(world);
    let landed = world
        .land(&world.landing(&b, &base), &mut |_| false)
        .unwrap();
    assert_eq!(landed, Landed::ProofFailed);
    assert_eq!(world.target("trunk"), at.as_str());
    assert_eq!(
        visible_commits(world),
        before,
        "copies that did not land are dropped"
    );
    moved_to(&land(world, &b, &base));
}

fn move_target(world: &World, to: &CommitId) {
    if world.is_jj {
        world.user(&format!(
            "jj --ignore-working-copy bookmark set trunk --allow-backwards -r {to}"
        ));
    } else {
        world.user(&format!("git update-ref refs/heads/trunk {to}"));
    }
}

fn a_target_that_moved_meanwhile_is_not_overwritten(world: &World) {
    let base = world.base();
    let a = world.finished("a", &base, &[("a", "a\n")]);
    let b = world.finished("b", &base, &[("b", "b\n")]);
    let landed = world
        .land(&world.landing(&a, &base), &mut |_| {
            move_target(world, &b);
            true
        })
        .unwrap();
    assert_eq!(
        landed,
        Landed::TargetMoved {
            found: Some(b.clone())
        }
    );
    assert_eq!(world.target("trunk"), b.as_str());
    moved_to(&land(world, &a, &base));
}

fn a_target_that_moved_back_meanwhile_is_not_overwritten(world: &World) {
    let base = world.base();
    let a = world.finished("a", &base, &[("a", "a\n")]);
    let b = world.finished("b", &base, &[("b", "b\n")]);
    land(world, &a, &base);
    let landed = world
        .land(&world.landing(&b, &base), &mut |_| {
            move_target(world, &base[0]);
            true
        })
        .unwrap();
    assert_eq!(
        landed,
        Landed::TargetMoved {
            found: Some(base[0].clone())
        }
    );
    assert_eq!(world.target("trunk"), base[0].as_str());
}

fn a_target_that_does_not_exist(world: &World) {
    let base = world.base();
    let done = world.finished("t", &base, &[("work", "w\n")]);
    for target in ["nosuch", "-x", "a b", "@{-1}", ""] {
        let mut landing = world.landing(&done, &base);
        landing.target = target.to_owned();
        let result = world.land(&landing, &mut |_| panic!("nothing to prove"));
        assert!(
            matches!(result, Err(VcsError::BadTarget { .. })),
            "{target}: {result:?}"
        );
    }
}

fn dependents_are_left_alone(world: &World) {
    let base = world.base();
    let first = world.finished("first", &base, &[("first", "f\n")]);
    land(world, &first, &base);
    let need = world.finished("need", &base, &[("need", "n\n")]);
    let workspace = world.add("dependent", std::slice::from_ref(&need));
    fs_err::write(workspace.path.join("unsaved"), "precious\n").unwrap();
    assert_ne!(moved_to(&land(world, &need, &base)), need);
    let found = world.backend.snapshot(&workspace, &[]).unwrap();
    assert!(
        found.missing_needs.is_empty() && found.changed.len() == 1,
        "{found:?}"
    );
    let to = moved_to(&land(world, &found.commit, &[base[0].clone(), need]));
    for name in ["first", "need", "unsaved"] {
        assert!(world.file_at(&to, name).is_some(), "{name}");
    }
}

fn a_landing_that_was_published_is_published_again(world: &World) {
    let base = world.base();
    let one = world.finished("one", &base, &[("one", "1\n")]);
    let two = world.finished("two", &base, &[("two", "2\n")]);
    land(world, &one, &base);
    let Landed::Moved(candidate) = land(world, &two, &base) else {
        panic!("it did not land")
    };
    let again = world.backend.publish("trunk", &candidate).unwrap();
    assert_eq!(again, Publication::Moved);
    // A person went on from there.
    let theirs = world.finished(
        "theirs",
        std::slice::from_ref(&candidate.to),
        &[("t", "t\n")],
    );
    move_target(world, &theirs);
    let again = world.backend.publish("trunk", &candidate).unwrap();
    assert_eq!(again, Publication::Moved);
    assert_eq!(world.target("trunk"), theirs.as_str());
}

fn what_landed_is_not_withdrawn(world: &World) {
    let base = world.base();
    let one = world.finished("one", &base, &[("one", "1\n")]);
    let two = world.finished("two", &base, &[("two", "2\n")]);
    land(world, &one, &base);
    let Landed::Moved(candidate) = land(world, &two, &base) else {
        panic!("it did not land")
    };
    world.backend.withdraw(&candidate).unwrap();
    world.backend.withdraw(&candidate).unwrap();
    assert_eq!(world.target("trunk"), candidate.to.as_str());
    assert_eq!(world.file_at(&candidate.to, "two").as_deref(), Some("2\n"));
}

#[test]
fn a_branch_that_is_checked_out_is_not_moved() {
    let world = World::git();
    let done = world.finished("t", &world.base(), &[("work", "w\n")]);
    let mut landing = world.landing(&done, &world.base());
    landing.target = "main".to_owned();
    let landed = world
        .land(&landing, &mut |_| panic!("nothing to prove"))
        .unwrap();
    assert_eq!(
        landed,
        Landed::CheckedOut {
            at: world.repo.clone()
        }
    );
}
