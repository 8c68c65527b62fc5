//! A plan as a bill of the future in the FinOps Open Cost and Usage Specification (FOCUS), and a strict
//! check of such files.
//!
//! FOCUS has no forecast, so a file says in every row that it is an estimate: account `estimate`, no
//! invoice, a description that begins with `ESTIMATE`, a tag, and columns `x_…`. `BilledCost` is the cash view,
//! `EffectiveCost` the accrual view; no other columns are summed. Values are as planned: what is a range of
//! totals does not add up over rows, so P10 and P90 stand in the manifest only.

pub mod check;
mod columns;
pub mod date;
mod items;
mod rows;
#[cfg(test)]
mod tests;

pub use columns::Version;
pub use date::Month;
pub use rows::Totals;

use crate::catalog::{Catalog, sha256};
use crate::error::{Diagnostic, Error, Result};
use crate::plan::{Plan, ranges};
use crate::report::csv::guard;
use crate::units::{MONTH_S, YEAR_S};
use rows::Row;
use serde_json::{Value, json};

/// Longest time that is cut into months.
const MOST_YEARS: f64 = 100.0;
/// How early an estimate this is: no quotation, no design (AACE 18R-97).
pub const CLASS: &str = "AACE 18R-97 class 5";

/// What is billed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// The run: what the plan's total is.
    #[default]
    Run,
    /// The owned cluster from purchase to sale.
    Life,
}

impl Scope {
    fn name(self) -> &'static str {
        match self {
            Scope::Run => "run",
            Scope::Life => "life",
        }
    }
}

/// What file is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Version of FOCUS.
    pub version: Version,
    /// What is billed.
    pub scope: Scope,
    /// The month in which it begins.
    pub first: Month,
    /// When the file is made, in seconds since 1970.
    pub made_s: i64,
}

/// A file and what goes with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// The rows.
    pub csv: String,
    /// What the file is, for a file beside it.
    pub manifest: Value,
    /// Its sums.
    pub totals: Totals,
}

/// The bill of a plan.
///
/// # Errors
/// When there is no price, or the time is longer than a hundred years.
pub fn export(plan: &Plan, catalog: &Catalog, asked: &Asked) -> Result<Export> {
    let list = items::items(plan, catalog, asked.scope);
    if list.is_empty() {
        return Err(none(asked.scope));
    }
    let whole_s = match (&plan.bill.cost.books, asked.scope) {
        (Some(books), Scope::Life) => books.life_s,
        _ => plan.run.wall_s,
    };
    if whole_s > MOST_YEARS * YEAR_S {
        let text = format!("{} cannot be cut into months", crate::units::duration(whole_s));
        return Err(Diagnostic::new(text).help("a bill of months ends after a hundred years").into());
    }
    let slices = rows::slices(asked.first, whole_s);
    let common = common(plan, asked);
    let mut totals = Totals::default();
    let rows: Vec<Row> = list.iter().flat_map(|i| rows::rows(i, &slices, &common, &mut totals)).collect();
    let csv = write(&rows, asked.version).map_err(|source| Error::Io {
        path: "FOCUS".into(),
        source,
    })?;
    let manifest = manifest(plan, asked, &csv, rows.len(), &totals, &common);
    Ok(Export { csv, manifest, totals })
}

fn none(scope: Scope) -> Error {
    let (text, help) = match scope {
        Scope::Run => (
            "there is no price, and so no bill",
            "give one with --set cost.usd_per_device_hour=2.5",
        ),
        Scope::Life => (
            "nobody knows what the cluster costs to buy, so its life has no bill",
            "bill the run, or give the node a price",
        ),
    };
    Diagnostic::new(text).help(help).into()
}

fn write(rows: &[Row], version: Version) -> std::io::Result<String> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(columns::columns(version).map(|c| c.name))?;
    for row in rows {
        writer.write_record(columns::columns(version).map(|c| row.get(c.name).map_or("", String::as_str)))?;
    }
    let bytes = writer.into_inner().map_err(::csv::IntoInnerError::into_error)?;
    String::from_utf8(bytes).map_err(std::io::Error::other)
}

/// What is the same in every row.
fn common(plan: &Plan, asked: &Asked) -> Row {
    let (scenario, provenance) = (&plan.scenario, &plan.provenance);
    let mut out = Row::new();
    let mut put = |name, value: String| {
        out.insert(name, value);
    };
    put("BillingAccountId", "estimate".to_string());
    put("BillingAccountName", "Estimate, not a quote".to_string());
    put("BillingAccountType", "Estimate".to_string());
    put("BillingCurrency", "USD".to_string());
    put("PricingCurrency", "USD".to_string());
    put("RegionId", guard(&scenario.region.name));
    put("RegionName", guard(&scenario.region.title));
    put("SubAccountId", format!("scenario-{}", provenance.scenario_digest));
    put("SubAccountName", guard(&scenario.name));
    put("SubAccountType", "Project".to_string());
    put("Tags", json!({ "estimate": "true", "scenario": scenario.name }).to_string());
    put(
        "x_EstimateId",
        format!("exaplan-{}-{}", provenance.scenario_digest, provenance.catalog_digest),
    );
    put("x_EstimateScenario", guard(&scenario.name));
    put("x_EstimateScope", asked.scope.name().to_string());
    // A plan is the median of its step time; of prices that were drawn it may be anything.
    let percentile = if plan.drawn.is_some() { "as planned" } else { "P50" };
    put("x_EstimatePercentile", percentile.to_string());
    put("x_EstimateClass", CLASS.to_string());
    put("x_GeneratedAt", date::text(asked.made_s));
    put("x_ToolVersion", provenance.program.clone());
    put("x_InputSha256", inputs_sha256(plan));
    if let Some(currency) = &scenario.terms.currency {
        put("x_FxCurrency", guard(&currency.code));
        put("x_FxRate", rows::decimal(currency.unit_usd));
        put("x_FxDate", guard(&currency.as_of));
    }
    out
}

/// Of the digests of all inputs: scenario, overrides, catalog, program.
fn inputs_sha256(plan: &Plan) -> String {
    let p = &plan.provenance;
    sha256(&format!(
        "{}\n{}\n{}\n{}",
        p.program,
        p.catalog_digest,
        p.scenario_digest,
        p.overrides.join("\n")
    ))
}

fn manifest(plan: &Plan, asked: &Asked, csv: &str, n_rows: usize, totals: &Totals, common: &Row) -> Value {
    let constants: serde_json::Map<String, Value> = common
        .iter()
        .filter(|(name, _)| name.starts_with("x_"))
        .map(|(name, value)| ((*name).to_string(), json!(value)))
        .collect();
    let quantiles = |q: crate::plan::Quantiles| json!({ "p10": q.p10, "p50": q.p50, "p90": q.p90 });
    let spread = ranges(plan).filter(|_| asked.scope == Scope::Run);
    json!({
        "schema": "exaplan.focus/1",
        "what": "an estimate, not a quote; taxes as declared, none if nothing is declared",
        "focus_version": asked.version.name(),
        "sha256": sha256(csv),
        "n_rows": n_rows,
        "scope": asked.scope.name(),
        "billing_currency": "USD",
        "totals_usd": { "billed": totals.billed_usd, "effective": totals.effective_usd },
        "planned_total_usd": plan.bill.cost.total_usd.filter(|_| asked.scope == Scope::Run),
        "ranges": {
            "cost_usd": spread.and_then(|s| s.cost_usd).map(quantiles),
            "wall_s": spread.map(|s| quantiles(s.wall_s)),
            "note": "of totals: percentiles do not add up over rows",
        },
        "month_hours": MONTH_S / 3600.0,
        "notes": [
            "BilledCost is cash, EffectiveCost is accrual; no other column is to be summed.",
            "Rows that were paid for before (amortization, imputed cost of capital, commitments) have a BilledCost of 0.",
            "Quantities per month are of 730 hours; periods are calendar months.",
        ],
        "x": constants,
        "provenance": super::plan::provenance_json(&plan.provenance),
    })
}
