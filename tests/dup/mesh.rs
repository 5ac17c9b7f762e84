//! The `mesh` program under a name of this package, so that tests know its path.

fn main() -> std::process::ExitCode {
    mesh::main_impl()
}
