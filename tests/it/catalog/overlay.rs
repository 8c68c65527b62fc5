//! A folder of one's own: a device, a price, a grid and a place that the catalog does not have.

use crate::support::{Folder, origin};
use exaplan::catalog::{Catalog, Layer, Region};
use exaplan::plan::{Plan, Scenario, plan};
use exaplan::units::{HOUR_S, KWH_J};

/// Two files, as people keep them: the order of files and of entries does not matter.
const MACHINE: &str = r#"format = 1

[node.our-node]
extends = "dgx-h100"
accelerator = "our-part"
source = "our order"

[accelerator.our-part]
extends = "h100-sxm-80gb"
title = "H100 with more memory"
memory_bytes = "120 GiB"
memory_bytes_per_s = "4 TB/s"
source = "our data sheet"
"#;

const PLACE: &str = r#"format = 1

[offer.our-rent]
provider = "us"
accelerator = "our-part"
region = "our-hall"
commitment = "on-demand"
base_usd_per_device_hour = 1.5
as_of = "2026-11"
source = "our contract"

[region.our-hall]
title = "Our hall"
provider = "us"
grid = "our-dam"
pue = 1.05
wue_l_per_kwh = 0.0
electricity_usd_per_kwh = 0.04
source = "our meter"

[grid.our-dam]
title = "Our dam"
location_kg_co2e_per_kwh = 0.01
water_l_per_kwh = 5.0
year = 2026
source = "our operator"
"#;

fn ours() -> Catalog {
    let folder = Folder::new();
    std::fs::write(folder.path().join("a-machine.toml"), MACHINE).unwrap();
    std::fs::write(folder.path().join("b-place.toml"), PLACE).unwrap();
    Catalog::builtin()
        .overlay_dir(folder.path(), Layer::User)
        .unwrap_or_else(|e| panic!("{e}"))
}

fn planned(catalog: Catalog, node: &str, region: &str) -> Plan {
    let text = format!(
        "[model]\nuse = \"llama3-8b\"\n[training]\ntokens = \"1T\"\nsequence = 4096\nglobal_batch = \"512 sequences\"\n\
         [cluster]\nnode = \"{node}\"\nnodes = 8\nregion = \"{region}\"\n"
    );
    let (scenario, catalog) = Scenario::parse(&origin(&text), &[], catalog).unwrap_or_else(|e| panic!("{e}"));
    plan(&scenario, &catalog).unwrap_or_else(|e| panic!("{e}"))
}

fn assert_near(a: f64, b: f64) {
    assert!((a / b - 1.0).abs() < 1e-9, "{a}, {b}");
}

#[test]
fn a_folder_of_ones_own_changes_device_price_and_place() {
    let plan = planned(ours(), "our-node", "our-hall");
    let scenario = &plan.scenario;
    assert_eq!(scenario.accelerator.name, "our-part");
    assert_near(scenario.accelerator.memory_bytes, 120.0 * 1024.0f64.powi(3));
    // What the entry does not say comes from the one it extends, with its measured profile.
    assert_near(scenario.accelerator.tdp_w, 700.0);
    assert_near(scenario.profile.as_ref().unwrap().memory_bytes_per_s, 4e12);
    assert!(plan.step.memory.iter().all(|m| m.capacity_bytes > 100e9), "{:?}", plan.step.memory);

    // The price of the place is found without being named, and nothing else is billed for devices.
    let cloud = plan.bill.cost.cloud.as_ref().unwrap();
    assert_eq!(cloud.offer, "our-rent");
    assert_near(cloud.compute_usd, 64.0 * plan.run.wall_s / HOUR_S * 1.5);
    let told = scenario.assumptions.iter().find(|a| a.key == "cost.offer").unwrap();
    assert_eq!(told.source, "our contract");

    let energy = &plan.bill.energy;
    assert_near(energy.facility_j, 1.05 * energy.it_j);
    assert_near(plan.bill.carbon.operational_location_kg_co2e, 0.01 * energy.facility_j / KWH_J);
    assert_near(plan.bill.water_l, 5.0 * energy.facility_j / KWH_J);
}

#[test]
fn only_what_the_folder_changes_differs() {
    let (here, there) = (
        planned(ours(), "dgx-h100", "our-hall"),
        planned(Catalog::builtin(), "dgx-h100", "us-east-1"),
    );
    // The built-in device is untouched by an entry that extends it.
    assert_eq!(here.step, there.step);
    assert_near(here.bill.energy.it_j, there.bill.energy.it_j);
    let old: Region = Catalog::builtin().get("us-east-1").unwrap();
    let factor = |pue: f64, grid: f64| pue * grid;
    assert_near(
        here.bill.carbon.operational_location_kg_co2e / there.bill.carbon.operational_location_kg_co2e,
        factor(1.05, 0.01) / factor(old.pue, old.grid.location_kg_co2e_per_kwh),
    );
    // Our price is for our device: the built-in one keeps the market's.
    let offer = |plan: &Plan| plan.scenario.offer.as_ref().unwrap().name.clone();
    assert!(offer(&here).starts_with("market-"), "{}", offer(&here));
    assert!(offer(&there).starts_with("aws-p5-48xlarge"), "{}", offer(&there));
    assert_ne!(here.provenance.catalog_digest, there.provenance.catalog_digest);
}

#[test]
fn an_entry_of_the_same_name_changes_the_built_in_one_for_all_who_name_it() {
    let folder = Folder::new();
    let text = "[grid.our-dam]\nextends = \"egrid-srvc\"\nlocation_kg_co2e_per_kwh = 0.5\nsource = \"us\"\n\
                [region.us-east-1]\nextends = \"us-east-1\"\ngrid = \"our-dam\"\nsource = \"us\"\n";
    std::fs::write(folder.path().join("own.toml"), text).unwrap();
    let catalog = Catalog::builtin()
        .overlay_dir(folder.path(), Layer::User)
        .unwrap_or_else(|e| panic!("{e}"));
    let region: Region = catalog.get("us-east-1").unwrap();
    assert_near(region.grid.location_kg_co2e_per_kwh, 0.5);
    let old: Region = Catalog::builtin().get("us-east-1").unwrap();
    assert_near(region.pue, old.pue);
    let hidden: Vec<&str> = catalog.shadowed().map(|(_, e)| e.name.as_str()).collect();
    assert_eq!(hidden, ["us-east-1"]);
}
