//! A comparison as a workbook: totals side by side with live differences, what a total is made of with
//! prices that can be changed, and the causes of each difference with their sum.

use super::expr::Expr;
use super::page::{Look, Page, Written};
use crate::bill::Way;
use crate::error::Result;
use crate::plan::{Plan, Quantiles, Ranges, ranges};
use crate::report::Kind;
use crate::report::compare::{Case, Comparison, rests_on};
use crate::report::uncertain::kind;
use crate::study::compare::Cause;
use crate::study::metric::Metric;
use crate::units::{DAY_S, HOUR_S, KWH_J};
use rust_xlsxwriter::{Chart, ChartType};
use std::collections::BTreeSet;

/// The bytes of the workbook of a comparison; the same for the same plans and `created_epoch_s`.
///
/// # Errors
/// When the format cannot hold it.
pub fn workbook(shown: &Comparison, created_epoch_s: i64) -> Result<Vec<u8>> {
    let program = shown.cases.first().map_or("exaplan", |c| c.plan.provenance.program.as_str());
    pages(shown)
        .and_then(|pages| {
            super::bound(
                pages,
                "Comparison of training plans: an estimate, not a quote",
                program,
                created_epoch_s,
            )
        })
        .map_err(|e| super::unwritten(&e))
}

fn pages(shown: &Comparison) -> Written<Vec<Page>> {
    let cost = cost(shown)?;
    let mut out = vec![summary(shown, &cost.1)?, cost.0];
    if shown.cases.len() > 1 {
        out.push(causes(shown)?);
    }
    out.push(assumptions(shown)?);
    out.push(audit(shown)?);
    Ok(out)
}

fn column(i: usize) -> u16 {
    u16::try_from(i).unwrap_or(0)
}

fn head(shown: &Comparison, first: &str, more: &[String]) -> Vec<String> {
    std::iter::once(first.to_string())
        .chain(shown.cases.iter().map(|c| format!("{}: {}", c.letter, c.plan.scenario.name)))
        .chain(more.iter().cloned())
        .collect()
}

fn write_head(page: &mut Page, names: &[String]) -> Written<()> {
    page.head(&names.iter().map(String::as_str).collect::<Vec<_>>())
}

/// In what a sheet writes a metric: base units over this.
fn unit(metric: Metric) -> (f64, &'static str, &'static str) {
    match kind(metric) {
        Kind::Usd => (1.0, "USD", "USD"),
        Kind::Energy => (KWH_J, "kWh", "kWh"),
        Kind::Carbon => (1.0, "kg CO2e", "kg CO2e"),
        _ if metric == Metric::Step => (1.0, "s", "s"),
        _ => (DAY_S, "days", "days"),
    }
}

/// Where a metric lies, if that is known.
fn spread(plan: &Plan, metric: Metric) -> Option<Quantiles> {
    let all: Ranges = ranges(plan)?;
    match metric {
        Metric::Step => Some(all.step_time_s),
        Metric::Wall => Some(all.wall_s),
        Metric::Cost => all.cost_usd,
        Metric::Energy => Some(all.energy_j),
        Metric::Carbon => Some(all.carbon_kg_co2e),
    }
}

/// The answer: totals with their ranges, and what the others are against the first.
fn summary(shown: &Comparison, costs: &[Option<Expr>]) -> Written<Page> {
    let n = shown.cases.len();
    let widths: Vec<f64> = std::iter::once(40.0).chain(std::iter::repeat_n(22.0, 3 * n)).collect();
    let mut page = Page::new("Summary", &widths)?;
    page.line("An estimate, not a quote.", Look::Strong)?;
    for text in crate::report::compare::answers(shown) {
        page.line(&text, Look::Text)?;
    }
    page.row += 1;
    let others: Vec<&Case> = shown.cases.iter().skip(1).collect();
    let mut more: Vec<String> = Vec::new();
    for case in &others {
        more.push(format!("{} - A", case.letter));
        more.push(format!("{} against A", case.letter));
    }
    write_head(&mut page, &head(shown, "As planned", &more))?;
    let first_row = page.row;
    for metric in Metric::ALL {
        let (base, name, look) = unit(metric);
        page.text(0, &format!("{}, {name}", metric.name()), Look::Text)?;
        let mut cells: Vec<Option<Expr>> = Vec::new();
        for (i, case) in shown.cases.iter().enumerate() {
            let at = column(i + 1);
            let cell = match (metric, metric.of(&case.plan), costs.get(i).cloned().flatten()) {
                (Metric::Cost, Some(_), Some(total)) => Some(page.formula(at, &total, Look::Total(look))?),
                (_, Some(value), _) => Some(page.number(at, value / base, Look::Value(look))?),
                _ => None,
            };
            cells.push(cell);
        }
        for i in 1..n {
            let (Some(Some(a)), Some(Some(b))) = (cells.first().cloned(), cells.get(i).cloned()) else {
                continue;
            };
            let at = column(n + 1 + 2 * (i - 1));
            page.formula(at, &(b.clone() - a.clone()), Look::Value(look))?;
            if a.value != 0.0 {
                page.formula(at + 1, &(b / a - Expr::number(1.0)), Look::Value("fraction"))?;
            }
        }
        page.row += 1;
    }
    page.row += 1;
    write_head(&mut page, &head(shown, "Range", &[]))?;
    for metric in [Metric::Wall, Metric::Cost, Metric::Energy, Metric::Carbon] {
        let (base, name, look) = unit(metric);
        for (what, of) in [("P10", 0), ("P90", 1)] {
            page.text(0, &format!("{}, {name}, {what}", metric.name()), Look::Text)?;
            for (i, case) in shown.cases.iter().enumerate() {
                if let Some(q) = spread(&case.plan, metric) {
                    page.number(column(i + 1), [q.p10, q.p90][of] / base, Look::Value(look))?;
                }
            }
            page.row += 1;
        }
    }
    page.row += 1;
    for text in rests_on(shown) {
        page.line(&text, Look::Text)?;
    }
    page.row += 1;
    let mut chart = Chart::new(ChartType::Column);
    let row = first_row + u32::try_from(Metric::ALL.iter().position(|m| *m == Metric::Cost).unwrap_or(0)).unwrap_or(0);
    chart
        .add_series()
        .set_categories((page.name, first_row - 1, 1, first_row - 1, column(n)))
        .set_values((page.name, row, 1, row, column(n)));
    chart.title().set_name("Cost, USD");
    chart.legend().set_hidden();
    chart.set_alt_text("Columns: total cost of each scenario");
    page.sheet.insert_chart(page.row, 0, &chart)?;
    Ok(page)
}

/// What each total is made of. Rent follows its price, and support with it; all else stands.
fn cost(shown: &Comparison) -> Written<(Page, Vec<Option<Expr>>)> {
    let n = shown.cases.len();
    let widths: Vec<f64> = std::iter::once(40.0).chain(std::iter::repeat_n(24.0, n)).collect();
    let mut page = Page::new("Cost", &widths)?;
    page.line("Change a yellow price and the totals follow, here and in Summary.", Look::Text)?;
    page.row += 1;
    write_head(&mut page, &head(shown, "", &[]))?;
    let start = page.row;
    let mut totals = vec![None; n];
    let labels = [
        "Way",
        "USD per device-hour",
        "Device-hours",
        "Compute, USD",
        "Other than compute, USD",
        "Total, USD",
        "As planned, USD",
    ];
    for label in labels {
        page.text(0, label, Look::Text)?;
        page.row += 1;
    }
    let bottom = page.row;
    for (i, case) in shown.cases.iter().enumerate() {
        page.row = start;
        let at = column(i + 1);
        let cost = &case.plan.bill.cost;
        let Some(planned) = cost.total_usd else {
            page.text(at, "no price", Look::Text)?;
            continue;
        };
        let total = match (&cost.cloud, cost.way) {
            (Some(c), Some(Way::Cloud)) => {
                page.text(at, "rented", Look::Text)?;
                page.row += 1;
                let price = page.number(at, c.usd_per_device_hour, Look::Input("USD/device-hour"))?;
                page.row += 1;
                let hours = page.number(at, c.compute_usd / c.usd_per_device_hour, Look::Value("device-hours"))?;
                page.row += 1;
                let compute = page.formula(at, &(price * hours), Look::Value("USD"))?;
                page.row += 1;
                // A dollar of rent brings support, and what is declared on top of the machine, with it.
                let t = &case.plan.scenario.terms;
                let (beside, tax) = (1.0 + t.experiments_fraction + t.failed_runs_fraction, 1.0 + t.tax_fraction);
                let share = (1.0 + case.plan.scenario.finance.support_fraction) * beside * tax - 1.0;
                let fixed = (c.storage_usd * beside + c.extra.egress_usd + c.extra.licences_usd) * tax;
                let other = compute.clone() * Expr::number(share) + Expr::number(fixed);
                let other = page.formula(at, &other, Look::Value("USD"))?;
                page.row += 1;
                page.formula(at, &(compute + other), Look::Total("USD"))?
            }
            _ => {
                page.text(at, "owned", Look::Text)?;
                page.row += 4;
                let other = page.number(at, planned, Look::Value("USD"))?;
                page.row += 1;
                page.formula(at, &other, Look::Total("USD"))?
            }
        };
        page.row += 1;
        page.number(at, planned, Look::Value("USD"))?;
        totals[i] = Some(total);
    }
    page.row = bottom + 1;
    for (case, total) in shown.cases.iter().zip(&totals) {
        if let (Some(total), Some(planned)) = (total, case.plan.bill.cost.total_usd) {
            page.check(
                &format!("total of {} is the plan's until a price is changed", case.letter),
                total,
                &Expr::number(planned),
            )?;
        }
    }
    Ok((page, totals))
}

/// Why the totals differ: causes that sum to the difference.
fn causes(shown: &Comparison) -> Written<Page> {
    let mut page = Page::new("Causes", &[26.0, 44.0, 20.0, 20.0, 20.0, 20.0, 20.0])?;
    page.line(
        "Causes sum to the difference (LMDI, Ang 2005); values, as another machine needs another plan.",
        Look::Text,
    )?;
    page.row += 1;
    for (case, list) in shown.cases.iter().skip(1).zip(&shown.differences) {
        let mut names = vec![format!("{} against A", case.letter), "What it is".to_string()];
        names.extend(list.iter().map(|d| format!("{}, {}", d.metric.name(), unit(d.metric).1)));
        write_head(&mut page, &names)?;
        let first = page.row;
        for cause in Cause::ALL.iter().filter(|c| list.iter().any(|d| d.by(**c) != 0.0)) {
            page.text(0, cause.key(), Look::Text)?;
            page.text(1, cause.meaning(), Look::Text)?;
            for (i, d) in list.iter().enumerate() {
                let (base, _, look) = unit(d.metric);
                page.number(column(i + 2), d.by(*cause) / base, Look::Value(look))?;
            }
            page.row += 1;
        }
        let last = page.row.saturating_sub(1).max(first);
        page.text(0, "all together", Look::Strong)?;
        let mut sums = Vec::new();
        for (i, d) in list.iter().enumerate() {
            let (base, _, look) = unit(d.metric);
            let at = column(i + 2);
            let value: f64 = Cause::ALL.iter().map(|c| d.by(*c)).sum::<f64>() / base;
            let sum = Expr::atom(format!("SUM({})", page.span(at, first, last)), value);
            sums.push((page.formula(at, &sum, Look::Total(look))?, d.change() / base, d.metric));
        }
        page.row += 1;
        for (sum, change, metric) in &sums {
            page.check(
                &format!("causes sum to the change of {}", metric.name().to_lowercase()),
                sum,
                &Expr::number(*change),
            )?;
        }
        page.row += 1;
    }
    Ok(page)
}

/// What the scenarios assume differently, and then what all of them assume.
fn assumptions(shown: &Comparison) -> Written<Page> {
    let n = shown.cases.len();
    let widths: Vec<f64> = std::iter::once(40.0).chain(std::iter::repeat_n(30.0, n)).chain([60.0]).collect();
    let mut page = Page::new("Assumptions", &widths)?;
    let keys: BTreeSet<&str> = shown
        .cases
        .iter()
        .flat_map(|c| c.plan.scenario.assumptions.iter().map(|a| a.key.as_str()))
        .collect();
    let of = |case: &Case, key: &str| case.plan.scenario.assumptions.iter().find(|a| a.key == key).cloned();
    for (title, differ) in [("Not the same", true), ("The same", false)] {
        page.line(title, Look::Strong)?;
        write_head(&mut page, &head(shown, "Key", &["Source".to_string()]))?;
        for key in &keys {
            let values: Vec<_> = shown.cases.iter().map(|c| of(c, key)).collect();
            let text = |i: usize| values[i].as_ref().map_or("", |a| a.value.as_str());
            if (1..n).any(|i| text(i) != text(0)) != differ {
                continue;
            }
            page.text(0, key, Look::Text)?;
            for i in 0..n {
                page.text(column(i + 1), text(i), Look::Text)?;
            }
            let source = values.iter().flatten().next().map_or("", |a| a.source.as_str());
            page.text(column(n + 1), source, Look::Text)?;
            page.row += 1;
        }
        page.row += 1;
    }
    Ok(page)
}

fn audit(shown: &Comparison) -> Written<Page> {
    let mut page = Page::new("Audit", &[30.0, 40.0, 24.0, 24.0, 60.0, 70.0])?;
    page.head(&[
        "Scenario",
        "Asked for",
        "Digest of the scenario",
        "Digest of the catalog",
        "Overrides (--set)",
        "Range",
    ])?;
    for case in &shown.cases {
        let p = &case.plan.provenance;
        let seed = case.study.as_ref().map_or_else(
            || "band of step-time errors; nothing is drawn at random".to_string(),
            |s| format!("{} samples, seed {}", s.n_samples, s.seed),
        );
        let title = format!("{}: {}", case.letter, case.plan.scenario.name);
        let cells = [
            title,
            case.asked.clone(),
            p.scenario_digest.clone(),
            p.catalog_digest.clone(),
            p.overrides.join("; "),
            seed,
        ];
        for (i, text) in cells.iter().enumerate() {
            page.text(column(i), text, Look::Text)?;
        }
        page.row += 1;
    }
    page.row += 1;
    page.head(&["Layout and time", "", "Devices", "Hours of wall time"])?;
    for case in &shown.cases {
        page.text(0, &case.letter.to_string(), Look::Text)?;
        page.text(1, &case.plan.layout.to_string(), Look::Text)?;
        page.number(2, case.plan.step.n_devices, Look::Value("devices"))?;
        page.number(3, case.plan.run.wall_s / HOUR_S, Look::Value("h"))?;
        page.row += 1;
    }
    Ok(page)
}
