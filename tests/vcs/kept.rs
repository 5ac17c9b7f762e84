//! Recorded means kept: what is in a workspace and not in its result is named, and nothing else is.

use crate::on_both;
use crate::world::World;
use mesh_vcs::{NewWorkspace, Snapshot, Workspace};
use std::path::Path;

on_both!(
    a_nested_repository_is_named_and_kept_out,
    a_nested_repository_without_a_commit_is_named,
    a_repository_made_around_recorded_files_loses_none_without_a_word,
    a_nested_repository_among_ignored_files_is_nobodys_business,
    a_nested_repository_that_is_claimed_is_named_wherever_it_lies,
    an_ignored_file_that_is_claimed_is_named,
    an_ignored_folder_that_is_claimed_is_named,
    an_empty_folder_that_is_claimed_is_named,
    a_pipe_that_is_claimed_is_named,
    claims_that_are_recorded_or_name_nothing_are_no_matter,
    words_of_a_proof_that_only_the_workspace_has,
    a_recorded_commit_has_a_clean_workspace,
    edits_in_a_submodule_are_named,
    a_commit_in_a_submodule_is_named,
    a_commit_in_a_submodule_of_a_submodule_is_named,
    a_submodule_that_was_only_checked_out_is_no_matter,
    files_in_a_submodule_that_is_not_checked_out_are_named,
);

fn snapshot(world: &World, workspace: &Workspace, claimed: &[&str]) -> Snapshot {
    let claimed: Vec<String> = claimed.iter().map(|claim| (*claim).to_owned()).collect();
    let found = world.backend.snapshot(workspace, &claimed).unwrap();
    let again = world.backend.snapshot(workspace, &claimed).unwrap();
    assert_eq!(again, found, "asking again gives the same");
    found
}

/// The paths that are named, and each reason says something.
fn named(found: &Snapshot) -> Vec<&str> {
    assert!(found.unrecorded.iter().all(|left| left.why.len() > 10));
    found
        .unrecorded
        .iter()
        .map(|left| left.path.to_str().unwrap())
        .collect()
}

fn write(workspace: &Workspace, path: &str, text: &str) {
    let path = workspace.path.join(path);
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, text).unwrap();
}

const INIT: &str = "git init -q && echo hi > index.js";
const COMMIT: &str =
    "git add -A && git -c user.name=S -c user.email=s@example.org commit -q -m scaffold";

/// Whether the commit has anything at `path`, a submodule's entry too.
fn has(world: &World, found: &Snapshot, path: &str) -> bool {
    let command = format!("git ls-tree '{}' -- '{path}'", found.commit);
    !world.user(&command).trim().is_empty()
}

fn a_nested_repository_is_named_and_kept_out(world: &World) {
    let workspace = world.add("t", &world.base());
    world.agent_ok(
        &workspace,
        &format!("mkdir app && cd app && {INIT} && {COMMIT}"),
    );
    write(&workspace, "beside", "b\n");
    let found = snapshot(world, &workspace, &["app/index.js"]);
    assert_eq!(named(&found), ["app"]);
    assert!(!has(world, &found, "app"));
    assert_eq!(
        world.file_at(&found.commit, "beside").as_deref(),
        Some("b\n")
    );
    if world.is_jj {
        return;
    }
    // The agent's own `git add` takes it for a submodule: the result has it not, and once it is none any more, has its files.
    world.agent_ok(&workspace, world.commit_command());
    let found = snapshot(world, &workspace, &[]);
    assert_eq!(named(&found), ["app"]);
    assert!(!has(world, &found, "app"));
    world.agent_ok(
        &workspace,
        &format!("{}; rm -rf app/.git", world.commit_command()),
    );
    let found = snapshot(world, &workspace, &["app"]);
    assert_eq!(named(&found), [""; 0]);
    assert_eq!(
        world.file_at(&found.commit, "app/index.js").as_deref(),
        Some("hi\n")
    );
}

fn a_nested_repository_without_a_commit_is_named(world: &World) {
    let workspace = world.add("t", &world.base());
    world.agent_ok(
        &workspace,
        &format!("mkdir -p deep/app && cd deep/app && {INIT}"),
    );
    write(&workspace, "deep/beside", "b\n");
    let found = snapshot(world, &workspace, &[]);
    assert_eq!(named(&found), ["deep/app"]);
    assert_eq!(
        world.file_at(&found.commit, "deep/beside").as_deref(),
        Some("b\n")
    );
}

/// jj takes the files of such a folder out of the commit; git goes on recording them.
fn a_repository_made_around_recorded_files_loses_none_without_a_word(world: &World) {
    let first = world.add("first", &world.base());
    write(&first, "app/old.js", "old\n");
    let found = snapshot(world, &first, &[]);
    world.end(&first, &found, "first");
    let workspace = world.add("t", std::slice::from_ref(&found.commit));
    world.agent_ok(&workspace, &format!("cd app && {INIT} && {COMMIT}"));
    let found = snapshot(world, &workspace, &["app/index.js"]);
    let is_kept = |path| world.file_at(&found.commit, path).is_some();
    if is_kept("app/old.js") && is_kept("app/index.js") {
        assert_eq!(named(&found), [""; 0]);
    } else {
        assert_eq!(named(&found), ["app"]);
    }
}

fn a_nested_repository_among_ignored_files_is_nobodys_business(world: &World) {
    let workspace = world.add("t", &world.base());
    let command =
        format!("mkdir -p ignored/dependency && cd ignored/dependency && {INIT} && {COMMIT}");
    world.agent_ok(&workspace, &command);
    let found = snapshot(world, &workspace, &["a.txt"]);
    assert!(found.no_change && named(&found).is_empty(), "{found:?}");
}

fn a_nested_repository_that_is_claimed_is_named_wherever_it_lies(world: &World) {
    let workspace = world.add("t", &world.base());
    let command = format!("mkdir -p ignored/app && cd ignored/app && {INIT} && {COMMIT}");
    world.agent_ok(&workspace, &command);
    assert_eq!(
        named(&snapshot(world, &workspace, &["ignored/app"])),
        ["ignored/app"]
    );
    let found = snapshot(world, &workspace, &["ignored/app/index.js"]);
    assert_eq!(named(&found), ["ignored/app/index.js"]);
}

fn an_ignored_file_that_is_claimed_is_named(world: &World) {
    let workspace = world.add("t", &world.base());
    for path in ["ignored/gen.js", "note.txt", "deep/own.log"] {
        write(&workspace, path, "x\n");
    }
    write(&workspace, "deep/.gitignore", "*.log\n");
    let absolute = workspace.path.join("deep/own.log").display().to_string();
    let found = snapshot(
        world,
        &workspace,
        &["./ignored/gen.js", "note.txt", &absolute],
    );
    assert_eq!(named(&found), ["deep/own.log", "ignored/gen.js"]);
    assert!(!has(world, &found, "ignored"));
    assert!(named(&snapshot(world, &workspace, &["note.txt"])).is_empty());
}

fn an_ignored_folder_that_is_claimed_is_named(world: &World) {
    let workspace = world.add("t", &world.base());
    write(&workspace, "ignored/deep/gen.js", "x\n");
    write(&workspace, "half/.gitignore", "*.log\n");
    write(&workspace, "half/a.log", "x\n");
    for claim in ["ignored", "ignored/", "ignored/deep", "ignored/**/*.js"] {
        let found = snapshot(world, &workspace, &[claim, "half"]);
        assert_eq!(
            named(&found),
            [claim.split("/*").next().unwrap().trim_end_matches('/')]
        );
    }
}

fn an_empty_folder_that_is_claimed_is_named(world: &World) {
    let workspace = world.add("t", &world.base());
    fs_err::create_dir_all(workspace.path.join("hollow/deep")).unwrap();
    assert_eq!(named(&snapshot(world, &workspace, &["hollow"])), ["hollow"]);
    assert!(named(&snapshot(world, &workspace, &[])).is_empty());
}

fn a_pipe_that_is_claimed_is_named(world: &World) {
    let workspace = world.add("t", &world.base());
    write(&workspace, "work", "w\n");
    world.agent_ok(&workspace, "mkfifo pipe");
    assert_eq!(
        named(&snapshot(world, &workspace, &["pipe", "work"])),
        ["pipe"]
    );
    assert!(named(&snapshot(world, &workspace, &["work"])).is_empty());
}

fn claims_that_are_recorded_or_name_nothing_are_no_matter(world: &World) {
    let workspace = world.add("t", &world.base());
    write(&workspace, "src/new.rs", "n\n");
    write(&workspace, "ignored/gen.js", "x\n");
    fs_err::remove_file(workspace.path.join("gone.txt")).unwrap();
    std::os::unix::fs::symlink("src", workspace.path.join("link")).unwrap();
    let claims = [
        "src/new.rs",
        "src",
        "src/*.rs",
        "a.txt",
        "gone.txt",
        "link",
        "link/new.rs",
        ".",
        "/etc",
        "../repo",
        ".gitignore",
        "nowhere/x",
        "what the ignored",
        "",
        "\u{0}",
        "*",
        "[",
        ".git",
        ".jj/repo",
        "-x",
        "--",
        "`src/new.rs` (new)",
    ];
    assert!(named(&snapshot(world, &workspace, &claims)).is_empty());
    let many: Vec<String> = (0..1500).map(|n| format!("many/f{n}")).collect();
    for path in &many {
        write(&workspace, path, "m");
    }
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(named(&snapshot(world, &workspace, &many)).is_empty());
}

fn words_of_a_proof_that_only_the_workspace_has(world: &World) {
    let workspace = world.add("t", &world.base());
    write(&workspace, "ignored/gen.js", "x\n");
    write(&workspace, "new", "x\n");
    let found = snapshot(world, &workspace, &[]);
    let words = [
        "test",
        "-s",
        "ignored/gen.js",
        "&&",
        "cat",
        "new",
        "a.txt",
        "./ignored",
        "nowhere",
    ];
    let words = words.map(str::to_owned);
    let only_here = world
        .backend
        .not_in_commit(&workspace, &found.commit, &words)
        .unwrap();
    assert_eq!(only_here, ["./ignored", "ignored/gen.js"]);
}

fn a_recorded_commit_has_a_clean_workspace(world: &World) {
    let workspace = world.add("t", &world.base());
    write(&workspace, "ignored/gen.js", "x\n");
    write(&workspace, "new", "n\n");
    let found = snapshot(world, &workspace, &[]);
    let new = NewWorkspace {
        message: String::new(),
        ..world.new_workspace("t-clean", 1, std::slice::from_ref(&found.commit))
    };
    let clean = world.backend.add_workspace(&new).unwrap();
    assert_eq!(
        fs_err::read_to_string(clean.path.join("new")).unwrap(),
        "n\n"
    );
    assert!(!clean.path.join("ignored").exists());
    world.backend.discard(&clean).unwrap();
    assert!(!clean.path.exists());
    assert_eq!(snapshot(world, &workspace, &[]), found);
}

/// A repository `lib`, which holds a repository `inner`, is a submodule of the user's. Where the user has it checked out, or not.
fn with_submodules(world: &World, checked_out: bool) {
    let allow = "git -c protocol.file.allow=always";
    let commit = "git add -A && git commit -q -m";
    let script = format!(
        "cd {dir} && git init -q inner && (cd inner && echo i > i && {commit} i) && git init -q lib && cd lib && echo l > l && \
         {allow} submodule --quiet add {dir}/inner inner && {commit} l && cd {repo} && \
         {allow} submodule --quiet add {dir}/lib lib && git commit -q -m lib",
        dir = world.dir.display(),
        repo = world.repo.display(),
    );
    world.user(&script);
    if checked_out {
        world.user(&format!(
            "{allow} submodule --quiet update --init --recursive"
        ));
    } else {
        world.user("git submodule --quiet deinit -f lib && rm -rf .git/modules");
    }
    if world.is_jj {
        // jj takes git's new commit over.
        world.user("jj st");
    }
}

/// The submodules checked out in a workspace, as an agent would do it, by whichever program its workspace belongs to.
fn check_out(world: &World, workspace: &Workspace) {
    let lib = world.dir.join("lib").display().to_string();
    let script = if world.is_jj {
        format!(
            "rm -rf lib && git clone -q {lib} lib && cd lib && git -c protocol.file.allow=always submodule --quiet update --init"
        )
    } else {
        "git -c protocol.file.allow=always submodule --quiet update --init --recursive".to_owned()
    };
    world.agent_ok(workspace, &script);
}

fn edits_in_a_submodule_are_named(world: &World) {
    with_submodules(world, true);
    let workspace = world.add("t", &world.base());
    check_out(world, &workspace);
    for (path, text) in [
        ("lib/l", "edited\n"),
        ("lib/new", "new\n"),
        ("lib/inner/i", "edited\n"),
    ] {
        let before = fs_err::read(workspace.path.join(path)).ok();
        write(&workspace, path, text);
        let found = snapshot(world, &workspace, &["lib"]);
        assert!(named(&found)[0].starts_with("lib"), "{path}: {found:?}");
        assert_eq!(found.unrecorded.len(), 1);
        match before {
            Some(bytes) => fs_err::write(workspace.path.join(path), bytes).unwrap(),
            None => fs_err::remove_file(workspace.path.join(path)).unwrap(),
        }
    }
    write(&workspace, "lib/l", "staged\n");
    world.agent_ok(&workspace, "cd lib && git add -A");
    assert_eq!(named(&snapshot(world, &workspace, &[])), ["lib"]);
}

fn a_commit_in_a_submodule_is_named(world: &World) {
    with_submodules(world, true);
    let workspace = world.add("t", &world.base());
    check_out(world, &workspace);
    world.agent_ok(
        &workspace,
        &format!("cd lib && echo improved >> l && {COMMIT}"),
    );
    let found = snapshot(world, &workspace, &["lib"]);
    assert_eq!(named(&found), ["lib"]);
    if world.is_jj {
        return;
    }
    // Committed in the workspace as well, and no longer checked out: the result names a commit that went with the workspace.
    world.agent_ok(
        &workspace,
        &format!(
            "{}; git submodule --quiet deinit -f lib",
            world.commit_command()
        ),
    );
    assert_eq!(named(&snapshot(world, &workspace, &["lib"])), ["lib"]);
    // A commit that the user has is a change like any other.
    world.user(
        "cd lib && echo by-the-user >> l && git add -A && git commit -q -m user && git branch kept",
    );
    let users = world.user("git -C lib rev-parse HEAD").trim().to_owned();
    let other = world.add("other", &world.base());
    check_out(world, &other);
    let pull = format!(
        "cd lib && git -c protocol.file.allow=always fetch -q {} kept && git checkout -q {users}",
        world.repo.join("lib").display()
    );
    world.agent_ok(&other, &pull);
    let found = snapshot(world, &other, &["lib"]);
    assert_eq!((named(&found), found.changed.len()), (vec![], 1));
    assert_eq!(
        world
            .user(&format!("git rev-parse {}:lib", found.commit))
            .trim(),
        users
    );
}

fn a_commit_in_a_submodule_of_a_submodule_is_named(world: &World) {
    with_submodules(world, false);
    let workspace = world.add("t", &world.base());
    check_out(world, &workspace);
    world.agent_ok(
        &workspace,
        &format!("cd lib/inner && echo improved >> i && {COMMIT}"),
    );
    let found = snapshot(world, &workspace, &[]);
    assert_eq!(named(&found), ["lib/inner"]);
}

fn a_submodule_that_was_only_checked_out_is_no_matter(world: &World) {
    with_submodules(world, false);
    let workspace = world.add("t", &world.base());
    check_out(world, &workspace);
    write(&workspace, "work", "w\n");
    let found = snapshot(world, &workspace, &["work", "lib", "lib/l"]);
    assert_eq!(named(&found), [""; 0], "{found:?}");
    assert_eq!(found.changed.len(), 1);
    assert!(has(world, &found, "lib"));
    write(&workspace, "lib/.git-not", "x");
    fs_err::remove_file(workspace.path.join("lib/.git-not")).unwrap();
    world.agent_ok(
        &workspace,
        "cd lib && echo gen >> \"$(git rev-parse --git-path info/exclude)\" && echo x > gen",
    );
    let found = snapshot(world, &workspace, &["lib/gen"]);
    assert_eq!(named(&found), ["lib/gen"]);
}

fn files_in_a_submodule_that_is_not_checked_out_are_named(world: &World) {
    with_submodules(world, false);
    let workspace = world.add("t", &world.base());
    write(&workspace, "lib/new", "n\n");
    let found = snapshot(world, &workspace, &["lib/new"]);
    assert_eq!(named(&found), ["lib"]);
}

mod only_git {
    use super::*;

    #[test]
    fn a_submodule_that_an_agent_adds_is_named() {
        let world = World::git();
        let workspace = world.add("t", &world.base());
        let script = format!(
            "git init -q ../lib && (cd ../lib && echo l > l && {COMMIT}) && git -c protocol.file.allow=always submodule --quiet add \"$PWD/../lib\" lib"
        );
        world.agent_ok(&workspace, &script);
        let found = snapshot(&world, &workspace, &["lib", ".gitmodules"]);
        assert_eq!(named(&found), ["lib"]);
        assert!(has(&world, &found, ".gitmodules"));
    }

    const ALLOW: &str = "git -c protocol.file.allow=always";

    /// Added by the agent, and on a commit that its remote has: the result names both.
    #[test]
    fn a_submodule_on_a_commit_that_its_remote_has_is_recorded() {
        let world = World::git();
        let dir = world.dir.display().to_string();
        world.user(&format!(
            "git init -q {dir}/up && cd {dir}/up && echo l > l && {COMMIT} && git checkout -q -b other"
        ));
        let workspace = world.add("t", &world.base());
        world.agent_ok(
            &workspace,
            &format!("{ALLOW} submodule --quiet add {dir}/up lib"),
        );
        let found = snapshot(&world, &workspace, &["lib", ".gitmodules"]);
        assert_eq!(named(&found), [""; 0], "{found:?}");
        assert!(has(&world, &found, ".gitmodules"));
        let stands = |found: &Snapshot| world.user(&format!("git rev-parse {}:lib", found.commit));
        let head = || {
            world.user(&format!(
                "git -C {}/lib rev-parse HEAD",
                workspace.path.display()
            ))
        };
        assert_eq!(stands(&found), head());
        // Committed and pushed; then the remote moves on.
        for script in [
            format!("echo more >> l && {COMMIT} && git push -q origin HEAD:refs/heads/topic"),
            format!(
                "echo later > later && {COMMIT} && git push -q origin HEAD:topic && git checkout -q HEAD^"
            ),
        ] {
            world.agent_ok(&workspace, &format!("cd lib && {script}"));
            let found = snapshot(&world, &workspace, &["lib/l"]);
            assert_eq!(named(&found), [""; 0], "{found:?}");
            assert_eq!(stands(&found), head());
        }
    }

    /// What an agent's refs say of a remote is not believed, and what could not be asked is said.
    #[test]
    fn a_commit_of_a_submodule_that_no_remote_confirms_is_named() {
        let world = World::git();
        with_submodules(&world, true);
        let dir = world.dir.display();
        let head = "git update-ref refs/remotes/origin/main HEAD";
        for (task, forged, said) in [
            ("none", "true".to_owned(), "in this workspace alone"),
            ("forged", head.to_owned(), "in this workspace alone"),
            (
                "grafted",
                format!(
                    "{head} && git replace --graft HEAD^ HEAD 2>/dev/null; git replace --graft $(git ls-remote origin HEAD | cut -f1) HEAD || true"
                ),
                "in this workspace alone",
            ),
            (
                "beside",
                format!(
                    "git clone -q --bare . ../../beside.git && git remote set-url origin \"$PWD/../../beside.git\" && {head}"
                ),
                "in this workspace alone",
            ),
            (
                "gone",
                format!("{head} && git remote set-url origin {dir}/gone"),
                "could not be asked: fatal: '",
            ),
            (
                "program",
                format!("{head} && git remote set-url origin 'ext::touch {dir}/ran'"),
                "could not be asked: fatal: transport 'ext' not allowed",
            ),
            (
                "relative",
                format!("{head} && git remote set-url origin ../gone"),
                "could not be asked: its address",
            ),
        ] {
            let workspace = world.add(task, &world.base());
            check_out(&world, &workspace);
            let script = format!("cd lib && echo improved >> l && {COMMIT} && {forged}");
            world.agent_ok(&workspace, &script);
            let found = snapshot(&world, &workspace, &["lib"]);
            assert_eq!(named(&found), ["lib"], "{task}");
            assert!(found.unrecorded[0].why.contains(said), "{task}: {found:?}");
            assert!(!world.dir.join("ran").exists());
        }
    }

    /// A commit that its remote has may name one of a submodule in it that nobody else has.
    #[test]
    fn a_pushed_submodule_with_one_in_it_that_is_not_is_named() {
        let world = World::git();
        with_submodules(&world, false);
        let workspace = world.add("t", &world.base());
        check_out(&world, &workspace);
        let script = format!(
            "cd lib/inner && echo improved >> i && {COMMIT} && cd .. && {COMMIT} && git push -q origin HEAD:refs/heads/topic"
        );
        world.agent_ok(&workspace, &script);
        let found = snapshot(&world, &workspace, &[]);
        assert_eq!(named(&found), ["lib/inner"], "{found:?}");
        world.agent_ok(
            &workspace,
            "cd lib/inner && git push -q origin HEAD:refs/heads/topic",
        );
        let found = snapshot(&world, &workspace, &[]);
        assert_eq!(named(&found), [""; 0], "{found:?}");
    }

    /// What an agent configures in a submodule of its workspace is run by git's own commands there, not by mesh's.
    #[test]
    fn nothing_that_is_configured_in_a_submodule_runs() {
        let world = World::git();
        with_submodules(&world, true);
        let workspace = world.add("t", &world.base());
        check_out(&world, &workspace);
        let ran = world.dir.join("ran");
        let script = format!(
            "cd lib && echo '* filter=x' > .gitattributes && {COMMIT} && \
             git config filter.x.clean 'touch {ran}; cat' && git config core.fsmonitor 'touch {ran}; false' && touch l && sleep 0 && echo more >> l",
            ran = ran.display()
        );
        world.agent_ok(&workspace, &script);
        let found = snapshot(&world, &workspace, &[]);
        assert_eq!(named(&found), ["lib"]);
        assert!(
            found.unrecorded[0].why.contains("filter.x.clean"),
            "{found:?}"
        );
        assert!(!ran.exists());
    }

    #[test]
    fn a_file_that_git_is_told_not_to_look_at_is_recorded() {
        let world = World::git();
        let workspace = world.add("t", &world.base());
        world.agent_ok(&workspace, "git update-index --assume-unchanged a.txt && git update-index --skip-worktree shared.txt");
        write(&workspace, "a.txt", "edited\n");
        write(&workspace, "shared.txt", "edited\n");
        let found = snapshot(&world, &workspace, &[]);
        for path in ["a.txt", "shared.txt"] {
            assert_eq!(
                world.file_at(&found.commit, path).as_deref(),
                Some("edited\n"),
                "{path}"
            );
        }
    }

    #[test]
    fn a_name_that_git_refuses_is_named_and_the_rest_is_recorded() {
        let world = World::git();
        let workspace = world.add("t", &world.base());
        write(&workspace, "git~1", "x\n");
        write(&workspace, "work", "w\n");
        let found = snapshot(&world, &workspace, &[]);
        assert_eq!(named(&found), ["git~1"]);
        assert_eq!(world.file_at(&found.commit, "work").as_deref(), Some("w\n"));
        assert!(!Path::new(&workspace.path).join(".git").is_dir());
    }
}
