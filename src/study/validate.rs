//! Predictions against published runs.

pub use super::summary::{By, Summary, skipped, summary};

use super::runs::{Row, assumed, read_rows, scenario};
use super::software::{features, ran};
use crate::catalog::{Band, Catalog, Class, UsualRecompute, source};
use crate::kernel::Evidence;
use crate::layout::{Choice, Layout, MemoryBudget, Recompute};
use crate::plan::Scenario;
use crate::search::{Options, search};
use crate::step::{Parts, Step, closed_parts, simulate, textbook_parts};
use crate::units::GIB_BYTES;
use crate::workload::count;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::OnceLock;

/// Kind of a row that measures steady steps, and of one that does not say.
const STEP: &str = "step";

/// One row with what we say of it.
#[derive(Debug, Clone)]
pub struct Prediction {
    /// Id of the row.
    pub id: String,
    /// Source of the row.
    pub source: String,
    /// Accelerator of the row.
    pub accelerator: String,
    /// Architecture of the device, without its generation's number; empty where the row is left out.
    pub architecture: String,
    /// Its kind: `step`, or an end-to-end measurement.
    pub kind: String,
    /// Its number format, as the source names it.
    pub precision: String,
    /// Its model.
    pub model: String,
    /// Its devices.
    pub n_devices: Option<u32>,
    /// Rows with the same text here ran the same configuration.
    pub configuration: String,
    /// It is one of the published steps that the stacks were fitted to: its error is one in sample.
    pub fitted: bool,
    /// Stack that it was given.
    pub stack: &'static str,
    /// A rule knows the row's software; otherwise the stack is a guess.
    pub known_stack: bool,
    /// What the row says of its configuration that changes the stack, by name.
    pub features: Vec<&'static str>,
    /// What the row does not say and was filled in.
    pub assumed: Vec<String>,
    /// Why it was left out, if it was.
    pub skipped: Option<String>,
    /// Our tokens per second and device.
    pub predicted_tokens_per_s_per_device: Option<f64>,
    /// The same by the closed form that the search ranks by.
    pub closed_tokens_per_s_per_device: Option<f64>,
    /// The same by the usual formula for the bubble of equal stages.
    pub textbook_tokens_per_s_per_device: Option<f64>,
    /// In eight cases of ten the measurement is meant to lie between these, by the errors of left-out
    /// runs of its class.
    pub band_tokens_per_s_per_device: Option<(f64, f64)>,
    /// Its class.
    pub class: Option<Class>,
    /// Where the predicted step time goes.
    pub parts: Option<Parts>,
    /// Floating-point operations of its step by each convention.
    pub flop: Option<FlopPerToken>,
    /// The source's.
    pub measured_tokens_per_s_per_device: Option<f64>,
    /// The layout that was simulated.
    pub layout: Option<Layout>,
    /// The memory model agrees that it fits.
    pub fits_memory: bool,
    /// Share of kernel time by how well it is known.
    pub evidence: BTreeMap<Evidence, f64>,
    /// Our peak of allocated bytes.
    pub peak_allocated_bytes: Option<f64>,
    /// The source's.
    pub measured_peak_allocated_bytes: Option<f64>,
}

/// What different sources count as the operations of a token, and what they divide by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FlopPerToken {
    /// Model operations, attention over the causal half: what the plan's MFU counts.
    pub causal_flop: f64,
    /// The same with attention over the full square: `6N + 12·L·H·Q·T` (PaLM, arXiv 2204.02311, appendix B).
    pub full_flop: f64,
    /// `6N` and no attention, N being the parameters that a token uses (Kaplan et al., arXiv 2001.08361, §2.1).
    pub six_n_flop: f64,
    /// What the devices execute, recomputation included: HFU (PaLM, appendix B).
    pub hardware_flop: f64,
    /// Dense peak of a device in the format of the run.
    pub peak_flop_per_s: f64,
}

impl FlopPerToken {
    /// Name and operations of each convention.
    #[must_use]
    pub fn list(&self) -> [(&'static str, f64); 4] {
        [
            ("mfu_causal", self.causal_flop),
            ("mfu_full_attention", self.full_flop),
            ("mfu_6n", self.six_n_flop),
            ("hfu", self.hardware_flop),
        ]
    }

    /// Utilization at a throughput by each convention.
    #[must_use]
    pub fn utilization(&self, tokens_per_s_per_device: f64) -> [(&'static str, f64); 4] {
        self.list()
            .map(|(name, flop)| (name, flop * tokens_per_s_per_device / self.peak_flop_per_s))
    }

    /// Of a scenario with a layout.
    #[must_use]
    pub fn of_layout(scenario: &Scenario, layout: &Layout) -> FlopPerToken {
        FlopPerToken::of(scenario, &simulate(&scenario.workload, &scenario.machine(), layout))
    }

    fn of(scenario: &Scenario, step: &Step) -> FlopPerToken {
        let counts = count(&scenario.workload.model, scenario.workload.seq_len_tokens);
        FlopPerToken {
            causal_flop: step.model_flop / step.tokens,
            full_flop: step.model_flop_full_attention / step.tokens,
            six_n_flop: 6.0 * counts.params_active,
            hardware_flop: step.hardware_flop / step.tokens,
            peak_flop_per_s: step.model_flop / (step.mfu * step.time_s * step.n_devices),
        }
    }
}

impl Prediction {
    /// Whether it is a steady step, not a run from end to end.
    #[must_use]
    pub fn is_step(&self) -> bool {
        self.kind == STEP
    }

    /// Whether the measurement lies within the band.
    #[must_use]
    pub fn inside_band(&self) -> Option<bool> {
        let (low, high) = self.band_tokens_per_s_per_device?;
        Some((low..=high).contains(&self.measured_tokens_per_s_per_device?))
    }

    /// Predicted over measured throughput, less one.
    #[must_use]
    pub fn relative_error(&self) -> Option<f64> {
        Some(self.predicted_tokens_per_s_per_device? / self.measured_tokens_per_s_per_device? - 1.0)
    }

    /// Predicted over measured peak memory, less one.
    #[must_use]
    pub fn memory_error(&self) -> Option<f64> {
        Some(self.peak_allocated_bytes? / self.measured_peak_allocated_bytes? - 1.0)
    }
}

/// Predict every row, in order.
#[must_use]
pub fn predict(rows: &[Row], catalog: &Catalog) -> Vec<Prediction> {
    predict_telling(rows, catalog, &|| ())
}

/// The same, calling `done` after each row, from any thread.
#[must_use]
pub fn predict_telling(rows: &[Row], catalog: &Catalog, done: &(dyn Fn() + Sync)) -> Vec<Prediction> {
    let one = |row: &Row| {
        let prediction = predict_row(row, catalog);
        done();
        prediction
    };
    rows.par_iter().map(one).collect()
}

fn predict_row(row: &Row, catalog: &Catalog) -> Prediction {
    let ran = ran(row);
    let mut out = Prediction {
        id: row.id.clone(),
        source: row.text("source").unwrap_or("").to_string(),
        accelerator: row.text("accelerator").unwrap_or("").to_string(),
        architecture: String::new(),
        kind: row.text("kind").unwrap_or(STEP).to_string(),
        precision: row.text("precision").unwrap_or("").to_string(),
        model: row.text("model").unwrap_or("").to_string(),
        n_devices: row.degree("devices"),
        configuration: row.configuration(),
        fitted: false,
        stack: ran.stack,
        known_stack: ran.known,
        features: features(row, catalog),
        assumed: assumed(row, catalog),
        skipped: None,
        predicted_tokens_per_s_per_device: None,
        closed_tokens_per_s_per_device: None,
        textbook_tokens_per_s_per_device: None,
        band_tokens_per_s_per_device: None,
        class: None,
        parts: None,
        flop: None,
        measured_tokens_per_s_per_device: row.number("tokens_per_s_per_device"),
        layout: None,
        fits_memory: false,
        evidence: BTreeMap::new(),
        peak_allocated_bytes: None,
        measured_peak_allocated_bytes: row.number("peak_allocated_gib").map(|g| g * GIB_BYTES),
    };
    match resolve(row, catalog) {
        Err(reason) => out.skipped = Some(reason),
        Ok((scenario, layout, fits)) => {
            let (workload, machine) = (&scenario.workload, scenario.machine());
            let step = simulate(workload, &machine, &layout);
            if !(step.time_s.is_finite() && step.time_s > 0.0) {
                out.skipped = Some("its sizes are beyond what can be computed".to_string());
                return out;
            }
            let rate = |time_s: f64| Some(step.tokens_per_s_per_device() * step.time_s / time_s);
            out.closed_tokens_per_s_per_device = rate(closed_parts(workload, &machine, &layout).total_s());
            out.textbook_tokens_per_s_per_device = rate(textbook_parts(workload, &machine, &layout).total_s());
            out.fits_memory = fits;
            out.layout = Some(layout);
            out.evidence.clone_from(&step.evidence);
            out.predicted_tokens_per_s_per_device = Some(step.tokens_per_s_per_device());
            let (class, band) = band(&scenario, ran.known, catalog);
            let predicted = step.tokens_per_s_per_device();
            out.band_tokens_per_s_per_device = band.map(|b| (predicted / b.high_ratio, predicted / b.low_ratio));
            out.class = Some(class);
            out.architecture = architecture(&scenario.accelerator.architecture);
            out.parts = Some(step.parts);
            out.flop = Some(FlopPerToken::of(&scenario, &step));
            out.fitted = out.is_step() && out.measured_tokens_per_s_per_device.is_some() && is_published(row);
            out.peak_allocated_bytes = Some(peak_allocated(&step));
        }
    }
    out
}

/// `tpu` of `tpu-v5p`.
fn architecture(name: &str) -> String {
    name.chars().take_while(|c| c.is_alphabetic()).collect()
}

/// The class of a row and its band; software that is guessed is a stack that nobody knows.
fn band(scenario: &Scenario, told: bool, catalog: &Catalog) -> (Class, Option<Band>) {
    let known_stack = told && catalog.knows_stack(&scenario.stack.name);
    let class = scenario.class(known_stack, catalog.knows_device(&scenario.accelerator.name));
    (class, catalog.band_of(&scenario.stack, class))
}

/// Whether a row is one of those that the program ships, unchanged.
fn is_published(row: &Row) -> bool {
    static ROWS: OnceLock<BTreeMap<String, Row>> = OnceLock::new();
    let rows = ROWS.get_or_init(|| {
        let files = source::published();
        let rows = files.iter().filter_map(|f| read_rows(f).ok()).flat_map(|read| read.rows);
        rows.map(|row| (row.id.clone(), row)).collect()
    });
    rows.get(&row.id) == Some(row)
}

/// The scenario of a row, the layout that is simulated, and whether our memory model lets it fit.
pub(super) fn resolve(row: &Row, catalog: &Catalog) -> Result<(Scenario, Layout, bool), String> {
    let scenario = scenario(row, catalog)?;
    let (layout, fits) = layout(&scenario)?;
    Ok((scenario, layout, fits))
}

fn peak_allocated(step: &Step) -> f64 {
    step.memory.iter().map(MemoryBudget::allocated_bytes).fold(0.0, f64::max)
}

/// Memory, as a multiple of the device's, that a row may need in our model and still have run: what
/// it leaves open is then chosen as for the least of these that suffices.
const ROOM: [f64; 6] = [1.0, 1.1, 1.25, 1.5, 2.0, f64::INFINITY];

/// How many of these a run may need and still be taken to compute again no more than its program usually
/// does: half as much again as the device has.
const N_USUAL_ROOM: usize = 4;

/// What a row leaves open that its program has a habit for.
fn usual(scenario: &Scenario) -> Option<Scenario> {
    let recompute = match scenario.stack.usual_recompute {
        UsualRecompute::None => Recompute::None,
        UsualRecompute::Full => Recompute::Full,
        UsualRecompute::Open => return None,
    };
    let open = scenario.choice.recompute.is_none();
    open.then(|| Scenario {
        choice: Choice {
            recompute: Some(recompute),
            ..scenario.choice
        },
        ..scenario.clone()
    })
}

/// The layout of a row: with what its program usually computes again, if that fits nearly, or else the
/// best of all.
fn layout(scenario: &Scenario) -> Result<(Layout, bool), String> {
    let habit = usual(scenario).and_then(|s| fastest(&s, &ROOM[..N_USUAL_ROOM]).ok());
    habit.map_or_else(|| fastest(scenario, &ROOM), Ok)
}

/// The fastest layout that the row allows; one that ran although our memory model says it does
/// not fit is predicted all the same, and marked.
fn fastest(scenario: &Scenario, room: &[f64]) -> Result<(Layout, bool), String> {
    let options = Options {
        n_best: 1,
        ..Options::default()
    };
    let mut nearest = None;
    for &factor in room {
        let memory_bytes = (scenario.accelerator.memory_bytes * factor).min(f64::MAX);
        let found = search(&scenario.with_memory(memory_bytes), &options);
        // Without any limit the smallest of all, so that what is open is not chosen as if memory were free.
        let best = if factor.is_finite() {
            found.best.first()
        } else {
            found.pareto.last()
        };
        if let Some(best) = best {
            return Ok((best.layout, factor <= 1.0));
        }
        nearest = found.nearest;
    }
    Err(nearest.unwrap_or_else(|| "no legal layout".to_string()))
}
