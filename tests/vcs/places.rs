//! Repositories that are not the textbook one: where the main root is, where workspaces go, and that work can be done there.

use crate::on_both;
use crate::world::{RUN, World, sh};
use mesh_vcs::name::{workspace_folder, workspace_name};
use mesh_vcs::{Backend, CommitId, NewWorkspace, RepositorySetup, VcsError};
use std::path::{Path, PathBuf};

const COMMIT: &str = "git -c user.name=U -c user.email=u@example.org commit -q --allow-empty -m";

/// Runs a script in the world's own folder, with what a person has.
fn person(world: &World, script: &str) {
    sh(&world.dir, &world.env, script);
}

fn open(world: &World, at: &Path) -> Backend {
    Backend::detect(at, &world.setup()).unwrap_or_else(|error| panic!("{}: {error}", at.display()))
}

/// Works a task from `start` and looks that nothing of it lies in the store or in a working copy of somebody's.
#[track_caller]
fn works(world: &World, start: &Path, main_root: &Path, workspaces_root: &Path) {
    let backend = open(world, start);
    assert_eq!(backend.main_root(), main_root);
    assert_eq!(backend.workspaces_root(), workspaces_root);
    assert!(
        !backend.main_root().starts_with(backend.store_path())
            || backend.main_root().join(".git").is_file()
    );
    backend.open_hub(RUN).unwrap();
    let base = backend.base(None).unwrap();
    let workspace = backend.add_workspace(&new(&backend, "t", &base)).unwrap();
    fs_err::write(workspace.path.join("made.txt"), "made\n").unwrap();
    // As a run has it.
    fs_err::create_dir_all(main_root.join(".mesh/runs")).unwrap();
    let other = open(world, &workspace.path);
    assert_eq!(other.main_root(), main_root, "from an attempt's workspace");
    assert_eq!(other.store_path(), backend.store_path());
    let snapshot = backend.snapshot(&workspace, &[]).unwrap();
    assert_eq!(snapshot.changed.len(), 1);
    backend.keep(&snapshot.commit, RUN, "t", 1).unwrap();
    backend.forget(&workspace.name).unwrap();
    backend.remove(&workspace).unwrap();
    let next = backend.heads(&[base[0].clone(), snapshot.commit]).unwrap();
    let workspace = backend.add_workspace(&new(&backend, "u", &next)).unwrap();
    assert!(workspace.path.join("made.txt").is_file());
    backend.discard(&workspace).unwrap();
    backend.close_hub(RUN).unwrap();
    fs_err::remove_dir_all(main_root.join(".mesh")).unwrap();
}

fn new(backend: &Backend, task: &str, parents: &[CommitId]) -> NewWorkspace {
    NewWorkspace {
        name: workspace_name(RUN, task, 1),
        path: backend.workspaces_root().join(workspace_folder(task, 1)),
        parents: parents.to_vec(),
        message: String::new(),
    }
}

#[test]
fn a_linked_worktree_works_on_its_own_head() {
    let world = World::git();
    world.user(&format!(
        "git worktree add -q ../feature -b feature && cd ../feature && {COMMIT} feature"
    ));
    let feature = world.dir.join("feature");
    works(
        &world,
        &feature,
        &world.repo,
        &world.dir.join("workspaces/repo"),
    );
    let head = sh(&feature, &world.env, "git rev-parse HEAD");
    assert_eq!(
        open(&world, &feature).base(None).unwrap()[0].as_str(),
        head.trim()
    );
    assert_ne!(world.base()[0].as_str(), head.trim());
}

#[test]
fn worktrees_of_a_bare_repository() {
    let world = World::git();
    person(
        &world,
        "git clone -q --bare repo b.git && git -C b.git worktree add -q ../w1 main && git -C b.git worktree add -q -b other ../w2",
    );
    let (w1, w2) = (world.dir.join("w1"), world.dir.join("w2"));
    works(&world, &w1, &w1, &world.dir.join("workspaces/w1"));
    works(&world, &w2, &w2, &world.dir.join("workspaces/w2"));
    // Once there are runs, they are found from every worktree.
    fs_err::create_dir_all(w2.join(".mesh/runs")).unwrap();
    works(&world, &w1, &w2, &world.dir.join("workspaces/w2"));
    for store in ["b.git", "b.git/refs"] {
        let error = Backend::detect(&world.dir.join(store), &world.setup())
            .err()
            .unwrap();
        assert!(matches!(&error, VcsError::Bare { .. }), "{error}");
        assert!(error.to_string().contains("worktree"), "{error}");
    }
}

#[test]
fn a_bare_repository_beside_or_around_its_worktrees() {
    let world = World::git();
    person(
        &world,
        "mkdir p && git clone -q --bare repo p/.bare && echo 'gitdir: ./.bare' >p/.git && cd p && git worktree add -q main main",
    );
    let main = world.dir.join("p/main");
    works(&world, &main, &main, &world.dir.join("p/workspaces/main"));
    let error = Backend::detect(&world.dir.join("p"), &world.setup())
        .err()
        .unwrap();
    assert!(matches!(error, VcsError::Bare { .. }), "{error}");
    person(
        &world,
        "git clone -q --bare repo in.git && cd in.git && git worktree add -q main main",
    );
    let main = world.dir.join("in.git/main");
    works(
        &world,
        &main,
        &main,
        &world.dir.join("workspaces/in.git+main"),
    );
}

#[test]
fn a_submodule_and_one_in_it() {
    let world = World::git();
    let add = "git -c protocol.file.allow=always submodule -q add";
    person(
        &world,
        &format!(
            "git init -q super && cd super && {COMMIT} one && {add} ../repo lib && {COMMIT} two && cd lib && {add} \"$PWD/../../repo\" deep/er && {COMMIT} three"
        ),
    );
    let lib = world.dir.join("super/lib");
    works(&world, &lib, &lib, &world.dir.join("workspaces/super+lib"));
    let deeper = lib.join("deep/er");
    works(
        &world,
        &deeper,
        &deeper,
        &world.dir.join("workspaces/super+lib+deep+er"),
    );
    sh(&lib, &world.env, "git worktree add -q ../../linked");
    works(
        &world,
        &world.dir.join("linked"),
        &lib,
        &world.dir.join("workspaces/super+lib"),
    );
    let status = sh(
        &world.dir.join("super"),
        &world.env,
        "git status --porcelain --ignore-submodules=all",
    );
    assert_eq!(status, "", "the superproject is not touched");
}

#[test]
fn a_store_that_lies_elsewhere() {
    let world = World::git();
    person(
        &world,
        &format!(
            "mkdir store && git init -q --separate-git-dir store/s.git away && cd away && {COMMIT} one && git worktree add -q ../linked"
        ),
    );
    let (away, linked) = (world.dir.join("away"), world.dir.join("linked"));
    works(&world, &away, &away, &world.dir.join("workspaces/away"));
    // git does not know where the main working copy of such a store is.
    works(
        &world,
        &linked,
        &linked,
        &world.dir.join("workspaces/linked"),
    );
}

/// The world's repository, moved to `path`.
fn moved(world: &World, path: &str) -> PathBuf {
    let to = world.dir.join(path);
    fs_err::create_dir_all(to.parent().unwrap()).unwrap();
    world.backend.close_hub(RUN).unwrap();
    fs_err::remove_dir_all(world.dir.join("workspaces")).unwrap();
    fs_err::rename(&world.repo, &to).unwrap();
    to
}

fn a_repository_called_workspaces(world: &World) {
    let to = moved(world, "workspaces");
    works(
        world,
        &to,
        &to,
        &world.dir.join("mesh-workspaces/workspaces"),
    );
}

fn a_repository_beside_one_called_workspaces(world: &World) {
    world.backend.close_hub(RUN).unwrap();
    fs_err::remove_dir_all(world.dir.join("workspaces")).unwrap();
    person(world, "git init -q workspaces");
    works(
        world,
        &world.repo,
        &world.repo,
        &world.dir.join("mesh-workspaces/repo"),
    );
    let status = sh(
        &world.dir.join("workspaces"),
        &world.env,
        "git status --porcelain",
    );
    assert_eq!(status, "");
}

fn a_path_with_everything_in_it(world: &World) {
    let to = moved(world, "a b'c \"d\" $e é 日本\nnext\tline/re po");
    works(
        world,
        &to,
        &to,
        &to.parent().unwrap().join("workspaces/re po"),
    );
}

fn a_repository_without_commits(world: &World) {
    let init = if world.is_jj {
        "jj git init"
    } else {
        "git init -q"
    };
    person(world, &format!("{init} fresh && echo x >fresh/x"));
    let error = open(world, &world.dir.join("fresh"))
        .base(None)
        .unwrap_err();
    assert!(matches!(&error, VcsError::NoCommits { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("no commit yet") && text.contains("commit`") && text.contains("--base"),
        "{text}"
    );
}

/// jj takes in what git did when a command of its own runs in the working copy, and mesh runs none there.
fn commits_that_git_made_are_in_the_base_or_missed(world: &World) {
    world.user(&format!("{COMMIT} later"));
    let head = sh(&world.repo, &world.env, "git rev-parse HEAD");
    if world.is_jj {
        let error = open(world, &world.repo).base(None).unwrap_err();
        assert!(
            matches!(&error, VcsError::HeadNotImported { .. }),
            "{error}"
        );
        assert!(error.to_string().contains("`jj st`"), "{error}");
        let named = open(world, &world.repo).base(Some("trunk"));
        assert_eq!(named.unwrap().len(), 1, "whoever names a base gets it");
        world.user("jj st");
    }
    let base = open(world, &world.repo).base(None).unwrap();
    assert_eq!(base[0].as_str(), head.trim());
}

fn a_folder_for_workspaces_that_cannot_be_made(world: &World) {
    fs_err::write(world.dir.join("file"), "").unwrap();
    let setup = RepositorySetup {
        workspaces_root: Some("../file".into()),
        ..world.setup()
    };
    let backend = Backend::detect(&world.repo, &setup).unwrap();
    let text = backend.open_hub("another").unwrap_err().to_string();
    assert!(
        text.contains("file/repo") && text.contains("workspace.root"),
        "{text}"
    );
}

on_both!(
    a_repository_called_workspaces,
    a_repository_beside_one_called_workspaces,
    a_path_with_everything_in_it,
    a_repository_without_commits,
    a_folder_for_workspaces_that_cannot_be_made,
    commits_that_git_made_are_in_the_base_or_missed,
);
