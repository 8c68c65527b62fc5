//! The `exaplan` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(exaplan::cli::run(std::env::args_os()))
}
