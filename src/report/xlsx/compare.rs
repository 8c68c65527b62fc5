//! A comparison as a workbook: totals side by side with live differences, what a total is made of with
//! prices that can be changed, and the causes of each difference with their sum.

use super::expr::Expr;
use super::page::Head::{self, Number, Words};
use super::page::{Look, Page, Written};
use super::picture::{Picture, Span};
use crate::bill::Way;
use crate::error::Result;
use crate::report::compare::{Case, Comparison, lies, rests_on, short};
use crate::report::opening::ESTIMATE;
use crate::report::uncertain::base;
use crate::study::compare::Cause;
use crate::study::metric::Metric;
use crate::units::HOUR_S;
use rust_xlsxwriter::ChartType;
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

/// Headings: words, a column for each scenario, numbers.
fn head(page: &mut Page, shown: &Comparison, first: &str, more: &[String]) -> Written<()> {
    let labels: Vec<String> = shown.cases.iter().map(Case::label).collect();
    let own = std::iter::once(Words(first)).chain(labels.iter().map(|l| Number(l)));
    let list: Vec<Head<'_>> = own.chain(more.iter().map(|m| Number(m))).collect();
    page.head(&list)
}

/// The answer: totals with their ranges, and what the others are against the first.
fn summary(shown: &Comparison, costs: &[Option<Expr>]) -> Written<Page> {
    let n = shown.cases.len();
    let widths: Vec<f64> = std::iter::once(40.0).chain(std::iter::repeat_n(24.0, 3 * n)).collect();
    let mut page = Page::new("Summary", &widths)?;
    page.line(ESTIMATE, Look::Strong)?;
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
    head(&mut page, shown, "As planned", &more)?;
    for metric in Metric::ALL {
        let (scale, look) = base(metric);
        page.text(0, &format!("{}, {look}", metric.name()), Look::Text)?;
        let mut cells: Vec<Option<Expr>> = Vec::new();
        for (i, case) in shown.cases.iter().enumerate() {
            let at = column(i + 1);
            let cell = match (metric, metric.of(&case.plan), costs.get(i).cloned().flatten()) {
                (Metric::Cost, Some(_), Some(total)) => Some(page.formula(at, &total, Look::Total(look))?),
                (_, Some(value), _) => Some(page.number(at, value / scale, Look::Value(look))?),
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
    head(&mut page, shown, "Range: values", &[])?;
    for metric in Metric::OF_RUN {
        let (scale, look) = base(metric);
        for (what, of) in [("P10", 0), ("P90", 1)] {
            page.text(0, &format!("{}, {look}, {what}", metric.name()), Look::Text)?;
            for (i, case) in shown.cases.iter().enumerate() {
                if let Some(q) = lies(&case.plan, metric) {
                    page.number(column(i + 1), [q.p10, q.p90][of] / scale, Look::Value(look))?;
                }
            }
            page.row += 1;
        }
    }
    page.row += 1;
    for text in rests_on(shown) {
        page.prose(&text, Look::Text)?;
    }
    page.row += 1;
    drawn(&mut page, shown, costs)?;
    Ok(page)
}

/// Time and cost of each scenario, as rows with charts beside them.
fn drawn(page: &mut Page, shown: &Comparison, costs: &[Option<Expr>]) -> Written<()> {
    page.head(&[Words("Charts"), Number("Time to train, days"), Number("Cost, USD")])?;
    let first = page.row;
    let mut values = [Vec::new(), Vec::new()];
    for (case, cost) in shown.cases.iter().zip(costs) {
        page.text(0, &short(case), Look::Text)?;
        let (scale, look) = base(Metric::Wall);
        let days = page.number(1, case.plan.run.wall_s / scale, Look::Value(look))?;
        values[0].push(days.value);
        if let Some(total) = cost {
            values[1].push(page.formula(2, total, Look::Value("USD"))?.value);
        }
        page.row += 1;
    }
    let end = page.row - 1;
    let below = page.row + 1;
    for (i, (title, alternative)) in [
        ("Time to train, days", "Bars: time to train of each scenario"),
        ("Cost, USD", "Bars: total cost of each scenario"),
    ]
    .into_iter()
    .enumerate()
    {
        let picture = Picture {
            kind: ChartType::Bar,
            title,
            alternative,
            rows: (first, end),
            categories: 0,
            series: &[(title, column(i + 1))],
            values: Span::of(values[i].iter().copied()),
        };
        // The first column is wide enough for half of a chart.
        page.picture((below, column(3 * i)), &picture)?;
    }
    Ok(())
}

/// What each total is made of. Rent follows its price, and support with it; all else stands.
fn cost(shown: &Comparison) -> Written<(Page, Vec<Option<Expr>>)> {
    let n = shown.cases.len();
    let widths: Vec<f64> = std::iter::once(56.0).chain(std::iter::repeat_n(26.0, n)).collect();
    let mut page = Page::new("Cost", &widths)?;
    page.line("Change a yellow price and the totals follow, here and in Summary.", Look::Text)?;
    page.row += 1;
    head(&mut page, shown, "", &[])?;
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
                let hours = page.number(at, c.device_hours(), Look::Value("device-hours"))?;
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
    let mut page = Page::new("Causes", &[48.0, 44.0, 20.0, 20.0, 20.0, 20.0, 20.0])?;
    page.line(
        "Causes sum to the difference (LMDI, Ang 2005); values, as another machine needs another plan.",
        Look::Text,
    )?;
    page.row += 1;
    for (case, list) in shown.cases.iter().skip(1).zip(&shown.differences) {
        let title = format!("{} against A", case.letter);
        let names: Vec<String> = list.iter().map(|d| format!("{}, {}", d.metric.name(), base(d.metric).1)).collect();
        let own = [Words(&title), Words("What it is")].into_iter();
        page.head(&own.chain(names.iter().map(|n| Number(n))).collect::<Vec<_>>())?;
        let first = page.row;
        for cause in Cause::ALL.iter().filter(|c| list.iter().any(|d| d.by(**c) != 0.0)) {
            page.text(0, cause.key(), Look::Text)?;
            page.text(1, cause.meaning(), Look::Text)?;
            for (i, d) in list.iter().enumerate() {
                let (scale, look) = base(d.metric);
                page.number(column(i + 2), d.by(*cause) / scale, Look::Value(look))?;
            }
            page.row += 1;
        }
        let last = page.row.saturating_sub(1).max(first);
        page.text(0, "all together", Look::Strong)?;
        let mut sums = Vec::new();
        for (i, d) in list.iter().enumerate() {
            let (scale, look) = base(d.metric);
            let at = column(i + 2);
            let value: f64 = Cause::ALL.iter().map(|c| d.by(*c)).sum::<f64>() / scale;
            let sum = Expr::atom(format!("SUM({})", page.span(at, first, last)), value);
            sums.push((page.formula(at, &sum, Look::Total(look))?, d.change() / scale, d.metric));
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
        let labels: Vec<String> = shown.cases.iter().map(Case::label).collect();
        let own = std::iter::once(Words("Key")).chain(labels.iter().map(|l| Words(l)));
        page.head(&own.chain([Words("Source")]).collect::<Vec<_>>())?;
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
            let sources: BTreeSet<&str> = values.iter().flatten().map(|a| a.source.as_str()).collect();
            let sources: Vec<&str> = sources.into_iter().collect();
            page.text(column(n + 1), &sources.join("; "), Look::Text)?;
            page.row += 1;
        }
        page.row += 1;
    }
    Ok(page)
}

fn audit(shown: &Comparison) -> Written<Page> {
    let mut page = Page::new("Audit", &[30.0, 40.0, 24.0, 24.0, 60.0, 70.0])?;
    page.head(&[
        Words("Scenario"),
        Words("Asked for"),
        Words("Digest of the scenario"),
        Words("Digest of the catalog"),
        Words("Overrides (--set)"),
        Words("Range"),
    ])?;
    for case in &shown.cases {
        let p = &case.plan.provenance;
        let seed = case.study.as_ref().map_or_else(
            || "band of step-time errors; nothing is drawn at random".to_string(),
            |s| format!("{} samples, seed {}", s.n_samples, s.seed),
        );
        let cells = [
            case.label(),
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
    page.head(&[Words("Layout and time"), Words(""), Number("Devices"), Number("Hours of wall time")])?;
    for case in &shown.cases {
        page.text(0, &case.letter.to_string(), Look::Text)?;
        page.text(1, &case.plan.layout.to_string(), Look::Text)?;
        page.number(2, case.plan.step.n_devices, Look::Value("devices"))?;
        page.number(3, case.plan.run.wall_s / HOUR_S, Look::Value("h"))?;
        page.row += 1;
    }
    Ok(page)
}
