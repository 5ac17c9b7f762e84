//! The `mesh` program under a name of this package, so that tests know its path.

fn main() -> std::process::ExitCode {
    let args: Vec<std::ffi::OsString> = std::env::args_os().skip(1).collect();
    if let [word, spec] = args.as_slice()
        && word == mesh_proc::shim::ARGUMENT
    {
        let code = mesh_proc::shim::main(std::path::Path::new(spec));
        return std::process::ExitCode::from(u8::try_from(code).unwrap_or(1));
    }
    std::process::ExitCode::SUCCESS
}
