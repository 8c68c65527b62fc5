//! Power caps, envelopes, seasons and hours through a scenario.

use crate::support::plan_text;
use exaplan::error::Error;
use exaplan::lint::warnings;

const RUN: &str = "model.use = \"llama3-70b\"\n[training]\ntokens = \"1T\"\nsequence = 8192\nglobal_batch = \"512 sequences\"\n\
                   [cluster]\nnode = \"dgx-h100\"\nnodes = 64\nregion = \"us-average\"\n\
                   [layout]\ntensor = 8\npipeline = 4\ndata = 16\nmicro_batch = 1";

#[test]
fn a_cap_slows_the_step_less_than_it_saves_power() {
    let at = |cap: &str| plan_text(RUN, &[&format!("power.device_cap=\"{cap} W\"")]).unwrap();
    let free = plan_text(RUN, &[]).unwrap();
    assert_eq!(at("700").step.time_s, free.step.time_s, "the board's own limit is no cap");
    let mut before = free.clone();
    for (cap, least) in [("600", 1.01), ("500", 1.04)] {
        let plan = at(cap);
        let cap_w: f64 = cap.parse().unwrap();
        let slower = plan.step.time_s / before.step.time_s;
        let math = plan.step.parts.math_s / free.step.parts.math_s;
        // Kernels that are bound by the clock slow down by the cube root; those bound by memory do not.
        let most = ((700.0 - 70.1_f64) / (cap_w - 70.1)).cbrt();
        println!(
            "{cap} W: step {:.3} of 700 W, math {math:.3} (cube root {most:.3}), energy {:.3}",
            plan.step.time_s / free.step.time_s,
            plan.bill.energy.facility_j / free.bill.energy.facility_j
        );
        assert!(
            plan.step.time_s / free.step.time_s >= least && math <= most + 1e-9,
            "{cap} W: {math}, {most}"
        );
        assert!(plan.bill.energy.mean_w < before.bill.energy.mean_w && plan.bill.energy.peak_w < before.bill.energy.peak_w);
        assert!(slower < before.bill.energy.peak_w / plan.bill.energy.peak_w * 1.2);
        assert!(plan.scenario.assumptions.iter().any(|a| a.key == "power.clock_under_cap"));
        before = plan;
    }
}

#[test]
fn a_cap_outside_the_board_is_refused() {
    for cap in ["701 W", "60 W"] {
        let Err(Error::Invalid(list)) = plan_text(RUN, &[&format!("power.device_cap=\"{cap}\"")]) else {
            panic!("{cap} is taken");
        };
        assert!(
            list.iter().any(|d| d.message.contains("power.device_cap") && d.help.is_some()),
            "{list:?}"
        );
    }
}

#[test]
fn an_envelope_is_held_against_the_peak() {
    let said = |envelope: &str| {
        let plan = plan_text(RUN, &[&format!("power.envelope=\"{envelope}\"")]).unwrap();
        warnings(&plan).iter().any(|w| w.code == "envelope")
    };
    assert!(said("500 kW") && !said("5 MW"));
}

#[test]
fn the_tdp_convention_is_an_option_and_named() {
    let ours = plan_text(RUN, &[]).unwrap();
    let theirs = plan_text(RUN, &["power.convention=\"tdp\""]).unwrap();
    let e = &theirs.bill.energy;
    assert!((e.it_j / ours.bill.energy.tdp_convention_j - 1.0).abs() < 1e-9);
    assert!((e.facility_j / (e.it_j * 1.25) - 1.0).abs() < 1e-12);
    assert!(e.facility_j < ours.bill.energy.facility_j);
    assert_eq!((e.hosts_j, e.network_j, e.storage_j), (0.0, 0.0, 0.0));
    let row = theirs.scenario.assumptions.iter().find(|a| a.key == "power.convention").unwrap();
    assert!(row.value.contains("TDP"), "{row:?}");
    assert!(ours.scenario.assumptions.iter().all(|a| a.key != "power.convention"));
}

#[test]
fn the_date_of_a_run_chooses_hours_and_months() {
    let year: Vec<String> = (0..8760)
        .map(|h| if h < 4380 { "0.2".to_string() } else { "0.6".to_string() })
        .collect();
    let text = format!(
        "{RUN}\n[grid.hourly]\nextends = \"egrid-us\"\nhourly_kg_co2e_per_kwh = [{}]\n\
         [region.hourly]\nextends = \"us-average\"\ngrid = \"hourly\"\npue_by_month = [1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.5, 1.5, 1.5, 1.5, 1.5, 1.5]",
        year.join(", ")
    );
    let at = |start: &[&str]| plan_text(&text, &[&["cluster.region=\"hourly\"", "training.tokens=\"100B\""], start].concat()).unwrap();
    let plain = at(&[]);
    assert!((plain.bill.carbon.location_kg_co2e_per_kwh - 0.4).abs() < 1e-9);
    assert!(
        plain
            .scenario
            .assumptions
            .iter()
            .any(|a| a.key == "carbon.start" && a.value.contains("mean"))
    );
    for (start, factor, pue) in [("2027-01-05", 0.2, 1.1), ("2027-09-05", 0.6, 1.5)] {
        let plan = at(&[&format!("carbon.start={start}")]);
        assert!(plan.run.wall_s < 90.0 * 86_400.0, "a run that stays in its half of the year");
        assert!((plan.bill.carbon.location_kg_co2e_per_kwh - factor).abs() < 1e-9, "{start}");
        assert!((plan.bill.energy.pue - pue).abs() < 1e-9, "{start}");
        assert!(plan.scenario.assumptions.iter().all(|a| a.key != "carbon.start"));
    }
    let wrong = plan_text(RUN, &["carbon.start=\"in spring\""]);
    assert!(matches!(wrong, Err(Error::Invalid(list)) if list.iter().any(|d| d.message.contains("carbon.start"))));
}
