//! The only reader of files: embedded ones and those of the user's layers.

use crate::error::{Diagnostic, Error, Origin, Result};
use include_dir::{Dir, include_dir};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

static HARDWARE: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/hardware");
static PROFILES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/profiles");
static SCENARIOS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/scenarios");

/// Larger files are refused: no scenario or catalog comes near, and a wrong path often does.
pub const MAX_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// The embedded rules that tell the stack of a published run. They stand among the stacks but are no
/// part of the catalog.
pub const SOFTWARE: &str = "profiles/stacks/software.toml";

/// Every embedded file: its path in the repository and its text.
pub fn embedded() -> impl Iterator<Item = (String, &'static str)> {
    fn walk(dir: &'static Dir<'static>, out: &mut Vec<&'static include_dir::File<'static>>) {
        out.extend(dir.files());
        for sub in dir.dirs() {
            walk(sub, out);
        }
    }
    let mut list: Vec<(String, &'static str)> = Vec::new();
    for (root, dir) in [("hardware", &HARDWARE), ("profiles", &PROFILES), ("scenarios", &SCENARIOS)] {
        let mut files = Vec::new();
        walk(dir, &mut files);
        list.extend(
            files
                .iter()
                .filter_map(|f| Some((format!("{root}/{}", f.path().display()), f.contents_utf8()?))),
        );
    }
    list.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    list.into_iter()
}

/// The embedded scenario with this name (`llama3-405b`), as an origin.
#[must_use]
pub fn embedded_scenario(name: &str) -> Option<Arc<Origin>> {
    let file = SCENARIOS.get_file(format!("{name}.toml"))?;
    Some(Arc::new(Origin {
        name: format!("builtin:scenarios/{name}.toml"),
        text: file.contents_utf8()?.to_string(),
    }))
}

/// The embedded sets of published runs: name and CSV text.
#[must_use]
pub fn published() -> Vec<Arc<Origin>> {
    let mut list: Vec<Arc<Origin>> = embedded()
        .filter(|(path, _)| path.starts_with("scenarios/published/") && path.ends_with(".csv"))
        .map(|(path, text)| {
            Arc::new(Origin {
                name: format!("builtin:{path}"),
                text: text.to_string(),
            })
        })
        .collect();
    list.sort_by(|a, b| a.name.cmp(&b.name));
    list
}

/// Names of the embedded scenarios.
#[must_use]
pub fn embedded_scenarios() -> Vec<String> {
    let stem = |f: &include_dir::File<'_>| Some(f.path().file_stem()?.to_str()?.to_string());
    let mut names: Vec<String> = SCENARIOS
        .files()
        .filter(|f| f.path().extension().is_some_and(|e| e == "toml"))
        .filter_map(stem)
        .collect();
    names.sort_unstable();
    names
}

/// Whether a path is a file that can be asked for.
#[must_use]
pub fn is_file(path: &Path) -> bool {
    path.is_file()
}

/// Read a text file that a user named.
///
/// # Errors
/// Missing, a directory, unreadable, too large or not UTF-8: one diagnostic each, with a remedy.
pub fn read(path: &Path) -> Result<Arc<Origin>> {
    read_as(path, "a scenario or catalog file in TOML")
}

/// The same for a file that should be `what`, which the remedies name.
///
/// # Errors
/// As [`read`].
pub fn read_as(path: &Path, what: &str) -> Result<Arc<Origin>> {
    let name = path.display().to_string();
    let fail = |message: String, help: &str| Error::invalid(Diagnostic::new(message).help(help));
    let meta = fs::metadata(path).map_err(|e| {
        fail(
            format!("cannot read `{name}`: {}", plain(&e)),
            &format!("check the path; give {what}"),
        )
    })?;
    if meta.is_dir() {
        return Err(fail(format!("`{name}` is a directory"), "give the path of a file"));
    }
    if meta.len() > MAX_FILE_BYTES {
        let text = format!("`{name}` has {} bytes, more than the {MAX_FILE_BYTES} that are read", meta.len());
        return Err(fail(text, &format!("give {what}")));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(|e| fail(format!("cannot open `{name}`: {}", plain(&e)), "check its permissions"))?;
    // The limit holds for pipes and devices too, whose length is not known before.
    file.take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| fail(format!("cannot read `{name}`: {}", plain(&e)), "check the file"))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(fail(
            format!("`{name}` is longer than the {MAX_FILE_BYTES} bytes that are read"),
            &format!("give {what}"),
        ));
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        fail(
            format!("`{name}` is not UTF-8 text (byte {at})"),
            &format!("give {what}, not a binary file"),
        )
    })?;
    let text = text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_string);
    Ok(Arc::new(Origin { name, text }))
}

fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file".to_string(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_string(),
        _ => error.to_string(),
    }
}

/// A file that a catalog file names, in its folder or below it.
///
/// # Errors
/// A path that leads out of the folder; else as [`read`].
pub fn beside(origin: &Origin, file: &str) -> Result<Arc<Origin>> {
    let path = Path::new(file);
    let inside = path.components().all(|c| matches!(c, std::path::Component::Normal(_)));
    if !inside {
        let help = "write a relative path without `..`";
        return Err(Diagnostic::new(format!("`{file}` leads out of the folder")).help(help).into());
    }
    let Some(builtin) = origin.name.strip_prefix("builtin:profiles/") else {
        let folder = Path::new(&origin.name).parent().unwrap_or(Path::new(""));
        return read_as(&folder.join(path), "a CSV table of measured points");
    };
    let folder = Path::new(builtin).parent().unwrap_or(Path::new(""));
    let text = PROFILES.get_file(folder.join(path)).and_then(include_dir::File::contents_utf8);
    let text = text.ok_or_else(|| Diagnostic::new(format!("there is no built-in `{file}`")))?;
    Ok(Arc::new(Origin {
        name: format!("builtin:profiles/{}", folder.join(path).display()),
        text: text.to_string(),
    }))
}

/// Every `.toml` file under a catalog directory, in order. As in the built-in catalog, files directly
/// in its `scenarios` folder are scenarios, and `config.toml` holds settings: neither is read.
///
/// # Errors
/// When the directory cannot be listed or a file cannot be read.
pub fn read_dir(dir: &Path) -> Result<Vec<Arc<Origin>>> {
    let mut paths = Vec::new();
    collect(dir, 0, &mut paths)?;
    paths.sort();
    paths.iter().map(|p| read(p)).collect()
}

fn collect(dir: &Path, depth: usize, out: &mut Vec<PathBuf>) -> Result<()> {
    let fail = |e: &std::io::Error| {
        let text = format!("cannot list catalog directory `{}`: {}", dir.display(), plain(e));
        Error::invalid(Diagnostic::new(text).help("give a directory that holds catalog files in TOML"))
    };
    let entries = fs::read_dir(dir).map_err(|e| fail(&e))?;
    for entry in entries {
        let path = entry.map_err(|e| fail(&e))?.path();
        if path.is_dir() && depth < 4 {
            collect(&path, depth + 1, out)?;
        } else if path.extension().is_some_and(|e| e == "toml") && !is_other(&path, dir, depth) {
            out.push(path);
        }
    }
    Ok(())
}

fn is_other(path: &Path, dir: &Path, depth: usize) -> bool {
    let named = |p: &Path, name: &str| p.file_name().is_some_and(|n| n == name);
    (depth == 0 && named(path, "config.toml")) || (depth == 1 && named(dir, "scenarios"))
}

/// Whether a file may be written, told before the work starts: it is not there or may be replaced, it is
/// a file, and its folder (or the nearest one that is there) can be written in.
///
/// # Errors
/// When it may not.
pub fn writable(path: &Path, replace: bool) -> Result<()> {
    let name = path.display();
    let refuse = |text: String, help: &str| Err(Diagnostic::new(text).help(help).into());
    if path.is_dir() {
        return refuse(format!("`{name}` is a directory"), "give the name of a file in it");
    }
    if fs::symlink_metadata(path).is_ok() {
        if !path.is_file() {
            return refuse(
                format!("`{name}` is no file that can be replaced"),
                "give another name; - is stdout",
            );
        }
        if !replace {
            return refuse(format!("`{name}` is there already"), "give another name, or --force to replace it");
        }
    }
    let own = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = own
        .ancestors()
        .find(|p| p.as_os_str().is_empty() || fs::symlink_metadata(p).is_ok());
    let folder = folder.filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let trial = temporary(&folder.join(path.file_name().unwrap_or_default()));
    let tried = fs::OpenOptions::new().write(true).create_new(true).open(&trial);
    tried.and_then(|_| fs::remove_file(&trial)).map_err(|source| Error::Io {
        path: path.to_path_buf(),
        source,
    })
}

/// A hidden name beside a file that no other run of the program uses.
fn temporary(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}

/// Write a file whole or not at all: to a temporary name beside it, then rename.
///
/// # Errors
/// When the target cannot be written.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    write_all_whole(&[(path, bytes)])
}

/// The same of files that belong together: none has its name before all are on disk.
///
/// # Errors
/// When one of them cannot be written.
pub fn write_all_whole(files: &[(&Path, &[u8])]) -> Result<()> {
    let names: Vec<PathBuf> = files.iter().map(|(path, _)| temporary(path)).collect();
    let io = |path: &Path, source| Error::Io {
        path: path.to_path_buf(),
        source,
    };
    let each = || files.iter().zip(&names);
    let written = each().try_for_each(|((path, bytes), name)| whole(name, bytes).map_err(|e| io(path, e)));
    let done = written.and_then(|()| each().try_for_each(|((path, _), name)| fs::rename(name, path).map_err(|e| io(path, e))));
    done.inspect_err(|_| {
        // Leave nothing half-written behind; the first error is the one to report.
        for name in &names {
            let _ = fs::remove_file(name);
        }
    })
}

fn whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        fs::create_dir_all(parent)?;
    }
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    // Some file systems tell that they are full no earlier than this.
    file.sync_all()
}
