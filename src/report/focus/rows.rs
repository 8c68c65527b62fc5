//! Items as rows: one for each item and calendar month.

use super::date::{Month, text};
use super::items::{Item, Paid, When};
use crate::report::csv::guard;
use std::collections::BTreeMap;

/// Value of a row by column; what is not there is null.
pub(super) type Row = BTreeMap<&'static str, String>;

/// A calendar month, and the part of the time in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Slice {
    month: (i64, i64),
    charge: (i64, i64),
    /// Of the whole time.
    share: f64,
}

/// A time that begins with a month, cut at the months.
pub(super) fn slices(first: Month, whole_s: f64) -> Vec<Slice> {
    #[allow(clippy::cast_possible_truncation)]
    let whole = (whole_s.round() as i64).max(1);
    let start = first.start_s();
    let end = start + whole;
    let mut out = Vec::new();
    let mut month = first;
    while month.start_s() < end {
        let (from, to) = (month.start_s(), month.next().start_s());
        let charge = (from, to.min(end));
        #[allow(clippy::cast_precision_loss)]
        let share = (charge.1 - charge.0) as f64 / whole as f64;
        out.push(Slice {
            month: (from, to),
            charge,
            share,
        });
        month = month.next();
    }
    out
}

/// A number as FOCUS and those who read CSV want it: plain, with a decimal point.
pub(super) fn decimal(value: f64) -> String {
    let text = format!("{}", value + 0.0);
    if text.contains('.') { text } else { format!("{text}.0") }
}

/// The sums of a file that mean something.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Totals {
    /// Paid.
    pub billed_usd: f64,
    /// Booked.
    pub effective_usd: f64,
}

/// The rows of an item over the slices; `common` is the same in all rows.
pub(super) fn rows(item: &Item, slices: &[Slice], common: &Row, totals: &mut Totals) -> Vec<Row> {
    let chosen: Vec<Slice> = match item.when {
        When::Spread => slices.to_vec(),
        When::First => slices.first().copied().into_iter().map(|s| Slice { share: 1.0, ..s }).collect(),
        When::Last => slices.last().copied().into_iter().map(|s| Slice { share: 1.0, ..s }).collect(),
    };
    let several = chosen.len() > 1;
    chosen
        .iter()
        .enumerate()
        .map(|(i, slice)| {
            let nth = several.then(|| (i + 1, chosen.len()));
            row(item, slice, nth, common, totals)
        })
        .collect()
}

fn row(item: &Item, slice: &Slice, nth: Option<(usize, usize)>, common: &Row, totals: &mut Totals) -> Row {
    let mut row = common.clone();
    let mut put = |name: &'static str, value: String| {
        row.insert(name, value);
    };
    put("BillingPeriodStart", text(slice.month.0));
    put("BillingPeriodEnd", text(slice.month.1));
    put("ChargePeriodStart", text(slice.charge.0));
    put("ChargePeriodEnd", text(slice.charge.1));
    let of = nth.map_or_else(String::new, |(n, of)| format!(", month {n} of {of}"));
    put("ChargeDescription", format!("ESTIMATE {}{of}", item.text));
    put("ChargeCategory", item.category.to_string());
    put("ChargeFrequency", item.frequency.to_string());
    let service = item.service;
    put("ServiceCategory", service.0.to_string());
    put("ServiceSubcategory", service.1.to_string());
    put("ServiceName", service.2.to_string());
    for name in [
        "ProviderName",
        "PublisherName",
        "InvoiceIssuerName",
        "ServiceProviderName",
        "HostProviderName",
    ] {
        put(name, guard(&item.seller));
    }
    put("x_LineItem", item.key.to_string());
    put("x_CostNature", item.nature.to_string());
    put("x_PriceSource", guard(&item.source.source));
    put("x_PriceDate", guard(&item.source.date));
    put("x_PriceConfidence", guard(&item.source.confidence));
    if let Some(life_s) = item.amortization_s {
        put("x_AmortisationMonths", decimal(life_s / crate::units::MONTH_S));
    }
    let impact = item.impact;
    for (name, value) in [
        ("x_EnergyKwh", impact.energy_kwh),
        ("x_CarbonLocationKg", impact.location_kg),
        ("x_CarbonMarketKg", impact.market_kg),
        ("x_CarbonEmbodiedKg", impact.embodied_kg),
        ("x_WaterLitres", impact.water_l),
    ] {
        if let Some(v) = value {
            put(name, decimal(v * slice.share));
        }
    }
    money(item, slice.share, totals, &mut put);
    row
}

fn money(item: &Item, share: f64, totals: &mut Totals, put: &mut impl FnMut(&'static str, String)) {
    let cost_usd = item.cost_usd * share;
    let billed_usd = if item.paid == Paid::Before { 0.0 } else { cost_usd };
    let effective_usd = if item.paid == Paid::Ahead { 0.0 } else { cost_usd };
    totals.billed_usd += billed_usd;
    totals.effective_usd += effective_usd;
    put("BilledCost", decimal(billed_usd));
    put("EffectiveCost", decimal(effective_usd));
    put("PricingCurrencyEffectiveCost", decimal(effective_usd));
    if item.unit.is_empty() {
        // A tax has no price.
        put("ListCost", decimal(cost_usd));
        put("ContractedCost", decimal(cost_usd));
        return;
    }
    // What comes back is a quantity of minus one at a price, as no price is negative.
    let (price_usd, quantity) = if item.list_usd < 0.0 {
        (-item.list_usd, -item.quantity * share)
    } else {
        (item.list_usd, item.quantity * share)
    };
    for name in ["ListCost", "ContractedCost"] {
        put(name, decimal(price_usd * quantity));
    }
    for name in [
        "ListUnitPrice",
        "ContractedUnitPrice",
        "PricingCurrencyListUnitPrice",
        "PricingCurrencyContractedUnitPrice",
    ] {
        put(name, decimal(price_usd));
    }
    put("PricingQuantity", decimal(quantity));
    put("PricingUnit", item.unit.to_string());
    put("PricingCategory", item.pricing.to_string());
    if item.category == "Usage" {
        put("ConsumedQuantity", decimal(quantity));
        put("ConsumedUnit", item.unit.to_string());
    }
    put("SkuId", guard(&item.sku));
    put("SkuPriceId", guard(&format!("{}/{}", item.sku, item.key)));
    put("SkuMeter", item.service.2.to_string());
    put("SkuPriceDetails", item.details.to_string());
    let resource = format!("estimate/{}", item.key);
    put("ResourceName", resource.clone());
    put("ResourceId", resource);
    put("ResourceType", item.service.3.to_string());
    if let Some((id, kind)) = &item.commitment {
        put("CommitmentDiscountId", guard(id));
        put("CommitmentDiscountName", guard(id));
        put("CommitmentDiscountCategory", "Usage".to_string());
        put("CommitmentDiscountType", (*kind).to_string());
        put("CommitmentDiscountQuantity", decimal(quantity));
        put("CommitmentDiscountUnit", item.unit.to_string());
        if item.category == "Usage" {
            put("CommitmentDiscountStatus", "Used".to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_cut_at_the_months_of_the_calendar() {
        // 40 days from 1 February 2028, a leap year: all of February and 11 days.
        let first = Month::parse("2028-02").unwrap();
        let list = slices(first, 40.0 * 86_400.0);
        assert_eq!(list.len(), 2);
        assert_eq!(
            (list[0].charge.1 - list[0].charge.0, list[1].charge.1 - list[1].charge.0),
            (29 * 86_400, 11 * 86_400)
        );
        assert!((list.iter().map(|s| s.share).sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(text(list[1].charge.1), "2028-03-12T00:00:00Z");
        assert_eq!(text(list[1].month.1), "2028-04-01T00:00:00Z");
        assert_eq!(slices(first, 0.0).len(), 1);
    }

    #[test]
    fn numbers_have_a_decimal_point() {
        for (value, want) in [
            (95_232.0, "95232.0"),
            (0.25, "0.25"),
            (-0.0, "0.0"),
            (1e17, "100000000000000000.0"),
            (1e-7, "0.0000001"),
        ] {
            assert_eq!(decimal(value), want);
        }
    }
}
