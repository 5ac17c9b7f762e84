//! What an attempt left, and what its proof did.

use crate::on_both;
use crate::world::{World, sh};
use mesh_vcs::{ChangeKind, Changed, Snapshot, VcsError, Workspace};
use std::path::Path;

on_both!(
    changes_are_named_and_recorded,
    a_rename_is_a_removal_and_an_addition,
    a_second_snapshot_says_the_same,
    a_file_over_one_mebibyte_is_recorded,
    a_patch_brings_back_what_was_changed,
    ignored_files_are_not,
    names_with_odd_characters,
    what_the_agent_committed_and_what_it_did_not,
    empty_commits_on_top_are_passed_over,
    nothing_changed,
    a_commit_left_behind_is_a_stray,
    work_beside_the_needs_is_missing_them,
    another_attempts_result_is_no_stray,
    an_agent_cannot_squash_into_a_need,
    an_agent_cannot_rewrite_the_trunk,
    an_agent_does_not_reach_the_main_repository_by_git,
    changes_of_the_proof_are_reported_and_discarded,
    a_proof_that_changes_nothing,
    a_workspace_that_is_gone,
    a_merge_made_by_the_agent_is_compared_with_the_needs,
    an_untouched_workspace_leaves_no_commit_behind,
    the_users_working_copy_stays_as_it_is,
    leftover_locks_do_not_stop_it,
    settings_of_the_user_do_not_change_what_is_found,
);

fn snapshot(world: &World, workspace: &Workspace) -> Snapshot {
    world.backend.snapshot(workspace, &[]).unwrap()
}

fn changed(kind: ChangeKind, path: &str) -> Changed {
    Changed {
        path: path.into(),
        kind,
    }
}

fn changes_are_named_and_recorded(world: &World) {
    let workspace = world.add("t", &world.base());
    fs_err::create_dir(workspace.path.join("dir")).unwrap();
    fs_err::write(workspace.path.join("dir/new"), "new\n").unwrap();
    fs_err::write(workspace.path.join("a.txt"), "two\n").unwrap();
    fs_err::remove_file(workspace.path.join("gone.txt")).unwrap();
    let found = snapshot(world, &workspace);
    assert_eq!(
        found.changed,
        [
            changed(ChangeKind::Modified, "a.txt"),
            changed(ChangeKind::Added, "dir/new"),
            changed(ChangeKind::Removed, "gone.txt")
        ]
    );
    assert!(
        !found.no_change
            && found.strays.is_empty()
            && found.missing_needs.is_empty()
            && found.conflicted.is_empty()
    );
    assert_eq!(
        world.file_at(&found.commit, "a.txt").as_deref(),
        Some("two\n")
    );
    assert_eq!(
        world.file_at(&found.commit, "dir/new").as_deref(),
        Some("new\n")
    );
    assert_eq!(world.file_at(&found.commit, "gone.txt"), None);
}

/// A rename out of a lock group must not look like an addition alone.
fn a_rename_is_a_removal_and_an_addition(world: &World) {
    let workspace = world.add("t", &world.base());
    fs_err::rename(workspace.path.join("a.txt"), workspace.path.join("b.txt")).unwrap();
    let found = snapshot(world, &workspace);
    assert_eq!(
        found.changed,
        [
            changed(ChangeKind::Removed, "a.txt"),
            changed(ChangeKind::Added, "b.txt")
        ]
    );
    fs_err::rename(workspace.path.join("b.txt"), workspace.path.join("c.txt")).unwrap();
    assert_eq!(
        world
            .backend
            .discard_changes_since(&workspace, &found.commit)
            .unwrap(),
        [Path::new("b.txt"), Path::new("c.txt")]
    );
}

fn a_second_snapshot_says_the_same(world: &World) {
    let workspace = world.add("t", &world.base());
    fs_err::write(workspace.path.join("a.txt"), "two\n").unwrap();
    let first = snapshot(world, &workspace);
    assert_eq!(snapshot(world, &workspace), first);
    assert_eq!(
        world.later_process().snapshot(&workspace, &[]).unwrap(),
        first
    );
}

fn a_patch_brings_back_what_was_changed(world: &World) {
    let workspace = world.add("t", &world.base());
    let bytes: Vec<u8> = (0..=255).cycle().take(3000).collect();
    fs_err::write(workspace.path.join("picture"), &bytes).unwrap();
    fs_err::write(workspace.path.join("a.txt"), "two\n").unwrap();
    fs_err::remove_file(workspace.path.join("gone.txt")).unwrap();
    let commit = snapshot(world, &workspace).commit;
    let patch = world.backend.patch(&workspace, &commit).unwrap();
    // Outside any repository git applies a patch to plain files.
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (name, text) in [("a.txt", "one\n"), ("gone.txt", "soon\n")] {
        fs_err::write(path(name), text).unwrap();
    }
    fs_err::write(path("patch"), patch).unwrap();
    sh(folder.path(), &world.env, "git apply patch");
    assert_eq!(fs_err::read(path("picture")).unwrap(), bytes);
    assert_eq!(fs_err::read_to_string(path("a.txt")).unwrap(), "two\n");
    assert!(!path("gone.txt").exists());
}

fn a_file_over_one_mebibyte_is_recorded(world: &World) {
    let workspace = world.add("t", &world.base());
    fs_err::write(workspace.path.join("big"), vec![b'x'; 3 << 20]).unwrap();
    let found = snapshot(world, &workspace);
    assert_eq!(found.changed, [changed(ChangeKind::Added, "big")]);
    assert_eq!(
        world.file_at(&found.commit, "big").map(|text| text.len()),
        Some(3 << 20)
    );
}

fn ignored_files_are_not(world: &World) {
    let workspace = world.add("t", &world.base());
    fs_err::create_dir(workspace.path.join("ignored")).unwrap();
    fs_err::write(workspace.path.join("ignored/f"), "x").unwrap();
    assert!(snapshot(world, &workspace).no_change);
}

fn names_with_odd_characters(world: &World) {
    let workspace = world.add("t", &world.base());
    let names = [" lead", "a\nb", "a\tb", "quo\"te", "ä", "{x => y}", "-dash"];
    for name in names {
        fs_err::write(workspace.path.join(name), "x").unwrap();
    }
    let mut expected: Vec<Changed> = names
        .iter()
        .map(|name| changed(ChangeKind::Added, name))
        .collect();
    expected.sort();
    assert_eq!(snapshot(world, &workspace).changed, expected);
}

fn what_the_agent_committed_and_what_it_did_not(world: &World) {
    let workspace = world.add("t", &world.base());
    world.agent_ok(
        &workspace,
        &format!(
            "echo 1 > one; {}; echo 2 > two; {}; echo 3 > three",
            world.commit_command(),
            world.commit_command()
        ),
    );
    let found = snapshot(world, &workspace);
    assert_eq!(
        found.changed,
        ["one", "three", "two"].map(|name| changed(ChangeKind::Added, name))
    );
    assert_eq!(
        world.file_at(&found.commit, "three").as_deref(),
        Some("3\n")
    );
    assert!(
        found.strays.is_empty() && found.missing_needs.is_empty(),
        "{found:?}"
    );
    world.end(&workspace, &found, "t");
    assert!(
        world
            .backend
            .is_in(&world.base()[0], std::slice::from_ref(&found.commit))
            .unwrap()
    );
}

fn empty_commits_on_top_are_passed_over(world: &World) {
    let workspace = world.add("t", &world.base());
    world.agent_ok(
        &workspace,
        &format!("echo 1 > one; {}", world.commit_command()),
    );
    let plain = snapshot(world, &workspace);
    if world.is_jj {
        world.agent_ok(&workspace, "jj new -m next && jj new");
        assert_eq!(snapshot(world, &workspace).commit, plain.commit);
    }
    world.end(&workspace, &plain, "t");
    assert_eq!(world.file_at(&plain.commit, "one").as_deref(), Some("1\n"));
}

fn nothing_changed(world: &World) {
    let base = world.base();
    let workspace = world.add("t", &base);
    let found = snapshot(world, &workspace);
    assert_eq!(
        (found.no_change, &found.commit, found.changed.len()),
        (true, &base[0], 0)
    );
    fs_err::write(workspace.path.join("a.txt"), "two\n").unwrap();
    fs_err::write(workspace.path.join("a.txt"), "one\n").unwrap();
    assert!(snapshot(world, &workspace).no_change);
}

fn a_commit_left_behind_is_a_stray(world: &World) {
    let workspace = world.add("t", &world.base());
    let leave = if world.is_jj {
        "jj new main"
    } else {
        "git checkout -q --detach main"
    };
    world.agent_ok(
        &workspace,
        &format!("echo 1 > one; {}; {leave}", world.commit_command()),
    );
    let found = snapshot(world, &workspace);
    assert_eq!(found.strays.len(), 1, "{found:?}");
    assert_eq!(
        world.file_at(&found.strays[0], "one").as_deref(),
        Some("1\n")
    );
    assert!(found.no_change);
}

fn work_beside_the_needs_is_missing_them(world: &World) {
    let need = world.finished("need", &world.base(), &[("need", "n\n")]);
    let workspace = world.add("t", std::slice::from_ref(&need));
    let leave = if world.is_jj {
        "jj new main"
    } else {
        "git checkout -q --detach main"
    };
    world.agent_ok(
        &workspace,
        &format!("{leave}; echo 1 > one; {}", world.commit_command()),
    );
    let found = snapshot(world, &workspace);
    assert_eq!(found.missing_needs, [need]);
    assert_eq!(world.file_at(&found.commit, "one").as_deref(), Some("1\n"));
}

fn another_attempts_result_is_no_stray(world: &World) {
    let workspace = world.add("t", &world.base());
    world.finished("other", &world.base(), &[("other", "o\n")]);
    let live = world.add("live", &world.base());
    fs_err::write(live.path.join("live"), "l\n").unwrap();
    world.agent_ok(&live, &format!("{}; echo 2 > more", world.commit_command()));
    fs_err::write(workspace.path.join("mine"), "m\n").unwrap();
    let found = snapshot(world, &workspace);
    assert_eq!(found.strays, []);
    assert_eq!(found.changed, [changed(ChangeKind::Added, "mine")]);
}

fn an_agent_cannot_squash_into_a_need(world: &World) {
    let need = world.finished("need", &world.base(), &[("need", "n\n")]);
    let (one, other) = (
        world.add("one", std::slice::from_ref(&need)),
        world.add("other", std::slice::from_ref(&need)),
    );
    fs_err::write(other.path.join("unsaved"), "precious\n").unwrap();
    fs_err::write(one.path.join("need"), "changed\n").unwrap();
    if world.is_jj {
        let (ok, said) = world.agent(&one, "jj squash -u");
        assert!(!ok && said.contains("immutable"), "{said}");
    } else {
        world.agent_ok(
            &one,
            "git add -A && git -c user.name=A -c user.email=a@x commit -q --amend -m squashed",
        );
    }
    let saved = snapshot(world, &other);
    assert_eq!(saved.changed, [changed(ChangeKind::Added, "unsaved")]);
    assert!(saved.missing_needs.is_empty());
    assert_eq!(world.file_at(&need, "need").as_deref(), Some("n\n"));
    let amended = snapshot(world, &one);
    assert_eq!(
        amended.missing_needs.len(),
        usize::from(!world.is_jj),
        "an amended need is no longer the need"
    );
}

fn an_agent_cannot_rewrite_the_trunk(world: &World) {
    let workspace = world.add("t", &world.base());
    let before = world.target("main");
    if world.is_jj {
        let (ok, said) = world.agent(&workspace, "jj describe main -m mine");
        assert!(!ok && said.contains("immutable"), "{said}");
    }
    assert_eq!(world.target("main"), before);
}

fn an_agent_does_not_reach_the_main_repository_by_git(world: &World) {
    let workspace = world.add("t", &world.base());
    let (ok, said) = world.agent(&workspace, "git rev-parse --show-toplevel");
    if world.is_jj {
        assert!(!ok, "{said}");
    } else {
        assert_eq!(Path::new(said.trim()), workspace.path);
    }
}

fn changes_of_the_proof_are_reported_and_discarded(world: &World) {
    let workspace = world.add("t", &world.base());
    fs_err::write(workspace.path.join("work"), "work\n").unwrap();
    let found = snapshot(world, &workspace);
    fs_err::write(workspace.path.join("work"), "formatted\n").unwrap();
    fs_err::remove_file(workspace.path.join("a.txt")).unwrap();
    fs_err::create_dir_all(workspace.path.join("ignored")).unwrap();
    fs_err::write(workspace.path.join("ignored/cache"), "warm\n").unwrap();
    let paths = world
        .backend
        .discard_changes_since(&workspace, &found.commit)
        .unwrap();
    assert_eq!(paths, [Path::new("a.txt"), Path::new("work")]);
    assert_eq!(
        fs_err::read_to_string(workspace.path.join("work")).unwrap(),
        "work\n"
    );
    assert_eq!(
        fs_err::read_to_string(workspace.path.join("a.txt")).unwrap(),
        "one\n"
    );
    assert_eq!(
        fs_err::read_to_string(workspace.path.join("ignored/cache")).unwrap(),
        "warm\n"
    );
    assert_eq!(snapshot(world, &workspace), found);
    assert_eq!(
        world.file_at(&found.commit, "work").as_deref(),
        Some("work\n")
    );
}

fn a_proof_that_changes_nothing(world: &World) {
    let workspace = world.add("t", &world.base());
    for text in [None, Some("work\n")] {
        if let Some(text) = text {
            fs_err::write(workspace.path.join("work"), text).unwrap();
        }
        let found = snapshot(world, &workspace);
        assert!(
            world
                .backend
                .discard_changes_since(&workspace, &found.commit)
                .unwrap()
                .is_empty()
        );
    }
    // Without a change of the agent's own, what the proof did is discarded all the same.
    let idle = world.add("idle", &world.base());
    let found = snapshot(world, &idle);
    fs_err::write(idle.path.join("a.txt"), "formatted\n").unwrap();
    assert_eq!(
        world
            .backend
            .discard_changes_since(&idle, &found.commit)
            .unwrap(),
        [Path::new("a.txt")]
    );
    assert!(snapshot(world, &idle).no_change);
}

fn a_workspace_that_is_gone(world: &World) {
    let workspace = world.add("t", &world.base());
    world.backend.forget(&workspace.name).unwrap();
    let forgotten = world.backend.snapshot(&workspace, &[]);
    if world.is_jj {
        // Somebody's `op restore` does the same, and files that are there are recorded.
        assert!(forgotten.unwrap().no_change);
        world.backend.forget(&workspace.name).unwrap();
    } else {
        assert!(matches!(
            forgotten,
            Err(VcsError::WorkspaceGone { .. } | VcsError::Failed { .. })
        ));
    }
    world.backend.remove(&workspace).unwrap();
    assert!(matches!(
        world.backend.snapshot(&workspace, &[]),
        Err(VcsError::WorkspaceGone { .. })
    ));
}

fn a_merge_made_by_the_agent_is_compared_with_the_needs(world: &World) {
    let base = world.base();
    let a = world.finished("a", &base, &[("from-a", "a\n")]);
    let b = world.finished("b", &base, &[("from-b", "b\n")]);
    let workspace = world.add("t", &[a.clone(), b.clone()]);
    let merge = if world.is_jj {
        format!("jj commit -m one; echo 2 > two; jj new @ {b} -m merge")
    } else {
        format!("git add -A; git commit -q -m one; echo 2 > two; git merge -q --no-edit {b}")
    };
    world.agent_ok(
        &workspace,
        &format!("echo 1 > one; {merge}; echo 3 > three"),
    );
    let found = snapshot(world, &workspace);
    assert_eq!(
        found.changed,
        ["one", "three", "two"].map(|name| changed(ChangeKind::Added, name))
    );
    assert!(
        found.missing_needs.is_empty() && found.strays.is_empty(),
        "{found:?}"
    );
}

fn an_untouched_workspace_leaves_no_commit_behind(world: &World) {
    let count = |world: &World| {
        if world.is_jj {
            world
                .user(
                    "jj --ignore-working-copy log --no-graph -r 'all()' -T 'commit_id ++ \"\\n\"'",
                )
                .lines()
                .count()
        } else {
            world.user("git for-each-ref refs/mesh").lines().count()
        }
    };
    let before = count(world);
    let workspace = world.add("t", &world.base());
    snapshot(world, &workspace);
    world.backend.forget(&workspace.name).unwrap();
    assert_eq!(count(world), before);
}

fn the_users_working_copy_stays_as_it_is(world: &World) {
    fs_err::write(world.repo.join("a.txt"), "edited\n").unwrap();
    fs_err::write(world.repo.join("untracked"), "u\n").unwrap();
    fs_err::remove_file(world.repo.join("gone.txt")).unwrap();
    let before = world.users_files();
    if world.is_jj {
        // What jj last saw is what it can tell without being made to look.
        world.user("jj st");
    }
    assert!(world.backend.working_copy_note().unwrap().is_some());
    let need = world.finished("need", &world.base(), &[("a.txt", "other\n")]);
    let done = world.finished("t", std::slice::from_ref(&need), &[("b.txt", "b\n")]);
    let landed = world
        .land(&world.landing(&done, &world.base()), &mut |_| true)
        .unwrap();
    assert!(
        matches!(landed, crate::world::Landed::Moved(_)),
        "{landed:?}"
    );
    world.backend.close_hub(crate::world::RUN).unwrap();
    assert_eq!(world.users_files(), before);
}

fn leftover_locks_do_not_stop_it(world: &World) {
    let workspace = world.add("t", &world.base());
    if !world.is_jj {
        let link = fs_err::read_to_string(workspace.path.join(".git")).unwrap();
        let administrative = Path::new(link.trim().strip_prefix("gitdir: ").unwrap()).to_path_buf();
        fs_err::write(administrative.join("index.lock"), "").unwrap();
        fs_err::write(administrative.join("HEAD.lock"), "").unwrap();
        fs_err::write(administrative.join("index"), "torn").unwrap();
    }
    fs_err::write(workspace.path.join("work"), "work\n").unwrap();
    assert_eq!(
        snapshot(world, &workspace).changed,
        [changed(ChangeKind::Added, "work")]
    );
}

/// Colours, pagers, hooks, signing, patterns and limits that people have in their configuration.
fn settings_of_the_user_do_not_change_what_is_found(world: &mut World) {
    give_the_user_odd_settings(world);
    world.backend = world.later_process();
    let backend = &world.backend;
    let need = world.finished("need", &world.base(), &[("need", "n\n")]);
    let workspace = backend
        .add_workspace(&world.new_workspace("t", 1, std::slice::from_ref(&need)))
        .unwrap();
    fs_err::rename(
        workspace.path.join("a.txt"),
        workspace.path.join("\u{e4}.txt"),
    )
    .unwrap();
    fs_err::write(workspace.path.join("need"), "changed\n").unwrap();
    if world.is_jj {
        let (ok, said) = world.agent(&workspace, "jj squash -u");
        assert!(
            !ok && said.contains("immutable"),
            "the repository's own setting must not win: {said}"
        );
    }
    let found = backend.snapshot(&workspace, &[]).unwrap();
    assert_eq!(
        found.changed,
        [
            changed(ChangeKind::Removed, "a.txt"),
            changed(ChangeKind::Modified, "need"),
            changed(ChangeKind::Added, "\u{e4}.txt")
        ]
    );
    fs_err::write(workspace.path.join("new"), "by the proof\n").unwrap();
    assert_eq!(
        backend
            .discard_changes_since(&workspace, &found.commit)
            .unwrap(),
        [Path::new("new")]
    );
    fs_err::write(world.repo.join("untracked"), "u\n").unwrap();
    if !world.is_jj {
        assert!(backend.working_copy_note().unwrap().is_some());
    }
    let landed = world
        .land(&world.landing(&found.commit, &world.base()), &mut |_| true)
        .unwrap();
    assert!(
        matches!(landed, crate::world::Landed::Moved(_)),
        "{landed:?}"
    );
}

fn give_the_user_odd_settings(world: &World) {
    let home = world.dir.join("home");
    let append = |file: &str, text: &str| {
        let path = home.join(file);
        let before = fs_err::read_to_string(&path).unwrap();
        fs_err::write(path, before + text).unwrap();
    };
    if world.is_jj {
        world.user("jj config set --repo 'revset-aliases.\"immutable_heads()\"' 'none()'");
    }
    fs_err::create_dir(home.join("hooks")).unwrap();
    for hook in ["post-checkout", "pre-commit", "reference-transaction"] {
        let path = home.join("hooks").join(hook);
        fs_err::write(&path, "#!/bin/sh\nexit 1\n").unwrap();
        fs_err::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
    }
    let git = "[core]\npager = false\nquotePath = true\n[commit]\ngpgSign = true\n[gpg]\nprogram = false\n\
               [status]\nshowUntrackedFiles = no\n[color]\nui = always\n[diff]\nexternal = false\nrenames = copies\n[log]\nshowSignature = true\n";
    append(
        ".gitconfig",
        &format!("[core]\nhooksPath = {}/hooks\n{git}", home.display()),
    );
    let jj = "ui.color = \"always\"\nui.paginate = \"auto\"\nui.pager = \"false\"\nui.diff-formatter = \":git\"\n\
              snapshot.auto-track = \"none()\"\nsnapshot.max-new-file-size = 3\ntemplates.log = \"broken(\"\n";
    append(".config/jj/config.toml", jj);
}

mod only_real_jj_0_45_1 {
    use super::{ChangeKind, World, changed, snapshot};

    /// git has no such commit, so jj compares with it.
    #[test]
    fn what_stands_on_the_root_commit_is_compared_with_it() {
        let Some(world) = World::real_jj() else {
            return;
        };
        let root = world.backend.base(Some("root()")).unwrap();
        let workspace = world.add("t", &root);
        fs_err::write(workspace.path.join("new"), "new\n").unwrap();
        let found = snapshot(&world, &workspace);
        assert_eq!(found.changed, [changed(ChangeKind::Added, "new")]);
        let patch = world.backend.patch(&workspace, &found.commit).unwrap();
        assert!(String::from_utf8_lossy(&patch).contains("+new"));
    }

    /// An attempt's configuration is kept only for the commits that it was made for, and whatever an agent wrote into it is gone.
    #[test]
    fn the_configuration_of_an_attempt_follows_the_commits_to_protect() {
        let Some(world) = World::real_jj() else {
            return;
        };
        let base = world.base();
        let workspace = world.add("t", &base);
        let file = world
            .dir
            .join("attempts")
            .join(&workspace.name)
            .join("jj.toml");
        let text = || fs_err::read_to_string(&file).unwrap();
        world.variables(&workspace, &base);
        let first = text();
        fs_err::write(&file, "user.name = \"somebody else\"\n").unwrap();
        world.variables(&workspace, &base);
        assert_eq!(text(), first);
        fs_err::write(workspace.path.join("new"), "new\n").unwrap();
        let result = snapshot(&world, &workspace).commit;
        world.variables(&workspace, std::slice::from_ref(&result));
        assert!(text().contains(result.as_str()), "{}", text());
    }
}
