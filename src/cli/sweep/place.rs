//! Which files a sweep has.

use super::Input;
use crate::error::{Diagnostic, Error, Result};
use crate::report::sweep::results::{Label, Reader, Writer, provenance};
use crate::study::sweep::{Shard, Study, Sweep};
use serde_json::Value;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

/// The directory of the shards, the file of the whole, and what both must be about.
pub struct Place {
    /// Journals and shards.
    pub dir: PathBuf,
    /// The whole result.
    pub output: PathBuf,
    /// What each file must say of itself.
    pub provenance: Value,
}

/// What a file of results is to a study.
pub enum Found {
    /// Not there.
    Missing,
    /// The results of this study.
    Ours(u64),
    /// Those of another one, or of this one with another scenario, catalog or program.
    Other,
}

impl Place {
    /// The files of a study.
    pub(super) fn new(input: &Input, sweep: &Sweep) -> Place {
        let beside = |extension: &str| input.study.with_extension(extension);
        Place {
            dir: input.dir.clone().unwrap_or_else(|| beside("sweep")),
            output: input.output.clone().unwrap_or_else(|| beside("parquet")),
            provenance: provenance(&sweep.study, sweep),
        }
    }

    /// The journal of a shard.
    pub fn journal(&self, shard: Shard) -> PathBuf {
        self.dir.join(format!("shard-{}-of-{}.journal", shard.index, shard.count))
    }

    /// The results of a shard; those of the only one are the whole.
    pub fn results(&self, shard: Shard) -> PathBuf {
        if shard == Shard::WHOLE {
            return self.output.clone();
        }
        self.dir.join(format!("shard-{}-of-{}.parquet", shard.index, shard.count))
    }

    /// What the results of a shard say of themselves.
    pub fn label(&self, shard: Shard) -> Label {
        Label {
            provenance: self.provenance.clone(),
            shard: (shard != Shard::WHOLE).then(|| format!("{}/{}", shard.index, shard.count)),
        }
    }

    /// What a journal says of itself.
    pub fn journal_label(&self, shard: Shard) -> String {
        format!("{}/{} {}", shard.index, shard.count, self.provenance)
    }

    /// What lies where the results of a shard belong.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn found(&self, shard: Shard) -> Result<Found> {
        let path = self.results(shard);
        if path.is_dir() {
            let text = format!("`{}` is a directory", path.display());
            return Err(Diagnostic::new(text).help("give the name of a file in it").into());
        }
        if !path.is_file() {
            return Ok(Found::Missing);
        }
        Ok(match reader(&path) {
            Ok(reader) if reader.label() == Some(self.label(shard)) => Found::Ours(reader.n_rows()),
            Ok(_) | Err(Error::Invalid(_)) => Found::Other,
            Err(error) => return Err(error),
        })
    }

    /// Shards of which there is a file, by how many they are parts of.
    ///
    /// # Errors
    /// When the directory cannot be listed.
    pub fn shards(&self) -> Result<Vec<Shard>> {
        if !self.dir.is_dir() {
            return Ok(Vec::new());
        }
        let io = |source| Error::Io {
            path: self.dir.clone(),
            source,
        };
        let mut shards = Vec::new();
        for entry in std::fs::read_dir(&self.dir).map_err(io)? {
            let name = entry.map_err(io)?.file_name();
            shards.extend(name.to_str().and_then(named));
        }
        shards.sort_by_key(|s: &Shard| (s.count, s.index));
        shards.dedup();
        Ok(shards)
    }
}

/// The shard of a file name.
fn named(name: &str) -> Option<Shard> {
    let stem = name.strip_suffix(".parquet").or_else(|| name.strip_suffix(".journal"))?;
    let (index, count) = stem.strip_prefix("shard-")?.split_once("-of-")?;
    let shard = Shard {
        index: index.parse().ok()?,
        count: count.parse().ok()?,
    };
    (shard.index < shard.count).then_some(shard)
}

/// Open a file of results.
///
/// # Errors
/// When it cannot be opened or is no such file.
pub fn reader(path: &Path) -> Result<Reader<File>> {
    let file = File::open(path).map_err(|source| Error::Io {
        path: path.to_path_buf(),
        source,
    })?;
    Reader::new(file, &path.display().to_string())
}

/// Write results whole or not at all: to a temporary name beside them, then rename.
///
/// # Errors
/// When they cannot be written, or `rows` fails.
pub fn write(path: &Path, study: &Study, label: &Label, rows: impl FnOnce(&mut Writer<BufWriter<File>>) -> Result<()>) -> Result<()> {
    let io = |source| Error::Io {
        path: path.to_path_buf(),
        source,
    };
    let mut name = path.file_name().map(std::ffi::OsStr::to_os_string).unwrap_or_default();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent).map_err(io)?;
    }
    let file = File::create(&temporary).map_err(io)?;
    let mut writer = Writer::new(BufWriter::new(file), study, label)?;
    let written = rows(&mut writer).and_then(|()| writer.finish());
    let done = written.and_then(|()| std::fs::rename(&temporary, path).map_err(io));
    done.map_err(|error| {
        let _ = std::fs::remove_file(&temporary);
        match error {
            Error::Io { source, .. } => io(source),
            other => other,
        }
    })
}
