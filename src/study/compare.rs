//! Why two plans differ: each difference of days, cost, energy and carbon taken apart into causes that
//! sum to it.
//!
//! A total is a sum of products of causes, an identity that holds whatever the model behind it:
//!
//! ```text
//! days   = tokens · device-seconds per token / devices · wall per ideal time
//! energy = tokens · device-seconds per token · wall per ideal time · W per device · PUE
//! carbon = energy · kg CO2e per J + device-seconds · kg CO2e of making the servers per device-second
//! cost   = device-seconds · USD per device-second, and for an owned machine + energy · USD per J
//! ```
//!
//! The logarithmic mean Divisia index splits the difference of such a product without a remainder and
//! whichever plan is taken first: Δ(cause) = L(a, b) · ln(cause of b / cause of a), with the
//! logarithmic mean L(a, b) = (b − a)/ln(b/a) (Ang 2004, Energy Policy 32, p. 1131; Ang 2005, Energy
//! Policy 33, p. 867, eq. 3). Where a product is 0 in one plan the limit is taken: its whole difference
//! is that of the causes that are 0 (Ang and Liu 2007, Energy Policy 35, p. 238).

use super::metric::Metric;
use crate::plan::Plan;

/// Changes below this share of a total are none.
const NOTHING: f64 = 1e-12;

/// What makes a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Tokens to train on.
    Work,
    /// Device-seconds per token: hardware, software and layout.
    Step,
    /// How many devices share the work.
    Devices,
    /// Wall time per ideal time: failures, checkpoints, pauses.
    Goodput,
    /// Watts per device, host and network included.
    Power,
    /// Power usage effectiveness.
    Cooling,
    /// Carbon of a joule.
    Grid,
    /// Making the servers, per device-second.
    Servers,
    /// Price of a device-second; all but electricity where the machine is owned.
    Price,
    /// Price of a joule, where the machine is owned.
    Tariff,
}

impl Cause {
    /// Every cause, in the order they are told.
    pub const ALL: [Cause; 10] = [
        Cause::Work,
        Cause::Step,
        Cause::Devices,
        Cause::Goodput,
        Cause::Power,
        Cause::Cooling,
        Cause::Grid,
        Cause::Servers,
        Cause::Price,
        Cause::Tariff,
    ];

    /// Its key in JSON.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Cause::Work => "work",
            Cause::Step => "step",
            Cause::Devices => "devices",
            Cause::Goodput => "goodput",
            Cause::Power => "power",
            Cause::Cooling => "cooling",
            Cause::Grid => "grid",
            Cause::Servers => "servers",
            Cause::Price => "price",
            Cause::Tariff => "electricity_price",
        }
    }

    /// What it is, for people.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Cause::Work => "tokens",
            Cause::Step => "device-seconds per token",
            Cause::Devices => "number of devices",
            Cause::Goodput => "wall time per ideal time",
            Cause::Power => "watts per device, hosts and network included",
            Cause::Cooling => "PUE",
            Cause::Grid => "carbon per kWh",
            Cause::Servers => "making the servers, per device-hour",
            Cause::Price => "price per device-hour",
            Cause::Tariff => "price per kWh",
        }
    }
}

/// A product of causes.
#[derive(Debug, Clone, PartialEq)]
struct Product {
    /// Which part of a total.
    part: &'static str,
    causes: Vec<(Cause, f64)>,
}

impl Product {
    fn value(&self) -> f64 {
        self.causes.iter().map(|(_, v)| v).product()
    }
}

/// The change that one cause makes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// The cause.
    pub cause: Cause,
    /// Change of the total, in its unit.
    pub value: f64,
}

/// The change that a part of a cause makes, such as the pipeline bubble within the step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Inside {
    /// The cause.
    pub cause: Cause,
    /// Its part: a key of `step.parts` or of `run.lost`.
    pub part: &'static str,
    /// Change of the total, in its unit.
    pub value: f64,
}

/// The difference of one total between two plans.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Which total.
    pub metric: Metric,
    /// It in the first plan and in the other.
    pub totals: [f64; 2],
    /// Changes by cause; they sum to the difference. Causes without one are left out.
    pub causes: Vec<Share>,
    /// Changes by part of the step and of the lost time; those of a cause sum to its change.
    pub inside: Vec<Inside>,
}

impl Difference {
    /// The other plan's total above the first one's.
    #[must_use]
    pub fn change(&self) -> f64 {
        self.totals[1] - self.totals[0]
    }

    /// The change by one cause.
    #[must_use]
    pub fn by(&self, cause: Cause) -> f64 {
        self.causes.iter().find(|s| s.cause == cause).map_or(0.0, |s| s.value)
    }
}

/// The differences of `other` from `first`; a total that one of them does not have is left out.
#[must_use]
pub fn differences(first: &Plan, other: &Plan) -> Vec<Difference> {
    Metric::OF_RUN.into_iter().filter_map(|m| difference(m, first, other)).collect()
}

/// Tokens of all steps.
fn tokens(plan: &Plan) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    let n_steps = plan.run.n_steps as f64;
    n_steps * plan.step.tokens
}

/// Device-seconds per token, over the whole run.
fn intensity(plan: &Plan) -> f64 {
    plan.run.ideal_s * plan.step.n_devices / tokens(plan)
}

/// Wall time per ideal time.
fn stretch(plan: &Plan) -> f64 {
    if plan.run.ideal_s > 0.0 {
        plan.run.wall_s / plan.run.ideal_s
    } else {
        1.0
    }
}

/// Device-seconds of the whole run as a product.
fn device_seconds(plan: &Plan) -> Vec<(Cause, f64)> {
    vec![
        (Cause::Work, tokens(plan)),
        (Cause::Step, intensity(plan)),
        (Cause::Goodput, stretch(plan)),
    ]
}

/// A total as a sum of products. Each cause that has no number of its own is what closes the identity.
fn products(metric: Metric, plan: &Plan) -> Option<Vec<Product>> {
    let base = device_seconds(plan);
    let held: f64 = base.iter().map(|(_, v)| v).product();
    let energy = &plan.bill.energy;
    let with = |part, more: &[(Cause, f64)]| Product {
        part,
        causes: base.iter().chain(more).copied().collect(),
    };
    let ratio = |a: f64, b: f64| if b == 0.0 { 0.0 } else { a / b };
    let meter = [
        (Cause::Power, ratio(energy.it_j, held)),
        (Cause::Cooling, ratio(energy.facility_j, energy.it_j)),
    ];
    Some(match metric {
        Metric::Step => return None,
        Metric::Wall => vec![with("wall", &[(Cause::Devices, 1.0 / plan.step.n_devices)])],
        Metric::Energy => vec![with("energy", &meter)],
        Metric::Carbon => {
            let carbon = &plan.bill.carbon;
            let grid = ratio(carbon.operational_location_kg_co2e, energy.facility_j);
            let rest = carbon.total_location_kg_co2e - carbon.operational_location_kg_co2e;
            let [power, cooling] = meter;
            vec![
                with("electricity", &[power, cooling, (Cause::Grid, grid)]),
                with("servers", &[(Cause::Servers, ratio(rest, held))]),
            ]
        }
        Metric::Cost => {
            let cost = &plan.bill.cost;
            let total = cost.total_usd?;
            let owned = cost.owned.as_ref().filter(|_| cost.way == Some(crate::bill::Way::Owned));
            let metered = owned.map_or(0.0, |o| o.electricity_usd);
            let [power, cooling] = meter;
            vec![
                with("electricity", &[power, cooling, (Cause::Tariff, ratio(metered, energy.facility_j))]),
                with("machine", &[(Cause::Price, ratio(total - metered, held))]),
            ]
        }
    })
}

fn difference(metric: Metric, first: &Plan, other: &Plan) -> Option<Difference> {
    let (from, to) = (products(metric, first)?, products(metric, other)?);
    let totals = [metric.of(first)?, metric.of(other)?];
    let mut weight = 0.0;
    let mut changes = [0.0; Cause::ALL.len()];
    for (a, b) in from.iter().zip(&to) {
        debug_assert_eq!(a.part, b.part);
        weight += split(a, b, &mut changes);
    }
    // Below is rounding.
    let least = NOTHING * totals[0].abs().max(totals[1].abs());
    let shares = Cause::ALL.iter().zip(changes).map(|(cause, value)| Share { cause: *cause, value });
    let mut inside = parts(
        Cause::Step,
        weight,
        [intensity(first), intensity(other)],
        &step_parts(first),
        &step_parts(other),
    );
    inside.extend(parts(
        Cause::Goodput,
        weight,
        [stretch(first), stretch(other)],
        &lost_parts(first),
        &lost_parts(other),
    ));
    Some(Difference {
        metric,
        totals,
        causes: shares.filter(|s| s.value.abs() > least).collect(),
        inside: inside.into_iter().filter(|i| i.value.abs() > least).collect(),
    })
}

/// Add what each cause changes of one product; the logarithmic mean that it was weighted with.
fn split(a: &Product, b: &Product, changes: &mut [f64; Cause::ALL.len()]) -> f64 {
    let mut add = |cause: Cause, value: f64| {
        if let Some(place) = Cause::ALL.iter().position(|c| *c == cause) {
            changes[place] += value;
        }
    };
    let (from, to) = (a.value(), b.value());
    let pairs = || a.causes.iter().zip(&b.causes).map(|((cause, x), (_, y))| (*cause, *x, *y));
    if from > 0.0 && to > 0.0 {
        let mean = logarithmic_mean(from, to);
        pairs().for_each(|(cause, x, y)| add(cause, mean * (y / x).ln()));
        return mean;
    }
    // The limit of causes that go to 0 alike: they share the difference.
    let nothing: Vec<Cause> = pairs()
        .filter(|(_, x, y)| (*x == 0.0) != (*y == 0.0))
        .map(|(cause, ..)| cause)
        .collect();
    #[allow(clippy::cast_precision_loss)]
    let n = nothing.len().max(1) as f64;
    nothing.into_iter().for_each(|cause| add(cause, (to - from) / n));
    0.0
}

/// (b − a)/ln(b/a) of two positive numbers, and their common value where they are one.
fn logarithmic_mean(a: f64, b: f64) -> f64 {
    let x = (b / a).ln();
    if x.abs() < 1e-4 {
        // Series of sinh(x/2)/(x/2) about the geometric mean.
        (a * b).sqrt() * (1.0 + x * x / 24.0)
    } else {
        (b - a) / x
    }
}

type Parts = Vec<(&'static str, f64)>;

/// Parts of the step in device-seconds per token.
fn step_parts(plan: &Plan) -> Parts {
    let per_second = intensity(plan) / plan.step.time_s;
    plan.step.parts.list().iter().map(|(name, s)| (*name, s * per_second)).collect()
}

/// Parts of the lost time per ideal time.
fn lost_parts(plan: &Plan) -> Parts {
    let ideal_s = plan.run.ideal_s;
    let share = |s: f64| if ideal_s > 0.0 { s / ideal_s } else { 0.0 };
    plan.run.lost.list().iter().map(|(name, s)| (*name, share(*s))).collect()
}

/// A cause that is itself a sum changes by its parts: ln(y/x) = (y − x)/L(x, y), and y − x is the
/// sum of the parts' differences, so that what they change sums to what the cause changes.
fn parts(cause: Cause, weight: f64, [x, y]: [f64; 2], from: &Parts, to: &Parts) -> Vec<Inside> {
    if !(x > 0.0 && y > 0.0) {
        return Vec::new();
    }
    let per_unit = weight / logarithmic_mean(x, y);
    let one = |((part, a), (_, b)): (&(&'static str, f64), &(&'static str, f64))| Inside {
        cause,
        part,
        value: per_unit * (b - a),
    };
    from.iter().zip(to).map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::plan::{Scenario, plan};
    use proptest::prelude::*;

    fn planned(sets: &[String]) -> Option<Plan> {
        let (scenario, catalog) = Scenario::load("llama3-405b", sets, Catalog::builtin()).unwrap();
        plan(&scenario, &catalog).ok()
    }

    fn sums_up(first: &Plan, other: &Plan) {
        let list = differences(first, other);
        assert_eq!(list.len(), 4);
        for d in list {
            let size = d.totals[0].abs().max(d.totals[1].abs());
            let near = |got: f64, want: f64| assert!((got - want).abs() <= 1e-9 * size, "{d:?}: {got} {want}");
            near(d.causes.iter().map(|s| s.value).sum(), d.change());
            for cause in [Cause::Step, Cause::Goodput] {
                let inside: f64 = d.inside.iter().filter(|i| i.cause == cause).map(|i| i.value).sum();
                near(inside, d.by(cause));
            }
        }
    }

    #[test]
    fn a_price_changes_the_cost_and_nothing_else() {
        let base = planned(&["cost.usd_per_device_hour=2".to_string()]).unwrap();
        let dear = planned(&["cost.usd_per_device_hour=3".to_string()]).unwrap();
        for d in differences(&base, &dear) {
            match d.metric {
                Metric::Cost => {
                    assert_eq!(d.causes.len(), 1, "{d:?}");
                    assert!((d.by(Cause::Price) / d.change() - 1.0).abs() < 1e-9 && d.change() > 0.0);
                }
                _ => assert!(d.causes.is_empty() && d.change() == 0.0, "{d:?}"),
            }
        }
    }

    /// Two factors that change by e: each has half of the difference, by hand.
    #[test]
    fn the_split_is_even_between_equal_changes() {
        let e = std::f64::consts::E;
        let product = |x: f64, y: f64| Product {
            part: "",
            causes: vec![(Cause::Work, x), (Cause::Price, y)],
        };
        let mut changes = [0.0; Cause::ALL.len()];
        split(&product(1.0, 1.0), &product(e, e), &mut changes);
        let want = (e * e - 1.0) / 2.0;
        assert!(
            (changes[0] - want).abs() < 1e-12 && (changes[8] - want).abs() < 1e-12,
            "{changes:?}"
        );
        // What appears is caused by what was 0 before.
        let mut changes = [0.0; Cause::ALL.len()];
        split(&product(2.0, 0.0), &product(3.0, 5.0), &mut changes);
        assert_eq!((changes[0], changes[8]), (0.0, 15.0));
        assert!((logarithmic_mean(1.0, 1.0 + 1e-5) - (1e-5 / 1e-5_f64.ln_1p())).abs() < 1e-12);
    }

    #[test]
    fn rented_against_owned_sums_up_too() {
        let rented = planned(&[]).unwrap();
        let owned = planned(&["cost.owned=true".to_string(), "cluster.region=eu-north-1".to_string()]).unwrap();
        assert!(owned.bill.cost.owned.is_some());
        for (a, b) in [(&rented, &owned), (&owned, &rented)] {
            let list = differences(a, b);
            for d in &list {
                let sum: f64 = d.causes.iter().map(|s| s.value).sum();
                assert!((sum - d.change()).abs() <= 1e-9 * d.totals[0].abs().max(d.totals[1].abs()), "{d:?}");
            }
            assert!(list.iter().any(|d| d.metric == Metric::Cost && d.by(Cause::Tariff) != 0.0));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn causes_sum_to_the_difference(
            nodes in prop::sample::select(vec![256_u32, 512, 1024, 2048]),
            tokens in 1.0e12..30e12_f64,
            price in 0.5..9.0_f64,
            pue in 1.0..2.0_f64,
            grid in 0.0..1.0_f64,
            mtbf in 50.0..9e3_f64,
            idle in 500.0..3000.0_f64,
        ) {
            let base = planned(&[]).unwrap();
            let sets = [
                format!("cluster.nodes={nodes}"),
                format!("layout.data={}", nodes / 16),
                format!("training.tokens={tokens:?}"),
                format!("cost.usd_per_device_hour={price:?}"),
                format!("region.us-east-1.pue={pue:?}"),
                format!("grid.egrid-srvc.location_kg_co2e_per_kwh={grid:?}"),
                format!("reliability.node_mtbf={mtbf:?} d"),
                format!("node.dgx-h100.idle_w={idle:?}"),
            ];
            if let Some(other) = planned(&sets) {
                sums_up(&base, &other);
                sums_up(&other, &base);
            }
        }
    }
}
