//! Node power of published MLPerf power logs against the phases of the bill, each log left out of
//! the fit that predicts it.
//!
//! A log is one system at one scale: its repeated runs are averaged, so that none of them can stand
//! on both sides. What is published of it and given to the model: its layout, the measured step time,
//! and the seconds it trained, evaluated and did neither (from the log of events beside the power
//! readings). What is predicted: the mean AC power of a node.

use super::runs::{Row, read_csv, scenario};
use crate::catalog::{Catalog, Node, source};
use crate::error::{Diagnostic, Error, Origin, Result};
use crate::search::{Options, search};
use crate::step::{Step, simulate};
use rayon::prelude::*;
use std::sync::Arc;

/// What the fit decides; the bill has the values of all logs together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// Power of a device at work over its board limit: [`crate::bill::energy::DEVICE_FRACTION`].
    pub device_fraction: f64,
    /// [`crate::bill::energy::WAIT_FRACTION`].
    pub wait_fraction: f64,
    /// [`crate::bill::energy::EVALUATION_FRACTION`].
    pub evaluation_fraction: f64,
}

/// What a server draws by its parts.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Server {
    n_devices: f64,
    device_idle_w: f64,
    device_limit_w: f64,
    /// Everything but the devices when nothing runs, as its own logs read it before a run.
    host_w: f64,
    /// Power under load of such a server with fans, measured by somebody else.
    active_elsewhere_w: Option<f64>,
}

/// One system at one scale.
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    /// Its id.
    pub id: String,
    server: Server,
    /// Share of the measured step that our math takes.
    pub busy_fraction: f64,
    /// Share of our own step that our math takes.
    pub own_busy_fraction: f64,
    /// Seconds of training steps.
    pub train_s: f64,
    /// Seconds of evaluation.
    pub evaluation_s: f64,
    /// Seconds of neither: start-up, first steps, pauses.
    pub other_s: f64,
    /// Mean AC power of a node over the run.
    pub node_w: f64,
}

/// A log predicted by the fit to the others.
#[derive(Debug, Clone, PartialEq)]
pub struct LeftOut {
    /// Its id.
    pub id: String,
    /// Measured mean power of a node.
    pub measured_w: f64,
    /// Predicted, given the measured step time.
    pub predicted_w: f64,
    /// Predicted, with our own step time too.
    pub own_step_w: f64,
    /// Share of the measured step that our math takes.
    pub busy_fraction: f64,
    /// What the others decided.
    pub terms: Terms,
}

impl LeftOut {
    /// Predicted over measured, less one.
    #[must_use]
    pub fn error_fraction(&self) -> f64 {
        self.predicted_w / self.measured_w - 1.0
    }

    /// The same with our own step time.
    #[must_use]
    pub fn own_step_error_fraction(&self) -> f64 {
        self.own_step_w / self.measured_w - 1.0
    }
}

/// Where the published logs stand.
const LOGS: &str = "scenarios/power/mlperf-logs.csv";

/// A file of this program.
pub(super) fn embedded(name: &str) -> Result<Origin> {
    let file = source::embedded().find(|(path, _)| path == name);
    let missing = || Error::invalid(Diagnostic::new(format!("`{name}` is not in this program")));
    let (path, text) = file.ok_or_else(missing)?;
    Ok(Origin {
        name: format!("builtin:{path}"),
        text: text.to_string(),
    })
}

/// The published logs, in the order of their file.
///
/// # Errors
/// When the file is not what it should be, or a row cannot be simulated.
pub fn published(catalog: &Catalog) -> Result<Vec<Log>> {
    let rows = read_csv(&Arc::new(embedded(LOGS)?))?;
    rows.par_iter().map(|row| log(row, catalog)).collect()
}

/// Seconds of a step at full power.
pub(super) fn math_s(step: &Step) -> f64 {
    step.parts.math_s + step.parts.recompute_s + step.parts.optimizer_s
}

fn log(row: &Row, catalog: &Catalog) -> Result<Log> {
    let wrong = |why: &str| Error::invalid(Diagnostic::new(format!("power log `{}`: {why}", row.id)));
    let number = |column: &str| row.number(column).ok_or_else(|| wrong(&format!("no {column}")));
    let case = scenario(row, catalog).map_err(|why| wrong(&why))?;
    let node: Node = catalog.get(row.text("node").ok_or_else(|| wrong("no node"))?)?;
    let found = search(&case, &Options::default());
    let layout = found.best.first().ok_or_else(|| wrong("no layout of its row fits"))?.layout;
    let step = simulate(&case.workload, &case.machine(), &layout);
    let math_s = math_s(&step);
    let n_devices = f64::from(node.n_devices);
    Ok(Log {
        id: row.id.clone(),
        server: Server {
            n_devices,
            device_idle_w: case.accelerator.idle_w,
            device_limit_w: case.accelerator.tdp_w,
            host_w: node.idle_w - n_devices * case.accelerator.idle_w,
            active_elsewhere_w: row.number("active_elsewhere_w"),
        },
        busy_fraction: (math_s / number("step_time_s")?).min(1.0),
        own_busy_fraction: math_s / step.time_s,
        train_s: number("train_s")?,
        evaluation_s: number("evaluation_s")?,
        // A run may have no other time.
        other_s: row.number("other_s").unwrap_or(0.0),
        node_w: number("node_w")?,
    })
}

/// Mean power of a node over a log, its host drawing `host_w`.
fn node_w(log: &Log, busy_fraction: f64, host_w: f64, terms: &Terms) -> f64 {
    let s = &log.server;
    let idle_w = host_w + s.n_devices * s.device_idle_w;
    let devices_w = s.n_devices * (terms.device_fraction * s.device_limit_w - s.device_idle_w);
    // Fans draw what is left of the server's power under load; without them nothing is.
    let dynamic_w = s.active_elsewhere_w.map_or(devices_w, |active_w| devices_w.max(active_w - idle_w));
    let step = busy_fraction + terms.wait_fraction * (1.0 - busy_fraction);
    let seconds = log.train_s + log.evaluation_s + log.other_s;
    let active_s =
        log.train_s * step + log.evaluation_s * terms.evaluation_fraction * step + log.other_s * crate::bill::energy::RESTART_FRACTION;
    idle_w + dynamic_w * active_s / seconds
}

/// Power of the hosts of these logs, none counted twice for being logged at several scales.
fn host_w(logs: &[&Log]) -> f64 {
    let mut seen: Vec<f64> = logs.iter().map(|l| l.server.host_w).collect();
    seen.sort_by(f64::total_cmp);
    seen.dedup();
    seen.iter().sum::<f64>() / f64::from(u32::try_from(seen.len().max(1)).unwrap_or(1))
}

/// Ranges of the terms: a device draws at most a little over its limit, and a waiting or evaluating
/// one no more than one that trains.
const RANGES: [(f64, f64); 3] = [(0.6, 1.1), (0.0, 0.6), (0.3, 1.0)];
/// Steps of the grid along each term, and how often it closes in on its best point.
const N_STEPS: u32 = 10;
const N_ROUNDS: u32 = 6;

/// The terms of least squares of `ln(predicted / measured)`: a grid over [`RANGES`] that closes in on
/// its best point, which three bounded parameters of six smooth terms need no more than.
#[must_use]
pub fn fit(logs: &[&Log]) -> Terms {
    let host_w = host_w(logs);
    let cost = |t: &Terms| -> f64 {
        let errors = logs.iter().map(|l| (node_w(l, l.busy_fraction, host_w, t) / l.node_w).ln());
        errors.map(|e| e * e).sum()
    };
    let terms = |x: [f64; 3]| Terms {
        device_fraction: x[0],
        wait_fraction: x[1],
        evaluation_fraction: x[2],
    };
    let mut ranges = RANGES;
    let mut best = ranges.map(|(low, high)| f64::midpoint(low, high));
    for _ in 0..N_ROUNDS {
        let at = |k: usize, i: u32| ranges[k].0 + (ranges[k].1 - ranges[k].0) * f64::from(i) / f64::from(N_STEPS);
        for i in 0..=N_STEPS {
            for j in 0..=N_STEPS {
                for l in 0..=N_STEPS {
                    let x = [at(0, i), at(1, j), at(2, l)];
                    if cost(&terms(x)) < cost(&terms(best)) {
                        best = x;
                    }
                }
            }
        }
        for (k, (low, high)) in ranges.iter_mut().enumerate() {
            let half = (*high - *low) / 4.0;
            (*low, *high) = ((best[k] - half).max(RANGES[k].0), (best[k] + half).min(RANGES[k].1));
        }
    }
    terms(best)
}

/// Each log predicted by the terms and the host power of the others.
#[must_use]
pub fn leave_one_out(logs: &[Log]) -> Vec<LeftOut> {
    let one = |left: &Log| {
        let others: Vec<&Log> = logs.iter().filter(|l| l.id != left.id).collect();
        let (terms, host_w) = (fit(&others), host_w(&others));
        LeftOut {
            id: left.id.clone(),
            measured_w: left.node_w,
            predicted_w: node_w(left, left.busy_fraction, host_w, &terms),
            own_step_w: node_w(left, left.own_busy_fraction, host_w, &terms),
            busy_fraction: left.busy_fraction,
            terms,
        }
    };
    logs.par_iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bill::energy::{DEVICE_FRACTION, EVALUATION_FRACTION, WAIT_FRACTION};

    fn logs() -> Vec<Log> {
        published(&Catalog::builtin()).unwrap()
    }

    /// The measured step time is given; with our own step time the errors are larger, and held here so
    /// that a change of the step model shows.
    #[test]
    fn left_out_logs_are_met_within_ten_percent() {
        let logs = logs();
        assert_eq!(logs.len(), 6);
        for l in leave_one_out(&logs) {
            println!(
                "| {} | {:.0} | {:.0} | {:+.1} % | {:+.1} % | {:.2} | {:.2}, {:.2}, {:.2} |",
                l.id,
                l.measured_w,
                l.predicted_w,
                100.0 * l.error_fraction(),
                100.0 * l.own_step_error_fraction(),
                l.busy_fraction,
                l.terms.device_fraction,
                l.terms.wait_fraction,
                l.terms.evaluation_fraction
            );
            assert!(l.error_fraction().abs() <= 0.10, "{l:?}");
            assert!(l.own_step_error_fraction().abs() <= 0.15, "{l:?}");
        }
    }

    #[test]
    fn the_bill_has_the_terms_of_all_logs() {
        let logs = logs();
        let all: Vec<&Log> = logs.iter().collect();
        let terms = fit(&all);
        for (fitted, used) in [
            (terms.device_fraction, DEVICE_FRACTION),
            (terms.wait_fraction, WAIT_FRACTION),
            (terms.evaluation_fraction, EVALUATION_FRACTION),
        ] {
            assert!((fitted - used).abs() < 0.01, "{terms:?} against {used}");
        }
    }

    #[test]
    fn a_fit_finds_the_terms_that_logs_were_made_with() {
        let made = Terms {
            device_fraction: 0.9,
            wait_fraction: 0.2,
            evaluation_fraction: 0.6,
        };
        let mut logs = logs();
        logs.retain(|l| l.server.active_elsewhere_w.is_none());
        let host = host_w(&logs.iter().collect::<Vec<_>>());
        for l in &mut logs {
            l.node_w = node_w(l, l.busy_fraction, host, &made);
        }
        let found = fit(&logs.iter().collect::<Vec<_>>());
        assert!((found.device_fraction - 0.9).abs() < 5e-3, "{found:?}");
        assert!((found.wait_fraction - 0.2).abs() < 2e-2, "{found:?}");
        assert!((found.evaluation_fraction - 0.6).abs() < 5e-2, "{found:?}");
    }
}
