//! What is known of a case: the columns of the result.

use crate::error::{Diagnostic, Error};
use crate::layout::{Layout, MemoryBudget};
use crate::plan::{Plan, ranges};
use std::borrow::Cow;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Whole numbers of 64 bits.
    Whole,
    /// Numbers of double precision, in SI base units.
    Number,
    /// Text.
    Text,
    /// True or false.
    Flag,
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Unknown.
    Null,
    /// A whole number.
    Whole(i64),
    /// A number.
    Number(f64),
    /// Text.
    Text(Cow<'static, str>),
    /// True or false.
    Flag(bool),
}

/// One case.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its number.
    pub case: u64,
    /// What came out, or why nothing did.
    pub outcome: Result<Figures, String>,
}

/// The figures of a plan: those of [`COLUMNS`] after the first two.
pub type Figures = Vec<Cell>;

/// The columns of every result, after the number of the case and the paths of the axes.
///
/// Names are those of `plan --json` with what they lie in left out where nothing is lost by it.
pub const COLUMNS: [(&str, Kind); 42] = [
    ("feasible", Kind::Flag),
    ("reason", Kind::Text),
    ("n_devices", Kind::Whole),
    ("tensor", Kind::Whole),
    ("context", Kind::Whole),
    ("pipeline", Kind::Whole),
    ("virtual_stages", Kind::Whole),
    ("expert", Kind::Whole),
    ("expert_tensor", Kind::Whole),
    ("data", Kind::Whole),
    ("replicas", Kind::Whole),
    ("micro_batch", Kind::Whole),
    ("sharding", Kind::Text),
    ("schedule", Kind::Text),
    ("recompute", Kind::Text),
    ("offload", Kind::Text),
    ("step_time_s", Kind::Number),
    ("tokens_per_s_per_device", Kind::Number),
    ("mfu", Kind::Number),
    ("hfu", Kind::Number),
    ("peak_bytes", Kind::Number),
    ("capacity_bytes", Kind::Number),
    ("n_steps", Kind::Whole),
    ("ideal_s", Kind::Number),
    ("wall_s", Kind::Number),
    ("goodput", Kind::Number),
    ("expected_failures", Kind::Number),
    ("checkpoint_every_s", Kind::Number),
    ("energy_j", Kind::Number),
    ("mean_w", Kind::Number),
    ("carbon_kg_co2e", Kind::Number),
    ("carbon_operational_kg_co2e", Kind::Number),
    ("carbon_embodied_kg_co2e", Kind::Number),
    ("water_l", Kind::Number),
    ("cost_usd", Kind::Number),
    ("usd_per_device_hour", Kind::Number),
    ("wall_p10_s", Kind::Number),
    ("wall_p90_s", Kind::Number),
    ("cost_p10_usd", Kind::Number),
    ("cost_p90_usd", Kind::Number),
    ("energy_p10_j", Kind::Number),
    ("energy_p90_j", Kind::Number),
];

/// Columns that say whether there is a result at all.
const N_VERDICT: usize = 2;

impl Row {
    /// The cells of [`COLUMNS`], in their order.
    #[must_use]
    pub fn cells(self) -> Vec<Cell> {
        match self.outcome {
            Ok(figures) => {
                let mut cells = Vec::with_capacity(COLUMNS.len());
                cells.extend([Cell::Flag(true), Cell::Null]);
                cells.extend(figures);
                cells
            }
            Err(reason) => {
                let mut cells = vec![Cell::Null; COLUMNS.len()];
                cells[0] = Cell::Flag(false);
                cells[1] = Cell::Text(reason.into());
                cells
            }
        }
    }
}

/// Where a column stands among [`COLUMNS`].
#[must_use]
pub fn column(name: &str) -> Option<usize> {
    COLUMNS.iter().position(|(n, _)| *n == name)
}

/// The figures of a plan.
#[must_use]
pub fn figures(plan: &Plan) -> Figures {
    let mut out = Vec::with_capacity(COLUMNS.len() - N_VERDICT);
    out.extend(layout(plan.scenario.n_devices(), &plan.layout));
    let (step, run, bill) = (&plan.step, &plan.run, &plan.bill);
    let full = |bytes: fn(&MemoryBudget) -> f64| step.memory.iter().map(bytes).fold(0.0, f64::max);
    let number = |x: f64| if x.is_finite() { Cell::Number(x) } else { Cell::Null };
    let maybe = |x: Option<f64>| x.map_or(Cell::Null, number);
    out.extend([
        number(step.time_s),
        number(step.tokens_per_s_per_device()),
        number(step.mfu),
        number(step.hfu),
        number(full(MemoryBudget::peak_bytes)),
        number(full(|b| b.capacity_bytes)),
        whole(run.n_steps),
        number(run.ideal_s),
        number(run.wall_s),
        number(run.goodput),
        number(run.expected_failures),
        number(run.checkpoint_every_s),
        number(bill.energy.facility_j),
        number(bill.energy.mean_w),
        number(bill.carbon.total_location_kg_co2e),
        number(bill.carbon.operational_location_kg_co2e),
        number(bill.carbon.embodied_kg_co2e),
        number(bill.water_l),
        maybe(bill.cost.total_usd),
        maybe(plan.scenario.offer.as_ref().map(|o| o.usd_per_device_hour.base_usd)),
    ]);
    let spread = ranges(plan);
    let wall = spread.map(|r| r.wall_s);
    let cost = spread.and_then(|r| r.cost_usd);
    let energy = spread.map(|r| r.energy_j);
    for quantiles in [wall, cost, energy] {
        out.extend([maybe(quantiles.map(|q| q.p10)), maybe(quantiles.map(|q| q.p90))]);
    }
    out
}

fn whole(n: u64) -> Cell {
    i64::try_from(n).map_or(Cell::Null, Cell::Whole)
}

fn layout(n_devices: u64, l: &Layout) -> [Cell; 14] {
    let degree = |n: u32| Cell::Whole(i64::from(n));
    let name = |text: &'static str| Cell::Text(Cow::Borrowed(text));
    [
        whole(n_devices),
        degree(l.tensor),
        degree(l.context),
        degree(l.pipeline),
        degree(l.virtual_stages),
        degree(l.expert),
        degree(l.expert_tensor),
        degree(l.data),
        degree(l.replicas),
        degree(l.micro_batch_seqs),
        name(l.sharding.name()),
        name(l.schedule_name()),
        name(l.recompute.name()),
        name(l.offload.name()),
    ]
}

/// Why a case has no result, in one line. Input that contradicts itself begins with `invalid`.
#[must_use]
pub fn reason(error: &Error) -> String {
    match error {
        Error::NoFeasibleLayout { rejected, nearest } => match (nearest, rejected.len()) {
            (Some(near), 1) => near.clone(),
            (Some(near), _) => format!("{error}; nearest: {near}"),
            (None, _) => error.to_string(),
        },
        Error::Invalid(list) => {
            let line = |d: &Diagnostic| {
                d.help
                    .as_ref()
                    .map_or_else(|| d.message.clone(), |help| format!("{}; {help}", d.message))
            };
            let lines: Vec<String> = list.iter().map(line).collect();
            format!("invalid: {}", lines.join("; "))
        }
        other => other.to_string(),
    }
}
