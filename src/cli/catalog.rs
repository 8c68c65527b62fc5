//! `exaplan catalog`.

use super::output::Console;
use super::{DONE, Done};

/// List, show, check and export.
#[derive(Debug, clap::Subcommand)]
pub enum CatalogCommand {
    /// List
    List,
}

/// Do it.
pub fn run(_: &CatalogCommand, _: &Console) -> Done {
    Ok(DONE)
}
