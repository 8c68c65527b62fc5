//! The numbers of a plan that screens compare, sort and filter by: one list for all of them, each with
//! the place where `plan --json` has it.

use crate::plan::Plan;
use crate::report::Kind;
use crate::report::plan::fullest;
use crate::units::{DAY_S, Unit};

/// How two values of a figure are held against each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// In percent of the reference; less is better.
    Less,
    /// In percent of the reference; more is better.
    More,
    /// In percentage points; more is better.
    Points,
    /// Shown as they are.
    Absolute,
}

/// One number of a plan.
pub struct Figure {
    /// Its field in filters, and its column when sorting.
    pub field: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// Where `plan --json` has it.
    pub pointer: &'static str,
    /// How people see it.
    pub kind: Kind,
    /// What filters take its numbers in, and the factor to that unit where none is written.
    pub unit: (Unit, f64),
    /// How it is compared.
    pub change: Change,
    /// Its value.
    pub of: fn(&Plan) -> Option<f64>,
}

const fn figure(
    (field, name, pointer): (&'static str, &'static str, &'static str),
    kind: Kind,
    unit: (Unit, f64),
    change: Change,
    of: fn(&Plan) -> Option<f64>,
) -> Figure {
    Figure {
        field,
        name,
        pointer,
        kind,
        unit,
        change,
        of,
    }
}

fn headroom(plan: &Plan) -> Option<f64> {
    fullest(&plan.step.memory).map(|b| b.headroom_bytes())
}

const GIB: (Unit, f64) = (Unit::Bytes, crate::units::GIB_BYTES);
const DAYS: (Unit, f64) = (Unit::S, DAY_S);
const SECONDS: (Unit, f64) = (Unit::S, 1.0);
const PERCENT: (Unit, f64) = (Unit::Fraction, 0.01);

/// All of them, in the order of the comparison.
pub const FIGURES: [Figure; 21] = [
    figure(
        ("devices", "devices", "/scenario/n_devices"),
        Kind::Plain(0),
        (Unit::One, 1.0),
        Change::Absolute,
        |p| Some(p.step.n_devices),
    ),
    figure(("step", "step time", "/step/time_s"), Kind::Duration, SECONDS, Change::Less, |p| {
        Some(p.step.time_s)
    }),
    figure(
        ("tokens", "tokens/s/device", "/step/tokens_per_s_per_device"),
        Kind::Plain(0),
        (Unit::One, 1.0),
        Change::More,
        |p| Some(p.step.tokens_per_s_per_device()),
    ),
    figure(("mfu", "MFU", "/step/mfu"), Kind::Percent, PERCENT, Change::Points, |p| {
        Some(p.step.mfu)
    }),
    figure(("hfu", "HFU", "/step/hfu"), Kind::Percent, PERCENT, Change::Points, |p| {
        Some(p.step.hfu)
    }),
    figure(
        ("mem", "peak memory", "/memory/peak_bytes"),
        Kind::Bytes,
        GIB,
        Change::Absolute,
        |p| fullest(&p.step.memory).map(|b| b.peak_bytes()),
    ),
    figure(("free", "headroom", ""), Kind::Bytes, GIB, Change::Absolute, headroom),
    figure(
        ("goodput", "goodput", "/run/goodput"),
        Kind::Percent,
        PERCENT,
        Change::Points,
        |p| Some(p.run.goodput),
    ),
    figure(
        ("failures", "failures expected", "/run/expected_failures"),
        Kind::Plain(0),
        (Unit::One, 1.0),
        Change::Absolute,
        |p| Some(p.run.expected_failures),
    ),
    figure(
        ("checkpoint", "checkpoint every", "/run/checkpoint_every_s"),
        Kind::Duration,
        SECONDS,
        Change::Absolute,
        |p| Some(p.run.checkpoint_every_s),
    ),
    figure(("days", "time", "/run/wall_s"), Kind::Duration, DAYS, Change::Less, |p| {
        Some(p.run.wall_s)
    }),
    figure(
        ("musd", "cost", "/bill/cost_usd/total"),
        Kind::Usd,
        (Unit::Usd, 1e6),
        Change::Less,
        |p| p.bill.cost.total_usd,
    ),
    figure(
        ("usd_per_mtoken", "USD per Mtoken", "/bill/per_unit/usd_per_mtoken"),
        Kind::Rate(""),
        (Unit::One, 1.0),
        Change::Less,
        Plan::usd_per_mtoken,
    ),
    figure(
        ("mwh", "energy", "/bill/energy_j/total"),
        Kind::Energy,
        (Unit::J, 3.6e9),
        Change::Less,
        |p| Some(p.bill.energy.facility_j),
    ),
    figure(
        ("tco2e", "carbon", "/bill/carbon_kg_co2e/total"),
        Kind::Carbon,
        (Unit::KgCo2e, 1e3),
        Change::Less,
        |p| Some(p.bill.carbon.total_location_kg_co2e),
    ),
    figure(
        ("water", "water", "/bill/water_l"),
        Kind::Si("L"),
        (Unit::One, 1e3),
        Change::Less,
        |p| Some(p.bill.water_l),
    ),
    figure(
        ("power", "mean power", "/bill/power_w/mean"),
        Kind::Si("W"),
        (Unit::W, 1.0),
        Change::Less,
        |p| Some(p.bill.energy.mean_w),
    ),
    figure(
        ("bubble", "bubble", "/step/parts/bubble_s"),
        Kind::Duration,
        SECONDS,
        Change::Less,
        |p| Some(p.step.parts.bubble_s),
    ),
    figure(("math", "math", "/step/parts/math_s"), Kind::Duration, SECONDS, Change::Less, |p| {
        Some(p.step.parts.math_s)
    }),
    figure(
        ("params", "parameters", "/model/params_total"),
        Kind::Params,
        (Unit::One, 1.0),
        Change::Absolute,
        |p| Some(p.counts.params_total),
    ),
    figure(
        ("loss", "lost time", "/run/lost/total_s"),
        Kind::Duration,
        DAYS,
        Change::Less,
        |p| Some(p.run.lost.total_s()),
    ),
];

/// The figure of a field.
#[must_use]
pub fn by_field(field: &str) -> Option<&'static Figure> {
    FIGURES.iter().find(|f| f.field == field)
}

impl Figure {
    /// What people read.
    #[must_use]
    pub fn human(&self, plan: &Plan) -> String {
        (self.of)(plan).map_or_else(|| "-".to_string(), |v| self.kind.human(v))
    }

    /// The difference to a reference as people read it, and whether it is for the better.
    #[must_use]
    pub fn difference(&self, value: f64, reference: f64) -> (String, Option<bool>) {
        let better = |more_is_better: bool| {
            let far = (value - reference).abs() > 5e-4 * reference.abs();
            far.then_some((value > reference) == more_is_better)
        };
        match self.change {
            Change::Absolute => (self.kind.human(value), None),
            Change::Points => (format!("{:+.1}", 100.0 * (value - reference)), better(true)),
            Change::Less | Change::More if reference == 0.0 => (self.kind.human(value), None),
            Change::Less | Change::More => (percent(100.0 * (value / reference - 1.0)), better(self.change == Change::More)),
        }
    }
}

/// `+12.3 %`, `+123 %`.
fn percent(value: f64) -> String {
    if value.abs() < 99.95 {
        format!("{value:+.1} %")
    } else {
        format!("{value:+.0} %")
    }
}

/// Evidence of a plan in one word.
#[must_use]
pub fn evidence(plan: &Plan) -> &'static str {
    plan.step.worst_evidence().name()
}

/// `t8 p16 v8 d128`: what a column has room for.
#[must_use]
pub fn short_layout(layout: &crate::layout::Layout) -> String {
    let mut out = format!("t{}", layout.tensor);
    for (letter, n) in [
        ('c', layout.context),
        ('p', layout.pipeline),
        ('v', layout.virtual_stages),
        ('e', layout.expert),
    ] {
        if n > 1 {
            out += &format!(" {letter}{n}");
        }
    }
    out + &format!(" d{}", layout.data)
}
