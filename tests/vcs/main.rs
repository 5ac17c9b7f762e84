//! Suite `vcs`: the same behaviours on git and on the real jj, and the adapter against a jj that hangs, floods, lies or dies.
//!
//! Each behaviour is one function over a [`world::World`]; [`on_both`] makes a test of it for either program.

mod agents;
mod detect;
mod kept;
mod landing;
mod places;
mod quarantine;
mod rail;
mod remembered;
mod settings;
mod shared;
mod shared_log;
mod snapshots;
mod trace;
mod trouble;
mod workspaces;
mod world;

/// A test on git and one on the real jj for each behaviour. The real one says so and ends where the program is missing.
#[macro_export]
macro_rules! on_both {
    ($($behaviour:ident),* $(,)?) => {
        mod git {
            $(#[test] fn $behaviour() { super::$behaviour(&mut $crate::world::World::git()); })*
        }
        mod real_jj_0_45_1 {
            $(#[test] fn $behaviour() {
                if let Some(mut world) = $crate::world::World::real_jj() { super::$behaviour(&mut world); }
            })*
        }
    };
}
