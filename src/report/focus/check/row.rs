//! One row for itself.

use super::super::columns::{CURRENCIES, Column, Kind, PRICE_KEYS, SERVICES, belongs};
use super::super::date;
use super::{Finding, Record};
use serde_json::Value;

/// Relative error that products may have: what a sum in cents loses.
const PRODUCT: f64 = 1e-9;
/// Units that are no count of something and no compound of such.
const LONGEST_UNIT: usize = 40;

pub(super) fn check(record: &Record<'_>, columns: &[&Column], out: &mut Vec<Finding>) {
    for column in columns {
        let value = record.get(column.name);
        if value.is_empty() {
            if !column.null {
                out.push(record.finding(column.name, "empty", "must not be empty".to_string()));
            }
        } else if let Some((rule, message)) = wrong(column, value) {
            out.push(record.finding(column.name, rule, message));
        }
    }
    periods(record, out);
    service(record, out);
    products(record, out);
    category(record, out);
    estimate(record, out);
}

/// A number as FOCUS writes it: digits, a point, an exponent; no sign but minus, no separators.
pub(super) fn number(text: &str) -> Option<f64> {
    let plain = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = plain.split_once(['e', 'E']).map_or((plain, None), |(m, e)| (m, Some(e)));
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    let well = digits(whole) && fraction.is_none_or(digits) && exponent.is_none_or(|e| digits(e.strip_prefix('-').unwrap_or(e)));
    if well {
        text.parse().ok().filter(|v: &f64| v.is_finite())
    } else {
        None
    }
}

/// What is wrong with a value that is there.
fn wrong(column: &Column, value: &str) -> Option<(&'static str, String)> {
    match column.kind {
        Kind::Text => {
            let formula = value.starts_with(['=', '+', '-', '@', '\t', '\r']);
            formula.then(|| ("formula", format!("`{value}` would run as a formula in a spreadsheet")))
        }
        Kind::Decimal => number(value)
            .is_none()
            .then(|| ("number", format!("`{value}` is no plain decimal number"))),
        Kind::Price => match number(value) {
            None => Some(("number", format!("`{value}` is no plain decimal number"))),
            Some(v) if v < 0.0 => Some(("negative", format!("`{value}` is less than nothing"))),
            Some(_) => None,
        },
        Kind::Date => date::parse(value)
            .is_none()
            .then(|| ("date", format!("`{value}` is no date and time like 2027-01-31T00:00:00Z"))),
        Kind::Currency => {
            (!CURRENCIES.split_whitespace().any(|c| c == value)).then(|| ("currency", format!("`{value}` is no currency of ISO 4217")))
        }
        Kind::Unit => unit(value),
        Kind::Json => object(column.name, value),
        Kind::OneOf(list) => (!list.contains(&value)).then(|| ("value", format!("`{value}` is none of {}", list.join(", ")))),
    }
}

/// `Hours`, `GB-Months`, `kWh`: words of letters joined by hyphens or slashes.
fn unit(value: &str) -> Option<(&'static str, String)> {
    let word = |w: &str| !w.is_empty() && w.chars().all(|c| c.is_ascii_alphanumeric()) && !w.starts_with(|c: char| c.is_ascii_digit());
    let well = value.len() <= LONGEST_UNIT && value.split(['-', '/', ' ']).all(word);
    (!well).then(|| ("unit", format!("`{value}` is no unit like Hours or GB-Months")))
}

/// A flat object; prices have keys of FOCUS or their own with `x_`.
fn object(column: &str, value: &str) -> Option<(&'static str, String)> {
    let Ok(Value::Object(map)) = serde_json::from_str::<Value>(value) else {
        return Some(("json", format!("`{value}` is no JSON object")));
    };
    if let Some((key, _)) = map.iter().find(|(_, v)| v.is_object() || v.is_array()) {
        return Some(("json", format!("`{key}` holds more than one value")));
    }
    let foreign = |key: &&String| !PRICE_KEYS.contains(&key.as_str()) && !key.starts_with("x_");
    match map.keys().find(foreign) {
        Some(key) if column == "SkuPriceDetails" => Some(("json-key", format!("`{key}` is no key of FOCUS and does not begin with x_"))),
        _ => None,
    }
}

/// A month of the calendar, and a time within it that is not over when the file is made.
fn periods(r: &Record<'_>, out: &mut Vec<Finding>) {
    let at = |name: &str| date::parse(r.get(name));
    let (billing, charge) = (
        at("BillingPeriodStart").zip(at("BillingPeriodEnd")),
        at("ChargePeriodStart").zip(at("ChargePeriodEnd")),
    );
    if let Some((from, to)) = billing {
        let month = date::Month::of(from);
        if month.start_s() != from || month.next().start_s() != to {
            let message = format!(
                "{} to {} is no month of the calendar",
                r.get("BillingPeriodStart"),
                r.get("BillingPeriodEnd")
            );
            out.push(r.finding("BillingPeriodStart", "billing-month", message));
        }
    }
    let Some((from, to)) = charge else { return };
    if to <= from {
        out.push(r.finding("ChargePeriodEnd", "period", "ends before it begins".to_string()));
    }
    if billing.is_some_and(|(a, b)| from < a || to > b) {
        out.push(r.finding(
            "ChargePeriodStart",
            "outside-billing",
            "lies outside of its billing period".to_string(),
        ));
    }
    if at("x_GeneratedAt").is_some_and(|made| from < made) {
        let message = "begins before the file was made: an estimate is of the future".to_string();
        out.push(r.finding("ChargePeriodStart", "past", message));
    }
}

fn service(r: &Record<'_>, out: &mut Vec<Finding>) {
    let (category, subcategory) = (r.get("ServiceCategory"), r.get("ServiceSubcategory"));
    if !category.is_empty() && !SERVICES.iter().any(|(name, _)| *name == category) {
        let message = format!("`{category}` is no category of FOCUS");
        out.push(r.finding("ServiceCategory", "service-category", message));
    } else if !subcategory.is_empty() && !category.is_empty() && !belongs(subcategory, category) {
        let message = format!("`{subcategory}` does not belong to `{category}`");
        out.push(r.finding("ServiceSubcategory", "service-subcategory", message));
    }
}

/// Cost is unit price times quantity, in either currency where they are the same.
fn products(r: &Record<'_>, out: &mut Vec<Finding>) {
    for (cost, price) in [("ListCost", "ListUnitPrice"), ("ContractedCost", "ContractedUnitPrice")] {
        let (Some(usd), Some(each), Some(n)) = (r.number(cost), r.number(price), r.number("PricingQuantity")) else {
            continue;
        };
        if (each * n - usd).abs() > PRODUCT * usd.abs().max(1.0) {
            let message = format!("{usd} is not {price} {each} times PricingQuantity {n}, {}", each * n);
            out.push(r.finding(cost, "product", message));
        }
    }
    if r.get("PricingCurrency") == r.get("BillingCurrency") {
        for (own, same) in [
            ("PricingCurrencyListUnitPrice", "ListUnitPrice"),
            ("PricingCurrencyContractedUnitPrice", "ContractedUnitPrice"),
            ("PricingCurrencyEffectiveCost", "EffectiveCost"),
        ] {
            if r.number(own) != r.number(same) {
                let message = format!("differs from {same} in the same currency");
                out.push(r.finding(own, "pricing-currency", message));
            }
        }
    }
}

/// What must be there, and must not, by the category of the charge.
fn category(r: &Record<'_>, out: &mut Vec<Finding>) {
    let kind = r.get("ChargeCategory");
    let mut say = |column: &str, rule, message: &str| out.push(r.finding(column, rule, message.to_string()));
    for (quantity, unit) in [
        ("PricingQuantity", "PricingUnit"),
        ("ConsumedQuantity", "ConsumedUnit"),
        ("CommitmentDiscountQuantity", "CommitmentDiscountUnit"),
    ] {
        if r.get(quantity).is_empty() != r.get(unit).is_empty() {
            say(unit, "quantity-unit", "a quantity has a unit, and a unit a quantity");
        }
    }
    match kind {
        "Usage" | "Purchase" => {
            for column in [
                "PricingQuantity",
                "PricingUnit",
                "ListUnitPrice",
                "ContractedUnitPrice",
                "PricingCategory",
                "SkuId",
                "SkuPriceId",
            ] {
                if r.get(column).is_empty() {
                    say(column, "needed", "a use or purchase has one");
                }
            }
        }
        "Tax" => {
            for column in [
                "PricingQuantity",
                "PricingUnit",
                "ListUnitPrice",
                "ContractedUnitPrice",
                "PricingCategory",
            ] {
                if !r.get(column).is_empty() {
                    say(column, "tax", "a tax has none");
                }
            }
            if r.number("BilledCost") != r.number("EffectiveCost") {
                say("EffectiveCost", "tax", "a tax is booked as it is billed");
            }
        }
        _ => {}
    }
    if kind == "Purchase" && r.get("ChargeFrequency") == "Usage-Based" {
        say("ChargeFrequency", "frequency", "a purchase is not usage-based");
    }
    if kind == "Purchase" && r.number("EffectiveCost").is_some_and(|v| v != 0.0) {
        say("EffectiveCost", "purchase", "what is bought is booked by the rows that use it up");
    }
    if kind != "Usage" && !r.get("ConsumedQuantity").is_empty() {
        say("ConsumedQuantity", "consumed", "only use is consumed");
    }
    if kind != "Adjustment" && kind != "Credit" && ["BilledCost", "EffectiveCost"].iter().any(|c| r.number(c).is_some_and(|v| v < 0.0)) {
        say("BilledCost", "negative", "only a credit or an adjustment is less than nothing");
    }
    if r.get("CommitmentDiscountId").is_empty() == (r.get("PricingCategory") == "Committed") {
        if r.get("PricingCategory") == "Committed" {
            say("CommitmentDiscountId", "commitment", "what is committed names its commitment");
        } else if kind == "Usage" {
            say("PricingCategory", "commitment", "use under a commitment is priced as committed");
        }
    }
}

/// What makes a row an estimate.
fn estimate(r: &Record<'_>, out: &mut Vec<Finding>) {
    let mut say = |column: &str, message: &str| out.push(r.finding(column, "estimate", message.to_string()));
    if !r.get("ChargeDescription").starts_with("ESTIMATE") {
        say("ChargeDescription", "an estimate begins with ESTIMATE");
    }
    if r.get("BillingAccountType") != "Estimate" {
        say("BillingAccountType", "an estimate has the account type Estimate");
    }
    let tagged = serde_json::from_str::<Value>(r.get("Tags")).is_ok_and(|t| t["estimate"] == "true");
    if !tagged {
        say("Tags", "an estimate has the tag estimate=true");
    }
    for column in ["InvoiceId", "ChargeClass"] {
        if !r.get(column).is_empty() {
            say(column, "an estimate has none");
        }
    }
}
