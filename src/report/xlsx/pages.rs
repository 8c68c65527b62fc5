//! The sheets in order.

use super::drivers::{Driver, Section, sections};
use super::expr::Expr;
use super::model::{DEFINITIONS, Definition, Group, IDEAL_H, LOST_H, METER_KWH, OWNED_USD, RENTED_USD, Scope};
use super::page::{Look, Page, Written};
use super::schedules;
use crate::bill::Way;
use crate::catalog::Catalog;
use crate::plan::Plan;
use crate::report::plan::part_name;
use rust_xlsxwriter::{Chart, ChartType, Formula};

/// What the sheets are made of: drivers as named cells, then every value that was named on the way.
pub(super) struct Book<'a> {
    pub(super) plan: &'a Plan,
    pub(super) drivers: Scope,
    /// Low and high end of the drivers that have them.
    pub(super) ends: Vec<(&'static str, &'static str, Expr, Expr)>,
    pub(super) named: Scope,
}

/// Sheets that the summary draws on are written first and stand after it.
pub(super) fn all(plan: &Plan, catalog: &Catalog) -> Written<Vec<Page>> {
    let mut book = Book {
        plan,
        drivers: Scope::default(),
        ends: Vec::new(),
        named: Scope::default(),
    };
    let assumptions = book.assumptions(&sections(plan, catalog))?;
    let time = book.time()?;
    let capacity = book.capacity()?;
    let energy = book.energy()?;
    let (cost, owned) = book.cost()?;
    let cash = schedules::cash(&mut book)?;
    let sensitivity = schedules::sensitivity(&book)?;
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
                "Name",
                "What",
                "Value",
                "Unit",
                "Low",
                "Base",
                "High",
                "Source",
                "Date",
                "Confidence",
                "The same on the command line",
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
        page.head(&["Line", "Value", "Unit", "Name"])?;
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
        page.head(&["Part", "Seconds", "Share"])?;
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
            let mut chart = Chart::new(ChartType::Bar);
            chart
                .add_series()
                .set_categories((page.name, first, 0, page.row - 2, 0))
                .set_values((page.name, first, 1, page.row - 2, 1));
            chart.title().set_name("Seconds of one step");
            chart.legend().set_hidden();
            chart.set_alt_text("Bars: seconds of each part of one step");
            page.sheet.insert_chart(2, 5, &chart)?;
        }
        page.row += 1;
        page.line("Memory of one device by pipeline stage, GB", Look::Strong)?;
        page.head(&["Stage", "Peak with reserve", "Capacity", "Activations"])?;
        for m in &plan.step.memory {
            page.number(0, f64::from(m.stage), Look::Value("nodes"))?;
            for (column, bytes) in (1u16..).zip([m.peak_bytes(), m.capacity_bytes, m.activations_bytes]) {
                page.number(column, bytes / 1e9, Look::Value("GB"))?;
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
        let mut chart = Chart::new(ChartType::Bar);
        chart
            .add_series()
            .set_categories((page.name, first, 0, first + 6, 0))
            .set_values((page.name, first, 1, first + 6, 1));
        chart.title().set_name("IT energy by phase, kWh");
        chart.legend().set_hidden();
        chart.set_alt_text("Bars: energy of IT equipment by phase of the run");
        page.sheet.insert_chart(2, 5, &chart)?;
        Ok(page)
    }

    /// Line items and months; and the purchase.
    fn cost(&mut self) -> Written<(Page, Option<Page>)> {
        let mut page = Page::new("Monthly cost", &[44.0, 20.0, 18.0, 22.0, 18.0, 18.0, 18.0, 18.0, 18.0, 18.0])?;
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
        let mut page = Page::new("Audit", &[34.0, 60.0, 90.0])?;
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
        page.head(&["Total", "As planned", "Now"])?;
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
        page.sheet.set_column_width(3, 26)?;
        page.row += 1;
        page.line("What the scenario left open, and where the named values come from", Look::Strong)?;
        page.head(&["Key", "Value", "Source"])?;
        for a in &plan.scenario.assumptions {
            for (column, text) in (0u16..).zip([&a.key, &a.value, &a.source]) {
                page.text(column, text, Look::Text)?;
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
