//! The operation log of jj is shared: whatever one agent does to it, through the real jj itself, no other loses a file.

use crate::world::{RUN, World};
use mesh_vcs::{CommitId, Snapshot, VcsError, Workspace};

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
    an_undo_of_a_siblings_snapshot_loses_no_file,
    an_undo_that_the_victim_noticed_loses_no_file,
    an_op_restore_to_before_everything_loses_no_file,
    commits_of_the_victim_stay_below_its_result,
    a_forgotten_workspace_is_recorded,
    abandoned_operations_lose_no_file,
    a_rewritten_base_loses_no_file,
    a_jj_folder_that_was_deleted_or_replaced_loses_no_file,
    a_killed_recording_is_made_anew,
    the_proof_is_set_back_after_an_op_restore,
    a_hidden_result_is_a_need_like_any_other,
    a_hidden_result_lands,
    the_culprit_is_recorded_too,
    ignored_and_large_files_stay_on_disk,
);

/// The operation at this moment.
fn operation(world: &World) -> String {
    world
        .user("jj --ignore-working-copy op log --no-graph -n 1 -T 'id'")
        .trim()
        .to_owned()
}

fn files_of(workspace: &Workspace, files: &[(&str, &str)]) {
    for (name, text) in files {
        fs_err::write(workspace.path.join(name), text).unwrap();
    }
}

/// What the victim left must be in the result, and nothing of it may be held against it.
#[track_caller]
fn recorded(world: &World, workspace: &Workspace, files: &[(&str, &str)]) -> Snapshot {
    let snapshot = world.backend.snapshot(workspace, &[]).unwrap();
    for (name, text) in files {
        assert_eq!(
            world.file_at(&snapshot.commit, name).as_deref(),
            Some(*text),
            "{name} of {snapshot:?}"
        );
        let on_disk = fs_err::read_to_string(workspace.path.join(name));
        assert_eq!(on_disk.unwrap(), *text, "{name} on disk");
    }
    let none: [CommitId; 0] = [];
    assert_eq!(snapshot.strays, none);
    assert_eq!(snapshot.missing_needs, none);
    assert_eq!(
        snapshot.changed.len(),
        files.len(),
        "{:?}",
        snapshot.changed
    );
    let again = world.backend.snapshot(workspace, &[]).unwrap();
    assert_eq!(again, snapshot, "a second recording gives the same");
    snapshot
}

const WORK: &[(&str, &str)] = &[("kept.txt", "hours of work\n"), ("more.txt", "more\n")];

fn an_undo_of_a_siblings_snapshot_loses_no_file(world: &World) {
    let (a, b) = (world.add("a", &world.base()), world.add("b", &world.base()));
    files_of(&b, WORK);
    world.agent_ok(&b, "jj st");
    world.agent_ok(&a, "jj undo");
    recorded(world, &b, WORK);
}

fn an_undo_that_the_victim_noticed_loses_no_file(world: &World) {
    let (a, b) = (world.add("a", &world.base()), world.add("b", &world.base()));
    files_of(&b, &WORK[..1]);
    world.agent_ok(&b, "jj st");
    world.agent_ok(&a, "jj undo");
    let (ok, said) = world.agent(&b, "jj st");
    assert!(!ok && said.contains("stale"), "{said}");
    files_of(&b, &WORK[1..]);
    recorded(world, &b, WORK);
}

fn an_op_restore_to_before_everything_loses_no_file(world: &World) {
    let before = operation(world);
    let (a, b) = (world.add("a", &world.base()), world.add("b", &world.base()));
    files_of(&b, WORK);
    world.agent_ok(&b, "jj st");
    world.agent_ok(&a, &format!("jj op restore {before}"));
    recorded(world, &b, WORK);
}

fn commits_of_the_victim_stay_below_its_result(world: &World) {
    let before = operation(world);
    let (a, b) = (world.add("a", &world.base()), world.add("b", &world.base()));
    files_of(&b, &WORK[..1]);
    world.agent_ok(
        &b,
        "jj commit -m 'first half' && jj describe -m 'second half'",
    );
    files_of(&b, &WORK[1..]);
    world.agent_ok(&a, &format!("jj op restore {before}"));
    let snapshot = recorded(world, &b, WORK);
    let log = world.user(&format!(
        "jj --ignore-working-copy log --no-graph -r '{}..{}' -T 'description.first_line() ++ \"\\n\"'",
        world.base()[0],
        snapshot.commit
    ));
    assert_eq!(log, "second half\nfirst half\n");
}

fn a_forgotten_workspace_is_recorded(world: &World) {
    let (a, b) = (world.add("a", &world.base()), world.add("b", &world.base()));
    files_of(&b, &WORK[..1]);
    world.agent_ok(&b, "jj st");
    files_of(&b, &WORK[1..]);
    world.agent_ok(&a, &format!("jj workspace forget {}", b.name));
    recorded(world, &b, WORK);
}

fn abandoned_operations_lose_no_file(world: &World) {
    let (a, b) = (world.add("a", &world.base()), world.add("b", &world.base()));
    files_of(&b, WORK);
    world.agent_ok(&b, "jj st");
    world.agent_ok(&a, "jj describe -m x && jj op abandon ..@-");
    recorded(world, &b, WORK);
}

fn a_rewritten_base_loses_no_file(world: &World) {
    let b = world.add("b", &world.base());
    files_of(&b, &WORK[..1]);
    world.agent_ok(&b, "jj st");
    files_of(&b, &WORK[1..]);
    // The user amends what everybody stands on.
    fs_err::write(world.repo.join("a.txt"), "amended\n").unwrap();
    world.user("jj squash");
    recorded(world, &b, WORK);
}

fn a_jj_folder_that_was_deleted_or_replaced_loses_no_file(world: &World) {
    for (task, script) in [
        ("b", "rm -rf .jj"),
        ("c", "rm -rf .jj && jj git init --no-colocate"),
    ] {
        let b = world.add(task, &world.base());
        files_of(&b, WORK);
        world.agent_ok(&b, &format!("jj st && {script}"));
        recorded(world, &b, WORK);
    }
}

fn a_killed_recording_is_made_anew(world: &World) {
    let a = world.add("a", &world.base());
    let b = world.add("b", &world.base());
    files_of(&b, WORK);
    world.agent_ok(&b, "jj st");
    world.agent_ok(&a, &format!("jj workspace forget {}", b.name));
    // As far as a coordinator came that died in between: the files are set aside; then with the fresh workspace beside them.
    let aside = world
        .backend
        .workspaces_root()
        .join(format!(".aside-{}", b.name));
    fs_err::rename(&b.path, &aside).unwrap();
    recorded(world, &b, WORK);
    assert!(!aside.exists());
    fs_err::rename(&b.path, &aside).unwrap();
    fs_err::create_dir_all(b.path.join(".jj")).unwrap();
    recorded(world, &b, WORK);
    fs_err::rename(&b.path, &aside).unwrap();
    fs_err::remove_dir_all(aside.join(".jj")).unwrap();
    recorded(world, &b, WORK);
    assert!(!aside.exists());
}

fn the_proof_is_set_back_after_an_op_restore(world: &World) {
    let before = operation(world);
    let (a, b) = (world.add("a", &world.base()), world.add("b", &world.base()));
    files_of(&b, WORK);
    let snapshot = recorded(world, &b, WORK);
    fs_err::write(b.path.join("a.txt"), "changed by the proof\n").unwrap();
    world.agent_ok(&a, &format!("jj op restore {before}"));
    let changed = world
        .backend
        .discard_changes_since(&b, &snapshot.commit)
        .unwrap();
    assert_eq!(changed, [std::path::PathBuf::from("a.txt")]);
    assert_eq!(
        fs_err::read_to_string(b.path.join("a.txt")).unwrap(),
        "one\n"
    );
    world.end(&b, &snapshot, "b");
}

fn a_hidden_result_is_a_need_like_any_other(world: &World) {
    let before = operation(world);
    let base = world.base();
    let one = world.finished("one", &base, &[("one.txt", "1\n")]);
    let two = world.finished("two", std::slice::from_ref(&one), &[("two.txt", "2\n")]);
    let other = world.finished("other", &base, &[("other.txt", "3\n")]);
    world.user(&format!("jj op restore {before}"));
    let backend = world.later_process();
    assert!(backend.exists(&two).unwrap());
    assert!(backend.is_in(&one, std::slice::from_ref(&two)).unwrap());
    assert!(!backend.is_in(&other, std::slice::from_ref(&two)).unwrap());
    let heads = backend
        .heads(&[base[0].clone(), one.clone(), two.clone(), other.clone()])
        .unwrap();
    assert_eq!(heads, [two.clone(), other.clone()]);
    backend.keep(&two, RUN, "two", 1).unwrap();
    let workspace = backend
        .add_workspace(&world.new_workspace("next", 1, &heads))
        .unwrap();
    for name in ["one.txt", "two.txt", "other.txt"] {
        assert!(workspace.path.join(name).is_file(), "{name}");
    }
    files_of(&workspace, WORK);
    let snapshot = backend.snapshot(&workspace, &[]).unwrap();
    assert_eq!(snapshot.changed.len(), 2);
    assert!(snapshot.missing_needs.is_empty() && snapshot.strays.is_empty());
    // A collection in between takes nothing away either.
    world.user(&format!(
        "jj op restore {before} && jj util gc && git gc --quiet --prune=now"
    ));
    assert!(backend.exists(&one).unwrap() && backend.exists(&other).unwrap());
    let kept = world.user("git for-each-ref --format='%(refname)' refs/mesh");
    assert_eq!(
        kept,
        "refs/mesh/r1/one/1\nrefs/mesh/r1/other/1\nrefs/mesh/r1/two/1\n"
    );
    let unknown = backend.keep(&crate::world::no_such_commit(), RUN, "x", 1);
    assert!(
        matches!(unknown, Err(VcsError::Unreachable { .. })),
        "{unknown:?}"
    );
}

fn a_hidden_result_lands(world: &World) {
    let before = operation(world);
    let base = world.base();
    let one = world.finished("one", &base, &[("one.txt", "1\n")]);
    let two = world.finished("two", &base, &[("two.txt", "2\n")]);
    world.user(&format!("jj op restore {before}"));
    // One as it is, one as a copy.
    for commit in [&one, &two] {
        let landed = world
            .land(&world.landing(commit, &base), &mut |_| true)
            .unwrap();
        assert!(
            matches!(landed, crate::world::Landed::Moved(_)),
            "{landed:?}"
        );
    }
    let files = world.user("git ls-tree --name-only -r trunk");
    assert!(
        files.contains("one.txt\n") && files.contains("two.txt\n"),
        "{files}"
    );
}

fn the_culprit_is_recorded_too(world: &World) {
    let before = operation(world);
    let (a, b) = (world.add("a", &world.base()), world.add("b", &world.base()));
    files_of(&a, WORK);
    files_of(&b, WORK);
    world.agent_ok(&b, "jj commit -m mine");
    world.agent_ok(&a, &format!("jj st && jj op restore {before}; ls"));
    recorded(world, &b, WORK);
    let snapshot = world.backend.snapshot(&a, &[]).unwrap();
    // What it deleted from its own disk by that is its own loss; what is there is recorded.
    for changed in &snapshot.changed {
        assert!(a.path.join(&changed.path).exists());
    }
}

fn ignored_and_large_files_stay_on_disk(world: &World) {
    let (a, b) = (world.add("a", &world.base()), world.add("b", &world.base()));
    let large = "x".repeat(2 << 20);
    files_of(&b, &[("large.bin", &large)]);
    fs_err::create_dir(b.path.join("ignored")).unwrap();
    fs_err::write(b.path.join("ignored/cache"), "warm\n").unwrap();
    std::os::unix::fs::symlink("nowhere", b.path.join("link")).unwrap();
    world.agent_ok(&b, "jj st; chmod +x a.txt; rm gone.txt");
    world.agent_ok(&a, &format!("jj workspace forget {}", b.name));
    let snapshot = world.backend.snapshot(&b, &[]).unwrap();
    let changed: Vec<_> = snapshot
        .changed
        .iter()
        .map(|changed| changed.path.to_str().unwrap())
        .collect();
    assert_eq!(changed, ["a.txt", "gone.txt", "large.bin", "link"]);
    assert_eq!(
        fs_err::read_to_string(b.path.join("ignored/cache")).unwrap(),
        "warm\n"
    );
}
