//! What every report of a plan says at its beginning: that it is an estimate and of which class, on what it
//! rests, and what is not in it.

use super::focus::CLASS;
use super::{Block, Cell, Span};
use crate::plan::{Plan, Scenario, ranges};
use crate::study::metric::Metric;

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
    match band(&plan.scenario) {
        Some(band) => format!("Range: 8 cases of 10 by the {band}."),
        None => "Range: none yet for this class of runs.".to_string(),
    }
}

/// What a range that nobody drew rests on.
#[must_use]
pub fn band(scenario: &Scenario) -> Option<String> {
    let b = scenario.band.as_ref()?;
    Some(format!(
        "step-time error of left-out runs, class {} ({} runs of {} families); prices, failures and grids are held",
        b.name, b.n_runs, b.n_families
    ))
}

/// Totals that lie outside of what was drawn, which a reader must not take for an error of the sheet.
#[must_use]
pub fn outside(plan: &Plan) -> String {
    let Some(all) = ranges(plan) else { return String::new() };
    let far = |m: &Metric| {
        let (q, value) = (m.range(&all)?, m.of(plan)?);
        (value < q.p10 || value > q.p90).then(|| m.name().to_lowercase())
    };
    let far: Vec<String> = Metric::ALL.iter().filter_map(far).collect();
    if far.is_empty() {
        String::new()
    } else {
        format!(
            "As planned outside of P10 to P90: {}. The plan takes the scenario's own values, which are far from the middle of what was drawn.",
            far.join(", ")
        )
    }
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

/// What a scenario may declare, and what nobody counts here.
const DECLARED: [&str; 5] = ["taxes", "licences of data", "experiments", "failed runs", "data transfer out"];
const NEVER: [&str; 2] = ["research staff", "insurance"];

/// What the scenario did not declare, and what nobody counts here.
#[must_use]
pub fn not_in_it(plan: &Plan) -> String {
    let t = &plan.scenario.terms;
    let amounts = [
        t.tax_fraction,
        t.licences_usd,
        t.experiments_fraction,
        t.failed_runs_fraction,
        t.egress_bytes,
    ];
    let open = DECLARED.into_iter().zip(amounts).filter(|(_, v)| *v <= 0.0).map(|(w, _)| w);
    format!("Not in it: {}.", open.chain(NEVER).collect::<Vec<_>>().join(", "))
}

/// The same of plans whose scenarios are not at hand.
#[must_use]
pub fn not_in_any() -> String {
    format!(
        "Not in it: {}; {} only where the scenario declares them.",
        NEVER.join(", "),
        DECLARED.join(", ")
    )
}

/// The opening of a page, below the answers.
#[must_use]
pub fn blocks(plan: &Plan) -> Vec<Block> {
    vec![
        said(ESTIMATE, &format!("{} {}", class(), taxes(plan))),
        said(
            "What it rests on.",
            &[price(plan), range(plan), outside(plan), step_time(plan)]
                .into_iter()
                .filter(|t| !t.is_empty())
                .collect::<Vec<_>>()
                .join(" "),
        ),
        said("Not in it:", not_in_it(plan).trim_start_matches("Not in it: ")),
    ]
}

/// The same for spreadsheets: name and words.
#[must_use]
pub fn rows(plan: &Plan) -> Vec<(String, Cell)> {
    let rests = [price(plan), range(plan), outside(plan), step_time(plan)].join(" ");
    [
        ("what", format!("{ESTIMATE} {}", taxes(plan))),
        ("estimate_class", class()),
        ("what_it_rests_on", rests),
        ("not_in_it", not_in_it(plan)),
    ]
    .into_iter()
    .map(|(name, text)| (name.to_string(), Cell::Text(text.split_whitespace().collect::<Vec<_>>().join(" "))))
    .collect()
}

/// A paragraph that begins with strong words.
#[must_use]
pub fn said(strong: &str, rest: &str) -> Block {
    Block::Paragraph(vec![Span::strong(strong), Span::plain(format!(" {rest}"))])
}
