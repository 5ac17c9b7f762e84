//! An agent's git works in a repository of its own: nothing of the user's changes by it, all that belongs to a result comes over
//! when it is recorded, and nothing that was planted there runs or is believed.

use crate::world::{RUN, World, sh};
use mesh_vcs::{Backend, CallLimits, ChangeKind, CommitId, VcsError, Workspace};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// The agent's repository.
fn own(workspace: &Workspace) -> PathBuf {
    let link = fs_err::read_to_string(workspace.path.join(".git")).unwrap();
    PathBuf::from(link.trim().strip_prefix("gitdir: ").unwrap())
}

/// Every file of a git folder but for the worktrees, with what tells its content apart.
fn store(git: &Path) -> BTreeMap<PathBuf, u64> {
    let mut files = BTreeMap::new();
    let mut todo = vec![git.to_path_buf()];
    while let Some(folder) = todo.pop() {
        for entry in fs_err::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path == git.join("worktrees") {
                continue;
            }
            if path.is_dir() {
                todo.push(path);
            } else {
                let mut hasher = DefaultHasher::new();
                fs_err::read(&path).unwrap().hash(&mut hasher);
                files.insert(path, hasher.finish());
            }
        }
    }
    files
}

/// A person's shell, with nothing that mesh gives to agents.
fn person(world: &World, at: &Path, script: &str) -> String {
    sh(at, &world.env, script)
}

#[track_caller]
fn refused(world: &World, workspace: &Workspace) -> String {
    match world.backend.snapshot(workspace, &[]) {
        Err(VcsError::NotTakenOver { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn holds(world: &World, commit: &CommitId, files: &[(&str, &str)]) {
    for (name, text) in files {
        assert_eq!(
            world.file_at(commit, name).as_deref(),
            Some(*text),
            "{name}"
        );
    }
}

#[test]
fn whatever_an_agent_does_the_users_repository_is_as_it_was() {
    let world = World::git();
    let need = world.finished("need", &world.base(), &[("need.txt", "n\n")]);
    let workspace = world.add("t", &world.base());
    let before = store(&world.repo.join(".git"));
    world.agent_ok(
        &workspace,
        &format!(
            "git switch -q -c mine && echo 1 >one && git add one && git commit -q -m one && git commit -q --amend -m 'one, better' && \
             git merge -q --no-edit {need} && echo 2 >two && git stash push -q -u && git stash pop -q && git add two && git commit -q -m two && \
             git tag v1 && git branch -f main HEAD && git config core.fsmonitor true && git config --unset core.fsmonitor && \
             git rebase -q --force-rebase HEAD~1 && echo 3 >three && git stash push -q -u -m later"
        ),
    );
    // The user goes on meanwhile.
    world
        .user("git log --all >/dev/null && git fsck --no-dangling && git fetch -q --no-write-fetch-head . && git status");
    assert_eq!(store(&world.repo.join(".git")), before);
    world.user("git gc --quiet --prune=now");
    let snapshot = world.backend.snapshot(&workspace, &[]).unwrap();
    holds(
        &world,
        &snapshot.commit,
        &[("one", "1\n"), ("two", "2\n"), ("need.txt", "n\n")],
    );
    assert_eq!(snapshot.strays, []);
    let remains = snapshot.remains.join("\n");
    assert!(
        remains.contains("stash entry") && remains.contains("later"),
        "{remains}"
    );
    let refs = world.user("git for-each-ref --format='%(refname)'");
    assert_eq!(
        refs,
        "refs/heads/main\nrefs/heads/trunk\nrefs/mesh/r1/need/1\n"
    );
    world.user("git fsck --strict");
    // Asked again, and by another process, it is the same.
    assert_eq!(world.backend.snapshot(&workspace, &[]).unwrap(), snapshot);
    assert_eq!(
        world.later_process().snapshot(&workspace, &[]).unwrap(),
        snapshot
    );
}

/// As after a crash or a full disk while it was being made.
#[test]
fn a_damaged_worktree_of_another_attempt_harms_no_recording() {
    let world = World::git();
    let workspace = world.add("t", &world.base());
    world.add("other", &world.base());
    let worktrees = fs_err::read_dir(world.repo.join(".git/worktrees")).unwrap();
    let ours = own(&workspace);
    let others = worktrees
        .map(|entry| entry.unwrap().path())
        .filter(|folder| !ours.starts_with(folder));
    let mut damaged = 0;
    for folder in others {
        fs_err::write(folder.join("HEAD"), format!("{}\n", "f".repeat(40))).unwrap();
        damaged += 1;
    }
    assert_eq!(damaged, 1);
    world.agent_ok(
        &workspace,
        "echo 1 >one && git add one && git commit -q -m one && echo 2 >two && git add two",
    );
    let snapshot = world.backend.snapshot(&workspace, &[]).unwrap();
    holds(&world, &snapshot.commit, &[("one", "1\n"), ("two", "2\n")]);
}

/// Objects that no commit has: of files that were added, ignored ones by force too.
#[test]
fn what_was_added_and_not_committed_is_recorded() {
    let world = World::git();
    let workspace = world.add("t", &world.base());
    world.agent_ok(
        &workspace,
        "echo new >new && mkdir ignored && echo forced >ignored/f && git add new && git add -f ignored/f && git write-tree",
    );
    let snapshot = world.backend.snapshot(&workspace, &[]).unwrap();
    holds(
        &world,
        &snapshot.commit,
        &[("new", "new\n"), ("ignored/f", "forced\n")],
    );
    assert_eq!(snapshot.changed.len(), 2);
    world.user("git fsck --strict");
}

#[test]
fn an_index_without_its_objects_is_made_anew_from_the_files() {
    let world = World::git();
    let workspace = world.add("t", &world.base());
    world.agent_ok(
        &workspace,
        "echo new >new && git add new && echo other | git hash-object -w --stdin >hash && rm -r \"$(git rev-parse --git-path objects)\"/3e",
    );
    assert!(!own(&workspace).join("objects/3e").exists());
    let snapshot = world.backend.snapshot(&workspace, &[]).unwrap();
    holds(&world, &snapshot.commit, &[("new", "new\n")]);
    world.user("git fsck --strict");
}

#[test]
fn work_that_is_left_beside_the_result_is_a_stray_or_named() {
    let world = World::git();
    let workspace = world.add("t", &world.base());
    world.agent_ok(
        &workspace,
        "git checkout -q -b side && echo s >s && git add s && git commit -q -m side && git checkout -q --detach HEAD~1 && \
         git update-ref refs/heads/never $(git commit-tree -m never HEAD^{tree}) && git branch idle && echo w >work",
    );
    let snapshot = world.backend.snapshot(&workspace, &[]).unwrap();
    let [stray] = snapshot.strays.as_slice() else {
        panic!("{snapshot:?}");
    };
    holds(&world, stray, &[("s", "s\n")]);
    let remains = snapshot.remains.join("\n");
    assert!(
        remains.contains("it left never at") && !remains.contains("idle"),
        "{remains}"
    );
}

/// Objects with faults that git finds in what a server is given. What the user's own history has of them is the user's.
#[test]
fn faulty_objects_are_not_taken_over_and_old_ones_do_not_matter() {
    let mut world = World::git();
    // Without an address, which `git fsck` calls an error.
    let faulty = "git cat-file commit HEAD | sed -E 's/^author .* <[^>]*>/author Nobody/' | git hash-object -t commit -w --stdin --literally";
    world.user(&format!(
        "git commit -q --allow-empty -m two && git reset -q --hard $({faulty}) && git config fsck.missingEmail ignore && git config receive.fsck.missingEmail ignore && git config fetch.fsck.missingEmail ignore"
    ));
    world.backend = world.later_process();
    let workspace = world.add("good", &world.base());
    world.agent_ok(
        &workspace,
        "echo 1 >one && git add one && git commit -q -m one",
    );
    let snapshot = world.backend.snapshot(&workspace, &[]).unwrap();
    holds(&world, &snapshot.commit, &[("one", "1\n")]);
    let workspace = world.add("bad", &world.base());
    world.agent_ok(
        &workspace,
        &format!("echo 1 >one && git add one && git commit -q -m one && git reset -q $({faulty})"),
    );
    let reason = refused(&world, &workspace);
    assert!(reason.contains("missingEmail"), "{reason}");
}

/// A name is not believed: the content has to have it.
#[test]
fn objects_under_the_name_of_others_are_not_taken_over() {
    let world = World::git();
    let lie = |name: &str| {
        format!(
            "cd \"$(git rev-parse --git-path objects)\" && a={name} && b=$(echo evil | git hash-object -w --stdin) && \
             d=$(echo $a | cut -c1-2) && mkdir -p $d && rm -f $d/$(echo $a | cut -c3-) && cp $(echo $b | cut -c1-2)/$(echo $b | cut -c3-) $d/$(echo $a | cut -c3-)"
        )
    };
    // Of a file that the user's store has: that one stays what it is.
    let workspace = world.add("known", &world.base());
    world.agent_ok(
        &workspace,
        &format!(
            "echo 1 >one && git add one && git commit -q -m one && {}",
            lie("$(git rev-parse HEAD:a.txt)")
        ),
    );
    let snapshot = world.backend.snapshot(&workspace, &[]).unwrap();
    holds(
        &world,
        &snapshot.commit,
        &[("a.txt", "one\n"), ("one", "1\n")],
    );
    // Of its own.
    let workspace = world.add("own", &world.base());
    world.agent_ok(
        &workspace,
        &format!(
            "echo mine >mine && git add mine && git commit -q -m one && {}",
            lie("$(git rev-parse HEAD:mine)")
        ),
    );
    refused(&world, &workspace);
    // A commit whose objects are not there.
    let workspace = world.add("gone", &world.base());
    world.agent_ok(
        &workspace,
        "echo lost >lost && git add lost && git commit -q -m one && rm -r \"$(git rev-parse --git-path objects)\"/??",
    );
    refused(&world, &workspace);
    world.user("git fsck --strict");
}

#[test]
fn a_flood_of_objects_is_refused() {
    let world = World::git();
    let mut setup = world.setup();
    setup.limits = CallLimits {
        object_bytes: 1 << 20,
        ..CallLimits::default()
    };
    let backend = Backend::detect(&world.repo, &setup).unwrap();
    backend.open_hub(RUN).unwrap();
    let workspace = world.add("t", &world.base());
    world.agent_ok(
        &workspace,
        "head -c 3000000 /dev/urandom >large && git add large && git commit -q -m large",
    );
    match backend.snapshot(&workspace, &[]) {
        Err(VcsError::NotTakenOver { reason, .. }) => {
            assert!(reason.contains("allowed 1 MiB"), "{reason}")
        }
        other => panic!("{other:?}"),
    }
    // As much as is allowed comes over as a pack.
    let snapshot = world.backend.snapshot(&workspace, &[]).unwrap();
    assert!(
        snapshot
            .changed
            .iter()
            .any(|one| one.kind == ChangeKind::Added)
    );
    world.user(&format!(
        "git cat-file -e {}:large && git fsck --strict",
        snapshot.commit
    ));
}

#[test]
fn many_objects_come_over_as_one_pack() {
    let world = World::git();
    let workspace = world.add("t", &world.base());
    world.agent_ok(
        &workspace,
        "for i in $(seq 150); do echo $i >f$i; done && git add . && git commit -q -m many",
    );
    let snapshot = world.backend.snapshot(&workspace, &[]).unwrap();
    holds(&world, &snapshot.commit, &[("f150", "150\n")]);
    let packs = world.user("ls .git/objects/pack/*.pack | wc -l");
    assert_eq!(packs.trim(), "1");
    world.user("git fsck --strict");
}

/// Nothing that an agent plants in its repository runs in calls of mesh, is written through, or stays for whoever enters the workspace.
#[test]
fn what_is_planted_neither_runs_nor_leads_elsewhere() {
    let world = World::git();
    let workspace = world.add("t", &world.base());
    let elsewhere = world.dir.join("elsewhere");
    fs_err::create_dir(&elsewhere).unwrap();
    fs_err::write(elsewhere.join("precious"), "as it was\n").unwrap();
    let program = world.dir.join("program");
    let ran = world.dir.join("ran");
    fs_err::write(
        &program,
        format!("#!/bin/sh\ntouch '{}'\ncat\n", ran.display()),
    )
    .unwrap();
    person(&world, &world.dir, "chmod +x program");
    world.agent_ok(
        &workspace,
        &format!(
            "echo 1 >one && git add one && git commit -q -m one && echo '* filter=x diff=x merge=x' >.gitattributes && cd \"$(git rev-parse --git-dir)\" && \
             for s in filter.x.clean filter.x.process core.fsmonitor core.sshCommand diff.x.command diff.x.textconv merge.x.driver core.pager alias.log; do git config $s '{program}'; done && \
             rm hooks && mkdir hooks && cp '{program}' hooks/post-checkout && cp '{program}' hooks/reference-transaction && rm -rf info && ln -s '{elsewhere}' info && \
             rm -rf objects/info && ln -s '{elsewhere}' objects/info && rm index && ln -s '{elsewhere}/precious' index && \
             ln -s '{elsewhere}/made' config.worktree && ln -s '{elsewhere}/made' FETCH_HEAD && ln -s '{elsewhere}' logs/refs && \
             echo '{elsewhere}' >commondir",
            program = program.display(),
            elsewhere = elsewhere.display(),
        ),
    );
    fs_err::remove_file(&ran).ok();
    let snapshot = world.backend.snapshot(&workspace, &[]).unwrap();
    holds(&world, &snapshot.commit, &[("one", "1\n")]);
    world
        .backend
        .discard_changes_since(&workspace, &snapshot.commit)
        .unwrap();
    let left: Vec<_> = fs_err::read_dir(&elsewhere)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(left, ["precious"]);
    assert_eq!(
        fs_err::read_to_string(elsewhere.join("precious")).unwrap(),
        "as it was\n"
    );
    assert_eq!(
        person(&world, &workspace.path, "git status --porcelain"),
        ""
    );
    person(
        &world,
        &workspace.path,
        "git log --stat && git checkout -q HEAD~1 && git checkout -q -",
    );
    assert!(!ran.exists());
}

/// Before it is recorded and after, and whatever the user collects.
#[test]
fn a_person_finds_the_work_in_a_workspace_by_plain_git() {
    let world = World::git();
    let workspace = world.add("t", &world.base());
    world.agent_ok(
        &workspace,
        "echo 1 >one && git add one && git commit -q -m 'the first' && echo 2 >two && git add two",
    );
    world.user("git gc --quiet --prune=now");
    let log = |at: &Path| person(&world, at, "git log --format=%s");
    assert_eq!(log(&workspace.path), "the first\nstart\n");
    assert_eq!(
        person(&world, &workspace.path, "git status --porcelain"),
        "A  two\n"
    );
    let snapshot = world.backend.snapshot(&workspace, &[]).unwrap();
    world.user("git gc --quiet --prune=now");
    assert_eq!(log(&workspace.path), "t: work\nthe first\nstart\n");
    assert_eq!(
        person(&world, &workspace.path, "git status --porcelain"),
        ""
    );
    let head = person(&world, &workspace.path, "git rev-parse HEAD");
    assert_eq!(head.trim(), snapshot.commit.as_str());
    // It belongs to the user's repository all the same.
    let here = Backend::detect(&workspace.path, &world.setup()).unwrap();
    assert_eq!(here.main_root(), world.backend.main_root());
    assert_eq!(here.store_path(), world.backend.store_path());
    assert_eq!(here.workspaces_root(), world.backend.workspaces_root());
    world.backend.forget(&workspace.name).unwrap();
    world.backend.remove(&workspace).unwrap();
    world.user("git fsck --strict");
}

/// A later attempt goes on where the one before stopped, and so does a coordinator that was killed in the midst of taking over.
#[test]
fn recording_again_takes_over_what_came_since() {
    let world = World::git();
    let workspace = world.add("t", &world.base());
    world.agent_ok(
        &workspace,
        "echo 1 >one && git add one && git commit -q -m one && git branch keep",
    );
    let first = world.backend.snapshot(&workspace, &[]).unwrap();
    let incoming = own(&workspace).with_file_name("incoming");
    fs_err::create_dir(&incoming).unwrap();
    fs_err::write(incoming.join("pack-torn.pack"), "PA").unwrap();
    world.agent_ok(
        &workspace,
        "git merge -q --ff-only keep && echo 2 >two && git add two && git commit -q -m two && echo 3 >three",
    );
    let second = world.later_process().snapshot(&workspace, &[]).unwrap();
    holds(
        &world,
        &second.commit,
        &[("one", "1\n"), ("two", "2\n"), ("three", "3\n")],
    );
    assert!(
        world
            .backend
            .is_in(&first.commit, &[second.commit])
            .unwrap()
    );
    assert!(!incoming.exists());
}

/// Worktrees that were made before they had repositories of their own.
#[test]
fn a_worktree_of_the_store_itself_is_recorded() {
    let world = World::git();
    let workspace = world.add("t", &world.base());
    let own = own(&workspace);
    fs_err::remove_dir_all(&own).unwrap();
    let administrative = own.parent().unwrap().display().to_string();
    fs_err::write(
        workspace.path.join(".git"),
        format!("gitdir: {administrative}\n"),
    )
    .unwrap();
    world.agent_ok(
        &workspace,
        "echo 1 >one && git add one && git commit -q -m one && echo 2 >two && git add two",
    );
    let snapshot = world.backend.snapshot(&workspace, &[]).unwrap();
    holds(&world, &snapshot.commit, &[("one", "1\n"), ("two", "2\n")]);
}

/// An agent commits and adds in a repository that `script` makes as `r` in an empty folder; the run is started in `r` below it.
#[track_caller]
fn works_in(script: &str) -> (World, Workspace) {
    let mut world = World::git();
    let folder = world.dir.join("odd");
    fs_err::create_dir(&folder).unwrap();
    world.user("git config --global protocol.file.allow always && git config --global init.defaultBranch main");
    sh(&folder, &world.env, script);
    world.repo = folder.join("r");
    world.backend = world.later_process();
    let workspace = world.add("t", &world.base());
    world.agent_ok(
        &workspace,
        "echo 1 >one && git add one && git commit -q -m one && git log --oneline && echo 2 >two && git add two && git stash -q && git stash pop -q && echo 3 >three",
    );
    let snapshot = world.backend.snapshot(&workspace, &[]).unwrap();
    let added = snapshot
        .changed
        .iter()
        .map(|one| one.path.to_str().unwrap());
    assert_eq!(
        added.collect::<Vec<_>>(),
        ["one", "three", "two"],
        "{script}"
    );
    let shown = world.user(&format!(
        "git show {0}:one {0}:two {0}:three",
        snapshot.commit
    ));
    assert_eq!(shown, "1\n2\n3\n", "{script}");
    world.user("git fsck --strict");
    (world, workspace)
}

const COMMIT: &str = "echo base >base && git add base && git commit -q -m base";

#[test]
fn repositories_of_every_kind() {
    for script in [
        format!("git init -q --object-format=sha256 r && cd r && {COMMIT}"),
        format!(
            "git init -q o && cd o && {COMMIT} && git commit -q --allow-empty -m two && cd .. && git clone -q --depth 1 file://$PWD/o r"
        ),
        format!("git init -q o && cd o && {COMMIT} && cd .. && git clone -q --shared o r"),
        format!(
            "git init -q 'o:p' && cd 'o:p' && {COMMIT} && cd .. && git clone -q --reference $PWD/o:p file://$PWD/o:p 'x:y' && mkdir z && mv x:y r"
        ),
        format!("mkdir s && git init -q --separate-git-dir s/s.git r && cd r && {COMMIT}"),
        format!(
            "git init -q o && cd o && {COMMIT} && cd .. && git clone -q --bare o b.git && git -C b.git worktree add -q ../r main"
        ),
        format!("git init -q m && cd m && {COMMIT} && git worktree add -q ../r"),
        format!(
            "git init -q o && cd o && {COMMIT} && git config uploadpack.allowFilter true && git config uploadpack.allowAnySHA1InWant true && cd .. && git clone -q --filter=blob:none file://$PWD/o r"
        ),
        format!(
            "git init -q r && cd r && {COMMIT} && git config extensions.worktreeConfig true && git config --worktree core.sparseCheckout true && git config core.splitIndex true && git update-index --split-index"
        ),
        format!(
            "git init -q r && cd r && {COMMIT} && git config core.worktree \"$PWD\" && git config core.logAllRefUpdates false && git pack-refs --all && git gc -q"
        ),
    ] {
        works_in(&script);
    }
}

#[test]
fn a_submodule_is_a_repository_like_any_other() {
    let script = format!(
        "git init -q lib && cd lib && {COMMIT} && cd .. && git init -q super && cd super && {COMMIT} && git submodule --quiet add ../lib lib && git commit -q -m lib && mv lib ../r.moved && cd .. && git clone -q --recurse-submodules super s && ln -s s/lib r"
    );
    works_in(&script);
    // One inside the workspace is the agent's to check out.
    let script = format!(
        "git init -q lib && cd lib && {COMMIT} && cd .. && git init -q r && cd r && {COMMIT} && git submodule --quiet add ../lib lib && git commit -q -m lib"
    );
    let (world, workspace) = works_in(&script);
    world.agent_ok(
        &workspace,
        "git submodule --quiet update --init && git -C lib log --oneline && cd lib && git status",
    );
    assert_eq!(
        world.backend.snapshot(&workspace, &[]).unwrap().unrecorded,
        []
    );
}

/// The hooks and settings of the user hold for agents as in any worktree.
#[test]
fn hooks_settings_and_ignored_files_of_the_user_hold() {
    let mut world = World::git();
    world.user(
        "printf '#!/bin/sh\\necho hooked >>\"$1\"\\n' >.git/hooks/commit-msg && chmod +x .git/hooks/commit-msg && git config user.name Local && \
         mkdir -p .git/info && echo private >>.git/info/exclude && git init -q --bare ../up && git remote add origin \"$PWD/../up\" && git push -q origin main",
    );
    world.backend = world.later_process();
    let workspace = world.add("t", &world.base());
    let (ok, said) = world.agent(
        &workspace,
        "touch private && git status --porcelain && git commit -q --allow-empty -m one && git log -1 --format='%B%an' && git rev-parse main trunk origin/main >/dev/null && git config gc.auto",
    );
    assert!(ok && said == "one\nhooked\nLocal\n0\n", "{said}");
    world.agent_ok(
        &workspace,
        "git push -q origin HEAD:refs/heads/theirs && git fetch -q",
    );
    let snapshot = world.backend.snapshot(&workspace, &[]).unwrap();
    let remains = snapshot.remains.join("\n");
    assert!(remains.contains("remote branch origin/theirs"), "{remains}");
}

/// They count for nobody else, and whoever set them may think that they do.
#[test]
fn settings_tags_and_worktrees_that_an_agent_left_are_named() {
    let world = World::git();
    let workspace = world.add("t", &world.base());
    let extra = world.repo.with_file_name("extra");
    world.agent_ok(
        &workspace,
        &format!(
            "git config user.email agent@example.invalid && git tag agents-tag && git worktree add -q -b aside '{}'",
            extra.display()
        ),
    );
    let remains = world
        .backend
        .snapshot(&workspace, &[])
        .unwrap()
        .remains
        .join("\n");
    let extra = extra.display().to_string();
    for wanted in ["user.email", "the tag agents-tag", extra.as_str()] {
        assert!(remains.contains(wanted), "no {wanted} in {remains}");
    }
    // They were put back, and are not forgotten.
    let again = world
        .backend
        .snapshot(&workspace, &[])
        .unwrap()
        .remains
        .join("\n");
    assert_eq!(again, remains);
}
