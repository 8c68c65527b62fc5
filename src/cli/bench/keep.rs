//! What a run of `bench` leaves on disk, at any moment: a journal with a line for each measurement, and a
//! profile that stands.

use crate::bench::journal::{self, Head};
use crate::bench::profile::{HERE, Record, profile};
use crate::bench::{Environment, Item, Measured};
use crate::catalog::source;
use crate::error::{Diagnostic, Error, Result};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Seconds between two writings of the profile.
const EVERY_S: f64 = 5.0;

/// Both, and what they hold.
pub struct Keep {
    path: PathBuf,
    name: String,
    backend: String,
    environment: Environment,
    weights: Vec<(Item, f64)>,
    journal: File,
    journal_path: PathBuf,
    /// All measurements so far.
    pub list: Vec<Measured>,
    written_s: f64,
}

/// The id of a profile is the name of its file: known before anything is measured.
pub fn profile_name(path: &Path) -> Result<String> {
    let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or("");
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let is_toml = path.extension().is_some_and(|e| e == "toml");
    if !is_toml || stem.is_empty() || !stem.chars().all(plain) {
        let text = format!("--output {}: not the name of a profile", path.display());
        let help = "write lower-case letters, digits and hyphens, then .toml: this-machine.toml";
        return Err(Diagnostic::new(text).help(help).into());
    }
    Ok(stem.to_string())
}

impl Keep {
    /// Go on with the journal beside `path`, or begin one.
    pub fn open(
        path: &Path,
        name: String,
        (backend, environment): (&str, &Environment),
        weights: Vec<(Item, f64)>,
        fresh: bool,
    ) -> Result<Keep> {
        let journal_path = path.with_extension("bench.jsonl");
        let mut list = Vec::new();
        let mut kept = String::new();
        let mut machine = environment.clone();
        if !fresh && journal_path.is_file() {
            let text = source::read_as(&journal_path, "a journal of `bench run`")?.text.clone();
            let (head, known) = journal::read(&text)?;
            journal::same_machine(&head, backend, environment)?;
            kept.push_str(&journal::line(&head)?);
            for one in &known {
                kept.push_str(&journal::line(one)?);
            }
            list = known;
            // Peaks and clocks are those of the first run: nothing new is measured by going on with nothing left.
            machine = head.environment;
        } else {
            kept.push_str(&journal::line(&Head {
                schema: journal::SCHEMA.to_string(),
                backend: backend.to_string(),
                environment: environment.clone(),
            })?);
        }
        // Whole, without a line that was torn.
        source::write_whole(&journal_path, kept.as_bytes())?;
        let io = |source| Error::Io {
            path: journal_path.clone(),
            source,
        };
        let journal = OpenOptions::new().append(true).open(&journal_path).map_err(io)?;
        Ok(Keep {
            path: path.to_path_buf(),
            name,
            backend: backend.to_string(),
            environment: machine,
            weights,
            journal,
            journal_path,
            list,
            written_s: f64::NEG_INFINITY,
        })
    }

    /// One more. A line is written at once; the profile now and then, as soon as there can be one.
    pub fn add(&mut self, m: &Measured, now_s: f64) -> Result<()> {
        let line = journal::line(m)?;
        self.journal
            .write_all(line.as_bytes())
            .and_then(|()| self.journal.flush())
            .map_err(|source| Error::Io {
                path: self.journal_path.clone(),
                source,
            })?;
        self.list.push(m.clone());
        if now_s - self.written_s >= EVERY_S && profile(&self.record(false)).is_ok() {
            self.written_s = now_s;
            self.write(false)?;
        }
        Ok(())
    }

    fn record(&self, complete: bool) -> Record<'_> {
        Record {
            name: &self.name,
            backend: &self.backend,
            environment: &self.environment,
            list: &self.list,
            weights: &self.weights,
            complete,
            source: HERE,
            bandwidth_bytes_per_s: None,
            scale_up: None,
        }
    }

    /// The profile: tables, then the file that names them, then tables of before go.
    pub fn write(&mut self, complete: bool) -> Result<String> {
        let written = profile(&self.record(complete))?;
        store(&self.path, &self.name, &written)
    }
}

/// Write a profile and its tables; returns what to say of it.
pub fn store(path: &Path, name: &str, written: &crate::bench::profile::Written) -> Result<String> {
    for (file, text) in &written.tables {
        source::write_whole(&path.with_file_name(file), text.as_bytes())?;
    }
    source::write_whole(path, written.toml.as_bytes())?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        if is_table(&file, name) && !written.tables.iter().any(|(t, _)| *t == file) {
            // A table that stays does no harm.
            let _ = std::fs::remove_file(entry.path());
        }
    }
    Ok(format!("{} and {} table(s) beside it", path.display(), written.tables.len()))
}

/// `name-gemm-0123abcd.csv`.
fn is_table(file: &str, name: &str) -> bool {
    let kinds = ["gemm", "attention-training", "collective"];
    let rest = file
        .strip_prefix(name)
        .and_then(|r| r.strip_prefix('-'))
        .and_then(|r| r.strip_suffix(".csv"));
    rest.and_then(|r| r.rsplit_once('-'))
        .is_some_and(|(kind, digest)| kinds.contains(&kind) && digest.len() == 8 && digest.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tables_of_the_profile_are_its_own() {
        assert!(is_table("box-gemm-0123abcd.csv", "box"));
        assert!(is_table("box-attention-training-0123abcd.csv", "box"));
        for other in [
            "box-gemm.csv",
            "boxes-gemm-0123abcd.csv",
            "box-b-gemm-0123abcd.csv",
            "box-gemm-0123abcg.csv",
        ] {
            assert!(!is_table(other, "box"), "{other}");
        }
    }
}
