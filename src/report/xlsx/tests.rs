use super::{FIXED_EPOCH_S, workbook};
use crate::catalog::Catalog;
use crate::plan::{Plan, Scenario, plan};
use calamine::{Data, Reader, Xlsx};
use std::io::Cursor;

fn planned(overrides: &[&str]) -> (Plan, Catalog) {
    let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
    let (scenario, catalog) = Scenario::load("llama3-405b", &overrides, Catalog::builtin()).unwrap();
    (plan(&scenario, &catalog).unwrap(), catalog)
}

fn book(plan: &Plan, catalog: &Catalog) -> Xlsx<Cursor<Vec<u8>>> {
    Xlsx::new(Cursor::new(workbook(plan, catalog, None, FIXED_EPOCH_S).unwrap())).unwrap()
}

/// The cached value behind a name.
fn named(book: &mut Xlsx<Cursor<Vec<u8>>>, name: &str) -> f64 {
    let (_, reference) = book.defined_names().iter().find(|(n, _)| n == name).unwrap().clone();
    let (sheet, cell) = reference.rsplit_once('!').unwrap();
    let mut parts = cell.split('$').skip(1);
    let column = u32::from(parts.next().unwrap().as_bytes()[0] - b'A');
    let row: u32 = parts.next().unwrap().parse().unwrap();
    let range = book.worksheet_range(sheet.trim_matches('\'')).unwrap();
    match range.get_value((row - 1, column)) {
        Some(Data::Float(v)) => *v,
        other => panic!("{name}: {other:?}"),
    }
}

#[test]
fn cached_totals_are_those_of_the_plan() {
    let cases: [&[&str]; 7] = [
        &[],
        &["cost.owned=true"],
        &["cost.usd_per_device_hour=7.5", "region.us-east-1.electricity_usd_per_kwh=0.31"],
        &[
            "cost.owned=true",
            "finance.default.residual_fraction=0.2",
            "finance.default.utilization_fraction=0.02",
        ],
        &[
            "cost.owned=true",
            "cost.own_facility=true",
            "cost.egress=\"120 TB\"",
            "cost.data_licences=\"3 MUSD\"",
            "cost.experiments_fraction=0.5",
            "cost.failed_runs_fraction=0.1",
            "cost.tax_fraction=0.19",
            "cost.discount_rate_fraction=0.07",
            "finance.default.support_fraction=0.04",
            "reliability.spares=40",
        ],
        &[
            "cost.commitment=\"spot\"",
            "cost.usd_per_device_hour=1.2",
            "cost.preempted_every=\"20000 h\"",
            "cost.experiments_fraction=0.2",
        ],
        &["power.convention=\"tdp\"", "power.device_cap=\"600 W\"", "cost.owned=true"],
    ];
    for overrides in cases {
        let (plan, catalog) = planned(overrides);
        let mut book = book(&plan, &catalog);
        let bill = &plan.bill;
        let (cloud, owned) = (bill.cost.cloud.as_ref().unwrap(), bill.cost.owned.as_ref().unwrap());
        for (name, usd) in [
            ("total_usd", bill.cost.total_usd.unwrap()),
            ("rent_total_usd", cloud.total_usd),
            ("owned_total_usd", owned.total_usd),
            ("capital_usd", owned.capital_usd),
            ("financing_usd", owned.financing_usd),
            ("electricity_usd", owned.electricity_usd),
            ("colocation_usd", owned.colocation_usd),
            ("maintenance_usd", owned.maintenance_usd),
            ("storage_usd", owned.storage_usd),
            ("purchase_usd", owned.purchase_usd),
            ("facility_usd", owned.facility_usd),
            ("staff_usd", owned.staff_usd),
            ("support_usd", owned.support_usd),
            ("owned_tax_usd", owned.extra.tax_usd),
            ("egress_usd", cloud.extra.egress_usd),
            ("rent_experiments_usd", cloud.extra.experiments_usd),
            ("rent_compute_usd", cloud.compute_usd),
            ("npv_of_buying_usd", bill.cost.npv_of_buying_usd.unwrap()),
            ("present_value_usd", bill.cost.present_value_usd.unwrap()),
        ] {
            let seen = named(&mut book, name);
            assert!((seen - usd).abs() < 0.01, "{overrides:?} {name}: {seen} against {usd}");
        }
        for (name, value) in [
            ("facility_kwh", bill.energy.facility_j / 3.6e6),
            ("peak_it_kw", bill.energy.peak_it_w / 1e3),
            ("carbon_total_kg", bill.carbon.total_location_kg_co2e),
            ("water_total_l", bill.water_l),
            ("wall_h", plan.run.wall_s / 3600.0),
            ("goodput_fraction", plan.run.goodput),
        ] {
            let seen = named(&mut book, name);
            assert!((seen / value - 1.0).abs() < 1e-9, "{overrides:?} {name}: {seen} against {value}");
        }
    }
}

#[test]
fn sheets_stand_in_order_and_every_check_holds() {
    let (plan, catalog) = planned(&["cost.owned=true"]);
    let mut book = book(&plan, &catalog);
    let sheets = [
        "Summary",
        "Assumptions",
        "Capacity",
        "Monthly cost",
        "Capex & amortization",
        "Cash flow & NPV",
        "Sensitivity",
        "Energy & carbon",
        "Layout & time",
        "Audit",
    ];
    assert_eq!(book.sheet_names(), sheets);
    for sheet in sheets {
        for (_, _, cell) in book.worksheet_range(sheet).unwrap().used_cells() {
            assert!(!matches!(cell, Data::Error(_)), "{sheet}: {cell:?}");
            assert_ne!(cell, &Data::String("CHECK".to_string()), "{sheet}");
        }
        let formulas = book.worksheet_formula(sheet).unwrap();
        assert!(formulas.used_cells().all(|(_, _, f)| f.len() < 8000), "{sheet}");
    }
}

#[test]
fn words_of_a_user_are_never_formulas() {
    for name in ["=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(A1)", "\t=1", "\r=1", "\u{1}<&\"'>", ""] {
        let (mut plan, catalog) = planned(&[]);
        plan.scenario.name = name.to_string();
        plan.provenance.overrides = vec![name.to_string()];
        plan.scenario.cluster.node.title = name.to_string();
        let mut book = book(&plan, &catalog);
        let seen = book.worksheet_range("Summary").unwrap();
        if !name.is_empty() && !name.contains(char::is_control) {
            assert_eq!(seen.get_value((2, 0)), Some(&Data::String(name.to_string())));
        }
        for sheet in ["Summary", "Audit", "Capacity"] {
            for (row, column, formula) in book.worksheet_formula(sheet).unwrap().used_cells() {
                assert!(
                    name.is_empty() || !formula.contains(name),
                    "{sheet} {row},{column}: {formula} from {name:?}"
                );
            }
            assert!(
                book.worksheet_formula(sheet)
                    .unwrap()
                    .get_value((2, 0))
                    .is_none_or(String::is_empty)
            );
        }
    }
}

#[test]
fn the_same_plan_is_the_same_bytes() {
    let (plan, catalog) = planned(&[]);
    let bytes = |epoch| workbook(&plan, &catalog, None, epoch).unwrap();
    assert_eq!(bytes(FIXED_EPOCH_S), bytes(FIXED_EPOCH_S));
    assert_ne!(bytes(FIXED_EPOCH_S), bytes(FIXED_EPOCH_S + 86_400));
}

#[test]
fn a_machine_without_prices_has_a_book_without_totals() {
    let (mut plan, catalog) = planned(&[]);
    plan.scenario.offer = None;
    plan.scenario.cluster.node.price = None;
    (plan.bill.cost.way, plan.bill.cost.total_usd) = (None, None);
    (plan.bill.cost.cloud, plan.bill.cost.owned) = (None, None);
    let book = book(&plan, &catalog);
    assert!(book.defined_names().iter().all(|(n, _)| n != "total_usd"));
    assert!(!book.sheet_names().contains(&"Sensitivity".to_string()));
}

/// What is planned, P10, P50 and P90 of an answer of the first sheet.
fn ends(book: &mut Xlsx<Cursor<Vec<u8>>>, label: &str) -> [f64; 4] {
    let range = book.worksheet_range("Summary").unwrap();
    let row = range.rows().find(|r| r[0] == Data::String(label.to_string())).unwrap();
    [1, 2, 3, 4].map(|i| match row[i] {
        Data::Float(v) => v,
        ref other => panic!("{label}: {other:?}"),
    })
}

#[test]
fn ranges_of_the_sheet_are_those_of_the_plan() {
    let none: &[&str] = &[];
    let transfer: &[&str] = &["cost.egress=\"120 TB\"", "cost.data_licences=\"3 MUSD\""];
    for overrides in [none, &["cost.owned=true"], transfer] {
        let (plan, catalog) = planned(overrides);
        let spread = crate::plan::ranges(&plan).unwrap();
        let mut book = book(&plan, &catalog);
        let cost = spread.cost_usd.unwrap();
        for (label, q, unit) in [
            ("Time to train, days", spread.wall_s, 86_400.0),
            ("Cost, USD", cost, 1.0),
            ("Energy at the meter, MWh", spread.energy_j, 3.6e9),
            ("Carbon, t CO2e", spread.carbon_kg_co2e, 1e3),
        ] {
            let seen = ends(&mut book, label);
            for (value, want) in seen.iter().zip([q.p50, q.p10, q.p50, q.p90]) {
                let near = (value * unit / want - 1.0).abs() < 1e-6;
                assert!(near, "{overrides:?} {label}: {} against {want}", value * unit);
            }
        }
    }
}

#[test]
fn what_was_drawn_stands_in_the_sheet() {
    use crate::study::uncertain::{Options, uncertain};
    let sets = ["unknowns.cost.usd_per_device_hour={ uniform = [2, 3] }".to_string()];
    let read = |more: &[String]| {
        let all: Vec<String> = sets.iter().chain(more).cloned().collect();
        Ok(Scenario::load("llama3-405b", &all, Catalog::builtin())?.0)
    };
    let (mut plan, catalog) = planned(&[&sets[0]]);
    let options = Options {
        n_samples: Some(60),
        seed: 1,
    };
    let study = uncertain(&plan, &read, options).unwrap();
    plan.drawn = study.drawn();
    let bytes = workbook(&plan, &catalog, Some(&study), FIXED_EPOCH_S).unwrap();
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).unwrap();
    let cost = study
        .outputs
        .iter()
        .find(|o| o.metric == crate::study::metric::Metric::Cost)
        .unwrap();
    let [_, p10, p50, p90] = ends(&mut book, "Cost, USD");
    for (seen, want) in [(p10, cost.quantiles.p10), (p50, cost.quantiles.p50), (p90, cost.quantiles.p90)] {
        assert!((seen / want - 1.0).abs() < 1e-9, "{seen} against {want}");
    }
    let sheet = book.worksheet_range("Sensitivity").unwrap();
    assert!(
        sheet
            .used_cells()
            .any(|(.., c)| matches!(c, Data::String(t) if t.contains("60 samples, seed 1")))
    );
    // The plan's own price is far from what was drawn, and the book says so.
    let summary = book.worksheet_range("Summary").unwrap();
    assert!(
        summary
            .used_cells()
            .any(|(.., c)| matches!(c, Data::String(t) if t.contains("outside of P10 to P90: cost")))
    );
}

/// A number that the planner has worked out, with all its digits: the step model may change it.
fn masked(text: &str) -> String {
    let mut out = String::new();
    let mut run = String::new();
    for c in text.chars().chain(['\0']) {
        if c.is_ascii_digit() || (c == '.' && !run.is_empty()) {
            run.push(c);
            continue;
        }
        let digits = run.chars().filter(char::is_ascii_digit).count();
        out += if digits >= 6 && run.contains('.') { "#" } else { run.as_str() };
        run.clear();
        out.push(c);
    }
    out.trim_end_matches('\0').to_string()
}

/// Every cell that holds words or a formula; computed numbers are held against the plan elsewhere.
fn cells(book: &mut Xlsx<Cursor<Vec<u8>>>) -> String {
    let mut out = String::new();
    for sheet in book.sheet_names() {
        // Words of assumptions and of provenance are those of the plan's report.
        let words = !["Audit", "Assumptions"].contains(&sheet.as_str());
        let (values, formulas) = (book.worksheet_range(&sheet).unwrap(), book.worksheet_formula(&sheet).unwrap());
        out += &format!("[{sheet}]\n");
        for (row, column, formula) in formulas.used_cells().filter(|(.., f)| !f.is_empty()) {
            let (top, left) = formulas.start().unwrap();
            let at = format!(
                "{}{}",
                char::from(b'A' + u8::try_from(left as usize + column).unwrap()),
                top as usize + row + 1
            );
            out += &format!("{at} ={}\n", masked(formula));
        }
        for (row, column, cell) in values.used_cells() {
            let (top, left) = values.start().unwrap();
            let at = format!(
                "{}{}",
                char::from(b'A' + u8::try_from(left as usize + column).unwrap()),
                top as usize + row + 1
            );
            let told: String = match cell {
                Data::String(text) if words => text.chars().map(|c| if c.is_ascii_digit() { '#' } else { c }).collect(),
                Data::String(text) if column < 2 && sheet == "Assumptions" => text.clone(),
                _ => continue,
            };
            out += &format!("{at} {told}\n");
        }
    }
    let names: Vec<String> = book.defined_names().iter().map(|(name, at)| format!("{name} {at}")).collect();
    out + &names.join("\n")
}

#[test]
fn the_cells_are_those_of_the_golden_book() {
    let (plan, catalog) = planned(&["cost.owned=true"]);
    insta::assert_snapshot!(cells(&mut book(&plan, &catalog)));
}

mod comparison {
    use super::*;
    use crate::report::compare::{Case, Comparison};
    use crate::report::xlsx::compare::workbook;

    #[test]
    fn totals_and_causes_are_those_of_the_plans() {
        let sets: [&[&str]; 3] = [
            &[],
            &["cluster.nodes=1024", "layout.data=64", "cost.tax_fraction=0.1"],
            &["cost.owned=true"],
        ];
        let cases = sets.iter().zip('A'..).map(|(s, letter)| Case {
            letter,
            asked: s.join(","),
            changed: s.iter().map(ToString::to_string).collect(),
            plan: planned(s).0,
            study: None,
        });
        let shown = Comparison::new(cases.collect(), Vec::new());
        let bytes = workbook(&shown, FIXED_EPOCH_S).unwrap();
        assert_eq!(bytes, workbook(&shown, FIXED_EPOCH_S).unwrap());
        let mut book: Xlsx<Cursor<Vec<u8>>> = Xlsx::new(Cursor::new(bytes)).unwrap();
        assert_eq!(book.sheet_names(), ["Summary", "Cost", "Causes", "Assumptions", "Audit"]);
        for sheet in book.sheet_names() {
            for (_, _, cell) in book.worksheet_range(&sheet).unwrap().used_cells() {
                assert!(
                    !matches!(cell, Data::Error(_)) && cell != &Data::String("CHECK".to_string()),
                    "{sheet}: {cell:?}"
                );
            }
        }
        let summary = book.worksheet_range("Summary").unwrap();
        let row = summary.rows().find(|r| r[0] == Data::String("Cost, USD".to_string())).unwrap();
        for (cell, case) in row[1..4].iter().zip(&shown.cases) {
            let Data::Float(usd) = cell else { panic!("{cell:?}") };
            assert!((usd - case.plan.bill.cost.total_usd.unwrap()).abs() < 0.01, "{usd}");
        }
        assert!(
            summary
                .used_cells()
                .any(|(.., c)| matches!(c, Data::String(t) if t.contains("estimate, not a quote")))
        );
    }
}
