//! What nobody gave is an error or is told; it is never silently nothing.

use crate::support::{origin, plan_text};
use exaplan::catalog::{Catalog, raw};
use exaplan::error::Error;
use exaplan::lint::warnings;

const SMALL: &str = "model.use = \"llama-7b\"\n[training]\ntokens = \"1T\"\nsequence = 2048\nglobal_batch = \"1024 sequences\"\n\
                     [cluster]\nnode = \"dgx-h100\"\nnodes = 16\nregion = \"us-average\"";

fn lines(error: &Error) -> String {
    match error {
        Error::Invalid(list) => list.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        other => other.to_string(),
    }
}

#[test]
fn a_catalog_entry_without_its_numbers_is_an_error() {
    let cases = [
        ("[grid.mine]\nwater_l_per_kwh = 2.0\nsource = \"me\"", "location_kg_co2e_per_kwh"),
        ("[grid.mine]\nlocation_kg_co2e_per_kwh = 0.4\nsource = \"me\"", "water_l_per_kwh"),
        (
            "[region.mine]\ngrid = \"egrid-us\"\npue = 1.2\nwue_l_per_kwh = 0.3\nsource = \"me\"",
            "electricity_usd_per_kwh",
        ),
        (
            "[region.mine]\ngrid = \"egrid-us\"\nwue_l_per_kwh = 0.3\nelectricity_usd_per_kwh = 0.1\nsource = \"me\"",
            "pue",
        ),
        (
            "[offer.mine]\nprovider = \"me\"\naccelerator = \"h200-sxm\"\nas_of = \"2026-11\"\nsource = \"me\"",
            "base_usd_per_device_hour",
        ),
        ("[finance.mine]\nlife_s = 1.5e8\nsource = \"me\"", "staff_usd_per_device_year"),
    ];
    for (text, key) in cases {
        let origin = origin(text);
        let (tree, _) = raw::parse(&origin);
        let told = lines(&Catalog::builtin().overlay_tree(&origin, tree).err().unwrap());
        assert!(told.lines().any(|t| t.contains(key) && t.contains("missing")), "{text}: {told}");
    }
}

#[test]
fn a_machine_without_a_price_has_no_total_and_says_so() {
    // A device that nobody offers, in servers without a price.
    let overrides = [
        "accelerator.odd.extends=\"h100-sxm-80gb\"",
        "accelerator.odd.title=\"odd\"",
        "node.odd.extends=\"gaudi3-8\"",
        "node.odd.accelerator=\"odd\"",
        "cluster.node=\"odd\"",
    ];
    let plan = plan_text(SMALL, &overrides).unwrap();
    let cost = &plan.bill.cost;
    assert_eq!((cost.total_usd, cost.way, &cost.cloud), (None, None, &None));
    assert_eq!((cost.npv_of_buying_usd, cost.present_value_usd, &cost.owned), (None, None, &None));
    assert!(warnings(&plan).iter().any(|w| w.code == "no-price"));
}

#[test]
fn every_value_of_the_bill_is_named_with_source_and_date() {
    let plan = plan_text(SMALL, &["cost.owned=true"]).unwrap();
    let rows = &plan.scenario.assumptions;
    for key in [
        "finance.default.life_s",
        "finance.default.network_fraction",
        "finance.default.residual_fraction",
        "finance.default.capital_rate_fraction",
        "finance.default.maintenance_fraction",
        "finance.default.colocation_usd_per_kw_month",
        "finance.default.utilization_fraction",
        "finance.default.storage_usd_per_gb_month",
        "finance.default.network_power_fraction",
        "finance.default.storage_w_per_tb",
        "finance.default.staff_usd_per_device_year",
        "finance.default.support_fraction",
        "region.us-average.pue",
        "region.us-average.wue_l_per_kwh",
        "region.us-average.electricity_usd_per_kwh",
        "grid.egrid-us.location_kg_co2e_per_kwh",
        "grid.egrid-us.water_l_per_kwh",
        "node.dgx-h100.idle_w",
        "node.dgx-h100.active_w",
        "node.dgx-h100.embodied_kg_co2e",
        "node.dgx-h100.price.base_usd",
    ] {
        let row = rows.iter().find(|a| a.key == key).unwrap_or_else(|| panic!("{key} is not named"));
        assert!(
            !row.value.is_empty() && !row.source.is_empty() && row.source != "no source",
            "{row:?}"
        );
        if key.starts_with("finance") || key.starts_with("grid") {
            assert!(row.source.contains("20"), "no date: {row:?}");
        }
    }
    let not_counted = rows.iter().find(|a| a.key == "cost.not_counted").unwrap();
    assert_eq!(
        not_counted.value,
        "egress, data_licences, experiments_fraction, failed_runs_fraction, tax_fraction"
    );
    // The price of renting is named with its date where one is used.
    let rented = plan_text(SMALL, &[]).unwrap();
    let offer = rented.scenario.assumptions.iter().find(|a| a.key == "cost.offer").unwrap();
    assert!(offer.value.contains("20"), "{offer:?}");
}

#[test]
fn what_is_declared_is_no_longer_left_out() {
    let plan = plan_text(SMALL, &["cost.experiments_fraction=0", "cost.egress=\"2 TB\""]).unwrap();
    let row = plan.scenario.assumptions.iter().find(|a| a.key == "cost.not_counted").unwrap();
    assert_eq!(row.value, "data_licences, failed_runs_fraction, tax_fraction");
}

#[test]
fn a_currency_needs_its_rate_and_date() {
    for given in [
        &["cost.currency=\"EUR\""][..],
        &["cost.currency=\"EUR\"", "cost.currency_usd=1.08"],
        &["cost.currency_usd=1.08", "cost.currency_date=\"2026-11-20\""],
    ] {
        let error = plan_text(SMALL, given).unwrap_err();
        assert!(
            lines(&error).contains("needs its rate and the date"),
            "{given:?}: {}",
            lines(&error)
        );
    }
    let given = ["cost.currency=\"EUR\"", "cost.currency_usd=1.08", "cost.currency_date=2026-11-20"];
    let plan = plan_text(SMALL, &given).unwrap();
    let (cost, currency) = (&plan.bill.cost, plan.scenario.terms.currency.as_ref().unwrap());
    assert!((cost.total_in(currency).unwrap() * 1.08 / cost.total_usd.unwrap() - 1.0).abs() < 1e-12);
    assert_eq!((currency.code.as_str(), currency.as_of.as_str()), ("EUR", "2026-11-20"));
}

#[test]
fn an_interruptible_price_brings_preemptions_and_says_what_it_assumes() {
    let spot = ["cost.commitment=\"spot\"", "cost.usd_per_device_hour=1.5"];
    let plan = plan_text(SMALL, &spot).unwrap();
    let named = |key: &str| plan.scenario.assumptions.iter().find(|a| a.key == key).unwrap();
    assert!(named("cost.preempted_every").source.contains("assumption of 2026"));
    assert!(!named("reliability.preemption_wait").source.is_empty());
    assert!(plan.run.lost.wait_s > 0.0);
    let steady = plan_text(SMALL, &["cost.usd_per_device_hour=1.5"]).unwrap();
    assert!(plan.run.goodput < steady.run.goodput);
    // Told, nothing is assumed, and rarer means less.
    let told = plan_text(SMALL, &[&spot[..], &["cost.preempted_every=\"50000 h\""]].concat()).unwrap();
    assert!(told.scenario.assumptions.iter().all(|a| a.key != "cost.preempted_every"));
    assert!(told.run.goodput > plan.run.goodput && told.run.goodput < steady.run.goodput);
}
