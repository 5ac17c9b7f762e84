//! `mesh completions` and `mesh man`: what shells and `man` need, made from the arguments themselves.

use std::io::Write as _;

use clap::CommandFactory;
use clap_complete::Shell as CompletedShell;

use crate::cli;
use crate::error::CommandError;
use crate::exit_code;

/// Print the completions for a shell.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell.
    #[arg(value_name = "SHELL")]
    pub shell: CompletedShell,
}

/// Print the manual page, in the form that `man` reads.
#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {}

pub(crate) fn run(args: &Args) -> Result<u8, CommandError> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut cli::Args::command(), "mesh", &mut text);
    print(&text)
}

/// The page of `mesh` itself and of each subcommand, one after the other.
pub(crate) fn man(_args: &ManArgs) -> Result<u8, CommandError> {
    let mut text = Vec::new();
    let mut command = cli::Args::command();
    // Gives each subcommand its full name.
    command.build();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    for subcommand in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        clap_mangen::Man::new(subcommand.clone()).render(&mut text)?;
    }
    print(&text)
}

/// A reader that has seen enough is no failure.
fn print(text: &[u8]) -> Result<u8, CommandError> {
    match std::io::stdout().lock().write_all(text) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(exit_code::OK),
    }
}
