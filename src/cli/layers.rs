//! Which directories the catalog is made of.

use super::Layers;
use super::output::Console;
use crate::catalog::{Catalog, Layer};
use crate::error::Result;
use std::path::PathBuf;

/// The user's directory.
pub fn user_dir() -> Option<PathBuf> {
    absolute("XDG_CONFIG_HOME")
        .or_else(|| absolute("HOME").map(|h| h.join(".config")))
        .map(|d| d.join("exaplan"))
}

/// A directory from the environment; the XDG specification says to ignore relative ones.
fn absolute(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute())
}

/// The site's directories, the most important last.
pub fn site_dirs() -> Vec<PathBuf> {
    let listed = std::env::var_os("XDG_CONFIG_DIRS")
        .filter(|v| !v.is_empty())
        .unwrap_or_else(|| "/etc/xdg".into());
    let mut dirs: Vec<PathBuf> = std::env::split_paths(&listed)
        .filter(|p| p.is_absolute())
        .map(|p| p.join("exaplan"))
        .collect();
    dirs.reverse();
    dirs
}

/// The built-in catalog under those of the site, the user and the command line.
///
/// # Errors
/// Every problem of the files of a layer.
pub fn catalog(layers: &Layers, console: &Console) -> Result<Catalog> {
    let mut catalog = Catalog::builtin();
    let own = site_dirs()
        .into_iter()
        .map(|d| (d, Layer::Site))
        .chain(user_dir().map(|d| (d, Layer::User)));
    // Nobody has to have these two; a directory that was named has to be there.
    let own = own.filter(|(dir, _)| dir.is_dir());
    for (dir, layer) in own.chain(layers.catalog.iter().map(|d| (d.clone(), Layer::Project))) {
        console.detail(&format!("{} catalog {}", layer.name(), dir.display()));
        catalog = catalog.overlay_dir(&dir, layer)?;
    }
    tell_shadowed(&catalog, console);
    Ok(catalog)
}

/// One line on entries that hide others: meant as a rule, but never silent.
fn tell_shadowed(catalog: &Catalog, console: &Console) {
    let names: Vec<String> = catalog
        .shadowed()
        .map(|(kind, e)| format!("{} `{}`", kind.name(), e.name))
        .collect();
    if names.is_empty() {
        return;
    }
    let first: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
    let more = if names.len() > first.len() {
        format!(" and {} more", names.len() - first.len())
    } else {
        String::new()
    };
    console.note(&format!("your catalog replaces {}{more}", first.join(", ")));
}

/// With `-v`, what a configuration file holds and the model does not, uncut.
pub fn tell_ignored(scenario: &crate::plan::Scenario, console: &Console) {
    for assumption in scenario.assumptions.iter().filter(|a| a.key == crate::plan::hf::IGNORED) {
        console.detail(&format!("configuration file, {}: {}", assumption.value, assumption.source));
    }
}
