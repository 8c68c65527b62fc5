//! What moves the total: live formulas for one driver at a time, and values of what was drawn at random.

use super::expr::Expr;
use super::model::{Scope, worked_out};
use super::page::Head::{Number, Words};
use super::page::{Look, Page, Written};
use super::pages::Book;
use super::picture::{Picture, Span};
use crate::bill::Way;
use crate::report::uncertain::{base, title, unit_of};
use crate::study::uncertain::{Output, Uncertain};
use rust_xlsxwriter::ChartType;

/// How far a driver without known ends is moved.
const NUDGE_FRACTION: f64 = 0.1;

/// Drivers that are moved, with what they are.
const MOVED: [(&str, &str); 14] = [
    ("rent_usd_per_device_hour", "Rent of a device"),
    ("node_price_usd", "Price of a node"),
    ("electricity_usd_per_kwh", "Electricity price"),
    ("pue_ratio", "PUE"),
    ("utilization_fraction", "Utilization"),
    ("life_years", "Life of the machine"),
    ("capital_rate_fraction", "Cost of capital"),
    ("colocation_usd_per_kw_month", "Colocation price"),
    ("maintenance_fraction", "Maintenance"),
    ("network_fraction", "Network over servers"),
    ("storage_usd_per_gb_month", "Storage price"),
    ("math_h", "Hours of math"),
    ("bubble_h", "Hours of bubble and waiting"),
    ("communication_h", "Hours of exposed communication"),
];

/// A driver at its ends, and the total there.
struct Swing {
    name: &'static str,
    label: &'static str,
    ends: [Expr; 2],
    totals: [Expr; 2],
    basis: &'static str,
}

impl Swing {
    fn size(&self) -> f64 {
        (self.totals[0].value - self.totals[1].value).abs()
    }
}

/// The sheet; none where there is no total.
pub(super) fn sheet(book: &Book<'_>) -> Written<Option<Page>> {
    if !book.named.has("total_usd") {
        return Ok(None);
    }
    let mut page = Page::new("Sensitivity", &[40.0, 18.0, 16.0, 16.0, 16.0, 22.0, 22.0, 20.0, 20.0, 30.0])?;
    page.line("One driver at a time, live", Look::Strong)?;
    page.line(
        "The total with one driver at its low and high end and the others as they stand in the sheet; largest first as planned.",
        Look::Text,
    )?;
    one_at_a_time(book, &mut page)?;
    if let Some(study) = book.study {
        page.row += 1;
        drawn(study, &mut page)?;
    }
    Ok(Some(page))
}

fn swings(book: &Book<'_>) -> Vec<Swing> {
    let total = if book.plan.bill.cost.way == Some(Way::Owned) {
        "owned_total_usd"
    } else {
        "rent_total_usd"
    };
    let at = |name: &'static str, value: Expr| {
        let mut drivers: Scope = book.drivers.clone();
        drivers.put(name, value);
        worked_out(&drivers, &book.named).get(total)
    };
    let swing = |(name, label): (&'static str, &'static str)| {
        let known = book.ends.iter().find(|(n, ..)| *n == name);
        let nudged = |by: f64| book.value(name) * Expr::number(1.0 + by);
        let (low, high, basis) = match known {
            Some((_, _, low, high)) => (low.clone(), high.clone(), "low and high of Assumptions"),
            None => (nudged(-NUDGE_FRACTION), nudged(NUDGE_FRACTION), "10 % less and more"),
        };
        Swing {
            name,
            label,
            totals: [at(name, low.clone()), at(name, high.clone())],
            ends: [low, high],
            basis,
        }
    };
    let mut list: Vec<Swing> = MOVED.into_iter().filter(|(name, _)| book.drivers.has(name)).map(swing).collect();
    list.retain(|s| s.size() > 0.0);
    list.sort_by(|a, b| b.size().total_cmp(&a.size()));
    list
}

fn one_at_a_time(book: &Book<'_>, page: &mut Page) -> Written<()> {
    let list = swings(book);
    page.head(&[
        Words("Driver"),
        Words("Unit"),
        Number("Low"),
        Number("As it stands"),
        Number("High"),
        Number("Total at low, USD"),
        Number("Total at high, USD"),
        Number("Change at low, USD"),
        Number("Change at high, USD"),
        Words("Ends"),
    ])?;
    let first = page.row;
    let mut changes = Vec::new();
    for swing in &list {
        let unit = book.units.get(swing.name).copied().unwrap_or("");
        page.text(0, swing.label, Look::Text)?;
        page.text(1, unit, Look::Text)?;
        page.formula(2, &swing.ends[0], Look::Value(unit))?;
        page.formula(3, &book.value(swing.name), Look::Value(unit))?;
        page.formula(4, &swing.ends[1], Look::Value(unit))?;
        for (at, total) in (0u16..).zip(&swing.totals) {
            let there = page.formula(5 + at, total, Look::Value("USD"))?;
            let change = page.formula(7 + at, &(there - book.value("total_usd")), Look::Value("USD"))?;
            changes.push(change.value);
        }
        page.text(9, swing.basis, Look::Text)?;
        page.row += 1;
    }
    if page.row == first {
        return Ok(());
    }
    let picture = Picture {
        kind: ChartType::BarStacked,
        title: "What moves the total: change, USD",
        alternative: "Tornado: change of the total with one driver at its low and high end",
        rows: (first, page.row - 1),
        categories: 0,
        series: &[("at low", 7), ("at high", 8)],
        values: Span::of(changes),
    };
    let below = page.row + 1;
    page.picture((below, 0), &picture)?;
    page.row = below + 19;
    Ok(())
}

/// Values, as formulas cannot draw again.
fn drawn(study: &Uncertain, page: &mut Page) -> Written<()> {
    page.line("Drawn at random: values, which do not follow the cells", Look::Strong)?;
    page.line(
        &format!(
            "{} samples, seed {}; inputs are independent, the layout is held.",
            crate::units::count(f64::from(study.n_samples)),
            study.seed
        ),
        Look::Text,
    )?;
    page.head(&[
        Words("Total"),
        Words("Unit"),
        Number("P10"),
        Number("P50"),
        Number("P90"),
        Number("All inputs at their medians"),
    ])?;
    for output in &study.outputs {
        let (scale, unit) = base(output.metric);
        page.text(0, output.metric.name(), Look::Text)?;
        page.text(1, unit, Look::Text)?;
        let q = &output.quantiles;
        for (column, value) in (2u16..).zip([q.p10, q.p50, q.p90, output.middle[0]]) {
            page.number(column, value / scale, Look::Value(unit))?;
        }
        page.row += 1;
    }
    for output in study.outputs.iter().filter(|o| !o.influences.is_empty()) {
        page.row += 1;
        influences(study, output, page)?;
    }
    Ok(())
}

/// How far each input alone moves a total.
fn influences(study: &Uncertain, output: &Output, page: &mut Page) -> Written<()> {
    let (scale, unit) = base(output.metric);
    let name = format!("{}, {unit}", output.metric.name());
    page.head(&[
        Words(&format!("Input of {}", output.metric.name().to_lowercase())),
        Words("Unit"),
        Number("Input at P10"),
        Number("Input at P50"),
        Number("Input at P90"),
        Number(&format!("{name}, at P10")),
        Number(&format!("{name}, at P90")),
        Number("Rank coefficient"),
    ])?;
    for influence in &output.influences {
        let Some(input) = study.inputs.get(influence.input) else { continue };
        page.text(0, title(input), Look::Text)?;
        page.text(1, &unit_of(input), Look::Text)?;
        let q = &input.quantiles;
        for (column, value) in (2u16..).zip([q.p10, q.p50, q.p90]) {
            page.number(column, value, Look::Value(""))?;
        }
        for (column, end) in (5u16..).zip(influence.ends) {
            page.number(column, end / scale, Look::Value(unit))?;
        }
        if let Some(coefficient) = influence.coefficient {
            page.number(7, coefficient, Look::Value("s"))?;
        }
        page.row += 1;
    }
    Ok(())
}
