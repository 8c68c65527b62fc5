//! Failures and goodput of published jobs against the model of failures, the step apart.

use crate::catalog::raw;
use crate::catalog::reader::{Bounds, Problems, Reader};
use crate::catalog::{Catalog, Reliability, Screening, default_storage, source};
use crate::error::{At, Error, Origin, Result};
use crate::run::{RunInput, Saving, Stretch, run};
use crate::step::{Parts, Step};
use crate::units::{DAY_S, Unit};
use Bounds::{Positive, Within};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The embedded jobs.
const PUBLISHED: &str = "scenarios/published/jobs.toml";
/// Devices of a node.
const NODE_DEVICES: f64 = 8.0;
/// A step of the usual length; goodput hardly depends on it.
const STEP_S: f64 = 10.0;
/// Bytes of a checkpoint per parameter: 16-bit weights and `AdamW`.
const BYTES_PER_PARAMETER: f64 = 14.0;

/// A job as published.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// Nodes of eight devices.
    pub n_nodes: f64,
    /// Time that was watched.
    pub window_s: f64,
    /// Failures in it.
    pub n_failures: f64,
    /// How exact that is.
    pub failures_kind: String,
    /// Parameters of the model.
    pub n_params: f64,
    /// Published goodput, or its lower bound.
    pub goodput_low: Option<f64>,
    /// Its upper bound.
    pub goodput_high: Option<f64>,
    /// What the source says of its nodes.
    pub screening: Option<Screening>,
    /// From a failure to noticing, where stated.
    pub detect_s: Option<f64>,
    /// From noticing to new steps, where stated.
    pub restart_s: Option<f64>,
    /// Time between checkpoints, where stated.
    pub checkpoint_every_s: Option<f64>,
    /// Time to write one, where stated.
    pub checkpoint_write_s: Option<f64>,
    /// Pauses for evaluation.
    pub evaluation_s_per_day: Option<f64>,
    /// Its rate is one of the points behind the default rates.
    pub in_sample: bool,
    /// Publication.
    pub source: String,
}

/// A job with what the model says.
#[derive(Debug, Clone, PartialEq)]
pub struct JobPrediction {
    /// What was published.
    pub job: Job,
    /// Failures in the window.
    pub n_failures: f64,
    /// Mean time between failures.
    pub job_mtbf_s: f64,
    /// Goodput.
    pub goodput: f64,
}

impl JobPrediction {
    /// Predicted over published failures.
    #[must_use]
    pub fn failures_ratio(&self) -> f64 {
        self.n_failures / self.job.n_failures
    }
}

/// Predict the jobs that are shipped with the default failures of a catalog.
///
/// # Errors
/// When the file is wrong, or the catalog has no default.
pub fn predict(catalog: &Catalog) -> Result<Vec<JobPrediction>> {
    let base: Reliability = catalog.get("default")?;
    Ok(published()?.into_iter().map(|job| predict_one(job, &base)).collect())
}

fn predict_one(job: Job, base: &Reliability) -> JobPrediction {
    let mut reliability = base.clone();
    if let Some(screening) = job.screening {
        reliability.screening = screening;
    }
    if let Some(detect_s) = job.detect_s {
        // The source's time to notice is that of all failures.
        (reliability.detect_s, reliability.hang_detect_s, reliability.silent_detect_s) = (detect_s, detect_s, detect_s);
    }
    if let Some(restart_s) = job.restart_s {
        (reliability.restart_s, reliability.warm_up_s) = (restart_s, 0.0);
    }
    if let Some(evaluation_s) = job.evaluation_s_per_day {
        reliability.planned_s_per_day = evaluation_s;
    }
    let step = step();
    let stretches = [Stretch {
        step: &step,
        total_tokens: job.window_s / STEP_S * step.tokens,
    }];
    let checkpoint_bytes = job.n_params * BYTES_PER_PARAMETER;
    let storage = job
        .checkpoint_write_s
        .map_or_else(|| default_storage(job.n_nodes), |s| checkpoint_bytes / s);
    let result = run(&RunInput {
        stretches: &stretches,
        n_nodes: job.n_nodes,
        node_devices: NODE_DEVICES,
        replica_nodes: 1.0,
        reliability: &reliability,
        storage_bytes_per_s: storage,
        node_bytes_per_s: 4e11,
        checkpoint_bytes,
        saving: Saving {
            every_s: job.checkpoint_every_s,
            ..Saving::default()
        },
        evaluation: None,
        preemptions_per_day: 0.0,
    });
    JobPrediction {
        n_failures: result.expected_failures * job.window_s / result.wall_s,
        job_mtbf_s: result.job_mtbf_s,
        goodput: result.goodput,
        job,
    }
}

fn step() -> Step {
    Step {
        time_s: STEP_S,
        tokens: 1e6,
        n_devices: NODE_DEVICES,
        model_flop: 1.0,
        model_flop_full_attention: 1.0,
        hardware_flop: 1.0,
        mfu: 0.0,
        hfu: 0.0,
        parts: Parts {
            math_s: STEP_S,
            ..Parts::default()
        },
        memory: Vec::new(),
        evidence: BTreeMap::new(),
    }
}

/// The jobs that are shipped.
///
/// # Errors
/// When the file is wrong.
pub fn published() -> Result<Vec<Job>> {
    let text = source::embedded().find(|(path, _)| path == PUBLISHED).map_or("", |(_, text)| text);
    let origin = Arc::new(Origin {
        name: format!("builtin:{PUBLISHED}"),
        text: text.to_string(),
    });
    let (tree, mut list) = raw::parse(&origin);
    let problems = Problems::default();
    let at = At { origin, span: 0..0 };
    let whole = Reader::new(&tree, "", &at, &problems);
    whole.skip(&["format"]);
    let jobs: Vec<Job> = whole.tables("job").iter().map(one).collect();
    whole.finish();
    list.extend(problems.into_list());
    if list.is_empty() { Ok(jobs) } else { Err(Error::Invalid(list)) }
}

fn one(r: &Reader<'_>) -> Job {
    let share = |key: &str| r.number(key, Unit::One, Within(0.0, 1.0));
    let seconds = |key: &str| r.number(key, Unit::S, Positive);
    let job = Job {
        name: r.need_text("name"),
        n_nodes: r.need("nodes", Unit::One, Positive),
        window_s: r.need("window_days", Unit::One, Positive) * DAY_S,
        n_failures: r.need("failures", Unit::One, Positive),
        failures_kind: r.need_text("failures_kind"),
        n_params: r.need("parameters", Unit::One, Positive),
        goodput_low: share("goodput_low"),
        goodput_high: share("goodput_high"),
        screening: r.choice("screening", &Screening::ALL),
        detect_s: seconds("detect_s"),
        restart_s: seconds("restart_s"),
        checkpoint_every_s: seconds("checkpoint_every_s"),
        checkpoint_write_s: seconds("checkpoint_write_s"),
        evaluation_s_per_day: seconds("evaluation_s_per_day"),
        in_sample: r.flag("in_sample").unwrap_or(false),
        source: r.need_text("source"),
    };
    r.finish();
    job
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Published hardware and failure facts in, nothing tuned per run.
    #[test]
    fn published_jobs_fail_as_often_as_they_did() {
        let list = predict(&Catalog::builtin()).unwrap();
        assert!(list.len() >= 8);
        for p in &list {
            println!(
                "{:<22} {:>7.1} h, {:>6.1} of {:>6.1} failures ({:.2}), goodput {:.1} %",
                p.job.name,
                p.job_mtbf_s / 3600.0,
                p.n_failures,
                p.job.n_failures,
                p.failures_ratio(),
                100.0 * p.goodput
            );
            if p.job.failures_kind == "lower bound" {
                // "Over 100" in several weeks: at least that many, and not several times as many.
                assert!((1.0..2.0).contains(&p.failures_ratio()), "{p:?}");
            } else {
                assert!((1.0 / 1.5..=1.5).contains(&p.failures_ratio()), "{p:?}");
            }
            // Stated goodput is "over 90 %": within two points of the bound counts as kept.
            assert!(p.job.goodput_low.is_none_or(|low| p.goodput >= low - 0.02), "{p:?}");
            assert!(p.job.goodput_high.is_none_or(|high| p.goodput <= high), "{p:?}");
        }
        let llama = list.iter().find(|p| p.job.name == "llama3-405b").unwrap();
        assert!((llama.failures_ratio() - 1.0).abs() <= 0.25 && !llama.job.in_sample);
        assert!((0.88..=0.96).contains(&llama.goodput));
    }
}
