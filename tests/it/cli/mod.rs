//! The command line: what it prints, where, and how it exits.

// Clippy knows tests by their attribute only; what they call is test code too.
#![allow(clippy::unwrap_used)]

mod bench;
mod calibrate;
mod catalog;
mod compare;
mod completions;
mod errors;
mod explain;
mod hf;
mod plan;
mod ranks;
mod report;
mod run;
mod scenario;
mod schema;
mod size;
#[cfg(feature = "parquet")]
mod sweep;
#[cfg(feature = "tui")]
mod tui;
mod uncertain;
mod validate;

use serde_json::Value;
use std::path::PathBuf;
use std::process::{Command, Output};

/// What a command left behind.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap()
    }
}

/// The program in an empty surrounding: no user catalog, no colors, 100 columns.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_exaplan"));
    command
        .args(arguments)
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("XDG_CONFIG_DIRS", "/nonexistent");
    command
}

pub fn ran(output: Output) -> Ran {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

pub fn exaplan(arguments: &[&str]) -> Ran {
    ran(command(arguments).output().unwrap())
}

/// An empty directory of this test.
pub fn scratch(name: &str) -> PathBuf {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    dir
}
