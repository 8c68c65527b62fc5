//! The first sheet: the answer, its range, what it rests on and what is not in it.

use super::expr::Expr;
use super::model::{OWNED_USD, RENTED_USD, label};
use super::page::Head::{Number, Words};
use super::page::{Look, Page, Written};
use super::pages::Book;
use super::picture::{Picture, Span};
use crate::bill::Way;
use crate::plan::{MTOKEN, Quantiles, ranges};
use crate::report::opening;
use crate::report::plan::subtitle;
use crate::units::DAY_S;
use rust_xlsxwriter::{ChartType, Formula};

/// Quantiles over what is planned, so that the ends follow the live formulas.
fn over(q: Quantiles, planned: f64) -> [Expr; 3] {
    [q.p10, q.p50, q.p90].map(|v| Expr::number(v / planned))
}

/// An answer: name, formula, unit, and what it is.
type Answer<'a> = (&'a str, Expr, &'static str, &'a str);

impl Book<'_> {
    pub(super) fn summary(&self, checks: &[(String, bool)]) -> Written<Page> {
        let plan = self.plan;
        let mut page = Page::new("Summary", &[44.0, 22.0, 20.0, 20.0, 20.0, 70.0])?;
        page.line(&plan.scenario.name, Look::Strong)?;
        page.line(&subtitle(&plan.scenario), Look::Text)?;
        page.line(&format!("{} {}", opening::ESTIMATE, opening::taxes(plan)), Look::Strong)?;
        page.line(&opening::class(), Look::Text)?;
        page.row += 1;
        page.head(&[
            Words("Answer"),
            Number("As planned"),
            Number("P10"),
            Number("P50"),
            Number("P90"),
            Words("What it is"),
        ])?;
        self.answers(&mut page)?;
        page.row += 1;
        page.text(0, "Checks of all sheets", Look::Text)?;
        let list: Vec<String> = checks.iter().map(|(cell, _)| format!("{cell}=\"ok\"")).collect();
        let holds = checks.iter().all(|(_, ok)| *ok);
        let formula = Formula::new(format!("=IF(AND({}),\"all ok\",\"CHECK\")", list.join(",")));
        let formula = formula.set_result(if holds { "all ok" } else { "CHECK" });
        page.sheet.write_formula(page.row, 1, formula)?;
        page.row += 2;
        page.line("What it rests on", Look::Strong)?;
        for text in self.rests_on() {
            page.prose(&text, Look::Text)?;
        }
        page.row += 1;
        self.made_of(&mut page)?;
        Ok(page)
    }

    fn answers(&self, page: &mut Page) -> Written<()> {
        let plan = self.plan;
        let spread = ranges(plan);
        let days = self.value("wall_h") / Expr::number(24.0);
        self.answer(
            page,
            ("Time to train, days", days.clone(), "days", "wall time with failures and pauses"),
        )?;
        let times = spread.map(|r| over(r.wall_s, plan.run.wall_s));
        let energies = spread.map(|r| over(r.energy_j, plan.bill.energy.facility_j));
        let carbons = spread.map(|r| over(r.carbon_kg_co2e, plan.bill.carbon.total_location_kg_co2e));
        if let Some(times) = &times {
            self.spread(page, "days", |i| days.clone() * times[i].clone())?;
        }
        if self.named.has("total_usd") {
            let total = self.value("total_usd");
            self.answer(page, ("Cost, USD", total.clone(), "USD", "live: follows the sheet of assumptions"))?;
            if let Some(usd) = self.costs(&total, times.as_ref().zip(energies.as_ref())) {
                self.spread(page, "USD", |i| usd[i].clone())?;
            }
            self.money(page, &total)?;
        }
        let thousand = || Expr::number(1000.0);
        let mwh = self.value("facility_kwh") / thousand();
        self.answer(
            page,
            (
                "Energy at the meter, MWh",
                mwh.clone(),
                "kWh",
                "IT equipment, cooling and conversion",
            ),
        )?;
        if let Some(energies) = &energies {
            self.spread(page, "kWh", |i| mwh.clone() * energies[i].clone())?;
        }
        let tonnes = self.value("carbon_total_kg") / thousand();
        let what = "location-based electricity and the servers' share";
        self.answer(page, ("Carbon, t CO2e", tonnes.clone(), "kg CO2e", what))?;
        if let Some(carbons) = &carbons {
            self.spread(page, "kg CO2e", |i| tonnes.clone() * carbons[i].clone())?;
        }
        for answer in [
            (
                "Water, cubic meters",
                self.value("water_total_l") / thousand(),
                "L",
                "on site and where the electricity is made",
            ),
            ("Mean power at the meter, MW", self.value("mean_meter_kw") / thousand(), "MW", ""),
            (
                "Power to provide for at the meter, MW",
                self.value("peak_meter_kw") / thousand(),
                "MW",
                "",
            ),
            ("Devices held", self.value("devices_count"), "devices", "those of idle spares too"),
            (
                "Goodput",
                self.value("goodput_fraction"),
                "fraction",
                "time of the steps over wall time",
            ),
        ] {
            self.answer(page, answer)?;
        }
        Ok(())
    }

    /// P10, P50 and P90 of the cost, if known.
    fn costs(&self, total: &Expr, ratios: Option<(&[Expr; 3], &[Expr; 3])>) -> Option<[Expr; 3]> {
        let plan = self.plan;
        let drawn = plan.drawn.as_ref().and_then(|d| d.ranges.cost_usd);
        if let Some((cost, planned)) = drawn.zip(plan.bill.cost.total_usd) {
            // Prices were drawn too.
            return Some(over(cost, planned).map(|ratio| total.clone() * ratio));
        }
        let (times, energies) = ratios?;
        // Transfer and licences are the same however long it takes; all else but electricity grows with it.
        let fixed = self.value("egress_usd") + self.value("data_licences_usd");
        let metered = match plan.bill.cost.way {
            Some(Way::Owned) => self.value("electricity_usd"),
            _ => Expr::number(0.0),
        };
        Some([0, 1, 2].map(|i| {
            (total.clone() - metered.clone() - fixed.clone()) * times[i].clone() + metered.clone() * energies[i].clone() + fixed.clone()
        }))
    }

    /// What the cost comes to per unit of work, and the other way to have the machine.
    fn money(&self, page: &mut Page, total: &Expr) -> Written<()> {
        let tokens = self.value("training_tokens") / Expr::number(MTOKEN);
        self.answer(page, ("Cost of a million tokens, USD", total.clone() / tokens, "USD/Mtoken", ""))?;
        let useful = total.clone() / self.value("useful_device_hours");
        let what = "lost time and idle spares are paid by those that train";
        self.answer(page, ("Cost of a device-hour that trains, USD", useful, "USD", what))?;
        let what = "paid month by month, discounted to the start";
        self.answer(
            page,
            ("Present value of the cost, USD", self.value("present_value_usd"), "USD", what),
        )?;
        let other = match self.plan.bill.cost.way {
            Some(Way::Owned) => ("The same rented, USD", "rent_total_usd"),
            _ => ("The same owned: the run's share, USD", "owned_total_usd"),
        };
        if self.named.has(other.1) {
            self.answer(page, (other.0, self.value(other.1), "USD", "at the prices of Assumptions"))?;
        }
        Ok(())
    }

    fn answer(&self, page: &mut Page, (label, expr, unit, what): Answer<'_>) -> Written<()> {
        page.text(0, label, Look::Text)?;
        page.formula(1, &expr, Look::Answer(unit))?;
        page.text(5, what, Look::Text)?;
        page.row += 1;
        Ok(())
    }

    /// P10, P50 and P90 of the answer in the row above.
    fn spread(&self, page: &mut Page, unit: &'static str, at: impl Fn(usize) -> Expr) -> Written<()> {
        page.row -= 1;
        for (i, column) in (2u16..5).enumerate() {
            page.formula(column, &at(i), Look::Value(unit))?;
        }
        page.row += 1;
        Ok(())
    }

    /// The lines of the total, as a table and a chart.
    fn made_of(&self, page: &mut Page) -> Written<()> {
        if !self.named.has("total_usd") {
            return Ok(());
        }
        let lines: &[&str] = match self.plan.bill.cost.way {
            Some(Way::Owned) => &OWNED_USD,
            _ => &RENTED_USD,
        };
        page.line("What the cost is made of", Look::Strong)?;
        page.head(&[Words("Line"), Number("USD"), Number("Share")])?;
        let first = page.row;
        for line in lines {
            page.text(0, label(line), Look::Text)?;
            let usd = page.formula(1, &self.value(line), Look::Value("USD"))?;
            page.formula(2, &(usd / self.value("total_usd")), Look::Value("fraction"))?;
            page.row += 1;
        }
        let end = page.row - 1;
        let picture = Picture {
            kind: ChartType::Bar,
            title: "What the cost is made of, USD",
            alternative: "Bars: lines of the cost",
            rows: (first, end),
            categories: 0,
            series: &[("USD", 1)],
            values: Span::of(lines.iter().map(|l| self.value(l).value)),
        };
        page.picture((first.saturating_sub(2), 3), &picture)
    }

    fn rests_on(&self) -> Vec<String> {
        let plan = self.plan;
        let mut out = vec![opening::price(plan), opening::range(plan)];
        out.extend(plan.drawn.as_ref().map(|_| opening::outside(plan)).filter(|t| !t.is_empty()));
        out.extend([
            opening::step_time(plan),
            opening::not_in_it(plan),
            format!(
                "Change yellow cells of Assumptions; every formula follows. Hours come from the planner ({:.1} days): another machine or layout needs another plan.",
                plan.run.wall_s / DAY_S
            ),
        ]);
        out
    }
}
