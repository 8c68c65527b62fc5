//! What a number is, told by the unit in its name.

use super::{Cell, Kind};

/// How people see a number of this dotted path; `None` for a count or a pure number.
#[must_use]
pub fn kind_of(path: &str) -> Option<Kind> {
    let last = path.rsplit('.').next().unwrap_or(path);
    let within = |name: &str| path.starts_with(name);
    // The unit is at the end of a name, or in the name of the table around it; longer ends first.
    const ENDS: [(&str, Kind); 33] = [
        ("usd_per_mtoken", Kind::Rate("USD/Mtoken")),
        ("usd_per_useful_device_hour", Kind::Rate("USD/h")),
        ("j_per_token", Kind::Rate("J/token")),
        ("device_hours", Kind::Si("h")),
        ("kg_co2e_per_kwh", Kind::Rate("kg/kWh")),
        ("usd_per_kwh", Kind::Rate("USD/kWh")),
        ("usd_per_device_hour", Kind::Rate("USD/h")),
        ("usd_per_device_hour_low", Kind::Rate("USD/h")),
        ("usd_per_device_hour_high", Kind::Rate("USD/h")),
        ("usd_per_kw_month", Kind::Rate("USD/kW/month")),
        ("usd_per_gb_month", Kind::Rate("USD/GB/month")),
        ("l_per_kwh", Kind::Rate("L/kWh")),
        ("tokens_per_s_per_device", Kind::Rate("tokens/s")),
        ("flop_per_s_per_device", Kind::Si("FLOP/s")),
        ("attention_per_s_per_device", Kind::Si("FLOP/s")),
        ("bytes_per_s", Kind::Si("B/s")),
        ("flop_per_s", Kind::Si("FLOP/s")),
        ("flop_per_token", Kind::Si("FLOP")),
        ("flop_per_token_full_attention", Kind::Si("FLOP")),
        ("s_per_day", Kind::Duration),
        ("kg_co2e", Kind::Carbon),
        ("_fraction", Kind::Percent),
        ("_efficiency", Kind::Percent),
        ("_attention", Kind::Si("FLOP")),
        ("_bytes", Kind::Bytes),
        ("_flop", Kind::Si("FLOP")),
        ("tokens", Kind::Si("tokens")),
        ("_usd", Kind::Usd),
        ("_j", Kind::Energy),
        ("_w", Kind::Si("W")),
        ("_l", Kind::Si("L")),
        ("_s", Kind::Duration),
        ("utilization", Kind::Percent),
    ];
    match last {
        "mfu" | "hfu" | "goodput" | "efficiency" => return Some(Kind::Percent),
        "checkpoint_bytes" => return Some(Kind::Si("B")),
        "pue" => return Some(Kind::Plain(2)),
        "params_total" | "params_active" | "stated_params" => return Some(Kind::Si("")),
        "low_usd" | "base_usd" | "high_usd" => return Some(Kind::Usd),
        // In tables whose other numbers have a unit.
        "discount_rate" => return Some(Kind::Percent),
        "fullest_stage" => return None,
        _ => {}
    }
    const WITHIN: [(&str, Kind); 6] = [
        ("bill.energy_j", Kind::Energy),
        ("bill.carbon_kg_co2e", Kind::Carbon),
        ("bill.cost_usd", Kind::Usd),
        ("bill.power_w", Kind::Si("W")),
        ("memory", Kind::Bytes),
        ("run.lost", Kind::Duration),
    ];
    ENDS.iter()
        .find(|(end, _)| last.ends_with(end))
        .or_else(|| WITHIN.iter().find(|(name, _)| within(name)))
        .map(|(_, kind)| *kind)
}

/// The number under this dotted path as a cell.
#[must_use]
pub fn cell(path: &str, number: f64) -> Cell {
    match kind_of(path) {
        Some(kind) => Cell::quantity(number, kind),
        None if number.fract() == 0.0 => Cell::Count(number),
        // Three significant digits, as everywhere.
        None => Cell::quantity(
            number,
            Kind::Plain(match number.abs() {
                a if a < 1.0 => 4,
                a if a < 10.0 => 2,
                a if a < 100.0 => 1,
                _ => 0,
            }),
        ),
    }
}
