//! What an agent's own git and jj may count on: an identity, no signing, and nobody who is asked anything.

use crate::on_both;
use crate::world::World;

/// A program in the place of `gpg` that cannot ask for the passphrase, for both programs.
fn sign_everything(world: &mut World) {
    let gpg = world.dir.join("gpg");
    world.user(&format!(
        "printf '#!/bin/sh\\necho no terminal >&2; exit 1\\n' >'{0}' && chmod +x '{0}'",
        gpg.display()
    ));
    world.user(&format!(
        "git config --global commit.gpgSign true && git config --global tag.gpgSign true && git config --global gpg.program '{}'",
        gpg.display()
    ));
    if world.is_jj {
        let file = world.dir.join("home/.config/jj/config.toml");
        let text = fs_err::read_to_string(&file).unwrap_or_default();
        let signing = format!(
            "{text}signing.behavior = \"own\"\nsigning.backend = \"gpg\"\nsigning.backends.gpg.program = \"{}\"\n",
            gpg.display()
        );
        fs_err::write(file, signing).unwrap();
    }
    world.backend = world.later_process();
}

fn an_agent_commits_where_the_user_signs(world: &mut World) {
    sign_everything(world);
    let workspace = world.add("t", &world.base());
    fs_err::write(workspace.path.join("f"), "f\n").unwrap();
    world.agent_ok(&workspace, world.commit_command());
    // Repositories that a test of the user's makes are signed as little.
    world.agent_ok(
        &workspace,
        "git init -q \"$HOME/other\" && cd \"$HOME/other\" && git commit -q --allow-empty -m x && git tag -m x v1",
    );
}

fn a_setting_of_the_repository_does_not_win(world: &mut World) {
    sign_everything(world);
    world.user("git config commit.gpgSign true");
    if world.is_jj {
        world.user("jj config set --repo signing.behavior own && jj config set --repo snapshot.auto-update-stale true");
    }
    let workspace = world.add("t", &world.base());
    fs_err::write(workspace.path.join("f"), "f\n").unwrap();
    world.agent_ok(&workspace, world.commit_command());
    if world.is_jj {
        let (_, said) = world.agent(&workspace, "jj config get snapshot.auto-update-stale");
        assert_eq!(said, "false\n");
    }
}

fn nobody_is_asked_anything(world: &mut World) {
    world.user(
        "git config --global core.askPass /bin/cat && git config --global core.editor /bin/cat",
    );
    world.backend = world.later_process();
    let workspace = world.add("t", &world.base());
    let (ok, said) = world.agent(
        &workspace,
        "git init -q \"$HOME/other\" && cd \"$HOME/other\" && git commit -q --allow-empty",
    );
    assert!(!ok && said.contains("editor"), "{said}");
    for variable in ["GIT_ASKPASS", "SSH_ASKPASS"] {
        assert_eq!(
            world.agent(&workspace, &format!("echo ${variable}")).1,
            "false\n"
        );
    }
    assert_eq!(
        world.agent(&workspace, "echo $GIT_TERMINAL_PROMPT").1,
        "0\n"
    );
    if world.is_jj {
        let (ok, said) = world.agent(&workspace, "jj describe");
        assert!(!ok && said.contains("editor"), "{said}");
    }
}

on_both!(
    an_agent_commits_where_the_user_signs,
    a_setting_of_the_repository_does_not_win,
    nobody_is_asked_anything,
);

fn author(world: &World, workspace: &mesh_vcs::Workspace) -> String {
    let show = if world.is_jj {
        "jj log --no-graph -r @- -T 'author.name() ++ \":\" ++ author.email()'"
    } else {
        "git log -1 --format=%an:%ae"
    };
    let (ok, said) = world.agent(workspace, show);
    assert!(ok, "{said}");
    said.trim().to_owned()
}

#[test]
fn an_agent_of_a_person_without_identity_has_one() {
    let worlds = [
        Some(World::git_without_identity()),
        World::real_jj_without_identity(),
    ];
    for world in worlds.into_iter().flatten() {
        let workspace = world.add("t", &world.base());
        fs_err::write(workspace.path.join("f"), "f\n").unwrap();
        world.agent_ok(&workspace, world.commit_command());
        assert_eq!(author(&world, &workspace), "mesh:mesh@localhost");
    }
}

#[test]
fn half_an_identity_is_completed_and_not_replaced() {
    let worlds = [
        Some(World::git_without_identity()),
        World::real_jj_without_identity(),
    ];
    for mut world in worlds.into_iter().flatten() {
        world.user("git config --global user.name Half");
        if world.is_jj {
            fs_err::write(
                world.dir.join("home/.config/jj/config.toml"),
                "user.name = \"Half\"\n",
            )
            .unwrap();
        }
        world.backend = world.later_process();
        let workspace = world.add("t", &world.base());
        fs_err::write(workspace.path.join("f"), "f\n").unwrap();
        world.agent_ok(&workspace, world.commit_command());
        assert_eq!(author(&world, &workspace), "Half:mesh@localhost");
    }
}

#[test]
fn an_identity_that_an_agent_or_a_test_configures_wins() {
    let world = World::git_without_identity();
    let workspace = world.add("t", &world.base());
    let (ok, said) = world.agent(
        &workspace,
        "git init -q \"$HOME/other\" && cd \"$HOME/other\" && git config user.name Tester && git config user.email t@example.org && git commit -q --allow-empty -m x && git log -1 --format=%an:%ae",
    );
    assert!(ok, "{said}");
    assert_eq!(said.trim(), "Tester:t@example.org");
}
