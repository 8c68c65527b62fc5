//! Rows against each other.

use super::super::date::{self, Month};
use super::super::rows::Totals;
use super::{Finding, Record};
use std::collections::{BTreeMap, BTreeSet};

/// What sums may differ by.
pub(super) const CENT_USD: f64 = 0.01;

/// Columns that have one value in a file.
const ONE: [&str; 12] = [
    "BillingAccountId",
    "BillingCurrency",
    "SubAccountId",
    "x_EstimateId",
    "x_EstimateScenario",
    "x_EstimateScope",
    "x_EstimatePercentile",
    "x_EstimateClass",
    "x_GeneratedAt",
    "x_ToolVersion",
    "x_InputSha256",
    "x_FxRate",
];

pub(super) fn check(records: &[Record<'_>], out: &mut Vec<Finding>) -> Totals {
    constants(records, out);
    services(records, out);
    months(records, out);
    commitments(records, out);
    let sum = |column: &str| records.iter().filter_map(|r| r.number(column)).sum::<f64>();
    let totals = Totals {
        billed_usd: sum("BilledCost"),
        effective_usd: sum("EffectiveCost"),
    };
    let life = records.first().is_some_and(|r| r.get("x_EstimateScope") == "life");
    let near = (totals.billed_usd - totals.effective_usd).abs() <= CENT_USD.max(1e-9 * totals.billed_usd.abs());
    if life && !near {
        let message = format!(
            "over a whole life cash and accrual are the same, not {} and {}",
            totals.billed_usd, totals.effective_usd
        );
        out.push(super::finding(1, "EffectiveCost", "life", message));
    }
    totals
}

fn constants(records: &[Record<'_>], out: &mut Vec<Finding>) {
    let Some(first) = records.first() else { return };
    for column in ONE {
        if let Some(other) = records.iter().find(|r| r.get(column) != first.get(column)) {
            let message = format!("`{}` beside `{}`: one of a file", other.get(column), first.get(column));
            out.push(other.finding(column, "one-of-a-file", message));
        }
    }
}

/// A service belongs to one category.
fn services(records: &[Record<'_>], out: &mut Vec<Finding>) {
    let mut known: BTreeMap<&str, &str> = BTreeMap::new();
    for r in records {
        let (name, category) = (r.get("ServiceName"), r.get("ServiceCategory"));
        let first = *known.entry(name).or_insert(category);
        if first != category {
            let message = format!("`{name}` is in `{category}` here and in `{first}` above");
            out.push(r.finding("ServiceCategory", "service-twice", message));
        }
    }
}

/// When a row is charged: from, to, the row.
type Charge<'a> = (i64, i64, &'a Record<'a>);

/// Each line once a month, without a gap from its first to its last month.
fn months(records: &[Record<'_>], out: &mut Vec<Finding>) {
    let mut lines: BTreeMap<(&str, &str), Vec<Charge<'_>>> = BTreeMap::new();
    for r in records {
        let at = |name| date::parse(r.get(name));
        if let (Some(from), Some(to)) = (at("ChargePeriodStart"), at("ChargePeriodEnd")) {
            lines
                .entry((r.get("x_LineItem"), r.get("SkuPriceId")))
                .or_default()
                .push((from, to, r));
        }
    }
    let spread = |list: &[Charge<'_>]| list.iter().any(|(_, _, r)| r.get("ChargeFrequency") != "One-Time");
    // Of all lines that go on: none may end early.
    let last = lines.values().filter(|l| spread(l)).flatten().map(|(_, to, _)| *to).max();
    let first = lines.values().filter(|l| spread(l)).flatten().map(|(from, ..)| *from).min();
    for ((name, _), list) in &mut lines {
        list.sort_by_key(|(from, to, r)| (*from, *to, r.line));
        for pair in list.windows(2) {
            let ((_, end, _), (from, _, r)) = (&pair[0], &pair[1]);
            if from < end {
                let message = format!("`{name}` is charged twice for {}", r.get("ChargePeriodStart"));
                out.push(r.finding("ChargePeriodStart", "period-twice", message));
            } else if from > end {
                let message = format!("`{name}` has nothing from {} to {}", date::text(*end), date::text(*from));
                out.push(r.finding("ChargePeriodStart", "month-missing", message));
            }
        }
        if !spread(list) {
            continue;
        }
        let (Some(from), Some((_, to, r))) = (list.first().map(|l| l.0), list.last()) else {
            continue;
        };
        if Some(from) != first {
            out.push(r.finding(
                "ChargePeriodStart",
                "month-missing",
                format!("`{name}` begins later than the others"),
            ));
        }
        if Some(*to) != last {
            out.push(r.finding("ChargePeriodEnd", "month-missing", format!("`{name}` ends earlier than the others")));
        }
    }
    between(records, out);
}

/// No month of the file is left out.
fn between(records: &[Record<'_>], out: &mut Vec<Finding>) {
    let starts: BTreeSet<i64> = records.iter().filter_map(|r| date::parse(r.get("BillingPeriodStart"))).collect();
    let list: Vec<i64> = starts.into_iter().collect();
    for pair in list.windows(2) {
        if Month::of(pair[0]).next().start_s() != pair[1] && Month::of(pair[0]).start_s() == pair[0] {
            let message = format!("no row between {} and {}", date::text(pair[0]), date::text(pair[1]));
            out.push(super::finding(1, "BillingPeriodStart", "month-missing", message));
        }
    }
}

/// What a commitment costs is what is used up of it.
fn commitments(records: &[Record<'_>], out: &mut Vec<Finding>) {
    let mut sums: BTreeMap<&str, (f64, f64, u64)> = BTreeMap::new();
    for r in records.iter().filter(|r| !r.get("CommitmentDiscountId").is_empty()) {
        let sum = sums.entry(r.get("CommitmentDiscountId")).or_insert((0.0, 0.0, r.line));
        match r.get("ChargeCategory") {
            "Usage" => sum.0 += r.number("EffectiveCost").unwrap_or(0.0),
            "Purchase" => {
                sum.1 += r.number("BilledCost").unwrap_or(0.0);
                if r.number("EffectiveCost").is_some_and(|v| v != 0.0) {
                    let message = "a commitment is booked where it is used, not where it is bought".to_string();
                    out.push(r.finding("EffectiveCost", "commitment", message));
                }
            }
            _ => {}
        }
    }
    for (id, (used, bought, line)) in sums {
        if (used - bought).abs() > CENT_USD.max(1e-9 * bought.abs()) {
            let message = format!("`{id}` is bought for {bought} and used for {used}");
            out.push(super::finding(line, "CommitmentDiscountId", "commitment", message));
        }
    }
}
