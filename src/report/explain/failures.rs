//! `exaplan explain --failures N`: the run drawn failure by failure beside its closed form.

use crate::catalog::Cause;
use crate::plan::{Plan, Quantiles};
use crate::report::plan::provenance_json;
use crate::report::{Block, Cell, Column, Document, KeyValue, Kind, Table};
use crate::study::renewal::{Draws, Renewal};
use serde_json::{Value, json};

/// Drawn runs of a plan.
#[derive(Debug, Clone, Copy)]
pub struct Drawn<'a> {
    /// How they were drawn.
    pub draws: Draws,
    /// What came out.
    pub renewal: &'a Renewal,
}

impl Drawn<'_> {
    /// For people.
    #[must_use]
    pub fn document(&self, plan: &Plan) -> Document {
        let (run, drawn) = (&plan.run, self.renewal);
        let says = format!("mean of {} runs, seed {}", drawn.samples.len(), self.draws.seed);
        let points = 100.0 * (run.goodput - drawn.mean_goodput_fraction);
        let values = vec![
            KeyValue::new("Goodput", Cell::quantity(drawn.mean_goodput_fraction, Kind::Percent))
                .note(says)
                .answer(),
            KeyValue::new("Closed form", Cell::quantity(run.goodput, Kind::Percent)).note(format!("{points:+.2} points; what `plan` says")),
        ];
        let head = [Column::words("")].into_iter();
        let columns = head.chain(["P10", "P50", "P90", "Mean", "Closed form"].map(Column::numbers));
        let mut table = Table::new("Of ten runs", columns.collect());
        let row = |name: &str, q: &Quantiles, mean: f64, closed: f64, cell: &dyn Fn(f64) -> Cell| {
            let cells = [q.p10, q.p50, q.p90, mean, closed].map(cell);
            [Cell::Text(name.to_string())].into_iter().chain(cells).collect()
        };
        let time = |s: f64| Cell::quantity(s, Kind::Duration);
        table.rows = vec![
            row("Time to train", &drawn.wall_s, drawn.mean_wall_s, run.wall_s, &time),
            row("Goodput", &drawn.goodput, drawn.mean_goodput_fraction, run.goodput, &|v| {
                Cell::quantity(v, Kind::Percent)
            }),
            row("Failures", &drawn.n_failures, drawn.mean_failures, run.expected_failures, &|v| {
                Cell::Count(v.round())
            }),
        ];
        table
            .notes
            .push("Steps are taken as certain: this is the luck of failures alone, at rates that are held.".to_string());
        let blocks = vec![Block::KeyValues(values), Block::Table(table), Block::Table(causes(plan))];
        super::document(plan, "The run drawn failure by failure", blocks)
    }

    /// For programs: schema `exaplan.failures/1`.
    #[must_use]
    pub fn json(&self, plan: &Plan) -> Value {
        let q = |q: &Quantiles, mean: f64, closed: f64| json!({ "p10": q.p10, "p50": q.p50, "p90": q.p90, "mean": mean, "closed": closed });
        let (run, drawn) = (&plan.run, self.renewal);
        json!({
            "schema": "exaplan.failures/1",
            "seed": self.draws.seed,
            "n_draws": drawn.samples.len(),
            "wall_s": q(&drawn.wall_s, drawn.mean_wall_s, run.wall_s),
            "goodput": q(&drawn.goodput, drawn.mean_goodput_fraction, run.goodput),
            "n_failures": q(&drawn.n_failures, drawn.mean_failures, run.expected_failures),
            "n_cut": drawn.samples.iter().filter(|s| s.cut).count(),
            "provenance": provenance_json(&plan.provenance),
        })
    }
}

/// What stops the job, and how often.
fn causes(plan: &Plan) -> Table {
    let mut table = Table::new(
        "What stops the job",
        vec![Column::words("Cause"), Column::numbers("Times"), Column::numbers("One each")],
    );
    let stops = Cause::ALL.iter().zip(plan.run.stops).filter(|(_, n)| *n > 0.0);
    table.rows = stops
        .map(|((name, _), n)| {
            vec![
                Cell::Text(name.replace('_', " ")),
                Cell::quantity(n, Kind::Plain(1)),
                Cell::quantity(plan.run.wall_s / n, Kind::Duration),
            ]
        })
        .collect();
    table
}
