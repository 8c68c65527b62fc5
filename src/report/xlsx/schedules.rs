//! Months of the run, years of the machine, and what moves the total.

use super::expr::Expr;
use super::model::{OWNED_USD, RENTED_USD, label};
use super::page::Head::{Number, Words};
use super::page::{Look, Page, Written};
use super::pages::Book;
use super::picture::{Picture, Span};
use crate::bill::Way;
use rust_xlsxwriter::ChartType;

/// Most rows of a schedule; the last one takes the rest.
const MAX_ROWS: u32 = 240;
/// Years that a schedule shows at least, so that a longer life can be tried.
const LEAST_YEARS: u32 = 10;

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
    let mut head = vec![Words("Month"), Number("Hours")];
    head.extend(lines.iter().map(|line| Number(label(line))));
    head.extend([Number("Sum"), Number("Present value, paid at the month's end")]);
    page.head(&head)?;
    let first = page.row;
    let n = rows(wall.value / month.value, 2);
    let last_column = u16::try_from(lines.len()).unwrap_or(0) + 2;
    let (mut total, mut present) = (0.0, 0.0);
    let mut sums = Vec::new();
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
        sums.push(sum.value);
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
    let series: Vec<(&str, u16)> = lines.iter().map(|line| label(line)).zip(2u16..).collect();
    let picture = Picture {
        kind: ChartType::ColumnStacked,
        title: "Cost by month of 730 hours, USD",
        alternative: "Stacked columns: cost of each month by line",
        rows: (first, end),
        categories: 0,
        series: &series,
        values: Span::of(sums),
    };
    page.picture((2, 5), &picture)
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
        Words("Year"),
        Number("Share of the year"),
        Number("Opening value, USD"),
        Number("Depreciation, USD"),
        Number("Closing value, USD"),
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
    let end = page.row - 1;
    let all = Expr::atom(format!("SUM({})", page.span(3, first, end)), sum);
    page.check("depreciation sums to what is depreciable", &all, &depreciable)?;
    page.check("what is left is the residual value", &opening, &(purchase.clone() * residual))?;
    let picture = Picture {
        kind: ChartType::Column,
        title: "Book value at the end of each year, USD",
        alternative: "Columns: book value of the cluster at the end of each year of its life",
        rows: (first, end),
        categories: 0,
        series: &[("closing value", 4)],
        values: Span::of([purchase.value]),
    };
    let below = page.row + 1;
    page.picture((below, 0), &picture)?;
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
        Words("Year"),
        Number("Purchase and residual, USD"),
        Number("Rent avoided, USD"),
        Number("Electricity, USD"),
        Number("Colocation or building, USD"),
        Number("Operation, staff, support, USD"),
        Number("Net flow, USD"),
        Number("Sum so far, USD"),
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
    let mut sums = Vec::new();
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
        sums.push(sum.value);
        so_far = Some(page.formula(7, &sum, Look::Value("USD"))?);
        page.row += 1;
    }
    let (zero, rest) = (page.span(6, first, first), page.span(6, first + 1, page.row - 1));
    let zero = zero.split_once(':').map_or(zero.clone(), |(cell, _)| cell.to_string());
    page.row += 1;
    page.head(&[Words("Net present value of buying"), Number("USD")])?;
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
    let picture = Picture {
        kind: ChartType::Column,
        title: "Buying against renting: sum of flows, USD",
        alternative: "Columns: cumulated cash flow of buying instead of renting by year",
        rows: (first, first + n),
        categories: 0,
        series: &[("sum so far", 7)],
        values: Span::of(sums),
    };
    let below = page.row + 1;
    page.picture((below, 0), &picture)?;
    Ok(Some(page))
}
