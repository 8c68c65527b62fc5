//! One line of a table: its cells, and what is wrong with them.

use super::Limits;
use crate::catalog::DType;
use crate::catalog::reader::one_of;
use crate::error::{At, Diagnostic, Origin};
use std::sync::Arc;

/// Problems of one file that are told; a file in the wrong unit has one in each of ten thousand lines.
const MOST_TOLD: usize = 50;
/// Longest time of one kernel or collective that is believed.
const LONGEST_S: f64 = 3600.0;

/// One line with its place.
pub(super) struct Line<'a> {
    pub(super) origin: &'a Arc<Origin>,
    pub(super) columns: &'a [(String, usize)],
    pub(super) record: &'a csv::ByteRecord,
    pub(super) number: u64,
    pub(super) start: usize,
    pub(super) problems: &'a mut Problems,
}

/// Problems of one file, up to a limit.
#[derive(Default)]
pub(super) struct Problems {
    list: Vec<Diagnostic>,
    n_more: usize,
}

impl Problems {
    pub(super) fn push(&mut self, problem: Diagnostic) {
        if self.list.len() < MOST_TOLD {
            self.list.push(problem);
        } else {
            self.n_more += 1;
        }
    }

    pub(super) fn finish(mut self, origin: &Arc<Origin>) -> Vec<Diagnostic> {
        if self.n_more > 0 {
            let text = format!("{}: {} more problems like these", origin.name, self.n_more);
            self.list.push(Diagnostic::new(text).help("correct those above first"));
        }
        self.list
    }
}

impl Line<'_> {
    pub(super) fn cell(&self, column: &str) -> Option<&str> {
        let (_, at) = self.columns.iter().find(|(name, _)| name == column)?;
        std::str::from_utf8(self.record.get(*at)?).ok().map(str::trim)
    }

    pub(super) fn wrong(&mut self, column: &str, what: &str, help: impl Into<String>) {
        let cell = self.cell(column).unwrap_or("").to_string();
        let at = self.columns.iter().find(|(name, _)| name == column).map_or(0, |(_, i)| *i);
        let before: usize = self.record.iter().take(at).map(|c| c.len() + 1).sum();
        let start = (self.start + before).min(self.origin.text.len());
        let end = (start + cell.len()).min(self.origin.text.len());
        let text = format!("line {}, column `{column}`: `{cell}` {what}", self.number);
        let at = At {
            origin: self.origin.clone(),
            span: start..end,
        };
        self.problems.push(Diagnostic::new(text).at(&at).help(help));
    }

    /// A number within limits, both included.
    pub(super) fn number(&mut self, column: &str, low: f64, high: f64) -> Option<f64> {
        let value = self.cell(column).and_then(|c| c.parse::<f64>().ok());
        let fits = value.filter(|v| (low..=high).contains(v));
        if fits.is_none() {
            self.wrong(column, "is not allowed", format!("write a number from {low} to {high}"));
        }
        fits
    }

    /// A whole number of at least 1.
    pub(super) fn count(&mut self, column: &str) -> Option<f64> {
        let value = self.cell(column).and_then(|c| c.parse::<f64>().ok());
        let fits = value.filter(|v| (1.0..=1e9).contains(v) && v.fract() == 0.0);
        if fits.is_none() {
            self.wrong(column, "is not allowed", "write a whole number from 1 to 1000000000");
        }
        fits
    }

    pub(super) fn choice<T: Copy>(&mut self, column: &str, names: &[(&str, T)]) -> Option<T> {
        let cell = self.cell(column).unwrap_or("");
        let found = names.iter().find(|(name, _)| *name == cell).map(|(_, v)| *v);
        if found.is_none() {
            let allowed: Vec<&str> = names.iter().map(|(n, _)| *n).collect();
            let help = one_of(cell, &allowed);
            self.wrong(column, "is not allowed", help);
        }
        found
    }

    pub(super) fn dtype(&mut self) -> Option<DType> {
        self.choice("dtype", &DType::ALL.map(|d| (d.name(), d)))
    }

    /// 0 or 1; `without` where there is no such column.
    pub(super) fn flag(&mut self, column: &str, without: bool) -> Option<bool> {
        if self.cell(column).is_none() {
            return Some(without);
        }
        self.choice(column, &[("0", false), ("1", true)])
    }

    pub(super) fn optional_count(&mut self, column: &str, without: Option<f64>) -> Option<f64> {
        if self.cell(column).is_none() { without } else { self.count(column) }
    }

    pub(super) fn time_s(&mut self) -> Option<f64> {
        let value = self.cell("time_s").and_then(|c| c.parse::<f64>().ok());
        let fits = value.filter(|v| *v > 0.0 && *v <= LONGEST_S);
        if fits.is_none() {
            let help = format!("write seconds, a finite number greater than 0 and up to {LONGEST_S}");
            self.wrong("time_s", "is not allowed", help);
        }
        fits
    }

    /// Refuse what is faster than `flop` at the peak of a format, where that is known.
    pub(super) fn below_peak(&mut self, time_s: f64, flop: f64, dtype: DType, limits: &Limits) -> bool {
        let peak = limits.flop_per_s.get(&dtype).or_else(|| match dtype {
            DType::Fp16 => limits.flop_per_s.get(&DType::Bf16),
            DType::Mxfp8 => limits.flop_per_s.get(&DType::Fp8),
            _ => None,
        });
        let least_s = peak.map_or(0.0, |p| flop / p);
        if time_s >= least_s {
            return true;
        }
        let what = format!(
            "is {:.2} times as fast as the dense {dtype} peak of this device allows",
            least_s / time_s
        );
        self.wrong(
            "time_s",
            &what,
            format!("this shape takes {least_s:.4e} s or more; check the unit and the peak"),
        );
        false
    }
}
