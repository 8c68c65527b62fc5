//! The first sheet: the answer, its range, what it rests on and what is not in it.

use super::expr::Expr;
use super::page::{Look, Page, Written};
use super::pages::Book;
use crate::bill::Way;
use crate::plan::ranges;
use crate::report::opening;
use crate::report::plan::subtitle;
use rust_xlsxwriter::Formula;

impl Book<'_> {
    pub(super) fn summary(&self, checks: &[(String, bool)]) -> Written<Page> {
        let plan = self.plan;
        let mut page = Page::new("Summary", &[44.0, 24.0, 20.0, 20.0, 60.0])?;
        page.line(&plan.scenario.name, Look::Strong)?;
        page.line(&subtitle(&plan.scenario), Look::Text)?;
        page.line(&format!("{} {}", opening::ESTIMATE, opening::taxes(plan)), Look::Strong)?;
        page.row += 1;
        page.head(&["Answer", "P50", "P10", "P90", "What it is"])?;
        let spread = ranges(plan);
        let hours = self.value("wall_h");
        let day = Expr::number(24.0);
        self.answer(
            &mut page,
            "Time to train, days",
            &(hours.clone() / day),
            "h",
            "wall time with failures and pauses",
        )?;
        // Over what is planned, so that the ends follow the live formulas.
        let (wall_s, energy_j) = (plan.run.wall_s, plan.bill.energy.facility_j);
        let ratios = spread.map(|r| [r.wall_s.p10, r.wall_s.p90].map(|s| Expr::number(s / wall_s)));
        let energies = spread.map(|r| [r.energy_j.p10, r.energy_j.p90].map(|j| Expr::number(j / energy_j)));
        let drawn = plan.drawn.as_ref().and_then(|d| d.ranges.cost_usd).zip(plan.bill.cost.total_usd);
        if let Some(ratios) = &ratios {
            self.ends_of(&mut page, "h", |i| self.value("wall_h") * ratios[i].clone() / Expr::number(24.0))?;
        }
        if self.named.has("total_usd") {
            let total = self.value("total_usd");
            self.answer(&mut page, "Cost, USD", &total, "USD", "live: follows the sheet of assumptions")?;
            // Transfer and licences are the same however long it takes; all else but electricity grows with it.
            let fixed = self.value("egress_usd") + self.value("data_licences_usd");
            if let Some((cost, planned)) = drawn {
                // Prices were drawn too.
                let ends = [cost.p10, cost.p90].map(|usd| Expr::number(usd / planned));
                self.ends_of(&mut page, "USD", |i| total.clone() * ends[i].clone())?;
            } else if let (Some(times), Some(energies)) = (&ratios, &energies) {
                let metered = match plan.bill.cost.way {
                    Some(Way::Owned) => self.value("electricity_usd"),
                    _ => Expr::number(0.0),
                };
                self.ends_of(&mut page, "USD", |i| {
                    (total.clone() - metered.clone() - fixed.clone()) * times[i].clone()
                        + metered.clone() * energies[i].clone()
                        + fixed.clone()
                })?;
            }
            let useful = total / self.value("useful_device_hours");
            self.answer(
                &mut page,
                "Cost of a device-hour that trains, USD",
                &useful,
                "USD",
                "lost time is paid by those that train",
            )?;
        }
        let mwh = self.value("facility_kwh") / Expr::number(1000.0);
        self.answer(&mut page, "Energy at the meter, MWh", &mwh, "kWh", "live")?;
        if let Some(energies) = &energies {
            self.ends_of(&mut page, "kWh", |i| mwh.clone() * energies[i].clone())?;
        }
        let tonnes = self.value("carbon_total_kg") / Expr::number(1000.0);
        self.answer(
            &mut page,
            "Carbon, t CO2e",
            &tonnes,
            "kg CO2e",
            "location-based electricity and the servers' share",
        )?;
        page.row += 1;
        let list = checks
            .iter()
            .map(|(cell, _)| format!("{cell}=\"ok\""))
            .collect::<Vec<_>>()
            .join(",");
        page.text(0, "Checks of all sheets", Look::Text)?;
        let formula = Formula::new(format!("=IF(AND({list}),\"all ok\",\"CHECK\")")).set_result(if checks.iter().all(|(_, ok)| *ok) {
            "all ok"
        } else {
            "CHECK"
        });
        page.sheet.write_formula(page.row, 1, formula)?;
        page.row += 2;
        for text in self.rests_on() {
            page.line(&text, Look::Text)?;
        }
        Ok(page)
    }

    fn answer(&self, page: &mut Page, label: &str, expr: &Expr, unit: &'static str, what: &str) -> Written<()> {
        page.text(0, label, Look::Text)?;
        page.formula(1, expr, Look::Total(unit))?;
        page.text(4, what, Look::Text)?;
        page.row += 1;
        Ok(())
    }

    /// P10 and P90 of the answer in the row above.
    fn ends_of(&self, page: &mut Page, unit: &'static str, at: impl Fn(usize) -> Expr) -> Written<()> {
        page.row -= 1;
        page.formula(2, &at(0), Look::Value(unit))?;
        page.formula(3, &at(1), Look::Value(unit))?;
        page.row += 1;
        Ok(())
    }

    fn rests_on(&self) -> Vec<String> {
        let plan = self.plan;
        vec![
            opening::class(),
            opening::price(plan),
            opening::range(plan),
            opening::step_time(plan),
            opening::not_in_it(plan),
            "Change yellow cells of Assumptions; every formula follows. Hours come from the planner: another machine or layout needs another plan.".to_string(),
        ]
    }
}
