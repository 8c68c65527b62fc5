//! What every report of a plan says at its beginning: that it is an estimate and of which class, on what it
//! rests, and what is not in it.

use super::focus::CLASS;
use super::{Block, Span};
use crate::plan::Plan;

/// The first sentence of every report.
pub const ESTIMATE: &str = "An estimate, not a quote.";

/// The class of the estimate, and why.
#[must_use]
pub fn class() -> String {
    format!("Estimate class: {CLASS} (concept; -50 % to +100 %): list prices, no quotations.")
}

/// Whether taxes are in it.
#[must_use]
pub fn taxes(plan: &Plan) -> &'static str {
    if plan.scenario.terms.tax_fraction > 0.0 {
        "Taxes as declared."
    } else {
        "Taxes are not included."
    }
}

/// On what price the cost rests.
#[must_use]
pub fn price(plan: &Plan) -> String {
    let s = &plan.scenario;
    match (&s.offer, s.owned) {
        (Some(o), false) => format!(
            "Price: {} USD per device-hour, {} ({}).",
            o.usd_per_device_hour.base_usd, o.name, o.as_of
        ),
        (_, true) => "Price: the cluster is owned; the run pays its share.".to_string(),
        _ => "Price: none is known for renting.".to_string(),
    }
}

/// On what the range rests.
#[must_use]
pub fn range(plan: &Plan) -> String {
    if let Some(drawn) = &plan.drawn {
        return format!("Range: P10 and P90 of {}.", drawn.note);
    }
    plan.scenario
        .band
        .as_ref()
        .map_or("Range: none yet for this class of runs.".to_string(), |b| {
            format!(
                "Range: 8 cases of 10 by the step-time error of left-out runs, class {} ({} runs of {} families); prices, failures and grids are held.",
                b.name, b.n_runs, b.n_families
            )
        })
}

/// On what the step time rests.
#[must_use]
pub fn step_time(plan: &Plan) -> String {
    let s = &plan.scenario;
    format!(
        "Step time: stack {}, device {}, by the planner's step model.",
        s.stack.name, s.accelerator.name
    )
}

/// What the scenario did not declare, and what nobody counts here.
#[must_use]
pub fn not_in_it(plan: &Plan) -> String {
    let t = &plan.scenario.terms;
    let open = [
        ("taxes", t.tax_fraction),
        ("licences of data", t.licences_usd),
        ("experiments", t.experiments_fraction),
        ("failed runs", t.failed_runs_fraction),
        ("data transfer out", t.egress_bytes),
    ];
    let mut words: Vec<&str> = open.iter().filter(|(_, v)| *v <= 0.0).map(|(w, _)| *w).collect();
    words.extend(["research staff", "insurance"]);
    format!("Not in it: {}.", words.join(", "))
}

/// The opening of a page, below the answers.
#[must_use]
pub fn blocks(plan: &Plan) -> Vec<Block> {
    vec![
        said(ESTIMATE, &format!("{} {}", class(), taxes(plan))),
        said("What it rests on.", &format!("{} {} {}", price(plan), range(plan), step_time(plan))),
        said("Not in it:", not_in_it(plan).trim_start_matches("Not in it: ")),
    ]
}

/// A paragraph that begins with strong words.
#[must_use]
pub fn said(strong: &str, rest: &str) -> Block {
    Block::Paragraph(vec![Span::strong(strong), Span::plain(format!(" {rest}"))])
}
