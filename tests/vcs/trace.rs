//! Whose doing it was that something shared is not as it was: the right one is named, nobody else, and bookmarks are put back where
//! nobody else moved them.

use crate::world::World;
use mesh_vcs::{Traced, Workspace};

/// A behaviour on the real jj, where it is there.
macro_rules! on_jj {
    ($($behaviour:ident),* $(,)?) => {
        mod real_jj_0_45_1 {
            $(#[test] fn $behaviour() {
                if let Some(world) = crate::world::World::real_jj() { super::$behaviour(&world); }
            })*
        }
    };
}

on_jj!(
    a_bookmark_that_an_agent_moved_is_put_back,
    a_bookmark_that_somebody_else_moved_too_is_left,
    an_undo_of_a_siblings_work_is_named,
    an_op_restore_is_named_and_bookmarks_come_back,
    a_forgotten_workspace_of_the_user_is_named_with_the_way_back,
    what_the_user_does_is_nobodys_of_them,
    ordinary_work_is_no_news,
);

/// Two attempts at work, what `between` does, and what is traced of it.
fn traced(world: &World, between: impl FnOnce(&Workspace, &Workspace)) -> (Traced, [String; 2]) {
    let (a, b) = (world.add("a", &world.base()), world.add("b", &world.base()));
    let before = world.backend.shared_state(&[]).unwrap();
    between(&a, &b);
    let mut now = world.backend.shared_state(&[]).unwrap();
    let names = [a.name.clone(), b.name.clone()];
    let traced = world.backend.trace(&before, &mut now, &names).unwrap();
    // What was put back is no news the next time.
    let mut later = world.backend.shared_state(&[]).unwrap();
    let again = world.backend.trace(&now, &mut later, &names).unwrap();
    assert_eq!(again, Traced::default());
    (traced, names)
}

/// Only `a` did something, and each of `words` is said of it.
#[track_caller]
fn only_a(traced: &Traced, [a, _]: &[String; 2], words: &[&str]) {
    let who: Vec<&String> = traced.done.keys().collect();
    assert_eq!(who, [a], "{traced:#?}");
    let said = traced.done[a].join("\n");
    for word in words {
        assert!(said.contains(word), "{word}: {said}");
    }
    assert!(traced.others.is_empty(), "{traced:#?}");
}

fn a_bookmark_that_an_agent_moved_is_put_back(world: &World) {
    let before = world.target("main");
    let (found, names) = traced(world, |a, b| {
        world.agent_ok(b, "echo b >b && jj commit -m b");
        world.agent_ok(
            a,
            "echo a >a && jj commit -m a && jj bookmark set main -r @- && jj bookmark set main -r @ && jj bookmark delete trunk && echo more >a && jj st",
        );
    });
    only_a(
        &found,
        &names,
        &[
            "branch main moved from",
            "`jj bookmark set main -r @-`",
            "branch main was put back",
            "branch trunk was put back",
        ],
    );
    assert_eq!(world.target("main"), before);
    assert_eq!(world.target("trunk"), before);
    // Also for git.
    assert_eq!(
        world.user("git rev-parse main trunk").trim(),
        format!("{before}\n{before}")
    );
}

fn a_bookmark_that_somebody_else_moved_too_is_left(world: &World) {
    let (found, names) = traced(world, |a, _| {
        world.agent_ok(
            a,
            "echo a >a && jj commit -m a && jj bookmark set main -r @-",
        );
        world.user("jj new main && jj commit -m mine && jj bookmark set main -r @-");
    });
    let said = found.done[&names[0]].join("\n");
    assert!(
        said.contains("branch main moved") && !said.contains("put back"),
        "{said}"
    );
    let top = world.user("jj --ignore-working-copy log --no-graph -r main -T description");
    assert_eq!(top, "mine\n");
}

fn an_undo_of_a_siblings_work_is_named(world: &World) {
    let (found, names) = traced(world, |a, b| {
        fs_err::write(b.path.join("b.txt"), "b\n").unwrap();
        world.agent_ok(b, "jj st");
        world.agent_ok(a, "jj undo");
        let snapshot = world.backend.snapshot(b, &[]).unwrap();
        assert_eq!(snapshot.changed.len(), 1);
    });
    only_a(&found, &names, &["`jj undo` took back operations"]);
}

fn an_op_restore_is_named_and_bookmarks_come_back(world: &World) {
    let before = world.target("main");
    let first =
        world.user("jj --ignore-working-copy op log --no-graph -T 'id ++ \"\\n\"' | tail -n 1");
    let (found, names) = traced(world, |a, _| {
        world.agent_ok(a, &format!("jj op restore {}", first.trim()));
    });
    only_a(
        &found,
        &names,
        &[
            "took back operations",
            "branch main was put back",
            "worktree default was removed",
        ],
    );
    assert_eq!(world.target("main"), before);
}

fn a_forgotten_workspace_of_the_user_is_named_with_the_way_back(world: &World) {
    let (found, names) = traced(world, |a, b| {
        world.agent_ok(a, &format!("jj workspace forget default {}", b.name));
    });
    only_a(
        &found,
        &names,
        &["worktree default was removed", "op revert", &names[1]],
    );
    let said = found.done[&names[0]].join("\n");
    let way = said
        .split('`')
        .find(|part| part.contains("op revert"))
        .unwrap();
    world.user(way);
    let listed = world.user("jj --ignore-working-copy workspace list");
    assert!(listed.contains("default:"), "{listed}");
}

fn what_the_user_does_is_nobodys_of_them(world: &World) {
    let (found, _) = traced(world, |_, b| {
        world.user("jj bookmark create own -r @- && jj git remote add origin ../up");
        world.agent_ok(b, "echo b >b && jj commit -m b");
    });
    assert!(found.done.is_empty(), "{found:#?}");
    assert!(
        found
            .others
            .iter()
            .any(|one| one.contains("branch own was made")),
        "{found:#?}"
    );
    let own = world.target("own");
    assert_eq!(own, world.target("main"));
}

fn ordinary_work_is_no_news(world: &World) {
    let (found, _) = traced(world, |a, b| {
        world.agent_ok(
            a,
            "echo a >a && jj commit -m a && jj describe -m more && jj squash -m both && jj new",
        );
        world.agent_ok(b, "echo b >b && jj split -m x b || jj st");
        world.finished("c", &world.base(), &[("c", "c\n")]);
    });
    assert_eq!(found, Traced::default());
}
