//! What users configure and agents plant does not change what mesh's own calls do.

use crate::on_both;
use crate::world::{Landed, World, sh};
use mesh_vcs::{ChangeKind, VcsError, Workspace};
use std::path::Path;

on_both!(
    harmless_changes_of_the_configuration_are_nobodys_business,
    a_change_that_could_decide_what_is_recorded_is_refused,
    what_is_configured_for_all_repositories_is_watched_too,
);

/// Sets things in the repository's configuration as any user may have them, and sees one attempt through to its landing.
fn works_with(world: &mut World, set: &str) -> Workspace {
    world.user(set);
    world.backend = world.later_process();
    let backend = &world.backend;
    let workspace = backend
        .add_workspace(&world.new_workspace("t", 1, &world.base()))
        .unwrap();
    for file in ["a.txt", "shared.txt", "gone.txt"] {
        assert!(
            workspace.path.join(file).is_file(),
            "{set}: {file} is not there"
        );
    }
    fs_err::write(workspace.path.join("a.txt"), "one\r\ntwo\r\n").unwrap();
    fs_err::create_dir_all(workspace.path.join("docs")).unwrap();
    fs_err::write(workspace.path.join("docs/new"), "mixed\r\nends\n").unwrap();
    fs_err::rename(
        workspace.path.join("gone.txt"),
        workspace.path.join("moved.txt"),
    )
    .unwrap();
    let found = backend
        .snapshot(&workspace, &["docs/new".to_owned()])
        .unwrap();
    let kinds: Vec<(&str, ChangeKind)> = found
        .changed
        .iter()
        .map(|one| (one.path.to_str().unwrap(), one.kind))
        .collect();
    let expected = [
        ("a.txt", ChangeKind::Modified),
        ("docs/new", ChangeKind::Added),
        ("gone.txt", ChangeKind::Removed),
        ("moved.txt", ChangeKind::Added),
    ];
    assert_eq!(kinds, expected, "{set}");
    assert_eq!(found.unrecorded, [], "{set}");
    assert_eq!(
        world.file_at(&found.commit, "a.txt").as_deref(),
        Some("one\r\ntwo\r\n"),
        "{set}: what is recorded is what is on disk"
    );
    assert!(
        world.file_at(&found.commit, "shared.txt").is_some(),
        "{set}"
    );
    fs_err::write(workspace.path.join("a.txt"), "by the proof\n").unwrap();
    assert_eq!(
        backend
            .discard_changes_since(&workspace, &found.commit)
            .unwrap(),
        [Path::new("a.txt")],
        "{set}"
    );
    assert_eq!(
        fs_err::read_to_string(workspace.path.join("a.txt")).unwrap(),
        "one\r\ntwo\r\n",
        "{set}"
    );
    // Beside the target's own change, so that it is copied, merged and proved.
    let other = world.finished("other", &world.base(), &[("other", "o\n")]);
    let landed = world
        .land(&world.landing(&other, &world.base()), &mut |_| true)
        .unwrap();
    assert!(matches!(landed, Landed::Moved(_)), "{set}: {landed:?}");
    let landed = world
        .land(&world.landing(&found.commit, &world.base()), &mut |_| true)
        .unwrap();
    assert!(matches!(landed, Landed::Moved(_)), "{set}: {landed:?}");
    workspace
}

/// The user's own change is seen, and refused or not by each later call.
fn after(world: &World, set: &str) -> Result<(), VcsError> {
    world.user(set);
    let first = world.backend.heads(&two(world)).map(|_| ());
    let again = world.backend.heads(&two(world)).map(|_| ());
    assert_eq!(
        first.is_ok(),
        again.is_ok(),
        "{set}: asked twice, answered differently"
    );
    first
}

/// Two commits, so that a question about them has to be asked.
fn two(world: &World) -> Vec<mesh_vcs::CommitId> {
    let own = if world.is_jj { "trunk" } else { "HEAD" };
    let later = world.later_process();
    let mut commits = later.base(Some(own)).unwrap();
    commits.push(crate::world::no_such_commit());
    commits
}

fn is_answered(world: &World, set: &str) {
    if let Err(VcsError::StoreChanged { file, what }) = after(world, set) {
        panic!("{set}: {} {what}", file.display());
    }
}

fn is_refused(world: &World, set: &str, named: &str, at: &str) {
    let said = match after(world, set) {
        Err(error @ VcsError::StoreChanged { .. }) => error.to_string(),
        other => panic!("{set}: {other:?}"),
    };
    assert!(
        said.contains(named) && said.contains(at) && said.contains("mesh resume"),
        "{said}"
    );
}

fn harmless_changes_of_the_configuration_are_nobodys_business(world: &World) {
    let sets: &[&str] = if world.is_jj {
        &[
            "jj config set --repo user.email other@example.org",
            "jj config set --repo signing.behavior own",
            "jj config set --repo 'revset-aliases.\"immutable_heads()\"' 'all()'",
            "jj config set --repo ui.editor vi",
        ]
    } else {
        &[
            "git config user.email other@example.org",
            "git remote add upstream https://example.org/x && git branch topic && git config branch.topic.remote upstream",
            "git config core.hooksPath .husky && git config core.autocrlf true",
            "git sparse-checkout set --no-cone '/*' && git sparse-checkout disable",
            "printf 'exit 1' > .git/hooks/post-checkout && chmod +x .git/hooks/post-checkout",
        ]
    };
    for set in sets {
        is_answered(world, set);
    }
    let workspace = world.add("t", &world.base());
    fs_err::write(workspace.path.join("a.txt"), "two\n").unwrap();
    assert_eq!(
        world
            .backend
            .snapshot(&workspace, &[])
            .unwrap()
            .changed
            .len(),
        1
    );
}

fn a_change_that_could_decide_what_is_recorded_is_refused(world: &World) {
    if world.is_jj {
        is_refused(
            world,
            "jj config set --repo 'revset-aliases.\"heads(x)\"' 'none()'",
            "revset-aliases.heads(x)",
            "config.toml",
        );
    } else {
        is_refused(
            world,
            "git config filter.x.clean 'sed s/a/b/'",
            "filter.x.clean",
            ".git/config",
        );
        world.user(
            "git config --unset filter.x.clean && git config --remove-section filter.x || true",
        );
        is_answered(world, "true");
        is_refused(
            world,
            "git config include.path ../planted",
            "include.path",
            ".git/config",
        );
        world.user("git config --unset include.path");
        is_refused(
            world,
            "echo '*.txt filter=x' > .git/info/attributes",
            "not what it was",
            "info/attributes",
        );
        world.user("rm .git/info/attributes");
        is_refused(
            world,
            "echo '*.txt' >> .git/info/exclude",
            "not what it was",
            "info/exclude",
        );
    }
}

/// mesh's git reads the user's own files, where mesh works with it alone and where it works with it beside jj.
fn what_is_configured_for_all_repositories_is_watched_too(world: &mut World) {
    world.user("git config --global include.path more.conf && git config --global 'includeIf.onbranch:x.path' '~/cond.conf'");
    world.backend = world.later_process();
    for set in [
        "touch ~/.gitconfig",
        "git config --global user.email other@example.org && git config --global color.ui always",
        "git config --global --add safe.directory '*' && git config --global core.editor vi",
        "mkdir -p ~/.config/git && git config --file ~/.config/git/config user.name x",
        "git config --file ~/more.conf alias.st status",
    ] {
        is_answered(world, set);
    }
    for (set, named, at, undo) in [
        (
            "git config --global filter.x.clean 'sed s/a/b/'",
            "filter.x.clean",
            "home/.gitconfig",
            "git config --global --remove-section filter.x",
        ),
        (
            "git config --global --add include.path /planted",
            "include.path",
            "home/.gitconfig",
            "git config --global --unset include.path /planted",
        ),
        (
            "git config --file ~/.config/git/config merge.x.driver true",
            "merge.x.driver",
            "home/.config/git/config",
            "rm ~/.config/git/config",
        ),
        (
            "git config --file ~/more.conf filter.x.clean true",
            "filter.x.clean",
            "home/more.conf",
            "rm ~/more.conf",
        ),
        (
            "git config --file ~/cond.conf core.attributesFile /planted",
            "core.attributesfile",
            "home/cond.conf",
            "rm ~/cond.conf",
        ),
        (
            "echo '*.txt filter=x' > ~/.config/git/attributes",
            "not what it was",
            "home/.config/git/attributes",
            "rm ~/.config/git/attributes",
        ),
        (
            "echo '*.txt' > ~/.config/git/ignore",
            "not what it was",
            "home/.config/git/ignore",
            "rm ~/.config/git/ignore",
        ),
    ] {
        is_refused(world, set, named, at);
        world.user(undo);
        is_answered(world, "true");
    }
    world.user("git config --global core.attributesFile '~/mine' && echo '*.x text' > ~/mine");
    world.backend = world.later_process();
    is_refused(
        world,
        "echo '*.txt filter=x' >> ~/mine",
        "not what it was",
        "home/mine",
    );
    world.user("rm ~/mine && git config --global --unset core.attributesFile");
    world.backend = world.later_process();
    let asked = two(world);
    world.user("printf '[broken' >> ~/.gitconfig");
    let refused = world.backend.heads(&asked).unwrap_err().to_string();
    assert!(
        refused.contains("home/.gitconfig") && refused.contains("cannot read"),
        "{refused}"
    );
}

mod only_git {
    use super::*;

    fn check(set: &str) {
        works_with(&mut World::git(), set);
    }

    #[test]
    fn what_is_configured_for_the_machine_is_watched() {
        let mut world = World::git();
        let file = world.dir.join("machine");
        world.env = (world.env.clone())
            .set("GIT_CONFIG_NOSYSTEM", "0")
            .set("GIT_CONFIG_SYSTEM", &file);
        world.backend = world.later_process();
        let set = format!("git config --file {} filter.x.clean true", file.display());
        is_refused(&world, &set, "filter.x.clean", "/machine");
    }

    #[test]
    fn a_filter_that_is_planted_for_all_repositories_does_not_run() {
        let world = World::git();
        let workspace = world.add("t", &world.base());
        let ran = world.dir.join("ran");
        let script = format!(
            "echo '*.txt filter=x' > .gitattributes; git config --global filter.x.clean 'touch {}; cat'; echo more >> a.txt",
            ran.display()
        );
        world.agent_ok(&workspace, &script);
        let refused = world.backend.snapshot(&workspace, &[]).unwrap_err();
        assert!(refused.to_string().contains("filter.x.clean"), "{refused}");
        assert!(!ran.exists());
    }

    #[test]
    fn a_sparse_checkout() {
        let mut world = World::git();
        let workspace = works_with(
            &mut world,
            "mkdir app && echo a > app/a && git sparse-checkout set --cone app",
        );
        // The agent's own commands see a whole checkout as well.
        world.agent_ok(&workspace, "git add -A && test -f shared.txt && test -z \"$(git status --porcelain)\" && ! git config core.sparseCheckout | grep -q true");
        check(
            "git config core.sparseCheckout true && mkdir -p .git/info && echo '/a.txt' > .git/info/sparse-checkout && git read-tree -mu HEAD",
        );
        check("git sparse-checkout set --sparse-index --cone app");
    }

    #[test]
    fn line_ends() {
        check("git config core.autocrlf true && git config core.safecrlf true");
        check("git config core.autocrlf input && git config core.safecrlf true");
        check("git config core.safecrlf true && git config core.eol crlf");
    }

    #[test]
    fn signing() {
        check(
            "git config commit.gpgSign true && git config tag.gpgSign true && git config gpg.program false && git config log.showSignature true",
        );
    }

    #[test]
    fn programs_and_caches() {
        check(
            "git config core.fsmonitor false-monitor && git config core.untrackedCache true && git config core.splitIndex true",
        );
        check(
            "mkdir hooks && for h in post-checkout pre-commit reference-transaction post-index-change; do printf '#!/bin/sh\\nexit 1' > hooks/$h; chmod +x hooks/$h; done && git config core.hooksPath \"$PWD/hooks\"",
        );
        check(
            "git config core.ignoreStat true && git config core.trustctime false && git config core.checkStat minimal",
        );
        check(
            "git config feature.manyFiles true && git config feature.experimental true && git config index.version 4",
        );
    }

    #[test]
    fn what_is_shown_and_compared() {
        check(
            "git config diff.renames copies && git config diff.external false && git config diff.orderFile /nonexistent && git config diff.noprefix true && git config diff.ignoreSubmodules all",
        );
        check(
            "git config status.showUntrackedFiles no && git config status.relativePaths true && git config status.short true && git config color.ui always && git config column.ui always",
        );
        check(
            "git config core.quotePath true && git config core.pager false && git config i18n.logOutputEncoding ISO-8859-1 && git config log.date relative",
        );
    }

    #[test]
    fn how_things_merge() {
        check(
            "git config merge.default nosuch && git config merge.renormalize true && git config merge.renames false && git config merge.conflictStyle zdiff3 && git config diff.algorithm patience && git config merge.directoryRenames true",
        );
        check(
            "git config submodule.recurse true && git config fetch.recurseSubmodules true && git config gc.auto 1 && git config maintenance.auto true",
        );
        check(
            "git config checkout.guess false && git config worktree.guessRemote true && git config push.default nothing && git config core.logAllRefUpdates false",
        );
    }

    /// What is left behind by a checkout is found by the worktree's own log, which a user may have turned off.
    #[test]
    fn a_stray_is_found_without_the_users_reflogs() {
        let world = World::git();
        world.user("git config core.logAllRefUpdates false");
        let workspace = world.add("t", &world.base());
        let script = format!(
            "echo 1 > one; {}; git checkout -q --detach main",
            world.commit_command()
        );
        world.agent_ok(&workspace, &script);
        assert_eq!(
            world
                .backend
                .snapshot(&workspace, &[])
                .unwrap()
                .strays
                .len(),
            1
        );
    }

    /// A worktree has a configuration of its own where the user turned that on, and agents write it.
    #[test]
    fn what_an_agent_plants_in_its_own_worktree_does_not_run() {
        let world = World::git();
        world.user("git config extensions.worktreeConfig true");
        let backend = world.later_process();
        let workspace = backend
            .add_workspace(&world.new_workspace("t", 1, &world.base()))
            .unwrap();
        let ran = world.dir.join("ran");
        let script = format!(
            "git config --worktree filter.x.clean 'touch {ran}; cat' && git config --worktree merge.x.driver 'touch {ran}' && \
             git config --worktree core.attributesFile \"$PWD/planted\" && echo '* filter=x merge=x' > planted && cp planted .gitattributes && \
             git sparse-checkout set --cone nowhere; echo edited > a.txt",
            ran = ran.display()
        );
        world.agent_ok(&workspace, &script);
        fs_err::remove_file(&ran).ok();
        let found = backend.snapshot(&workspace, &["a.txt".to_owned()]).unwrap();
        assert!(!ran.exists());
        assert_eq!(
            world.file_at(&found.commit, "a.txt").as_deref(),
            Some("edited\n")
        );
        assert!(
            world.file_at(&found.commit, "shared.txt").is_some(),
            "hidden, not removed"
        );
    }

    /// An agent that leads its repository, or the worktree of ours around it, to another store is not followed.
    #[test]
    fn a_worktree_that_is_led_elsewhere_is_gone() {
        let world = World::git();
        let workspace = world.add("t", &world.base());
        let other = world.dir.join("other");
        sh(&world.dir, &world.env, "git init -q --bare other");
        let lead = |folder: &str| {
            format!(
                "echo {} > \"$(git rev-parse --git-dir){folder}/commondir\"",
                other.display()
            )
        };
        world.agent_ok(&workspace, &lead(""));
        assert!(world.backend.snapshot(&workspace, &[]).unwrap().no_change);
        world.agent_ok(&workspace, "git log -1 HEAD");
        world.agent_ok(&workspace, &lead("/.."));
        assert!(matches!(
            world.backend.snapshot(&workspace, &[]),
            Err(VcsError::WorkspaceGone { .. })
        ));
    }

    /// The filter that the user had before the run does what it is for; the one that an agent plants does not run.
    #[test]
    fn filters_of_the_user_run_and_planted_ones_do_not() {
        let mut world = World::git();
        world.user("git config filter.shout.clean 'tr a-z A-Z'");
        world.backend = world.later_process();
        let backend = &world.backend;
        let workspace = backend
            .add_workspace(&world.new_workspace("t", 1, &world.base()))
            .unwrap();
        fs_err::write(
            workspace.path.join(".gitattributes"),
            "*.loud filter=shout\n*.txt filter=x\n",
        )
        .unwrap();
        fs_err::write(workspace.path.join("a.loud"), "loud\n").unwrap();
        let found = backend.snapshot(&workspace, &[]).unwrap();
        assert_eq!(
            world.file_at(&found.commit, "a.loud").as_deref(),
            Some("LOUD\n")
        );
        let ran = world.dir.join("ran");
        world.agent_ok(
            &workspace,
            &format!(
                "git -C '{}' config filter.x.clean 'touch {}; cat'; echo more >> a.txt",
                world.repo.display(),
                ran.display()
            ),
        );
        let refused = backend.snapshot(&workspace, &[]).unwrap_err().to_string();
        assert!(refused.contains("filter.x.clean"), "{refused}");
        assert!(!ran.exists());
    }
}

mod only_real_jj {
    use super::*;

    fn check(set: &str) {
        if let Some(mut world) = World::real_jj() {
            works_with(&mut world, set);
        }
    }

    #[test]
    fn signing() {
        check(
            "jj config set --repo signing.behavior own && jj config set --repo signing.backend gpg && jj config set --repo signing.backends.gpg.program '\"false\"' && jj config set --repo ui.show-cryptographic-signatures true",
        );
    }

    #[test]
    fn what_is_recorded() {
        check(
            "jj config set --repo snapshot.auto-track 'none()' && jj config set --repo snapshot.max-new-file-size 1 && jj config set --repo working-copy.eol-conversion input-output && jj config set --repo snapshot.auto-update-stale true",
        );
        check("jj config set --repo fsmonitor.backend watchman");
    }

    #[test]
    fn what_may_be_rewritten() {
        check("jj config set --repo 'revset-aliases.\"immutable_heads()\"' 'all()'");
        check("jj config set --repo 'revset-aliases.\"immutable_heads()\"' 'none()'");
        check("jj config set --repo 'revset-aliases.\"trunk()\"' 'nosuch@origin'");
    }

    #[test]
    fn what_is_written() {
        check("jj config set --repo ui.quiet true");
        check(
            "jj config set --repo ui.log-word-wrap true && jj config set --repo ui.color always && jj config set --repo ui.diff-formatter :git",
        );
        check(
            "jj config set --repo templates.commit_summary 'broken(' && jj config set --repo templates.log 'broken(' && jj config set --repo templates.op_log 'broken('",
        );
        check(
            "jj config set --repo merge.hunk-level word && jj config set --repo merge.same-change keep && jj config set --repo ui.conflict-marker-style git",
        );
    }

    #[test]
    fn no_bookmark_moves_by_itself() {
        let Some(mut world) = World::real_jj() else {
            return;
        };
        let before = world.target("main");
        works_with(
            &mut world,
            "jj config set --repo experimental-advance-branches.enabled-branches '[\"glob:*\"]'",
        );
        assert_eq!(world.target("main"), before);
    }
}
