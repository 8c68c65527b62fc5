//! Months of the run, years of the machine, and what moves the total.

use super::expr::Expr;
use super::model::{OWNED_USD, RENTED_USD, Scope, worked_out};
use super::page::{Look, Page, Written};
use super::pages::Book;
use crate::bill::Way;
use rust_xlsxwriter::{Chart, ChartAxisLabelPosition, ChartType};

/// Most rows of a schedule; the last one takes the rest.
const MAX_ROWS: u32 = 240;
/// Years that a schedule shows at least, so that a longer life can be tried.
const LEAST_YEARS: u32 = 10;
/// How far a driver without known ends is moved.
const NUDGE_FRACTION: f64 = 0.1;

fn one() -> Expr {
    Expr::number(1.0)
}

fn rows(wanted: f64, least: u32) -> u32 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let n = wanted.ceil().clamp(0.0, f64::from(MAX_ROWS)) as u32;
    (n + 1).clamp(least, MAX_ROWS)
}

/// The cost of each month of the run by line.
pub(super) fn months(book: &mut Book<'_>, page: &mut Page) -> Written<()> {
    let lines: &[&str] = match book.plan.bill.cost.way {
        Some(Way::Owned) => &OWNED_USD,
        _ => &RENTED_USD,
    };
    let (wall, month) = (book.value("wall_h"), book.value("hours_per_month"));
    page.line("By month of 730 hours, USD", Look::Strong)?;
    let mut head = vec!["Month", "Hours"];
    head.extend(lines);
    head.extend(["Sum", "Present value, paid at the month's end"]);
    page.head(&head)?;
    let first = page.row;
    let n = rows(wall.value / month.value, 2);
    let last_column = u16::try_from(lines.len()).unwrap_or(0) + 2;
    let (mut total, mut present) = (0.0, 0.0);
    for m in 1..=n {
        let before = Expr::number(f64::from(m - 1)) * month.clone();
        let left = (wall.clone() - before).max(Expr::number(0.0));
        let last = m == n;
        let hours = if last { left } else { left.min(month.clone()) };
        page.text(0, &if last { format!("{m} and later") } else { format!("{m}") }, Look::Text)?;
        let hours = page.formula(1, &hours, Look::Value("h"))?;
        let mut cells = Vec::new();
        for (column, line) in (2u16..).zip(lines) {
            let cost = book.value(line) * hours.clone() / wall.clone();
            cells.push(page.formula(column, &cost, Look::Value("USD"))?);
        }
        let sum = page.formula(last_column, &Expr::sum(cells), Look::Value("USD"))?;
        total += sum.value;
        let years = Expr::number(f64::from(m)) / Expr::number(12.0);
        let discounted = sum / (one() + book.value("discount_rate_fraction")).power(years);
        present += page.formula(last_column + 1, &discounted, Look::Value("USD"))?.value;
        page.row += 1;
    }
    let end = page.row - 1;
    let sum = Expr::atom(format!("SUM({})", page.span(last_column, first, end)), total);
    let present = Expr::atom(format!("SUM({})", page.span(last_column + 1, first, end)), present);
    page.check("months sum to the total", &sum, &book.value("total_usd"))?;
    page.text(0, "Present value of the run's cost", Look::Text)?;
    let named = page.named(1, "present_value_usd", &present, Look::Total("USD"))?;
    book.named.put("present_value_usd", named);
    page.row += 2;
    let mut chart = Chart::new(ChartType::ColumnStacked);
    for (column, line) in (2u16..).zip(lines) {
        chart
            .add_series()
            .set_name(*line)
            .set_categories((page.name, first, 0, end, 0))
            .set_values((page.name, first, column, end, column));
    }
    chart.title().set_name("Cost by month, USD");
    chart.set_alt_text("Stacked columns: cost of each month by line");
    page.sheet.insert_chart(2, 5, &chart)?;
    Ok(())
}

fn years(book: &Book<'_>) -> u32 {
    rows(book.value("life_years").value, LEAST_YEARS)
}

/// Share of a year that lies within the life of the machine.
fn alive(book: &Book<'_>, year: u32, last: bool) -> Expr {
    let left = (book.value("life_years") - Expr::number(f64::from(year - 1))).max(Expr::number(0.0));
    if last { left } else { left.min(one()) }
}

/// Book value of the machine by year.
pub(super) fn amortization(book: &Book<'_>) -> Written<Page> {
    let mut page = Page::new("Capex & amortization", &[44.0, 20.0, 20.0, 20.0, 20.0])?;
    page.line(
        "Straight line over the life, whole cluster without its building; the run's share is in Monthly cost.",
        Look::Text,
    )?;
    page.row += 1;
    page.head(&[
        "Year",
        "Share of the year",
        "Opening value, USD",
        "Depreciation, USD",
        "Closing value, USD",
    ])?;
    let purchase = book.value("machine_usd");
    let residual = book.value("residual_fraction");
    let depreciable = purchase.clone() * (one() - residual.clone());
    let first = page.row;
    let (mut opening, mut sum) = (purchase.clone(), 0.0);
    let n = years(book);
    for year in 1..=n {
        page.text(
            0,
            &if year == n {
                format!("{year} and later")
            } else {
                format!("{year}")
            },
            Look::Text,
        )?;
        let share = page.formula(1, &alive(book, year, year == n), Look::Value("fraction"))?;
        let open = page.formula(2, &opening, Look::Value("USD"))?;
        let taken = depreciable.clone() * share / book.value("life_years");
        let taken = page.formula(3, &taken, Look::Value("USD"))?;
        sum += taken.value;
        opening = page.formula(4, &(open - taken), Look::Value("USD"))?;
        page.row += 1;
    }
    let all = Expr::atom(format!("SUM({})", page.span(3, first, page.row - 1)), sum);
    page.check("depreciation sums to what is depreciable", &all, &depreciable)?;
    page.check("what is left is the residual value", &opening, &(purchase * residual))?;
    Ok(page)
}

/// Buying against renting over the life of the machine, where both have a price.
pub(super) fn cash(book: &mut Book<'_>) -> Written<Option<Page>> {
    if !book.named.has("purchase_usd") || !book.named.has("rent_total_usd") {
        return Ok(None);
    }
    let v = |name: &str| book.value(name);
    let mut page = Page::new("Cash flow & NPV", &[44.0, 20.0, 20.0, 20.0, 20.0, 20.0, 20.0, 20.0])?;
    page.line(
        "Buying the cluster instead of renting it for the hours that earn. Flows at the end of each year; storage, what comes on top and tax are left out.",
        Look::Text,
    )?;
    page.row += 1;
    page.head(&[
        "Year",
        "Purchase and residual, USD",
        "Rent avoided, USD",
        "Electricity, USD",
        "Colocation or building, USD",
        "Operation, staff, support, USD",
        "Net flow, USD",
        "Sum so far, USD",
    ])?;
    let used_h = v("hours_per_year") * v("utilization_used_fraction");
    let yearly = [
        v("devices_count") * used_h.clone() * v("rent_usd_per_device_hour") * (one() + v("support_fraction")),
        Expr::number(0.0) - v("mean_meter_kw") * used_h * v("electricity_usd_per_kwh"),
        Expr::number(0.0)
            - (one() - v("own_facility_flag")) * v("peak_it_kw") * v("colocation_usd_per_kw_month") * v("hours_per_year")
                / v("hours_per_month")
            - v("building_usd") * v("maintenance_fraction"),
        Expr::number(0.0)
            - v("machine_usd") * (v("maintenance_fraction") + v("support_fraction"))
            - v("staff_usd_per_device_year") * v("devices_count"),
    ];
    let n = years(book);
    let first = page.row;
    let mut flows: Vec<f64> = Vec::new();
    let mut so_far: Option<Expr> = None;
    for year in 0..=n {
        page.text(
            0,
            &if year == n {
                format!("{year} and later")
            } else {
                format!("{year}")
            },
            Look::Text,
        )?;
        let mut cells = Vec::new();
        if year == 0 {
            cells.push(page.formula(1, &(Expr::number(0.0) - v("purchase_usd")), Look::Value("USD"))?);
        } else {
            let share = alive(book, year, year == n);
            // The machine is sold in the year in which its life ends.
            let life = v("life_years");
            let (from, to) = (f64::from(year - 1), f64::from(year));
            let ends = life.value > from && (year == n || life.value <= to);
            let within = if year == n {
                format!("{}>{from}", life.formula)
            } else {
                format!("AND({0}>{from},{0}<={to})", life.formula)
            };
            let ending = Expr::atom(format!("IF({within},1,0)"), f64::from(u8::from(ends)));
            // A building is sold with the machine, at its book value.
            let building = v("building_usd") * (one() - (v("life_years") / v("facility_life_years")).min(one()));
            let sold = (v("machine_usd") * v("residual_fraction") + building) * ending;
            cells.push(page.formula(1, &sold, Look::Value("USD"))?);
            for (column, flow) in (2u16..).zip(&yearly) {
                cells.push(page.formula(column, &(flow.clone() * share.clone()), Look::Value("USD"))?);
            }
        }
        let net = page.formula(6, &Expr::sum(cells), Look::Value("USD"))?;
        flows.push(net.value);
        let sum = match so_far.take() {
            Some(before) => before + net,
            None => net,
        };
        so_far = Some(page.formula(7, &sum, Look::Value("USD"))?);
        page.row += 1;
    }
    let (zero, rest) = (page.span(6, first, first), page.span(6, first + 1, page.row - 1));
    let zero = zero.split_once(':').map_or(zero.clone(), |(cell, _)| cell.to_string());
    page.row += 1;
    page.head(&["Net present value of buying", "USD"])?;
    let rates = [
        ("at the discount rate", v("discount_rate_fraction")),
        ("at 6 %", Expr::number(0.06)),
        ("at 10 %", Expr::number(0.1)),
        ("at 15 %", Expr::number(0.15)),
    ];
    for (label, rate) in rates {
        page.text(0, label, Look::Text)?;
        let later = flows.iter().enumerate().skip(1);
        #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
        let npv: f64 = later.map(|(t, f)| f / (1.0 + rate.value).powi(t as i32)).sum();
        let value = npv + flows.first().copied().unwrap_or(0.0);
        let expr = Expr::atom(format!("NPV({},{rest})+{zero}", rate.formula), value);
        if label.contains("discount") {
            page.named(1, "npv_of_buying_usd", &expr, Look::Total("USD"))?;
        } else {
            page.formula(1, &expr, Look::Value("USD"))?;
        }
        page.row += 1;
    }
    let mut chart = Chart::new(ChartType::Column);
    chart
        .add_series()
        .set_categories((page.name, first, 0, first + n, 0))
        .set_values((page.name, first, 7, first + n, 7));
    chart.title().set_name("Buying against renting: sum of flows, USD");
    chart.legend().set_hidden();
    chart.set_alt_text("Columns: cumulated cash flow of buying instead of renting by year");
    let below = page.row + 2;
    page.sheet.insert_chart(below, 0, &chart)?;
    Ok(Some(page))
}

/// One driver at a time at its low and high end; the rest as it stands in the sheet.
pub(super) fn sensitivity(book: &Book<'_>) -> Written<Option<Page>> {
    if !book.named.has("total_usd") {
        return Ok(None);
    }
    let total = if book.plan.bill.cost.way == Some(Way::Owned) {
        "owned_total_usd"
    } else {
        "rent_total_usd"
    };
    let moved = [
        ("rent_usd_per_device_hour", "Rent of a device"),
        ("node_price_usd", "Price of a node"),
        ("electricity_usd_per_kwh", "Electricity price"),
        ("pue_ratio", "PUE"),
        ("utilization_fraction", "Utilization"),
        ("life_years", "Life of the machine"),
        ("capital_rate_fraction", "Cost of capital"),
        ("colocation_usd_per_kw_month", "Colocation price"),
        ("maintenance_fraction", "Maintenance"),
        ("network_fraction", "Network over servers"),
        ("storage_usd_per_gb_month", "Storage price"),
        ("math_h", "Hours of math"),
        ("bubble_h", "Hours of bubble and waiting"),
        ("communication_h", "Hours of exposed communication"),
    ];
    let at = |name: &'static str, value: Expr| {
        let mut drivers: Scope = book.drivers.clone();
        drivers.put(name, value);
        worked_out(&drivers, &book.named).get(total)
    };
    let mut list = Vec::new();
    for (name, label) in moved {
        if !book.drivers.has(name) {
            continue;
        }
        let known = book.ends.iter().find(|(n, ..)| *n == name);
        let nudged = |by: f64| book.value(name) * Expr::number(1.0 + by);
        let (low, high, basis) = match known {
            Some((_, _, low, high)) => (low.clone(), high.clone(), "low and high of Assumptions"),
            None => (nudged(-NUDGE_FRACTION), nudged(NUDGE_FRACTION), "10 % less and more"),
        };
        let ends = [at(name, low.clone()), at(name, high.clone())];
        if (ends[0].value - ends[1].value).abs() > 0.0 {
            list.push((label, low, high, ends, basis));
        }
    }
    let swing = |e: &[Expr; 2]| (e[0].value - e[1].value).abs();
    list.sort_by(|a, b| swing(&b.3).total_cmp(&swing(&a.3)));
    let mut page = Page::new("Sensitivity", &[40.0, 18.0, 18.0, 22.0, 22.0, 20.0, 20.0, 30.0])?;
    page.line(
        "The total with one driver at a time at its ends, largest first as planned; live formulas.",
        Look::Text,
    )?;
    page.row += 1;
    page.head(&[
        "Driver",
        "Low",
        "High",
        "Total at low, USD",
        "Total at high, USD",
        "Change at low, USD",
        "Change at high, USD",
        "Ends",
    ])?;
    let first = page.row;
    for (label, low, high, [at_low, at_high], basis) in &list {
        page.text(0, label, Look::Text)?;
        page.formula(1, low, Look::Value(""))?;
        page.formula(2, high, Look::Value(""))?;
        let less = page.formula(3, at_low, Look::Value("USD"))?;
        let more = page.formula(4, at_high, Look::Value("USD"))?;
        page.formula(5, &(less - book.value("total_usd")), Look::Value("USD"))?;
        page.formula(6, &(more - book.value("total_usd")), Look::Value("USD"))?;
        page.text(7, basis, Look::Text)?;
        page.row += 1;
    }
    if page.row > first {
        let end = page.row - 1;
        let mut chart = Chart::new(ChartType::BarStacked);
        for (column, name) in [(5u16, "at low"), (6, "at high")] {
            chart
                .add_series()
                .set_name(name)
                .set_categories((page.name, first, 0, end, 0))
                .set_values((page.name, first, column, end, column));
        }
        // The largest on top, and its name outside the bars: the axis of a bar chart that stands is y.
        chart.y_axis().set_reverse().set_label_position(ChartAxisLabelPosition::Low);
        chart.title().set_name("What moves the total, USD");
        chart.set_alt_text("Tornado: change of the total with one driver at its low and high end");
        chart.set_width(760).set_height(420);
        page.sheet.insert_chart(end + 3, 0, &chart)?;
    }
    Ok(Some(page))
}
