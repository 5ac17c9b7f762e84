//! The `mesh` program.

fn main() -> std::process::ExitCode {
    mesh::main_impl()
}
