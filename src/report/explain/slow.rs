//! `exaplan explain --slow … --jitter …`: what uneven devices cost a step.

use super::timeline::drawn;
use crate::plan::Plan;
use crate::report::plan::provenance_json;
use crate::report::timeline::{self, Critical};
use crate::report::{Block, Cell, Document, KeyValue, Kind};
use crate::step::Gantt;
use crate::study::noise::{Jitter, Slow, Spread};
use serde_json::{Value, json};

/// A step on uneven devices.
#[derive(Debug, Clone, Copy)]
pub struct Uneven<'a> {
    /// The step on even ones.
    pub even_s: f64,
    /// Stages that are slow.
    pub slow: &'a [Slow],
    /// The step with them, bar by bar.
    pub gantt: &'a Gantt,
    /// Jitter on top, and the step times it gives.
    pub jitter: Option<(Jitter, Spread)>,
}

impl Uneven<'_> {
    fn slowdown_fraction(&self, time_s: f64) -> f64 {
        time_s / self.even_s - 1.0
    }

    /// For people.
    #[must_use]
    pub fn document(&self, plan: &Plan) -> Document {
        let mut values = vec![KeyValue::new("Even devices", Cell::quantity(self.even_s, Kind::Duration)).note("step time, slot by slot")];
        if !self.slow.is_empty() {
            values.push(self.value("Slow devices", self.gantt.time_s, &stages(self.slow)).answer());
        }
        if let Some((jitter, spread)) = &self.jitter {
            let says = format!(
                "of {} steps, {} jitter per slot, seed {}",
                jitter.n_draws,
                Kind::Percent.human(jitter.sigma_fraction),
                jitter.seed
            );
            values.push(self.value("Jitter, mean", spread.mean_s, &says).answer());
            values.push(self.value("Jitter, P10", spread.p10_s, "a tenth of the steps is faster"));
            values.push(self.value("Jitter, P50", spread.p50_s, "the median"));
            values.push(self.value("Jitter, P90", spread.p90_s, "a tenth of the steps is slower"));
        }
        let mut blocks = vec![Block::KeyValues(values)];
        if !self.slow.is_empty() {
            blocks.extend(drawn(self.gantt, &Critical::of(self.gantt)));
        }
        super::document(plan, "What uneven devices cost", blocks)
    }

    fn value(&self, key: &str, time_s: f64, says: &str) -> KeyValue {
        let change = self.slowdown_fraction(time_s);
        let sign = if change < 0.0 { "" } else { "+" };
        KeyValue::new(key, Cell::quantity(time_s, Kind::Duration)).note(format!("{sign}{}; {says}", Kind::Percent.human(change)))
    }

    /// For programs: schema `exaplan.uneven/1`.
    #[must_use]
    pub fn json(&self, plan: &Plan) -> Value {
        let slow = |s: &Slow| json!({ "stage": s.stage, "factor": s.slowdown_factor });
        let jitter = |(j, s): &(Jitter, Spread)| {
            json!({
                "sigma_fraction": j.sigma_fraction,
                "seed": j.seed,
                "n_draws": j.n_draws,
                "p10_s": s.p10_s,
                "p50_s": s.p50_s,
                "p90_s": s.p90_s,
                "mean_s": s.mean_s,
                "mean_slowdown_fraction": self.slowdown_fraction(s.mean_s),
            })
        };
        json!({
            "schema": "exaplan.uneven/1",
            "even_s": self.even_s,
            "slow": self.slow.iter().map(slow).collect::<Vec<_>>(),
            "slow_s": self.gantt.time_s,
            "slowdown_fraction": self.slowdown_fraction(self.gantt.time_s),
            "critical_path": timeline::critical_json(&Critical::of(self.gantt)),
            "jitter": self.jitter.as_ref().map(jitter),
            "provenance": provenance_json(&plan.provenance),
        })
    }
}

/// `stage 3 takes 1.1 times as long`.
fn stages(slow: &[Slow]) -> String {
    let one = |s: &Slow| format!("stage {} takes {} times as long", s.stage, s.slowdown_factor);
    slow.iter().map(one).collect::<Vec<_>>().join(", ")
}
