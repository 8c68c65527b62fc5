//! The totals of a plan that studies compare.

use crate::bill::Bill;
use crate::plan::{Plan, Quantiles, Ranges};
use crate::run::Run;
use crate::step::Step;

/// A headline number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Metric {
    /// Time of one step.
    Step,
    /// Wall time of the run.
    Wall,
    /// Cost, where there is a price.
    Cost,
    /// Energy at the meter.
    Energy,
    /// Location-based carbon, the servers' share included.
    Carbon,
}

impl Metric {
    /// Every metric.
    pub const ALL: [Metric; 5] = [Metric::Step, Metric::Wall, Metric::Cost, Metric::Energy, Metric::Carbon];
    /// Those of a whole run.
    pub const OF_RUN: [Metric; 4] = [Metric::Wall, Metric::Cost, Metric::Energy, Metric::Carbon];

    /// Its key in JSON.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Metric::Step => "step_time_s",
            Metric::Wall => "wall_s",
            Metric::Cost => "cost_usd",
            Metric::Energy => "energy_j",
            Metric::Carbon => "carbon_kg_co2e",
        }
    }

    /// Its name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Metric::Step => "Step time",
            Metric::Wall => "Time to train",
            Metric::Cost => "Cost",
            Metric::Energy => "Energy",
            Metric::Carbon => "Carbon",
        }
    }

    /// The same where columns are narrow.
    #[must_use]
    pub fn short(self) -> &'static str {
        match self {
            Metric::Step => "Step",
            Metric::Wall => "Time",
            other => other.name(),
        }
    }

    /// Its value; nothing for the cost of what has no price.
    #[must_use]
    pub fn value(self, step: &Step, run: &Run, bill: &Bill) -> Option<f64> {
        match self {
            Metric::Step => Some(step.time_s),
            Metric::Wall => Some(run.wall_s),
            Metric::Cost => bill.cost.total_usd,
            Metric::Energy => Some(bill.energy.facility_j),
            Metric::Carbon => Some(bill.carbon.total_location_kg_co2e),
        }
    }

    /// The same of a plan.
    #[must_use]
    pub fn of(self, plan: &Plan) -> Option<f64> {
        self.value(&plan.step, &plan.run, &plan.bill)
    }

    /// Where it lies, if that is known.
    #[must_use]
    pub fn range(self, ranges: &Ranges) -> Option<Quantiles> {
        match self {
            Metric::Step => Some(ranges.step_time_s),
            Metric::Wall => Some(ranges.wall_s),
            Metric::Cost => ranges.cost_usd,
            Metric::Energy => Some(ranges.energy_j),
            Metric::Carbon => Some(ranges.carbon_kg_co2e),
        }
    }
}
