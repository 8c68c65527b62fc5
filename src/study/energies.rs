//! Energies that published runs measured, predicted from their tokens or device-hours.
//!
//! A source that states device-hours gets them as input, and our math over them says how busy the
//! devices were; one that states none gets our own step time without failures. Boards alone are
//! predicted where the source measured boards. Of TPU v4 the power of the chip is published (Jouppi et
//! al., arXiv 2304.01433: 90 W idle, 192 W at most) and that of the rest of the system is not: it is taken
//! from one run and checked on the other, so that no measurement stands on both sides.

use super::power::{embedded, math_s};
use super::runs::{Row, read_csv, scenario};
use crate::bill::energy::{DEVICE_FRACTION, WAIT_FRACTION};
use crate::catalog::{Accelerator, Catalog, Node};
use crate::error::{Diagnostic, Error, Result};
use crate::search::{Options, search};
use crate::step::simulate;
use crate::units::{HOUR_S, KWH_J};
use rayon::prelude::*;
use std::sync::Arc;

/// Where the published energies stand.
const ENERGIES: &str = "scenarios/power/energies.csv";

/// A run with a measured energy.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Its id.
    pub id: String,
    /// What its source measured.
    pub energy_j: f64,
    /// Device-hours of the source times 3,600, or of our step.
    pub device_s: f64,
    /// The source states the device-hours.
    pub stated_time: bool,
    /// Share of that time that our math takes.
    pub busy_fraction: f64,
    /// The source measured boards alone.
    pub boards_only: bool,
    /// The run that its machine's power is taken from, where no other is known.
    pub like: Option<String>,
    node: Node,
    device: Accelerator,
}

/// A measured energy and ours.
#[derive(Debug, Clone, PartialEq)]
pub struct Predicted {
    /// The run.
    pub run: Measured,
    /// Ours.
    pub energy_j: f64,
}

impl Predicted {
    /// Predicted over measured, less one.
    #[must_use]
    pub fn error_fraction(&self) -> f64 {
        self.energy_j / self.run.energy_j - 1.0
    }

    /// Mean power of a device, or of its share of a node, that the source's energy means over that time.
    #[must_use]
    pub fn measured_w(&self) -> f64 {
        self.run.energy_j / self.run.device_s
    }
}

/// The published energies, in the order of their file.
///
/// # Errors
/// When the file is not what it should be, or a row cannot be simulated.
pub fn published(catalog: &Catalog) -> Result<Vec<Measured>> {
    let rows = read_csv(&Arc::new(embedded(ENERGIES)?))?;
    rows.par_iter().map(|row| measured(row, catalog)).collect()
}

fn measured(row: &Row, catalog: &Catalog) -> Result<Measured> {
    let wrong = |why: &str| Error::invalid(Diagnostic::new(format!("energy of `{}`: {why}", row.id)));
    let number = |column: &str| row.number(column).ok_or_else(|| wrong(&format!("no {column}")));
    let case = scenario(row, catalog).map_err(|why| wrong(&why))?;
    let found = search(&case, &Options::default());
    let layout = found.best.first().ok_or_else(|| wrong("no layout of its row fits"))?.layout;
    let step = simulate(&case.workload, &case.machine(), &layout);
    let n_steps = number("tokens")? / step.tokens;
    let own_s = n_steps * step.time_s * step.n_devices;
    let stated = row.number("device_hours").map(|h| h * HOUR_S);
    let device_s = stated.unwrap_or(own_s);
    Ok(Measured {
        id: row.id.clone(),
        energy_j: number("energy_mwh")? * 1e3 * KWH_J,
        device_s,
        stated_time: stated.is_some(),
        busy_fraction: (n_steps * math_s(&step) * step.n_devices / device_s).min(1.0),
        boards_only: row.text("boundary") == Some("devices"),
        like: row.text("like").map(str::to_string),
        node: catalog.get(row.text("node").ok_or_else(|| wrong("no node"))?)?,
        device: case.accelerator,
    })
}

/// Share of the way from idle to active.
fn level(run: &Measured) -> f64 {
    run.busy_fraction + WAIT_FRACTION * (1.0 - run.busy_fraction)
}

/// Power of a device's board over a run.
fn board_w(run: &Measured) -> f64 {
    let idle_w = run.device.idle_w;
    idle_w + level(run) * (DEVICE_FRACTION * run.device.tdp_w - idle_w)
}

/// Power of a device and its share of the node over a run.
fn node_w(run: &Measured) -> f64 {
    let n = f64::from(run.node.n_devices);
    (run.node.idle_w + level(run) * (run.node.active_w - run.node.idle_w)) / n
}

/// Every run predicted.
#[must_use]
pub fn predict(runs: &[Measured]) -> Vec<Predicted> {
    let one = |run: &Measured| {
        let other = run.like.as_ref().and_then(|id| runs.iter().find(|r| r.id == *id));
        let power_w = match other {
            _ if run.boards_only => board_w(run),
            // All but the board draws in this run what it drew in the other.
            Some(other) => board_w(run) + other.energy_j / other.device_s - board_w(other),
            None => node_w(run),
        };
        Predicted {
            energy_j: run.device_s * power_w,
            run: run.clone(),
        }
    };
    runs.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn predictions() -> Vec<Predicted> {
        predict(&published(&Catalog::builtin()).unwrap())
    }

    #[test]
    fn measured_energies_are_met_within_a_fifth() {
        let list = predictions();
        for p in &list {
            let r = &p.run;
            println!(
                "| {} | {:.0} MWh | {:.0} MWh | {:+.1} % | {:.2} | {:.0} W over {:.2e} device-hours{} |",
                r.id,
                r.energy_j / 3.6e9,
                p.energy_j / 3.6e9,
                100.0 * p.error_fraction(),
                r.busy_fraction,
                p.measured_w(),
                r.device_s / 3600.0,
                if r.stated_time { "" } else { " of ours" }
            );
        }
        let met = ["palm-540b", "glam-1.2t", "olmo-7b-a100", "olmo-7b-mi250x"];
        for id in met {
            let p = list.iter().find(|p| p.run.id == id).unwrap();
            assert!(p.error_fraction().abs() <= 0.20, "{id}: {:+.3}", p.error_fraction());
        }
    }

    /// OLMo 2 is missed, and not by its power: over the device-hours of our step its boards would have
    /// drawn more than they can, so the runs took longer than their steps. Their hours are not published.
    #[test]
    fn what_is_missed_took_longer_than_its_steps() {
        let list = predictions();
        let missed: Vec<&Predicted> = list.iter().filter(|p| p.run.boards_only).collect();
        assert_eq!(missed.len(), 2);
        for p in missed {
            assert!(p.error_fraction() < -0.2 && p.measured_w() > p.run.device.tdp_w, "{p:?}");
            // The mean power of boards that OLMo's authors state: over 600 W (arXiv 2503.05804).
            assert!((board_w(&p.run) / 600.0 - 1.0).abs() <= 0.15, "{}", board_w(&p.run));
        }
    }
}
