//! Published layouts against the best ones of the search: are the layouts that we would choose
//! credible? People who publish a run have tuned it, so a best layout that is predicted to be much
//! faster than theirs says that the model overlooks something.

use super::rows::Row;
use super::runs::scenario;
use super::validate::resolve;
use crate::catalog::Catalog;
use crate::layout::{Choice, Layout};
use crate::plan::Scenario;
use crate::search::{Options, search};
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Smaller runs leave nothing to choose.
pub const LEAST_DEVICES: u32 = 16;
/// How much faster than a published layout a best one may be predicted to be.
pub const MOST_GAIN: f64 = 1.35;
/// Among which share of the layouts that fit the published one should be.
pub const BEST_SHARE: f64 = 0.2;

/// A published layout beside the best of the same machine, batch and program.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Row id.
    pub id: String,
    /// Where it was published.
    pub source: String,
    /// What was trained.
    pub model: String,
    /// On what.
    pub accelerator: String,
    /// Devices.
    pub n_devices: u32,
    /// What the search says; or why it says nothing.
    pub outcome: Result<Verdict, String>,
}

/// What the search says of a published layout.
#[derive(Debug, Clone, Copy)]
pub struct Verdict {
    /// As published; what the source leaves out is chosen.
    pub own: Layout,
    /// Predicted for it.
    pub own_tokens_per_s_per_device: f64,
    /// The fastest that fits.
    pub best: Layout,
    /// Predicted for it.
    pub best_tokens_per_s_per_device: f64,
    /// Rank of the published one, from 1.
    pub rank: u64,
    /// Layouts that fit.
    pub n_fit: u64,
}

impl Verdict {
    /// Throughput of the best over that of the published layout.
    #[must_use]
    pub fn gain(&self) -> f64 {
        self.best_tokens_per_s_per_device / self.own_tokens_per_s_per_device
    }

    /// Share of the layouts that fit which are as good or better.
    #[must_use]
    pub fn share(&self) -> f64 {
        #[allow(clippy::cast_precision_loss)]
        let share = self.rank as f64 / self.n_fit.max(1) as f64;
        share
    }

    /// The best is no slower and not much faster, and the published one is among the first.
    #[must_use]
    pub fn credible(&self) -> bool {
        (1.0..=MOST_GAIN).contains(&self.gain()) && self.share() <= BEST_SHARE
    }
}

/// Judge the published layouts of rows that state how the model was cut, each configuration once.
#[must_use]
pub fn judge(rows: &[Row], catalog: &Catalog, done: &(dyn Fn() + Sync)) -> Vec<Judged> {
    let list = stated(rows);
    let one = |row: &&Row| {
        let judged = Judged {
            id: row.id.clone(),
            source: row.text("source").unwrap_or("").to_string(),
            model: row.text("model").unwrap_or("").to_string(),
            accelerator: row.text("accelerator").unwrap_or("").to_string(),
            n_devices: row.degree("devices").unwrap_or(0),
            outcome: outcome(row, catalog),
        };
        done();
        judged
    };
    list.par_iter().map(one).collect()
}

/// Rows of steady steps on many devices with tensor and pipeline degree and micro-batch, the first of
/// each model, machine and size of a source: their neighbors differ in little.
#[must_use]
pub fn stated(rows: &[Row]) -> Vec<&Row> {
    let mut seen = BTreeSet::new();
    let mut out = Vec::new();
    for row in rows {
        let devices = row.degree("devices").unwrap_or(0);
        let told = ["tp", "pp", "micro_batch_seqs", "global_batch_seqs"]
            .iter()
            .all(|c| row.text(c).is_some());
        let steady = row.text("kind").is_none_or(|k| k == "step");
        if !told || !steady || devices < LEAST_DEVICES {
            continue;
        }
        let text = |column: &str| row.text(column).unwrap_or("").to_string();
        if seen.insert((text("source"), text("model"), text("accelerator"), devices)) {
            out.push(row);
        }
    }
    out
}

fn outcome(row: &Row, catalog: &Catalog) -> Result<Verdict, String> {
    let published = scenario(row, catalog)?;
    let (_, _, fits) = resolve(row, catalog)?;
    if !fits {
        return Err("our memory model says that it does not fit".to_string());
    }
    let own = published.choice;
    // The program decides the schedule, the user the rest.
    let free = Scenario {
        choice: Choice {
            schedule: own.schedule,
            ..Choice::default()
        },
        ..published
    };
    let options = Options {
        n_best: 1,
        mark: Some(own),
        ..Options::default()
    };
    let found = search(&free, &options);
    let (Some(best), Some((Some(rank), marked))) = (found.best.first(), &found.marked) else {
        return Err(found.nearest.unwrap_or_else(|| "no layout fits".to_string()));
    };
    Ok(Verdict {
        own: marked.layout,
        own_tokens_per_s_per_device: marked.tokens_per_s_per_device,
        best: best.layout,
        best_tokens_per_s_per_device: best.tokens_per_s_per_device,
        rank: *rank,
        n_fit: found.n_evaluated,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::source;
    use crate::study::runs::read_rows;

    #[test]
    fn most_published_layouts_are_nearly_what_the_search_would_choose() {
        let files = source::published();
        let rows: Vec<Row> = files.iter().flat_map(|f| read_rows(f).unwrap().rows).collect();
        let list = stated(&rows);
        assert!(list.len() > 400, "{}", list.len());
        let some: Vec<Row> = list.into_iter().step_by(12).cloned().collect();
        let judged = judge(&some, &Catalog::builtin(), &|| ());
        let verdicts: Vec<&Verdict> = judged.iter().filter_map(|j| j.outcome.as_ref().ok()).collect();
        let credible = verdicts.iter().filter(|v| v.credible()).count();
        assert!(
            credible >= 20 && 3 * credible >= 2 * verdicts.len(),
            "{credible} of {}",
            verdicts.len()
        );
        for v in verdicts {
            assert!(v.rank >= 1 && v.rank <= v.n_fit + 1);
        }
    }
}
