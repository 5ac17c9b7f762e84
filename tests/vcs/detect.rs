//! Finding the repository, its program and its base.

use crate::on_both;
use crate::world::{RUN, World};
use mesh_proc::run::{Command, Direct, Observed, Output, RunError};
use mesh_vcs::{Backend, Kind, RepositorySetup, Tools, VcsError};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

on_both!(
    from_anywhere_it_is_the_same_repository,
    the_base_is_below_the_users_own_commit_or_what_is_named,
    the_program_is_missing,
    a_workspaces_folder_of_ones_own,
    a_hub_is_reopened_and_remade,
    without_hub_the_store_can_still_be_read,
    the_backend_is_shared_by_threads,
);

fn from_anywhere_it_is_the_same_repository(world: &World) {
    assert_eq!(
        world.backend.kind(),
        if world.is_jj { Kind::Jj } else { Kind::Git }
    );
    assert_eq!(world.backend.main_root(), world.repo);
    assert_eq!(
        world.backend.workspaces_root(),
        world.dir.join("workspaces/repo")
    );
    fs_err::create_dir_all(world.repo.join("deep/er")).unwrap();
    let second = world.add("t", &world.base()).path;
    fs_err::create_dir_all(second.join("in/side")).unwrap();
    let link = world.dir.join("link");
    std::os::unix::fs::symlink(&world.repo, &link).unwrap();
    for start in [
        world.repo.join("deep/er"),
        second.clone(),
        second.join("in/side"),
        link,
    ] {
        let found = Backend::detect(&start, &world.setup()).unwrap();
        assert_eq!(found.main_root(), world.repo, "from {}", start.display());
        assert_eq!(found.store_path(), world.backend.store_path());
        assert_eq!(found.workspaces_root(), world.backend.workspaces_root());
    }
    let nowhere = tempfile::tempdir().unwrap();
    assert!(matches!(
        Backend::detect(nowhere.path(), &world.setup()),
        Err(VcsError::NoRepository { .. })
    ));
}

fn the_base_is_below_the_users_own_commit_or_what_is_named(world: &World) {
    let main = world.target("main");
    assert_eq!(
        world.base().iter().map(|c| c.as_str()).collect::<Vec<_>>(),
        [main.as_str()]
    );
    assert_eq!(world.backend.base(Some("trunk")).unwrap(), world.base());
    assert_eq!(world.backend.base(Some(&main[..10])).unwrap(), world.base());
    for unknown in ["nosuch", "deadbeef00", "--all", "-x"] {
        let error = world.backend.base(Some(unknown)).unwrap_err();
        assert!(
            matches!(
                error,
                VcsError::UnknownRevision { .. } | VcsError::Failed { .. }
            ),
            "{unknown}: {error:?}"
        );
    }
    if world.is_jj {
        world.finished("t", &world.base(), &[("f", "f\n")]);
        assert!(matches!(
            world.backend.base(Some("all()")),
            Err(VcsError::Ambiguous { count: 2.., .. })
        ));
        assert!(matches!(
            world.backend.base(Some("none()")),
            Err(VcsError::UnknownRevision { .. })
        ));
    }
    assert_eq!(world.backend.working_copy_note().unwrap(), None);
}

fn the_program_is_missing(world: &World) {
    let setup = RepositorySetup::new(Tools::default(), world.env.clone());
    let Err(VcsError::ToolMissing { tool, .. }) = Backend::detect(&world.repo, &setup) else {
        panic!("it was found")
    };
    assert_eq!(tool, world.backend.kind().as_str());
}

fn a_workspaces_folder_of_ones_own(world: &World) {
    for (asked, expected) in [
        ("../other", world.dir.join("other/repo")),
        ("/abs/../abs2", "/abs2/repo".into()),
    ] {
        let setup = RepositorySetup {
            workspaces_root: Some(asked.into()),
            ..world.setup()
        };
        assert_eq!(
            Backend::detect(&world.repo, &setup)
                .unwrap()
                .workspaces_root(),
            expected
        );
    }
}

fn a_hub_is_reopened_and_remade(world: &World) {
    let hub = world.backend.workspaces_root().join(".hub-r1");
    assert_eq!(hub.exists(), world.is_jj);
    let later = world.later_process();
    later.close_hub("another run").unwrap();
    later.open_hub(RUN).unwrap();
    assert_eq!(later.base(None).unwrap(), world.base());
    if world.is_jj {
        fs_err::remove_file(hub.join(".jj/working_copy/checkout")).unwrap();
        fs_err::remove_dir_all(&hub).unwrap();
        later.open_hub(RUN).unwrap();
        assert!(hub.join(".jj").is_dir());
        fs_err::remove_dir_all(hub.join(".jj")).unwrap();
        later.open_hub(RUN).unwrap();
    }
    world.add("t", &world.base());
}

fn without_hub_the_store_can_still_be_read(world: &World) {
    let workspace = world.add("t", &world.base());
    world.backend.close_hub(RUN).unwrap();
    let later = Backend::detect(&world.repo, &world.setup()).unwrap();
    assert!(later.exists(&world.base()[0]).unwrap());
    assert_eq!(
        later.workspace(&workspace.name).unwrap(),
        Some(workspace.clone())
    );
    let again = later.add_workspace(&world.new_workspace("u", 1, &world.base()));
    assert_eq!(
        matches!(again, Err(VcsError::NoHub)),
        world.is_jj,
        "{again:?}"
    );
    later.forget(&workspace.name).unwrap();
    later.remove(&workspace).unwrap();
}

fn the_backend_is_shared_by_threads(_: &World) {
    fn shared<T: Send + Sync>() {}
    shared::<Backend>();
}

#[test]
fn a_person_without_identity_gets_one_of_ours() {
    let worlds = [
        Some(World::git_without_identity()),
        World::real_jj_without_identity(),
    ];
    for world in worlds.into_iter().flatten() {
        let base = world.base();
        let done = world.finished("t", &base, &[("f", "f\n")]);
        let other = world.finished("u", &base, &[("g", "g\n")]);
        world
            .land(&world.landing(&done, &base), &mut |_| true)
            .unwrap();
        world
            .land(&world.landing(&other, &base), &mut |_| true)
            .unwrap();
        assert_eq!(
            world.user(&format!("git log -1 --format=%an:%ae {done}")),
            "mesh:mesh@localhost\n"
        );
        assert_eq!(
            world.user("git log -2 --format=%an:%cn trunk"),
            "mesh:mesh\nmesh:mesh\n"
        );
    }
}

#[test]
fn jj_wins_where_both_are_and_the_nearest_repository_counts() {
    let Some(world) = World::real_jj() else {
        return;
    };
    assert!(world.repo.join(".git").is_dir() && world.repo.join(".jj").is_dir());
    assert_eq!(world.backend.kind(), Kind::Jj);
    let nested = world.repo.join("nested");
    fs_err::create_dir(&nested).unwrap();
    world.user("cd nested && git init -q -b main && git commit -q --allow-empty -m x");
    let found = Backend::detect(&nested, &world.setup()).unwrap();
    assert_eq!(
        (found.kind(), found.main_root()),
        (Kind::Git, nested.as_path())
    );
}

#[test]
fn a_worktree_that_somebody_is_just_making_is_looked_at_again_git() {
    let world = World::git();
    world.add("t", &world.base());
    // As another `git worktree add` leaves it between two writes.
    let administrative = fs_err::read_dir(world.repo.join(".git/worktrees"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .next()
        .unwrap();
    let half = administrative.join("commondir");
    let whole = fs_err::read(&half).unwrap();
    fs_err::write(&half, "").unwrap();
    let failures = Arc::new(AtomicUsize::new(0));
    let mut setup = world.setup();
    let (counter, path) = (Arc::clone(&failures), half);
    let finish = move |_: &Command, result: &Result<Output, RunError>| {
        if result
            .as_ref()
            .is_ok_and(|output| !output.status.is_success())
        {
            counter.fetch_add(1, Ordering::SeqCst);
            fs_err::write(&path, &whole).unwrap();
        }
    };
    setup.runner = Arc::new(Observed {
        runner: Direct,
        observe: finish,
    });
    let backend = Backend::detect(&world.repo, &setup).unwrap();
    assert_eq!(backend.list_workspaces().unwrap().len(), 1);
    assert_eq!(failures.load(Ordering::SeqCst), 1, "git met the half one");
}
