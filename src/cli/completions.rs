//! `exaplan completions`.

use super::output::{Console, emit};
use super::{Cli, DONE, Done};
use clap::CommandFactory;
use clap_complete::Shell;

/// Print completions for a shell.
#[derive(Debug, clap::Args)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Print them.
pub fn run(args: &CompletionsArgs, _: &Console) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "exaplan", &mut script);
    emit(&String::from_utf8_lossy(&script))?;
    Ok(DONE)
}
