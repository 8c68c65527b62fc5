//! Whole training runs against the device-hours that their sources report.

use super::rows::Row;
use super::runs::{assumed, read_rows};
use super::software::ran;
use super::statistics::{quantile, sorted};
use super::validate::resolve;
use crate::catalog::raw::{self, Value};
use crate::catalog::reader::{Bounds::Positive, Problems, Reader};
use crate::catalog::{Catalog, Screening, source};
use crate::error::{At, Error, Origin, Result};
use crate::layout::Layout;
use crate::plan::{Plan, Scenario, evaluate, plan};
use crate::units::{HOUR_S, Unit};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The embedded runs.
const PUBLISHED: &str = "scenarios/published/whole-runs.toml";

/// What reported hours hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Covers {
    /// All of the wall time.
    Wall,
    /// The steps, without what is lost between them.
    Steps,
}

impl Covers {
    const ALL: [(&'static str, Covers); 2] = [("wall", Covers::Wall), ("steps", Covers::Steps)];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Covers::Wall => "wall",
            Covers::Steps => "steps",
        }
    }
}

/// A run as published.
#[derive(Debug, Clone)]
pub struct WholeRun {
    /// Its name.
    pub name: String,
    /// What is said or chosen of its configuration.
    row: Row,
    /// The file beside the embedded runs that holds its scenario instead.
    pub scenario: Option<String>,
    /// Cells that the source leaves out, with what was chosen.
    pub chosen: Vec<(String, String)>,
    /// Tokens.
    pub total_tokens: f64,
    /// The source states them exactly.
    pub exact_tokens: bool,
    /// Reported time of all devices.
    pub device_s: f64,
    /// How the hours came to be known.
    pub hours_kind: String,
    /// What they hold.
    pub covers: Covers,
    /// What the source says of its nodes.
    pub screening: Option<Screening>,
    /// Publication.
    pub source: String,
    /// What was chosen and why.
    pub note: String,
}

impl WholeRun {
    /// Whether it counts: hours reported as such and exact tokens.
    #[must_use]
    pub fn counts(&self) -> bool {
        self.exact_tokens && self.hours_kind.starts_with("reported")
    }
}

/// A run with what we say of it.
#[derive(Debug, Clone)]
pub struct WholePrediction {
    /// What was published.
    pub run: WholeRun,
    /// Model of the catalog.
    pub model: String,
    /// Its device.
    pub accelerator: String,
    /// The stack it was given.
    pub stack: &'static str,
    /// What neither source nor choice say and was filled in.
    pub assumed: Vec<String>,
    /// Published steps of the same model and device among those that stacks were fitted to.
    pub n_fitted_steps: usize,
    /// Why there is no prediction.
    pub skipped: Option<String>,
    /// The prediction.
    pub outcome: Option<Predicted>,
}

/// Numbers of a prediction.
#[derive(Debug, Clone, Copy)]
pub struct Predicted {
    /// Layout that was simulated.
    pub layout: Layout,
    /// Devices.
    pub n_devices: f64,
    /// Predicted time of all devices, of what the report covers.
    pub device_s: f64,
    /// Predicted share of new training in the wall time.
    pub goodput: f64,
    /// Predicted utilization of a step.
    pub mfu: f64,
    /// What the reported hours come to, at our goodput where they hold lost time.
    pub implied_mfu: f64,
    /// Failures in the time of the run.
    pub expected_failures: f64,
}

impl WholePrediction {
    /// Predicted over reported device-hours, less one.
    #[must_use]
    pub fn relative_error(&self) -> Option<f64> {
        Some(self.outcome?.device_s / self.run.device_s - 1.0)
    }
}

/// Errors of the runs that count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WholeSummary {
    /// Runs.
    pub n: usize,
    /// Median of the absolute relative errors.
    pub median_ape: f64,
    /// Ninetieth percentile.
    pub p90_ape: f64,
    /// Median with sign; above zero we promise too little.
    pub bias: f64,
}

/// Errors of the runs that count; nothing where none does.
#[must_use]
pub fn summary(list: &[WholePrediction]) -> Option<WholeSummary> {
    let errors = || list.iter().filter(|p| p.run.counts()).filter_map(WholePrediction::relative_error);
    let (absolute, signed) = (sorted(errors().map(f64::abs).collect()), sorted(errors().collect()));
    (!signed.is_empty()).then(|| WholeSummary {
        n: signed.len(),
        median_ape: quantile(&absolute, 0.5),
        p90_ape: quantile(&absolute, 0.9),
        bias: quantile(&signed, 0.5),
    })
}

/// The runs that are shipped.
///
/// # Errors
/// When the file is wrong.
pub fn published() -> Result<Vec<WholeRun>> {
    let text = source::embedded().find(|(path, _)| path == PUBLISHED).map_or("", |(_, text)| text);
    read(&Arc::new(Origin {
        name: format!("builtin:{PUBLISHED}"),
        text: text.to_string(),
    }))
}

/// Runs of a text.
///
/// # Errors
/// Every problem of it.
pub fn read(origin: &Arc<Origin>) -> Result<Vec<WholeRun>> {
    let (tree, mut list) = raw::parse(origin);
    let problems = Problems::default();
    let at = At {
        origin: origin.clone(),
        span: 0..0,
    };
    let whole = Reader::new(&tree, "", &at, &problems);
    whole.skip(&["format"]);
    let runs: Vec<WholeRun> = whole.tables("run").iter().map(one).collect();
    whole.finish();
    list.extend(problems.into_list());
    if list.is_empty() { Ok(runs) } else { Err(Error::Invalid(list)) }
}

fn one(r: &Reader<'_>) -> WholeRun {
    let name = r.need_text("name");
    let (said, chosen) = (cells(r, "said"), cells(r, "chosen"));
    let mut all: BTreeMap<String, String> = said.into_iter().chain(chosen.clone()).collect();
    all.insert("model".to_string(), r.need_text("model"));
    let run = WholeRun {
        row: Row::of(&name, all),
        scenario: r.text("scenario"),
        name,
        chosen,
        total_tokens: r.need("tokens", Unit::Tokens, Positive),
        exact_tokens: r.flag("exact_tokens").unwrap_or(false),
        device_s: r.need("device_hours", Unit::One, Positive) * HOUR_S,
        hours_kind: r.need_text("hours_kind"),
        covers: r.choice("covers", &Covers::ALL).unwrap_or(Covers::Wall),
        screening: r.choice("screening", &Screening::ALL),
        source: r.need_text("source"),
        note: r.text("note").unwrap_or_default(),
    };
    r.finish();
    run
}

/// Cells of a row: texts under the names of its columns.
fn cells(r: &Reader<'_>, key: &str) -> Vec<(String, String)> {
    let Some(Value::Table(tree)) = r.item(key).map(|i| &i.value) else {
        return Vec::new();
    };
    let text = |v: &Value| match v {
        Value::Text(t) => t.clone(),
        Value::Integer(i) => i.to_string(),
        Value::Float(f) => f.to_string(),
        _ => String::new(),
    };
    tree.entries.iter().map(|(k, i)| (k.clone(), text(&i.value))).collect()
}

/// Predict every run, in order.
#[must_use]
pub fn predict(runs: &[WholeRun], catalog: &Catalog, done: &(dyn Fn() + Sync)) -> Vec<WholePrediction> {
    let steps: Vec<Row> = source::published()
        .iter()
        .filter_map(|f| read_rows(f).ok())
        .flat_map(|read| read.rows)
        .collect();
    let one = |run: &WholeRun| {
        let prediction = predict_one(run, catalog, &steps);
        done();
        prediction
    };
    runs.par_iter().map(one).collect()
}

fn predict_one(run: &WholeRun, catalog: &Catalog, steps: &[Row]) -> WholePrediction {
    let cell = |column: &str| run.row.text(column).unwrap_or("").to_string();
    let same = |row: &&Row| ["model", "accelerator"].iter().all(|c| row.text(c) == run.row.text(c));
    let mut out = WholePrediction {
        model: cell("model"),
        accelerator: cell("accelerator"),
        stack: ran(&run.row).stack,
        assumed: assumed(&run.row, catalog),
        n_fitted_steps: steps.iter().filter(same).count(),
        skipped: None,
        outcome: None,
        run: run.clone(),
    };
    match planned(run, catalog) {
        Err(why) => out.skipped = Some(why),
        Ok(plan) => {
            let covered_s = match run.covers {
                Covers::Wall => plan.run.wall_s,
                Covers::Steps => plan.run.ideal_s,
            };
            let device_s = covered_s * plan.step.n_devices;
            out.accelerator.clone_from(&plan.scenario.accelerator.name);
            if run.scenario.is_some() {
                out.assumed = Vec::new();
            }
            out.outcome = Some(Predicted {
                layout: plan.layout,
                n_devices: plan.step.n_devices,
                device_s,
                goodput: plan.run.goodput,
                mfu: plan.mean_step.mfu,
                implied_mfu: plan.mean_step.mfu * device_s / run.device_s,
                expected_failures: plan.run.expected_failures,
            });
        }
    }
    out
}

/// The plan of a run: of its scenario, or of what is said and chosen.
fn planned(run: &WholeRun, catalog: &Catalog) -> std::result::Result<Plan, String> {
    let mut scenario = if let Some(name) = &run.scenario {
        let path = format!("scenarios/published/{name}.toml");
        let text = source::embedded().find(|(p, _)| *p == path).map(|(_, text)| text);
        let origin = Arc::new(Origin {
            name: format!("builtin:{path}"),
            text: text.ok_or_else(|| format!("no file {path}"))?.to_string(),
        });
        Scenario::parse(&origin, &[], Catalog::builtin()).map_err(|e| e.to_string())?.0
    } else {
        let (scenario, layout, _) = resolve(&run.row, catalog)?;
        return Ok(evaluate(&of_run(scenario, run), catalog, layout));
    };
    scenario = of_run(scenario, run);
    plan(&scenario, catalog).map_err(|e| e.to_string())
}

fn of_run(mut scenario: Scenario, run: &WholeRun) -> Scenario {
    scenario.workload.total_tokens = run.total_tokens;
    if let Some(screening) = run.screening {
        scenario.cluster.reliability.screening = screening;
    }
    scenario
}
