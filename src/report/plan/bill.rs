//! Energy, carbon, water and money of a plan.

use super::{human, list};
use crate::bill::{Cloud, Owned};
use crate::plan::Plan;
use crate::report::{Cell, KeyValue, Kind};

/// The cost, with the price it rests on.
pub(super) fn headline(plan: &Plan) -> KeyValue {
    let cost = &plan.bill.cost;
    let Some(total) = cost.total_usd else {
        return KeyValue::new("Cost", Cell::Missing)
            .note("no price is known: --set cost.usd_per_device_hour=2.5")
            .answer();
    };
    let item = KeyValue::new("Cost", Cell::quantity(total, Kind::Usd)).answer();
    let other = in_currency(plan).map_or(String::new(), |text| format!("; {text}"));
    match (&cost.cloud, &plan.scenario.offer) {
        (Some(cloud), Some(offer)) if !plan.scenario.owned => {
            let range = price_range(cloud).map_or(String::new(), |r| format!("; {r} over its price range"));
            item.note(format!(
                "{:.2} USD per device-hour, {} ({}){range}{other}",
                cloud.usd_per_device_hour, offer.name, offer.as_of
            ))
        }
        _ => item.note(format!("owned: its share of what the cluster costs{other}")),
    }
}

/// The total in the scenario's other currency, with its rate and date.
fn in_currency(plan: &Plan) -> Option<String> {
    let currency = plan.scenario.terms.currency.as_ref()?;
    let total = plan.bill.cost.total_in(currency)?;
    Some(format!(
        "{} at {} USD each ({})",
        crate::units::si(total, &currency.code),
        currency.unit_usd,
        currency.as_of
    ))
}

fn price_range(cloud: &Cloud) -> Option<String> {
    let (low, high) = (cloud.price_low_total_usd, cloud.price_high_total_usd);
    (low < high).then(|| format!("{} to {}", human(low, Kind::Usd), human(high, Kind::Usd)))
}

/// Everything about the bill in a few lines.
pub(super) fn key_values(plan: &Plan) -> Vec<KeyValue> {
    let bill = &plan.bill;
    let (energy, carbon) = (&bill.energy, &bill.carbon);
    let mut out = vec![
        KeyValue::new("Energy", Cell::quantity(energy.facility_j, Kind::Energy)).note(list(&energy.named(), Kind::Energy)),
        KeyValue::new("Power", Cell::quantity(energy.mean_w, Kind::Si("W"))).note(power(plan)),
    ];
    let other = |name: &str, value: Option<f64>| value.map(|v| format!("; {name} {}", human(v, Kind::Carbon))).unwrap_or_default();
    let note = format!(
        "electricity by location {}, making the servers {}{}{}",
        human(carbon.operational_location_kg_co2e, Kind::Carbon),
        human(carbon.embodied_kg_co2e, Kind::Carbon),
        other("electricity by contracts", carbon.operational_market_kg_co2e),
        other("marginal", carbon.operational_marginal_kg_co2e),
    );
    out.push(KeyValue::new("Carbon", Cell::quantity(carbon.total_location_kg_co2e, Kind::Carbon)).note(note));
    let onsite = format!("{} of it on site", liters(bill.water_onsite_l));
    out.push(KeyValue::new("Water", Cell::Text(liters(bill.water_l))).note(onsite));
    out.extend(money(plan));
    out
}

/// What must be provided, and how far the load of the machine goes up and down in step.
fn power(plan: &Plan) -> String {
    let energy = &plan.bill.energy;
    format!(
        "mean at the meter; provide for {}; swings by {} within a step",
        human(energy.peak_w, Kind::Si("W")),
        human(energy.swing_it_w, Kind::Si("W"))
    )
}

/// What the bill comes to per unit of work.
pub(super) fn per_unit(plan: &Plan) -> Vec<KeyValue> {
    let hours = |h: f64| Cell::quantity(h, Kind::Si("h"));
    let trains = format!("held; {} of them train", hours(plan.useful_device_hours()).human());
    let mut out = vec![KeyValue::new("Device-hours", hours(plan.device_hours())).note(trains)];
    if let (Some(mtoken), Some(hour)) = (plan.usd_per_mtoken(), plan.usd_per_useful_device_hour()) {
        let note = format!("{} a device-hour that trains", human(hour, Kind::Rate("USD")));
        out.push(KeyValue::new("A million tokens", Cell::quantity(mtoken, Kind::Rate("USD"))).note(note));
    }
    out.push(KeyValue::new("A token", Cell::quantity(plan.j_per_token(), Kind::Rate("J"))).note("at the meter"));
    out
}

fn liters(l: f64) -> String {
    crate::units::si(l, "L")
}

fn money(plan: &Plan) -> Vec<KeyValue> {
    let cost = &plan.bill.cost;
    let mut out = Vec::new();
    if let Some(c) = &cost.cloud {
        out.push(KeyValue::new("Rented", Cell::quantity(c.total_usd, Kind::Usd)).note(list(&cloud_lines(c), Kind::Usd)));
    }
    if let Some(o) = &cost.owned {
        let use_above = cost.break_even_utilization_fraction.map(|u| match u {
            u if u > 1.0 => "; never cheaper at these prices".to_string(),
            u => format!("; cheaper above {:.0} % utilization", 100.0 * u),
        });
        let npv = cost.npv_of_buying_usd.map(|usd| {
            let rate = 100.0 * cost.discount_rate_fraction;
            format!("; buying for its life is worth {} at {rate:.0} %", human(usd, Kind::Usd))
        });
        let note = format!(
            "{}{}{}",
            list(&owned_lines(o), Kind::Usd),
            use_above.unwrap_or_default(),
            npv.unwrap_or_default()
        );
        out.push(KeyValue::new("Owned", Cell::quantity(o.total_usd, Kind::Usd)).note(note));
    }
    out
}

/// Lines of the cloud bill that cost something.
pub(super) fn cloud_lines(c: &Cloud) -> Vec<(&'static str, f64)> {
    paid(c.lines())
}

/// Lines of owning that cost something.
pub(super) fn owned_lines(o: &Owned) -> Vec<(&'static str, f64)> {
    paid(o.lines())
}

fn paid(mut lines: Vec<(&'static str, f64)>) -> Vec<(&'static str, f64)> {
    lines.retain(|(_, usd)| *usd > 0.0);
    lines
}
