//! Refits of published points, compared with what their authors printed or stored.
//!
//! Points that may be passed on are part of the test suite; the others are checked where they lie.
//! Tolerances are those of `points/verify.py` of the collection, tighter for Chinchilla.

mod studies;

use crate::error::Result;
use std::path::{Path, PathBuf};

/// One number, refitted and published.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Whose points.
    pub study: &'static str,
    /// What.
    pub label: String,
    /// As fitted here.
    pub got: f64,
    /// As published; first obtained by another program where `own`.
    pub want: f64,
    /// Largest relative difference.
    pub tolerance_fraction: f64,
    /// Not printed by the authors, but obtained from their points by another program.
    pub own: bool,
}

impl Check {
    /// Whether it is within its tolerance.
    #[must_use]
    pub fn holds(&self) -> bool {
        (self.got - self.want).abs() <= self.tolerance_fraction * self.want.abs()
    }
}

/// What a folder of points gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verified {
    /// Every check.
    pub checks: Vec<Check>,
    /// Studies whose files are not there.
    pub absent: Vec<&'static str>,
}

impl Verified {
    /// Checks that do not hold.
    pub fn missed(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|c| !c.holds())
    }
}

/// A study: its name, the files it needs, its checks.
type Study = (&'static str, &'static [&'static str], fn(&Folder<'_>) -> Result<Vec<Check>>);

const STUDIES: [Study; 6] = [
    ("Chinchilla", &["chinchilla_epoch.csv"], studies::chinchilla),
    ("repeated data", &["datablations_fit182.csv"], studies::repeated),
    ("over-training", &["gadre_overtraining.csv"], studies::overtraining),
    ("Kaplan to Chinchilla", &["porian_optima.csv"], studies::porian),
    ("routed models", &["clark_routed_final.csv"], studies::routed),
    ("ladder", &["olmo_ladder_final.csv", "olmo_ladder_checkpoints.csv"], studies::ladder),
];

/// How many times [`verify`] tells that one more is done.
#[must_use]
pub fn n_studies() -> usize {
    STUDIES.len()
}

/// Where points lie, and how thoroughly to fit them.
pub(super) struct Folder<'a> {
    path: &'a Path,
    all_starts: bool,
}

impl Folder<'_> {
    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Every check of the studies whose files are in a folder.
///
/// # Errors
/// When a file cannot be read as what its name says.
pub fn verify(folder: &Path, all_starts: bool, told: &dyn Fn()) -> Result<Verified> {
    let place = Folder { path: folder, all_starts };
    let mut out = Verified::default();
    for (name, files, checks) in STUDIES {
        // Asking for a file is how one learns that it is absent: this room opens none itself.
        if files.iter().all(|f| crate::catalog::source::is_file(&place.file(f))) {
            out.checks.extend(checks(&place)?);
        } else {
            out.absent.push(name);
        }
        told();
    }
    Ok(out)
}
