//! A grid of scenarios: axes over any of their values, numbered cases, one row of results each.
//!
//! A case is a pure function of the study and its number, so any machine can work on any of them, in
//! any order, as often as needed: shards are number ranges dealt out, and resuming is going on.

pub mod axis;
mod check;
mod evaluate;
mod filter;
mod read;
pub mod row;
mod shard;
#[cfg(test)]
mod tests;

pub use axis::{Axis, Value};
pub use evaluate::{Sweep, with_threads};
pub use filter::Filter;
pub use row::{Figures, Row};
pub use shard::Shard;

/// Most cases of a study: a year of one machine.
pub const MAX_CASES: u64 = 1_000_000_000;

/// A study file, read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Study {
    /// Name for people.
    pub name: String,
    /// The scenario that is varied: a path or the name of a built-in one.
    pub scenario: String,
    /// Overrides of all cases, as `--set` takes them.
    pub set: Vec<String>,
    /// What is varied, in the order of numbering: the last one changes fastest.
    pub axes: Vec<Axis>,
    /// Conditions that a case must meet.
    pub filters: Vec<Filter>,
    /// Digest of its text.
    pub digest: String,
}

impl Study {
    /// Numbers of cases, those that a filter drops included.
    #[must_use]
    pub fn n_numbers(&self) -> u64 {
        self.axes.iter().map(|a| a.len() as u64).product()
    }

    /// The point of each axis that a number stands for: mixed radix, the last axis fastest.
    #[must_use]
    pub fn points(&self, mut number: u64) -> Vec<usize> {
        let mut points = vec![0; self.axes.len()];
        for (point, axis) in points.iter_mut().zip(&self.axes).rev() {
            let n = axis.len() as u64;
            *point = usize::try_from(number % n).unwrap_or(0);
            number /= n;
        }
        points
    }

    /// Whether the filters let a number through.
    #[must_use]
    pub fn has(&self, number: u64) -> bool {
        if self.filters.is_empty() {
            return true;
        }
        let points = self.points(number);
        self.filters
            .iter()
            .all(|f| f.holds(|axis, path| &self.axes[axis].values[points[axis]][path]))
    }

    /// What varies, by path, in the order of the axes.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.axes.iter().flat_map(|a| a.paths.iter().map(String::as_str))
    }

    /// The value of each path in a case.
    pub fn values(&self, number: u64) -> impl Iterator<Item = &Value> {
        let points = self.points(number);
        self.axes.iter().zip(points).flat_map(|(axis, point)| &axis.values[point])
    }

    /// The overrides of a case beyond those of the study, as `--set` takes them.
    #[must_use]
    pub fn overrides(&self, number: u64) -> Vec<String> {
        let points = self.points(number);
        self.axes
            .iter()
            .zip(points)
            .flat_map(|(axis, point)| axis.overrides[point].iter().cloned())
            .collect()
    }

    /// Numbers in a row that differ only in axes a step does not depend on.
    #[must_use]
    pub fn n_per_step(&self) -> u64 {
        let quick = self.axes.iter().rev().take_while(|a| !a.changes_step());
        quick.map(|a| a.len() as u64).product()
    }
}
