//! What became different of what all working copies share, and of the user's own.

use crate::on_both;
use crate::world::World;

on_both!(
    what_an_agent_leaves_in_the_store_is_said,
    what_mesh_does_itself_is_not,
    a_planted_setting_is_said_although_calls_are_refused,
);

/// The sentences for what `between` did.
fn said(world: &World, between: impl FnOnce()) -> Vec<String> {
    let except = [
        world.repo.join(".mesh"),
        world.backend.workspaces_root().to_path_buf(),
    ];
    let before = world.backend.shared_state(&except).unwrap();
    assert!(
        world
            .backend
            .shared_state(&except)
            .unwrap()
            .changes_since(&before)
            .is_empty()
    );
    between();
    world
        .backend
        .shared_state(&except)
        .unwrap()
        .changes_since(&before)
}

fn has(said: &[String], words: &[&str]) {
    assert!(
        said.iter()
            .any(|one| words.iter().all(|word| one.contains(word))),
        "{words:?} is not in {said:#?}"
    );
}

fn what_an_agent_leaves_in_the_store_is_said(world: &World) {
    let workspace = world.add("t", &world.base());
    let found = said(world, || {
        if world.is_jj {
            world.agent_ok(
                &workspace,
                "echo 1 > one && jj commit -m one && jj bookmark create agents-branch -r @- && jj bookmark set trunk -r @- --allow-backwards && jj config set --repo user.email secret@example.org",
            );
        } else {
            // In the user's own working copy.
            world.user(
                "echo tmp > tmp.txt && git stash push -q -u -m 'put away' -- tmp.txt && git config user.email secret@example.org && \
                 git worktree add -q \"$PWD-extra\" -b agents-branch && git tag agents-tag && echo 1 > one && git add one && git commit -q -m one && \
                 git update-ref refs/heads/trunk HEAD && git update-ref refs/notes/x HEAD && git update-ref refs/remotes/origin/y HEAD",
            );
            let hooks = world.repo.join(".git/hooks");
            fs_err::create_dir_all(&hooks).unwrap();
            fs_err::write(hooks.join("pre-push"), "#!/bin/sh\n").unwrap();
            fs_err::write(world.repo.join("a.txt"), "edited\n").unwrap();
        }
    });
    has(&found, &["branch agents-branch was made at"]);
    has(&found, &["branch trunk moved from", " to "]);
    has(&found, &["config user.email was"]);
    assert!(!found.join(" ").contains("secret"), "{found:?}");
    if !world.is_jj {
        has(&found, &["stash entry added", "put away"]);
        has(&found, &["tag agents-tag was made"]);
        has(&found, &["remote branch origin/y was made"]);
        has(&found, &["ref refs/notes/x was made"]);
        has(&found, &["worktree", "-extra was added"]);
        has(&found, &["hook pre-push was added"]);
        has(&found, &["file a.txt in your working copy changed"]);
        let later = said(world, || {
            world.user("git stash drop -q && git tag -d agents-tag && git checkout -q -- a.txt && git checkout -q -b elsewhere && rm .git/hooks/pre-push");
        });
        has(&later, &["stash entry dropped"]);
        has(&later, &["tag agents-tag was deleted"]);
        has(&later, &["a.txt", "as recorded again"]);
        has(&later, &["branch elsewhere", "your working copy"]);
        has(&later, &["hook pre-push was removed"]);
    }
}

fn what_mesh_does_itself_is_not(world: &World) {
    let found = said(world, || {
        let done = world.finished("t", &world.base(), &[("new", "n\n")]);
        let landed = world
            .land(&world.landing(&done, &world.base()), &mut |_| true)
            .unwrap();
        assert!(
            matches!(landed, crate::world::Landed::Moved(_)),
            "{landed:?}"
        );
        world.add("open", &world.base());
    });
    assert!(found.is_empty(), "{found:?}");
}

fn a_planted_setting_is_said_although_calls_are_refused(world: &World) {
    fs_err::write(world.repo.join("a.txt"), "edited\n").unwrap();
    let ran = world.dir.join("ran");
    let found = said(world, || {
        let set = if world.is_jj {
            "jj config set --repo template-aliases.x '\"\"'".to_owned()
        } else {
            format!(
                "git config filter.x.clean 'touch {}; cat' && echo '* filter=x' > .gitattributes",
                ran.display()
            )
        };
        world.user(&set);
        fs_err::remove_file(&ran).ok();
    });
    has(
        &found,
        &[if world.is_jj {
            "config template-aliases.x was set"
        } else {
            "config filter.x.clean was set"
        }],
    );
    assert!(
        !found.iter().any(|one| one.contains("as recorded again")),
        "{found:?}"
    );
    assert!(!ran.exists());
}
