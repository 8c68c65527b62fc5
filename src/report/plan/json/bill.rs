//! `bill` of `plan --json`.

use crate::bill::books::Year;
use crate::bill::{Bill, Books, Carbon, Cloud, Energy, Extra, Owned, ScopeLine};
use crate::plan::Plan;
use crate::report::plan::way;
use serde_json::{Value, json};

pub(super) fn bill(plan: &Plan) -> Value {
    let (b, scenario): (&Bill, _) = (&plan.bill, &plan.scenario);
    let (energy, cost) = (&b.energy, &b.cost);
    json!({
        "energy_j": energy_j(energy),
        "power_w": {
            "mean": energy.mean_w,
            "peak": energy.peak_w,
            "peak_it": energy.peak_it_w,
            "swing_it": energy.swing_it_w,
        },
        "pue": energy.pue,
        "carbon_kg_co2e": carbon_kg_co2e(&b.carbon),
        "grid_kg_co2e_per_kwh": b.carbon.location_kg_co2e_per_kwh,
        "sci_kg_co2e": {
            "per_run": b.carbon.sci.run_kg_co2e,
            "per_billion_tokens": b.carbon.sci.gtoken_kg_co2e,
            "per_eflop": b.carbon.sci.eflop_kg_co2e,
        },
        "ghg_scopes": b.scopes.iter().map(scope).collect::<Vec<_>>(),
        "water_l": b.water_l,
        "water_onsite_l": b.water_onsite_l,
        "cost_usd": {
            "total": cost.total_usd,
            "way": cost.way.map(way),
            "goodput_loss": cost.goodput_loss_usd,
            "cloud": cost.cloud.as_ref().map(cloud),
            "owned": cost.owned.as_ref().map(owned),
            "present_value": cost.present_value_usd,
            "books": cost.books.as_ref().map(books),
            "npv_of_buying": cost.npv_of_buying_usd,
            "discount_rate": cost.discount_rate_fraction,
        },
        "in_currency": scenario.terms.currency.as_ref().map(|c| json!({
            "currency": c.code,
            "usd": c.unit_usd,
            "as_of": c.as_of,
            "total": cost.total_in(c),
        })),
        "per_unit": {
            "device_hours": plan.device_hours(),
            "useful_device_hours": plan.useful_device_hours(),
            "usd_per_useful_device_hour": plan.usd_per_useful_device_hour(),
            "usd_per_mtoken": plan.usd_per_mtoken(),
            "j_per_token": plan.j_per_token(),
        },
        "break_even_utilization": cost.break_even_utilization_fraction,
        "offer": scenario.offer.as_ref().map(|o| json!({
            "name": o.name,
            "provider": o.provider,
            "commitment": o.commitment.name(),
            "usd_per_device_hour": o.usd_per_device_hour.base_usd,
            "usd_per_device_hour_low": o.usd_per_device_hour.low_usd,
            "usd_per_device_hour_high": o.usd_per_device_hour.high_usd,
            "as_of": o.as_of,
        })),
    })
}

fn energy_j(energy: &Energy) -> Value {
    json!({
        "math": energy.math_j,
        "recompute": energy.recompute_j,
        "optimizer": energy.optimizer_j,
        "communication": energy.communication_j,
        "bubble": energy.bubble_j,
        "lost": energy.lost_j,
        "restart": energy.restart_j,
        "idle": energy.idle_j,
        "network": energy.network_j,
        "storage": energy.storage_j,
        "it": energy.it_j,
        "devices": energy.devices_j,
        "hosts": energy.hosts_j,
        "cooling": energy.cooling_j,
        "total": energy.facility_j,
        "tdp_convention": energy.tdp_convention_j,
    })
}

fn carbon_kg_co2e(carbon: &Carbon) -> Value {
    json!({
        "operational_location": carbon.operational_location_kg_co2e,
        "operational_market": carbon.operational_market_kg_co2e,
        "operational_marginal": carbon.operational_marginal_kg_co2e,
        "embodied": carbon.embodied_kg_co2e,
        "embodied_booked": carbon.embodied_booked_kg_co2e,
        "total": carbon.total_location_kg_co2e,
    })
}

fn scope(line: &ScopeLine) -> Value {
    json!({
        "scope": line.scope,
        "what": line.what,
        "location_kg_co2e": line.location_kg_co2e,
        "market_kg_co2e": line.market_kg_co2e,
    })
}

fn extra(e: &Extra) -> Value {
    json!({
        "egress": e.egress_usd,
        "licences": e.licences_usd,
        "experiments": e.experiments_usd,
        "failed_runs": e.failed_runs_usd,
        "tax": e.tax_usd,
    })
}

fn cloud(c: &Cloud) -> Value {
    json!({
        "compute": c.compute_usd,
        "support": c.support_usd,
        "storage": c.storage_usd,
        "extra": extra(&c.extra),
        "total": c.total_usd,
        "total_at_low_price": c.price_low_total_usd,
        "total_at_high_price": c.price_high_total_usd,
        "commitment": c.commitment_usd,
    })
}

/// Year 0 is the purchase; cash and accrual come to the same over all years.
fn books(b: &Books) -> Value {
    let year = |y: &Year| {
        json!({
            "year": y.number,
            "cash": y.cash_usd,
            "accrual": y.accrual_usd,
            "rent": y.rent_usd,
        })
    };
    json!({
        "cash": b.cash_usd(),
        "accrual": b.accrual_usd(),
        "years": b.years.iter().map(year).collect::<Vec<_>>(),
    })
}

fn owned(o: &Owned) -> Value {
    json!({
        "capital": o.capital_usd,
        "financing": o.financing_usd,
        "electricity": o.electricity_usd,
        "colocation": o.colocation_usd,
        "facility": o.facility_usd,
        "maintenance": o.maintenance_usd,
        "staff": o.staff_usd,
        "support": o.support_usd,
        "storage": o.storage_usd,
        "extra": extra(&o.extra),
        "total": o.total_usd,
        "purchase": o.purchase_usd,
        "purchase_by_item": {
            "servers": o.capital.servers_usd,
            "network": o.capital.network_usd,
            "facility": o.capital.facility_usd,
        },
    })
}
