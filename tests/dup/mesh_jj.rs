//! The `mesh-jj` program: see the library of the same name.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(mesh_jj::main_impl(std::env::args_os().skip(1)))
}
