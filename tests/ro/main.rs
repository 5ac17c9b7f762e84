//! Suite `ro`: `mesh-bd-ro` as a program, under a `bd` that writes down how it was called and under the real ones.

mod crowd;
mod files;
mod git_hooks;
mod hostile;
mod names;
mod program;
mod rail;
mod real;
mod support;
mod table_walk;
mod tracker;
mod view;
