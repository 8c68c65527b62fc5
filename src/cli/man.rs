//! `exaplan man`.

use super::output::Console;
use super::{Cli, DONE, Done};
use crate::catalog::source;
use crate::error::{Error, Result};
use clap::CommandFactory;
use std::path::{Path, PathBuf};

/// Write manual pages.
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Directory to write into
    #[arg(value_hint = clap::ValueHint::DirPath)]
    dir: PathBuf,
}

/// Write one page per command.
pub fn run(args: &ManArgs, console: &Console) -> Done {
    let mut root = Cli::command();
    root.build();
    let n = write(&root, &args.dir)?;
    console.note(&format!(
        "wrote {n} pages; read one with: man -l {}",
        args.dir.join("exaplan.1").display()
    ));
    Ok(DONE)
}

fn write(command: &clap::Command, dir: &Path) -> Result<usize> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_string();
    let path = dir.join(format!("{name}.1"));
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(command.clone()).title(name).render(&mut page);
    rendered.map_err(|source| Error::Io {
        path: path.clone(),
        source,
    })?;
    source::write_whole(&path, &page)?;
    let below = command.get_subcommands().filter(|c| !c.is_hide_set() && c.get_name() != "help");
    below.map(|c| write(c, dir)).try_fold(1, |n, m| Ok(n + m?))
}
