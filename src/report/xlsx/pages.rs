//! The sheets in order.

use super::drivers::{Driver, Section, sections};
use super::expr::Expr;
use super::model::{DEFINITIONS, Definition, Group, IDEAL_H, LOST_H, METER_KWH, OWNED_USD, RENTED_USD, Scope};
use super::page::Head::{Number, Words};
use super::page::{Look, Page, Written};
use super::picture::{Picture, Span};
use super::{schedules, sensitivity};
use crate::bill::Way;
use crate::catalog::Catalog;
use crate::plan::Plan;
use crate::report::plan::part_name;
use crate::study::uncertain::Uncertain;
use crate::units::GIB_BYTES;
use rust_xlsxwriter::{ChartType, Formula};
use std::collections::BTreeMap;

/// What the sheets are made of: drivers as named cells, then every value that was named on the way.
pub(super) struct Book<'a> {
    pub(super) plan: &'a Plan,
    /// What was drawn at random, if anything.
    pub(super) study: Option<&'a Uncertain>,
    pub(super) drivers: Scope,
    /// Units of the drivers.
    pub(super) units: BTreeMap<&'static str, &'static str>,
    /// Low and high end of the drivers that have them.
    pub(super) ends: Vec<(&'static str, &'static str, Expr, Expr)>,
    pub(super) named: Scope,
}

/// Sheets that the summary draws on are written first and stand after it.
pub(super) fn all(plan: &Plan, catalog: &Catalog, study: Option<&Uncertain>) -> Written<Vec<Page>> {
    let mut book = Book {
        plan,
        study,
        drivers: Scope::default(),
        units: BTreeMap::new(),
        ends: Vec::new(),
        named: Scope::default(),
    };
    let assumptions = book.assumptions(&sections(plan, catalog))?;
    let time = book.time()?;
    let capacity = book.capacity()?;
    let energy = book.energy()?;
    let (cost, owned) = book.cost()?;
    let cash = schedules::cash(&mut book)?;
    let sensitivity = sensitivity::sheet(&book)?;
    let audit = book.audit()?;
    let rest: Vec<Page> = [
        Some(assumptions),
        Some(capacity),
        Some(cost),
        owned,
        cash,
        sensitivity,
        Some(energy),
        Some(time),
        Some(audit),
    ]
    .into_iter()
    .flatten()
    .collect();
    let checks: Vec<(String, bool)> = rest.iter().flat_map(|p| p.checks.iter().cloned()).collect();
    let summary = book.summary(&checks)?;
    Ok(std::iter::once(summary).chain(rest).collect())
}

impl Book<'_> {
    pub(super) fn value(&self, name: &str) -> Expr {
        self.named.get(name)
    }

    fn assumptions(&mut self, sections: &[Section]) -> Written<Page> {
        let mut page = Page::new("Assumptions", &[30.0, 42.0, 18.0, 16.0, 14.0, 18.0, 14.0, 60.0, 12.0, 14.0, 48.0])?;
        for Section { title, drivers } in sections {
            page.line(title, Look::Strong)?;
            page.head(&[
                Words("Name"),
                Words("What"),
                Number("Value"),
                Words("Unit"),
                Number("Low"),
                Number("Base"),
                Number("High"),
                Words("Source"),
                Words("Date"),
                Words("Confidence"),
                Words("The same on the command line"),
            ])?;
            for driver in drivers {
                self.driver(&mut page, driver)?;
            }
            page.row += 1;
        }
        page.sheet.set_freeze_panes(2, 1)?;
        Ok(page)
    }

    fn driver(&mut self, page: &mut Page, d: &Driver) -> Written<()> {
        page.text(0, d.name, Look::Text)?;
        page.text(1, d.what, Look::Text)?;
        let look = if d.set.is_empty() {
            Look::Value(d.unit)
        } else {
            Look::Input(d.unit)
        };
        page.number(2, d.value, look)?;
        page.names.push((d.name, format!("={}", page.at(2))));
        let named = Expr::atom(d.name, d.value);
        self.drivers.put(d.name, named.clone());
        self.units.insert(d.name, d.unit);
        self.named.put(d.name, named);
        page.text(3, d.unit, Look::Text)?;
        page.number(5, d.value, Look::Value(d.unit))?;
        if let Some((low, high)) = d.ends {
            let low = page.number(4, low, Look::Value(d.unit))?;
            let high = page.number(6, high, Look::Value(d.unit))?;
            self.ends.push((d.name, d.what, low, high));
        }
        for (column, text) in (7u16..).zip([&d.source, &d.date, &d.confidence, &d.set]) {
            page.text(column, text, Look::Text)?;
        }
        page.row += 1;
        Ok(())
    }

    fn has(&self, d: &Definition) -> bool {
        d.needs.is_empty() || self.drivers.has(d.needs)
    }

    /// A definition as a row: label, value, unit, name.
    fn define(&mut self, page: &mut Page, d: &Definition) -> Written<()> {
        page.text(0, d.label, Look::Text)?;
        let expr = (d.make)(&self.named);
        let look = if d.name.contains("total") {
            Look::Total(d.unit)
        } else {
            Look::Value(d.unit)
        };
        let named = page.named(1, d.name, &expr, look)?;
        self.named.put(d.name, named);
        page.text(2, d.unit, Look::Text)?;
        page.text(3, d.name, Look::Text)?;
        page.row += 1;
        Ok(())
    }

    fn group(&mut self, page: &mut Page, title: &str, group: Group) -> Written<()> {
        page.line(title, Look::Strong)?;
        page.head(&[Words("Line"), Number("Value"), Words("Unit"), Words("Name")])?;
        for d in DEFINITIONS.iter().filter(|d| d.group == group) {
            if self.has(d) {
                self.define(page, d)?;
            }
        }
        page.row += 1;
        Ok(())
    }

    fn sum_of(&self, names: &[&str]) -> Expr {
        Expr::sum(names.iter().map(|n| self.value(n)))
    }

    fn time(&mut self) -> Written<Page> {
        let plan = self.plan;
        let mut page = Page::new("Layout & time", &[44.0, 20.0, 16.0, 24.0])?;
        page.line(&format!("Layout: {}", plan.layout), Look::Text)?;
        page.row += 1;
        self.group(&mut page, "The run", Group::Time)?;
        let parts: Vec<&str> = IDEAL_H.iter().chain(&LOST_H).copied().collect();
        page.check("parts of the run sum to its wall time", &self.sum_of(&parts), &self.value("wall_h"))?;
        page.row += 1;
        page.line("Where a step goes", Look::Strong)?;
        page.head(&[Words("Part"), Number("Seconds"), Number("Share")])?;
        let first = page.row;
        let list: Vec<_> = plan.step.parts.list().into_iter().filter(|(_, s)| *s > 0.0).collect();
        let total = Expr::number(plan.step.time_s);
        for (key, seconds) in &list {
            page.text(0, part_name(key), Look::Text)?;
            let cell = page.number(1, *seconds, Look::Value("s"))?;
            page.formula(2, &(cell / total.clone()), Look::Value("fraction"))?;
            page.row += 1;
        }
        if page.row > first {
            let span = page.span(1, first, page.row - 1);
            let sum = Expr::atom(format!("SUM({span})"), list.iter().map(|(_, s)| s).sum());
            page.check("parts sum to the step time", &sum, &total)?;
            let picture = Picture {
                kind: ChartType::Bar,
                title: "Seconds of one step",
                alternative: "Bars: seconds of each part of one step",
                rows: (first, page.row - 2),
                categories: 0,
                series: &[("seconds", 1)],
                values: Span::of(list.iter().map(|(_, s)| *s)),
            };
            page.picture((2, 5), &picture)?;
        }
        page.row += 1;
        page.line("Memory of one device by pipeline stage, GiB", Look::Strong)?;
        page.head(&[
            Words("Stage"),
            Number("Peak with reserve"),
            Number("Capacity"),
            Number("Activations"),
        ])?;
        for m in &plan.step.memory {
            page.text(0, &m.stage.to_string(), Look::Text)?;
            for (column, bytes) in (1u16..).zip([m.peak_bytes(), m.capacity_bytes, m.activations_bytes]) {
                page.number(column, bytes / GIB_BYTES, Look::Value("GiB"))?;
            }
            page.row += 1;
        }
        Ok(page)
    }

    fn capacity(&mut self) -> Written<Page> {
        let mut page = Page::new("Capacity", &[44.0, 24.0, 16.0, 28.0])?;
        let node = &self.plan.scenario.cluster.node;
        page.line(&format!("Node: {}", node.title), Look::Text)?;
        page.row += 1;
        self.group(&mut page, "What is held", Group::Capacity)?;
        Ok(page)
    }

    fn energy(&mut self) -> Written<Page> {
        let mut page = Page::new("Energy & carbon", &[44.0, 24.0, 16.0, 28.0])?;
        let first = page.row + 2;
        self.group(&mut page, "Electricity by phase", Group::Energy)?;
        page.check("parts sum to the meter", &self.sum_of(&METER_KWH), &self.value("facility_kwh"))?;
        page.row += 1;
        self.group(&mut page, "Carbon: methods stand side by side and are never netted", Group::Carbon)?;
        self.group(&mut page, "Water", Group::Water)?;
        let picture = Picture {
            kind: ChartType::Bar,
            title: "IT energy by phase, kWh",
            alternative: "Bars: energy of IT equipment by phase of the run",
            rows: (first, first + 6),
            categories: 0,
            series: &[("kWh", 1)],
            values: Span::of(METER_KWH[..7].iter().map(|n| self.value(n).value)),
        };
        page.picture((2, 5), &picture)?;
        Ok(page)
    }

    /// Line items and months; and the purchase.
    fn cost(&mut self) -> Written<(Page, Option<Page>)> {
        let mut page = Page::new("Monthly cost", &[[48.0, 20.0, 18.0, 24.0].as_slice(), &[18.0; 15]].concat())?;
        self.group(&mut page, "Storage, transfer and data, the same both ways", Group::Total)?;
        if self.drivers.has("rent_usd_per_device_hour") {
            self.group(&mut page, "Rented", Group::Rented)?;
            page.check("lines sum to the total", &self.sum_of(&RENTED_USD), &self.value("rent_total_usd"))?;
            page.row += 1;
        }
        if self.drivers.has("node_price_usd") {
            self.group(&mut page, "Owned: the run's share", Group::Owned)?;
            page.check("lines sum to the total", &self.sum_of(&OWNED_USD), &self.value("owned_total_usd"))?;
            page.row += 1;
        }
        let total = match self.plan.bill.cost.way {
            Some(Way::Cloud) => Some(self.value("rent_total_usd")),
            Some(Way::Owned) => Some(self.value("owned_total_usd")),
            None => None,
        };
        if let Some(total) = total {
            page.text(0, "Total of this plan", Look::Strong)?;
            let named = page.named(1, "total_usd", &total, Look::Total("USD"))?;
            page.text(2, "USD", Look::Text)?;
            page.text(3, "total_usd", Look::Text)?;
            self.named.put("total_usd", named);
            page.row += 2;
            schedules::months(self, &mut page)?;
        } else {
            page.line(
                "No price is known, so there is no total: --set cost.usd_per_device_hour=2.5",
                Look::Strong,
            )?;
        }
        let owned = if self.drivers.has("node_price_usd") {
            Some(schedules::amortization(self)?)
        } else {
            None
        };
        Ok((page, owned))
    }

    fn audit(&self) -> Written<Page> {
        let plan = self.plan;
        let p = &plan.provenance;
        let mut page = Page::new("Audit", &[40.0, 50.0, 100.0, 26.0])?;
        let overrides = if p.overrides.is_empty() {
            "none".to_string()
        } else {
            p.overrides.join("; ")
        };
        let seed = plan.drawn.as_ref().map_or_else(
            || "none: nothing in this workbook is drawn at random".to_string(),
            |d| format!("P10 and P90 of the summary: {}", d.note),
        );
        for (key, text) in [
            ("Program", p.program.as_str()),
            ("Scenario", plan.scenario.name.as_str()),
            ("Digest of the scenario", &p.scenario_digest),
            ("Digest of the catalog", &p.catalog_digest),
            ("Overrides (--set)", &overrides),
            ("Seed", &seed),
        ] {
            page.text(0, key, Look::Text)?;
            page.line_at(1, text)?;
        }
        page.row += 1;
        page.line("Live totals against the plan as it was written", Look::Strong)?;
        page.head(&[Words("Total"), Number("As planned"), Number("Now"), Words("")])?;
        let bill = &plan.bill;
        for (label, name, planned) in [
            ("Cost, USD", "total_usd", bill.cost.total_usd),
            ("Rented, USD", "rent_total_usd", bill.cost.cloud.as_ref().map(|c| c.total_usd)),
            ("Owned, USD", "owned_total_usd", bill.cost.owned.as_ref().map(|o| o.total_usd)),
            ("Energy, kWh", "facility_kwh", Some(bill.energy.facility_j / crate::units::KWH_J)),
            ("Carbon, kg CO2e", "carbon_total_kg", Some(bill.carbon.total_location_kg_co2e)),
            ("Water, L", "water_total_l", Some(bill.water_l)),
        ] {
            if let Some(planned) = planned {
                page.text(0, label, Look::Text)?;
                let then = page.number(1, planned, Look::Value("USD"))?;
                let now = page.formula(2, &self.value(name), Look::Value("USD"))?;
                let differ = (then.value - now.value).abs() > 0.01_f64.max(1e-9 * then.value.abs());
                let formula = Formula::new(format!(
                    "=IF(ABS({0}-{1})<=MAX(0.01,0.000000001*ABS({0})),\"as planned\",\"assumptions were changed\")",
                    then.formula, now.formula
                ));
                let formula = formula.set_result(if differ { "assumptions were changed" } else { "as planned" });
                page.sheet.write_formula(page.row, 3, formula)?;
                page.row += 1;
            }
        }
        page.row += 1;
        page.line("What the scenario left open, and where the named values come from", Look::Strong)?;
        page.head(&[Words("Key"), Words("Value"), Words("Source")])?;
        for a in &plan.scenario.assumptions {
            for (column, text) in (0u16..).zip([&a.key, &a.value, &a.source]) {
                page.text(column, text, Look::Wrapped)?;
            }
            page.row += 1;
        }
        Ok(page)
    }
}

impl Page {
    fn line_at(&mut self, column: u16, text: &str) -> Written<()> {
        self.text(column, text, Look::Text)?;
        self.row += 1;
        Ok(())
    }
}
