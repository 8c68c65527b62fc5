//! Catalog directories that a scenario names.

use crate::catalog::raw::{Item, Tree, Value};
use crate::error::{At, Diagnostic, Error, Result};
use std::path::{Path, PathBuf};

/// The directories of `catalog = ["../hw"]`, in order. Relative ones start where the scenario file
/// lies, those of `--set` where the program runs.
///
/// # Errors
/// When one is not a path.
pub(super) fn named(tree: &Tree, folder: Option<&Path>) -> Result<Vec<(PathBuf, At)>> {
    let Some(item) = tree.get("catalog") else { return Ok(Vec::new()) };
    let help = "write catalog = [\"../hw\"]: directories of catalog files, from the folder of the scenario";
    let wrong = |at: &Item, what: String| Diagnostic::new(what).at(&at.at).help(help);
    let list = match &item.value {
        Value::Array(list) => list.as_slice(),
        Value::Text(_) => std::slice::from_ref(item),
        other => return Err(wrong(item, format!("`catalog` is {}, expected an array of strings", other.type_name())).into()),
    };
    let mut dirs = Vec::new();
    let mut problems = Vec::new();
    for element in list {
        let Value::Text(text) = &element.value else {
            let what = format!("`catalog` holds {}, expected strings", element.value.type_name());
            problems.push(wrong(element, what));
            continue;
        };
        let path = Path::new(text);
        let here = (element.at.origin.name == "--set").then_some(Path::new(""));
        let Some(start) = here.or(folder).or_else(|| path.is_absolute().then_some(Path::new(""))) else {
            let what = format!("`{text}` starts nowhere: this scenario is no file");
            problems.push(
                Diagnostic::new(what)
                    .at(&element.at)
                    .help("give an absolute path, or use --catalog"),
            );
            continue;
        };
        if text.is_empty() {
            problems.push(wrong(element, "`catalog` holds an empty path".to_string()));
            continue;
        }
        dirs.push((start.join(path), element.at.clone()));
    }
    if problems.is_empty() {
        Ok(dirs)
    } else {
        Err(Error::Invalid(problems))
    }
}
