use super::check::check;
use super::*;
use crate::catalog::Catalog;
use crate::plan::{Scenario, plan};

const MADE_S: i64 = 1_796_083_200;

fn planned(sets: &[&str]) -> (Plan, Catalog) {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    let (scenario, catalog) = Scenario::load("llama3-405b", &sets, Catalog::builtin()).unwrap();
    (plan(&scenario, &catalog).unwrap(), catalog)
}

fn asked(version: Version, scope: Scope) -> Asked {
    Asked {
        version,
        scope,
        first: Month::parse("2027-01").unwrap(),
        made_s: MADE_S,
    }
}

const ALL: [&[&str]; 6] = [
    &[],
    &["cost.owned=true"],
    &["cost.commitment=1-year"],
    &["cost.commitment=\"spot\"", "cost.usd_per_device_hour=1.2", "reliability.spares=40"],
    &[
        "cost.owned=true",
        "cost.own_facility=true",
        "cost.egress=\"120 TB\"",
        "cost.data_licences=\"3 MUSD\"",
        "cost.experiments_fraction=0.5",
        "cost.tax_fraction=0.19",
        "finance.default.residual_fraction=0.2",
    ],
    &["cost.tax_fraction=0.19", "name=\"=cmd()|'x'!A0\""],
];

#[test]
fn a_bill_of_the_run_sums_to_the_plan_and_passes_the_check() {
    for sets in ALL {
        let (plan, catalog) = planned(sets);
        for version in [Version::V1_2, Version::V1_4] {
            let out = export(&plan, &catalog, &asked(version, Scope::Run)).unwrap();
            let total = plan.bill.cost.total_usd.unwrap();
            assert!(
                (out.totals.effective_usd - total).abs() < 0.01,
                "{sets:?}: {} against {total}",
                out.totals.effective_usd
            );
            let checked = check(&out.csv, Some(&out.manifest.to_string())).unwrap();
            assert_eq!(checked.findings, [], "{sets:?}");
            assert_eq!(checked.version, version);
            assert!((checked.totals.effective_usd - total).abs() < 0.01);
        }
    }
}

#[test]
fn over_a_whole_life_cash_and_accrual_are_those_of_the_books() {
    for sets in [
        &["cost.owned=true"][..],
        ALL[4],
        &["finance.default.life_s=1.0e8", "finance.default.residual_fraction=0.1"],
    ] {
        let (plan, catalog) = planned(sets);
        let out = export(&plan, &catalog, &asked(Version::V1_2, Scope::Life)).unwrap();
        let books = plan.bill.cost.books.as_ref().unwrap();
        for (sum, want) in [
            (out.totals.billed_usd, books.cash_usd()),
            (out.totals.effective_usd, books.accrual_usd()),
            (out.totals.billed_usd, out.totals.effective_usd),
        ] {
            assert!((sum / want - 1.0).abs() < 1e-9, "{sets:?}: {sum} against {want}");
        }
        assert_eq!(check(&out.csv, Some(&out.manifest.to_string())).unwrap().findings, [], "{sets:?}");
    }
}

#[test]
fn energy_and_carbon_of_the_rows_are_those_of_the_plan() {
    for sets in [ALL[0], ALL[1]] {
        let (plan, catalog) = planned(sets);
        let out = export(&plan, &catalog, &asked(Version::V1_2, Scope::Run)).unwrap();
        let mut reader = ::csv::Reader::from_reader(out.csv.as_bytes());
        let header = reader.headers().unwrap().clone();
        let rows: Vec<::csv::StringRecord> = reader.records().map(|r| r.unwrap()).collect();
        let sum = |column: &str| -> f64 {
            let at = header.iter().position(|n| n == column).unwrap();
            rows.iter().filter_map(|r| r[at].parse::<f64>().ok()).sum()
        };
        let bill = &plan.bill;
        for (column, want) in [
            ("x_EnergyKwh", bill.energy.facility_j / 3.6e6),
            ("x_CarbonLocationKg", bill.carbon.operational_location_kg_co2e),
            ("x_CarbonEmbodiedKg", bill.carbon.embodied_kg_co2e),
            ("x_WaterLitres", bill.water_l),
        ] {
            assert!(
                (sum(column) / want - 1.0).abs() < 1e-9,
                "{sets:?} {column}: {} against {want}",
                sum(column)
            );
        }
    }
}

#[test]
fn a_plan_whose_prices_were_drawn_is_no_median() {
    let (mut plan, catalog) = planned(&[]);
    let percentile = |plan: &Plan| {
        let out = export(plan, &catalog, &asked(Version::V1_2, Scope::Run)).unwrap();
        assert_eq!(check(&out.csv, Some(&out.manifest.to_string())).unwrap().findings, []);
        out.manifest["x"]["x_EstimatePercentile"].clone()
    };
    assert_eq!(percentile(&plan), "P50");
    plan.drawn = crate::plan::ranges(&plan).map(|ranges| crate::plan::Drawn {
        ranges,
        note: "a test".to_string(),
    });
    assert_eq!(percentile(&plan), "as planned");
}

#[test]
fn a_machine_without_a_price_has_no_bill() {
    let (mut plan, catalog) = planned(&[]);
    plan.bill.cost.way = None;
    (plan.bill.cost.cloud, plan.bill.cost.owned, plan.bill.cost.books) = (None, None, None);
    for scope in [Scope::Run, Scope::Life] {
        assert!(export(&plan, &catalog, &asked(Version::V1_2, scope)).is_err());
    }
}

/// A table that can be spoilt.
struct Sheet {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Sheet {
    fn of(csv: &str) -> Sheet {
        let mut reader = ::csv::Reader::from_reader(csv.as_bytes());
        let words = |r: &::csv::StringRecord| r.iter().map(str::to_string).collect();
        Sheet {
            header: words(reader.headers().unwrap()),
            rows: reader.records().map(|r| words(&r.unwrap())).collect(),
        }
    }

    fn text(&self) -> String {
        let mut writer = ::csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        writer.write_record(&self.header).unwrap();
        self.rows.iter().for_each(|r| writer.write_record(r).unwrap());
        String::from_utf8(writer.into_inner().unwrap()).unwrap()
    }

    fn at(&mut self, row: usize, column: &str) -> &mut String {
        let at = self.header.iter().position(|n| n == column).unwrap();
        &mut self.rows[row][at]
    }

    fn set(&mut self, row: usize, column: &str, value: &str) {
        *self.at(row, column) = value.to_string();
    }
}

/// A way to spoil a table.
type Spoil = fn(&mut Sheet);

#[test]
fn every_seeded_defect_is_caught() {
    let (plan, catalog) = planned(&["cost.commitment=1-year", "cost.tax_fraction=0.1", "cost.data_licences=\"1 MUSD\""]);
    let out = export(&plan, &catalog, &asked(Version::V1_2, Scope::Run)).unwrap();
    assert_eq!(check(&out.csv, None).unwrap().findings, []);
    let n_months = Sheet::of(&out.csv)
        .rows
        .iter()
        .filter(|r| r.iter().any(|c| c == "accelerators.training"))
        .count();
    assert!(n_months >= 3, "{n_months}: a gap needs a month between two others");
    let defects: [(&str, &str, Spoil); 37] = [
        ("wrong product", "product", |s| s.set(1, "ListCost", "12345.0")),
        ("wrong contracted product", "product", |s| s.set(1, "ContractedUnitPrice", "0.5")),
        ("bad date", "date", |s| s.set(0, "ChargePeriodStart", "2027-02-30T00:00:00Z")),
        ("local time", "date", |s| s.set(0, "ChargePeriodEnd", "2027-02-01 00:00:00")),
        ("duplicate period", "period-twice", |s| s.rows.push(s.rows[0].clone())),
        ("unknown category", "service-category", |s| {
            s.set(2, "ServiceCategory", "Supercomputing")
        }),
        ("foreign subcategory", "service-subcategory", |s| {
            s.set(2, "ServiceSubcategory", "Object Storage")
        }),
        ("one service in two categories", "service-twice", |s| {
            s.set(1, "ServiceCategory", "Storage");
            s.set(1, "ServiceSubcategory", "Object Storage");
        }),
        ("missing month", "month-missing", |s| {
            s.rows.remove(1);
        }),
        ("early end", "month-missing", |s| {
            let end = s.header.iter().position(|n| n == "x_LineItem").unwrap();
            let last = s.rows.iter().rposition(|r| r[end] == "storage").unwrap();
            s.rows.remove(last);
        }),
        ("unknown currency", "currency", |s| s.set(0, "BillingCurrency", "USX")),
        ("two currencies", "one-of-a-file", |s| s.set(1, "BillingCurrency", "EUR")),
        ("price in a currency sign", "number", |s| s.set(0, "BilledCost", "$12.00")),
        ("thousands separator", "number", |s| s.set(0, "PricingQuantity", "1,000.0")),
        ("plus sign", "number", |s| s.set(0, "EffectiveCost", "+1.0")),
        ("not a number", "number", |s| s.set(0, "ListCost", "NaN")),
        ("empty mandatory value", "empty", |s| s.set(0, "ProviderName", "")),
        ("unknown charge", "value", |s| s.set(0, "ChargeCategory", "Rent")),
        ("usage-based purchase", "frequency", |s| {
            let row = s.rows.iter().position(|r| r.iter().any(|c| c == "Purchase")).unwrap();
            s.set(row, "ChargeFrequency", "Usage-Based");
        }),
        ("a purchase booked at once", "purchase", |s| {
            let row = s.rows.iter().position(|r| r.iter().any(|c| c == "licences.purchase")).unwrap();
            s.set(row, "EffectiveCost", "1000000.0");
        }),
        ("end before start", "period", |s| {
            let start = s.at(0, "ChargePeriodStart").clone();
            s.set(0, "ChargePeriodEnd", &start);
        }),
        ("charge outside its billing period", "outside-billing", |s| {
            s.set(0, "ChargePeriodEnd", "2027-02-02T00:00:00Z")
        }),
        ("billing period that is no month", "billing-month", |s| {
            s.set(0, "BillingPeriodEnd", "2027-02-02T00:00:00Z")
        }),
        ("past period", "past", |s| {
            s.rows.iter_mut().for_each(|r| {
                let at = s.header.iter().position(|n| n == "x_GeneratedAt").unwrap();
                r[at] = "2028-01-01T00:00:00Z".to_string();
            })
        }),
        ("an invoice", "estimate", |s| s.set(0, "InvoiceId", "INV-1")),
        ("a description that hides the estimate", "estimate", |s| {
            s.set(0, "ChargeDescription", "rent")
        }),
        ("no tag", "estimate", |s| s.set(0, "Tags", "{}")),
        ("a correction", "estimate", |s| s.set(0, "ChargeClass", "Correction")),
        ("two percentiles", "one-of-a-file", |s| s.set(3, "x_EstimatePercentile", "P90")),
        ("broken JSON", "json", |s| s.set(0, "SkuPriceDetails", "{GpuCount:8}")),
        ("foreign price key", "json-key", |s| s.set(0, "SkuPriceDetails", "{\"Gpus\":8}")),
        ("quantity without unit", "quantity-unit", |s| s.set(0, "PricingUnit", "")),
        ("a formula", "formula", |s| s.set(0, "ResourceName", "=HYPERLINK(\"x\")")),
        ("commitment not used up", "commitment", |s| s.set(0, "EffectiveCost", "1.0")),
        ("a missing column", "missing-column", |s| {
            let at = s.header.iter().position(|n| n == "ListCost").unwrap();
            s.header.remove(at);
            s.rows.iter_mut().for_each(|r| {
                r.remove(at);
            });
        }),
        ("a column of one's own without prefix", "unknown-column", |s| {
            s.header.push("Team".to_string());
            s.rows.iter_mut().for_each(|r| r.push("a".to_string()));
        }),
        ("a short row", "row-length", |s| {
            s.rows[0].pop();
        }),
    ];
    for (what, rule, spoil) in defects {
        let mut sheet = Sheet::of(&out.csv);
        spoil(&mut sheet);
        let found = check(&sheet.text(), None).unwrap().findings;
        assert!(found.iter().any(|f| f.rule == rule), "{what}: {found:?}");
    }
    // A tax that has a price, and a manifest of another file.
    let mut sheet = Sheet::of(&out.csv);
    let tax = sheet.rows.iter().position(|r| r.iter().any(|c| c == "Tax")).unwrap();
    sheet.set(tax, "PricingUnit", "Units");
    let found = check(&sheet.text(), Some(&out.manifest.to_string())).unwrap().findings;
    assert!(
        ["tax", "manifest"].iter().all(|rule| found.iter().any(|f| f.rule == *rule)),
        "{found:?}"
    );
}
