//! Making, finding, forgetting and removing workspaces.

use crate::on_both;
use crate::world::{RUN, World, no_such_commit};
use mesh_vcs::{VcsError, Workspace};
use std::path::{Path, PathBuf};

on_both!(
    two_needs_are_both_there,
    a_conflict_between_needs_is_reported_and_not_an_error,
    a_prepared_workspace_is_moved_onto_needs,
    three_needs_join,
    heads_and_ancestry,
    an_unknown_parent_leaves_nothing_behind,
    a_complete_name_is_refused_and_found_again,
    what_lies_in_the_way_is_left_alone,
    a_half_made_workspace_is_replaced,
    a_start_made_anew_leaves_no_stray,
    a_name_left_registered_without_folder_is_used_again,
    a_folder_outside_the_root_is_refused,
    hostile_task_ids_give_workspaces_inside_the_root,
    eight_at_once,
    the_same_name_twice_at_once_has_one_winner,
    forgetting_and_removing_twice_is_nothing,
    only_ours_are_listed,
    commands_for_the_plan_are_the_ones_that_run,
);

fn read(workspace: &Workspace, name: &str) -> String {
    fs_err::read_to_string(workspace.path.join(name)).unwrap()
}

fn two_needs_are_both_there(world: &World) {
    let base = world.base();
    let a = world.finished("a", &base, &[("from-a", "a\n")]);
    let b = world.finished("b", &base, &[("from-b", "b\n")]);
    let workspace = world.add("c", &[a, b]);
    assert_eq!(
        (
            read(&workspace, "from-a"),
            read(&workspace, "from-b"),
            read(&workspace, "a.txt")
        ),
        ("a\n".into(), "b\n".into(), "one\n".into())
    );
    assert_eq!(workspace.conflicted, Vec::<PathBuf>::new());
    assert!(!workspace.path.join("ignored").exists());
}

fn a_conflict_between_needs_is_reported_and_not_an_error(world: &World) {
    let base = world.base();
    let a = world.finished("a", &base, &[("shared.txt", "first\nfrom a\n")]);
    let b = world.finished("b", &base, &[("shared.txt", "first\nfrom b\n")]);
    let workspace = world.add("c", &[a, b]);
    assert_eq!(workspace.conflicted, [Path::new("shared.txt")]);
    assert!(read(&workspace, "shared.txt").contains("<<<<<<<"));
    let untouched = world.backend.snapshot(&workspace, &[]).unwrap();
    assert_eq!(
        untouched.conflicted,
        [Path::new("shared.txt")],
        "an unresolved conflict stays one"
    );
    assert!(untouched.no_change);
    fs_err::write(workspace.path.join("shared.txt"), "first\nfrom a\nfrom b\n").unwrap();
    let resolved = world.backend.snapshot(&workspace, &[]).unwrap();
    assert_eq!(resolved.conflicted, Vec::<PathBuf>::new());
    assert_eq!(
        world.file_at(&resolved.commit, "shared.txt").unwrap(),
        "first\nfrom a\nfrom b\n"
    );
    assert!(!resolved.no_change && resolved.missing_needs.is_empty());
}

/// As one that is made while the needs are at work.
fn a_prepared_workspace_is_moved_onto_needs(world: &World) {
    let base = world.base();
    let before = world.heads_of_people();
    let draft = |task: &str| {
        let mut new = world.new_workspace(task, 1, &base);
        let message = std::mem::take(&mut new.message);
        let made = world.backend.add_workspace(&new).unwrap();
        new.message = message;
        (made, new)
    };
    let (made, mut new) = draft("c");
    let (unused, _) = draft("unused");
    let a = world.finished(
        "a",
        &base,
        &[("shared.txt", "first\nfrom a\n"), ("a", "a\n")],
    );
    let b = world.finished("b", &base, &[("shared.txt", "first\nfrom b\n")]);
    let d = world.finished("d", std::slice::from_ref(&a), &[("d", "d\n")]);
    new.parents = vec![b.clone(), d.clone()];
    let workspace = world.backend.move_workspace(&made, &new).unwrap();
    assert_eq!(workspace.conflicted, [Path::new("shared.txt")]);
    assert_eq!(
        (read(&workspace, "a"), read(&workspace, "d")),
        ("a\n".into(), "d\n".into())
    );
    assert_eq!(
        world.backend.workspace(&new.name).unwrap().as_ref(),
        Some(&workspace)
    );
    fs_err::write(workspace.path.join("shared.txt"), "first\nfrom a\nfrom b\n").unwrap();
    let snapshot = world.backend.snapshot(&workspace, &[]).unwrap();
    assert!(snapshot.missing_needs.is_empty() && snapshot.strays.is_empty());
    let changed: Vec<&Path> = snapshot
        .changed
        .iter()
        .map(|one| one.path.as_path())
        .collect();
    assert_eq!(changed, [Path::new("shared.txt")]);
    world.end(&workspace, &snapshot, "c");
    world.backend.discard(&unused).unwrap();
    let mut expected = before;
    expected.extend([b, d, snapshot.commit].map(|commit| commit.to_string()));
    assert!(
        world.heads_of_people().is_subset(&expected),
        "a commit of a prepared workspace is left"
    );
}

fn three_needs_join(world: &World) {
    let base = world.base();
    let needs: Vec<_> = ["x", "y", "z"]
        .iter()
        .map(|t| world.finished(t, &base, &[(&format!("from-{t}"), "t\n")]))
        .collect();
    let workspace = world.add("w", &needs);
    for need in ["x", "y", "z"] {
        assert_eq!(read(&workspace, &format!("from-{need}")), "t\n");
    }
    let snapshot = world.backend.snapshot(&workspace, &[]).unwrap();
    assert!(
        snapshot.no_change && snapshot.missing_needs.is_empty() && snapshot.strays.is_empty(),
        "{snapshot:?}"
    );
}

fn heads_and_ancestry(world: &World) {
    let base = world.base();
    let a = world.finished("a", &base, &[("a", "a\n")]);
    let b = world.finished("b", std::slice::from_ref(&a), &[("b", "b\n")]);
    let c = world.finished("c", &base, &[("c", "c\n")]);
    let of =
        |commits: &[&mesh_vcs::CommitId]| commits.iter().map(|c| (*c).clone()).collect::<Vec<_>>();
    assert_eq!(
        world
            .backend
            .heads(&of(&[&base[0], &b, &a, &c, &b]))
            .unwrap(),
        of(&[&b, &c])
    );
    assert_eq!(
        world.backend.heads(&of(&[&base[0], &base[0]])).unwrap(),
        base
    );
    assert!(world.backend.is_in(&a, &of(&[&c, &b])).unwrap());
    assert!(world.backend.is_in(&a, &of(&[&a])).unwrap());
    assert!(!world.backend.is_in(&b, &of(&[&a, &c])).unwrap());
    assert!(!world.backend.is_in(&b, &[]).unwrap());
    assert!(world.backend.exists(&a).unwrap() && !world.backend.exists(&no_such_commit()).unwrap());
    assert!(world.backend.heads(&[a, no_such_commit()]).is_err());
}

fn an_unknown_parent_leaves_nothing_behind(world: &World) {
    let new = world.new_workspace("t", 1, &[no_such_commit()]);
    let error = world.backend.add_workspace(&new).unwrap_err();
    assert!(matches!(error, VcsError::UnknownRevision { .. }), "{error}");
    assert!(!new.path.exists());
    assert!(
        world
            .backend
            .list_workspaces()
            .unwrap()
            .iter()
            .all(|listed| listed.name != new.name)
    );
    world.add("t", &world.base());
}

fn a_complete_name_is_refused_and_found_again(world: &World) {
    let workspace = world.add("t", &world.base());
    fs_err::write(workspace.path.join("work"), "precious\n").unwrap();
    let again = world
        .backend
        .add_workspace(&world.new_workspace("t", 1, &world.base()));
    assert!(
        matches!(again, Err(VcsError::NameTaken { .. })),
        "{again:?}"
    );
    assert_eq!(read(&workspace, "work"), "precious\n");
    assert_eq!(
        world.later_process().workspace(&workspace.name).unwrap(),
        Some(workspace.clone())
    );
    assert_eq!(world.backend.workspace("mesh-r1+other+1").unwrap(), None);
    fs_err::remove_dir_all(&workspace.path).unwrap();
    assert_eq!(
        world.backend.workspace(&workspace.name).unwrap(),
        None,
        "its folder is gone"
    );
}

fn what_lies_in_the_way_is_left_alone(world: &World) {
    let new = world.new_workspace("t", 1, &world.base());
    fs_err::create_dir_all(&new.path).unwrap();
    fs_err::write(new.path.join("mine"), "mine\n").unwrap();
    assert!(matches!(
        world.backend.add_workspace(&new),
        Err(VcsError::InTheWay { .. })
    ));
    assert_eq!(
        fs_err::read_to_string(new.path.join("mine")).unwrap(),
        "mine\n"
    );
    fs_err::remove_file(new.path.join("mine")).unwrap();
    world.backend.add_workspace(&new).unwrap();
}

/// What a killed `workspace add` leaves: registered, some files, no mark of ours.
fn a_half_made_workspace_is_replaced(world: &World) {
    let workspace = world.add("t", &world.base());
    fs_err::remove_file(workspace.path.join("a.txt")).unwrap();
    remove_mark(world, &workspace);
    assert_eq!(world.backend.workspace(&workspace.name).unwrap(), None);
    let again = world.add("t", &world.base());
    assert_eq!(read(&again, "a.txt"), "one\n");
}

/// A coordinator that dies while a workspace is made starts the same attempt anew: what is left of the first try must not be
/// taken for work of the second.
fn a_start_made_anew_leaves_no_stray(world: &World) {
    let base = world.base();
    let a = world.finished("a", &base, &[("from-a", "a\n")]);
    let b = world.finished("b", &base, &[("from-b", "b\n")]);
    for (task, parents) in [("one", base.clone()), ("two", vec![a, b])] {
        for whole in [true, false] {
            let first = world.add(task, &parents);
            if whole {
                world.backend.discard(&first).unwrap();
            } else {
                remove_mark(world, &first);
            }
        }
        let again = world.add(task, &parents);
        fs_err::write(again.path.join("new"), "new\n").unwrap();
        let found = world.backend.snapshot(&again, &[]).unwrap();
        assert_eq!(found.strays, [], "{task}");
        world.backend.discard(&again).unwrap();
    }
}

fn remove_mark(world: &World, workspace: &Workspace) {
    if world.is_jj {
        fs_err::remove_file(workspace.path.join(".jj/mesh-workspace.json")).unwrap();
    } else {
        let link = read(workspace, ".git");
        let administrative = link.trim().strip_prefix("gitdir: ").unwrap();
        let mark = Path::new(administrative).with_file_name("mesh-workspace.json");
        fs_err::remove_file(mark).unwrap();
    }
}

fn a_name_left_registered_without_folder_is_used_again(world: &World) {
    let workspace = world.add("t", &world.base());
    fs_err::remove_dir_all(&workspace.path).unwrap();
    assert_eq!(read(&world.add("t", &world.base()), "a.txt"), "one\n");
}

fn a_folder_outside_the_root_is_refused(world: &World) {
    let mut new = world.new_workspace("t", 1, &world.base());
    for path in [
        world.dir.join("elsewhere"),
        world.backend.workspaces_root().to_path_buf(),
        world.backend.workspaces_root().join("../x"),
    ] {
        new.path = path;
        assert!(
            matches!(
                world.backend.add_workspace(&new),
                Err(VcsError::OutsideRoot { .. })
            ),
            "{}",
            new.path.display()
        );
        let workspace = Workspace {
            name: new.name.clone(),
            path: new.path.clone(),
            parents: vec![],
            conflicted: vec![],
        };
        assert!(matches!(
            world.backend.remove(&workspace),
            Err(VcsError::OutsideRoot { .. })
        ));
    }
    new.name = "--name".to_owned();
    assert!(matches!(
        world.backend.add_workspace(&new),
        Err(VcsError::BadName { .. })
    ));
}

fn hostile_task_ids_give_workspaces_inside_the_root(world: &World) {
    let long = "x".repeat(300);
    for task in [
        "../../x",
        "a b",
        "it's \"it\"",
        "-rf",
        ".hidden",
        "x.lock",
        "UPPER",
        "$(touch pwned)",
        "a\\b",
        "日本",
        long.as_str(),
    ] {
        let workspace = world.add(task, &world.base());
        assert_eq!(
            workspace.path.parent(),
            Some(world.backend.workspaces_root()),
            "{task}"
        );
        fs_err::write(workspace.path.join("f"), task).unwrap();
        let snapshot = world.backend.snapshot(&workspace, &[]).unwrap();
        world.end(&workspace, &snapshot, task);
        assert_eq!(world.file_at(&snapshot.commit, "f").as_deref(), Some(task));
    }
    assert!(!world.dir.join("x").exists() && !world.repo.join("pwned").exists());
}

fn eight_at_once(world: &World) {
    let base = world.base();
    std::thread::scope(|scope| {
        let adds: Vec<_> = (0..8)
            .map(|n| {
                let base = &base;
                scope.spawn(move || world.add(&format!("t{n}"), base))
            })
            .collect();
        for add in adds {
            let workspace = add.join().unwrap();
            assert_eq!(read(&workspace, "a.txt"), "one\n");
        }
    });
    assert_eq!(
        world
            .backend
            .list_workspaces()
            .unwrap()
            .iter()
            .filter(|listed| listed.name.contains("+t"))
            .count(),
        8
    );
}

fn the_same_name_twice_at_once_has_one_winner(world: &World) {
    let base = world.base();
    for round in 0..4 {
        let new = world.new_workspace("t", round + 1, &base);
        let results: Vec<_> = std::thread::scope(|scope| {
            let adds: Vec<_> = (0..2)
                .map(|_| scope.spawn(|| world.backend.add_workspace(&new)))
                .collect();
            adds.into_iter().map(|add| add.join().unwrap()).collect()
        });
        assert_eq!(
            results.iter().filter(|result| result.is_ok()).count(),
            1,
            "{results:?}"
        );
        assert!(
            results
                .iter()
                .any(|result| matches!(result, Err(VcsError::NameTaken { .. }))),
            "{results:?}"
        );
        assert_eq!(
            fs_err::read_to_string(new.path.join("a.txt")).unwrap(),
            "one\n"
        );
    }
}

fn forgetting_and_removing_twice_is_nothing(world: &World) {
    let workspace = world.add("t", &world.base());
    fs_err::write(workspace.path.join("work"), "kept\n").unwrap();
    let snapshot = world.backend.snapshot(&workspace, &[]).unwrap();
    for _ in 0..2 {
        world.end(&workspace, &snapshot, "t");
    }
    assert!(!workspace.path.exists() && world.backend.workspaces_root().is_dir());
    assert!(world.backend.exists(&snapshot.commit).unwrap());
    world.user("git -c gc.pruneExpire=now gc -q --prune=now");
    assert_eq!(
        world.file_at(&snapshot.commit, "work").as_deref(),
        Some("kept\n"),
        "a kept commit survives collection"
    );
}

fn only_ours_are_listed(world: &World) {
    let theirs = world.dir.join("theirs");
    if world.is_jj {
        world.user(&format!(
            "jj workspace add --name theirs '{}'",
            theirs.display()
        ));
    } else {
        world.user(&format!(
            "git worktree add -q --detach --lock '{}'",
            theirs.display()
        ));
    }
    let workspace = world.add("t", &world.base());
    let listed = world.backend.list_workspaces().unwrap();
    assert!(
        listed.iter().all(|listed| listed.name.starts_with("mesh-")),
        "{listed:?}"
    );
    let ours = listed
        .iter()
        .find(|listed| listed.name == workspace.name)
        .unwrap();
    assert_eq!(ours.path.as_deref(), Some(workspace.path.as_path()));
    assert!(ours.commit.is_some());
    world.backend.close_hub(RUN).unwrap();
    world.backend.close_hub(RUN).unwrap();
    assert!(
        !world
            .backend
            .list_workspaces()
            .unwrap()
            .iter()
            .any(|listed| listed.name.contains("hub"))
    );
    assert!(theirs.is_dir());
}

fn commands_for_the_plan_are_the_ones_that_run(world: &World) {
    let commands = world
        .backend
        .describe(RUN, &world.new_workspace("t", 1, &world.base()));
    let program = if world.is_jj {
        &world.tools.jj
    } else {
        &world.tools.git
    };
    assert!(
        commands
            .iter()
            .all(|command| Path::new(&command[0]) == program.as_deref().unwrap())
    );
    assert!(commands.iter().any(|command| {
        command
            .iter()
            .any(|word| word == "mesh-r1+t+1" || word.ends_with(" mesh-r1+t+1"))
    }));
    // The very words make the workspace.
    for command in commands.iter().filter(|command| {
        command.contains(&"add".to_owned()) && !command.contains(&"empty".to_owned())
    }) {
        let mut run = std::process::Command::new(&command[0]);
        run.args(&command[1..])
            .current_dir(&world.repo)
            .env_clear()
            .envs(world.env.iter());
        fs_err::create_dir_all(world.backend.workspaces_root()).unwrap();
        assert!(run.status().unwrap().success(), "{command:?}");
    }
    assert!(world.backend.workspaces_root().join("t/a.txt").exists());
}
