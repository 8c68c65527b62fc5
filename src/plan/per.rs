//! What a plan takes per unit of its work: one place for reports, screens and tables.

use super::Plan;
use crate::units::HOUR_S;

/// Tokens that prices are told for.
pub const MTOKEN: f64 = 1e6;

impl Plan {
    /// Devices that are held for the whole run, those of idle spares too.
    #[must_use]
    pub fn held_devices(&self) -> f64 {
        let spares = self.scenario.cluster.reliability.spares.unwrap_or(0);
        self.step.n_devices + f64::from(spares) * f64::from(self.scenario.cluster.node.n_devices)
    }

    /// Device-hours that are held, lost time and idle spares included.
    #[must_use]
    pub fn device_hours(&self) -> f64 {
        self.held_devices() * self.run.wall_s / HOUR_S
    }

    /// Device-hours that train.
    #[must_use]
    pub fn useful_device_hours(&self) -> f64 {
        self.step.n_devices * self.run.ideal_s / HOUR_S
    }

    /// Share of a total that a million tokens take.
    #[must_use]
    pub fn per_mtoken(&self, total: f64) -> f64 {
        total / (self.scenario.workload.total_tokens / MTOKEN)
    }

    /// Cost of a million tokens, where there is a price.
    #[must_use]
    pub fn usd_per_mtoken(&self) -> Option<f64> {
        self.bill.cost.total_usd.map(|usd| self.per_mtoken(usd))
    }

    /// Cost of a device-hour that trains: lost time is paid by those that train.
    #[must_use]
    pub fn usd_per_useful_device_hour(&self) -> Option<f64> {
        self.bill.cost.total_usd.map(|usd| usd / self.useful_device_hours())
    }

    /// Energy of a token at the meter.
    #[must_use]
    pub fn j_per_token(&self) -> f64 {
        self.per_mtoken(self.bill.energy.facility_j) / MTOKEN
    }
}
