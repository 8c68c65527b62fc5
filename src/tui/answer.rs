//! What is known of a scenario, ready to be drawn.

use crate::plan::Plan;
use crate::report::{Block, Cell, Document, Kind, Warning, text};
use std::sync::Arc;

/// Lines kept per scenario; a longer report belongs in a file.
pub const MAX_LINES: usize = 50_000;
/// Names of the main numbers, in order.
pub const LABELS: [&str; 7] = ["time", "cost", "step", "MFU", "memory", "carbon", "devices"];

/// The numbers that scenarios are compared by, as [`LABELS`] names them.
pub type Numbers = [Cell; LABELS.len()];

/// The main numbers of a plan.
#[must_use]
pub fn numbers(plan: &Plan) -> Numbers {
    let peak_bytes = plan.step.memory.iter().map(|m| m.peak_bytes()).fold(0.0, f64::max);
    [
        Cell::quantity(plan.run.wall_s, Kind::Duration),
        plan.bill.cost.total_usd.map_or(Cell::Missing, |usd| Cell::quantity(usd, Kind::Usd)),
        Cell::quantity(plan.step.time_s, Kind::Duration),
        Cell::quantity(plan.step.mfu, Kind::Percent),
        Cell::quantity(peak_bytes, Kind::Bytes),
        Cell::quantity(plan.bill.carbon.total_location_kg_co2e, Kind::Carbon),
        Cell::Count(plan.step.n_devices),
    ]
}

/// A scenario as far as it is known.
#[derive(Debug, Clone, Default)]
pub enum Answer {
    /// Not yet.
    #[default]
    Waiting,
    /// Its report; without numbers when there is no plan.
    Ready(Option<Arc<Numbers>>, Arc<Document>),
}

/// The report as lines of one width.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    /// The width they were made for; 0 before there are any.
    pub width: u16,
    /// The lines.
    pub list: Vec<String>,
}

/// The report in lines of `width`.
#[must_use]
pub fn write(document: &Document, width: u16) -> Lines {
    let text = text::document(
        document,
        text::Options {
            width: usize::from(width),
            color: false,
        },
    );
    let mut list: Vec<String> = text.lines().take(MAX_LINES).map(str::to_string).collect();
    let n_cut = text.lines().skip(MAX_LINES).count();
    if n_cut > 0 {
        list.push(format!("… {n_cut} more lines; write the report to a file to read them"));
    }
    Lines { width, list }
}

/// A report that there is no plan, and why.
#[must_use]
pub fn failure(name: &str, warnings: Vec<Warning>) -> Answer {
    let document = Document {
        title: format!("{name}: no plan"),
        subtitle: String::new(),
        blocks: vec![Block::Warnings(warnings)],
        provenance: String::new(),
    };
    Answer::Ready(None, Arc::new(document))
}
