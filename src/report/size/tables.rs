//! The tables of a size.

use super::super::{Cell, Column, Kind, Table};
use super::{Shown, kind, label, market};
use crate::catalog::Commitment;
use crate::study::size::{Best, Bound, Case, MARGIN_FRACTION, Market, Outcome, Question, Row};
use crate::units;

/// One row per accelerator and provider, for pages and spreadsheets.
#[must_use]
pub fn rows(shown: &Shown<'_>) -> Table {
    let words = ["Accelerator", "Node", "Provider", "Commitment", "Offer"].map(Column::words);
    let mut columns = words.to_vec();
    columns.push(Column::numbers("Price"));
    columns.push(Column::words("Region"));
    columns.extend(["Nodes", "Devices", "Time", "Cost", "Power", "Carbon", "Step", "MFU", "Goodput"].map(Column::numbers));
    columns.extend(["Layout", "Misses"].map(Column::words));
    let mut table = Table::new("By accelerator and provider", columns);
    for outcome in &shown.answer.machines {
        table.rows.extend(outcome.rows.iter().map(|r| row(shown.question, outcome, r)));
    }
    notes(shown, &mut table);
    table
}

fn notes(shown: &Shown<'_>, table: &mut Table) {
    let machines = &shown.answer.machines;
    if machines.iter().any(|o| o.rows.iter().any(|r| r.best.is_none())) {
        table
            .notes
            .push("Misses: how many times a limit is taken at the count that comes nearest, and how many others by less.".to_string());
    }
    if machines.iter().any(|o| o.machine.markets.iter().any(|m| m.place_assumed)) {
        table
            .notes
            .push("~ the price names no place: carbon and power are those of the scenario's region, or of one asked for.".to_string());
    }
    let any = |of: &dyn Fn(&Market) -> bool| machines.iter().any(|o| o.machine.markets.iter().any(of));
    if any(&Market::is_average) {
        table
            .notes
            .push("market- and index- are averages over providers: to compare with, not to rent from.".to_string());
    }
    if any(&|m| m.commitment() == Some(Commitment::Spot)) {
        table
            .notes
            .push("Spot prices are of machines that may be taken away; the plan counts on none of that.".to_string());
    }
}

/// `aws, spot`.
fn provider(market: &Market) -> String {
    match market.commitment() {
        Some(c) => format!("{}, {}", market.provider, c.name()),
        None => market.provider.clone(),
    }
}

fn region(market: &Market) -> String {
    format!("{}{}", if market.place_assumed { "~" } else { "" }, market.region.name)
}

/// `1.35 × budget`, and how many other limits are missed by less.
fn misses(question: &Question, case: &Case) -> String {
    let (bound, share) = case.tightest(question);
    let others = case.shares(question).filter(|(_, share)| *share > 1.0).count().saturating_sub(1);
    let more = if others > 0 { format!(", +{others}") } else { String::new() };
    if share.is_finite() {
        format!("{} × {}{more}", units::significant(share), bound.name())
    } else {
        format!("no price{more}")
    }
}

/// A unit that fits all of some values, and how many decimals of it to show: columns of a screen have
/// room for nothing else in their head.
fn common(values: impl Iterator<Item = f64>, kind: Kind) -> (f64, String, usize) {
    let least = values.filter(|v| v.is_finite() && *v > 0.0).fold(f64::INFINITY, f64::min);
    let scale = kind.scale(if least.is_finite() { least } else { 0.0 });
    (scale.value, scale.unit, usize::from(least / scale.value < 100.0))
}

/// What a screen has room for.
pub(super) fn screen_rows(shown: &Shown<'_>) -> Table {
    let question = shown.question;
    let machines = &shown.answer.machines;
    let cases = || {
        machines
            .iter()
            .flat_map(|o| o.rows.iter().filter_map(|r| r.best.as_ref().or(r.miss.as_ref())))
    };
    let usd = common(cases().filter_map(|c| c.cost_usd), Kind::Usd);
    let kg = common(cases().map(|c| c.carbon_kg_co2e), Kind::Carbon);
    let mut columns = vec![Column::words("Accelerator"), Column::words("Provider")];
    columns.push(Column::numbers("USD/h"));
    columns.push(Column::words("Region"));
    columns.extend(["Devices", "Days", &usd.1, &kg.1].map(Column::numbers));
    let some_miss = machines.iter().any(|o| o.rows.iter().any(|r| r.best.is_none()));
    if some_miss {
        columns.push(Column::words("Misses"));
    }
    let mut table = Table::new("By accelerator and provider", columns);
    for outcome in machines {
        let machine = &outcome.machine;
        for row in &outcome.rows {
            let mut cells = vec![Cell::Text(label(shown, outcome))];
            match row.best.as_ref().or(row.miss.as_ref()) {
                None => {
                    cells.push(Cell::Text(row.provider.clone()));
                    cells.extend(vec![Cell::Missing; 6]);
                    cells.push(Cell::Text(none(question, outcome)));
                }
                Some(case) => {
                    let m = market(machine, case);
                    let plain = |value: f64, digits| Cell::quantity(value, Kind::Plain(digits));
                    #[allow(clippy::cast_precision_loss)]
                    cells.extend([
                        Cell::Text(provider(m)),
                        price(m).map_or(Cell::Missing, |usd| plain(usd, 2)),
                        Cell::Text(region(m)),
                        Cell::Count(case.n_devices as f64),
                        plain(case.wall_s / units::DAY_S, 1),
                        case.cost_usd.map_or(Cell::Missing, |v| plain(v / usd.0, usd.2)),
                        plain(case.carbon_kg_co2e / kg.0, kg.2),
                    ]);
                    if row.best.is_none() {
                        cells.push(Cell::Text(misses(question, case)));
                    }
                }
            }
            if some_miss {
                cells.resize(9, "".into());
            }
            table.rows.push(cells);
        }
    }
    notes(shown, &mut table);
    table
}

fn price(market: &Market) -> Option<f64> {
    market.offer.as_ref().map(|o| o.usd_per_device_hour.base_usd)
}

fn row(question: &Question, outcome: &Outcome, row: &Row) -> Vec<Cell> {
    let machine = &outcome.machine;
    let mut cells = vec![
        Cell::Text(machine.accelerator.clone()),
        Cell::Text(machine.base.cluster.node.name.clone()),
        Cell::Text(row.provider.clone()),
    ];
    let Some(case) = row.best.as_ref().or(row.miss.as_ref()) else {
        cells.extend(vec![Cell::Missing; 14]);
        cells.push(Cell::Text(none(question, outcome)));
        return cells;
    };
    let m = market(machine, case);
    let offer = m.offer.as_ref();
    #[allow(clippy::cast_precision_loss)]
    cells.extend([
        offer.map_or(Cell::Missing, |o| o.commitment.name().into()),
        offer.map_or(Cell::Missing, |o| Cell::Text(o.name.clone())),
        price(m).map_or(Cell::Missing, |usd| Cell::quantity(usd, Kind::Rate("USD/h"))),
        Cell::Text(region(m)),
        Cell::Count(f64::from(case.n_nodes)),
        Cell::Count(case.n_devices as f64),
        Cell::quantity(case.wall_s, Kind::Duration),
        case.cost_usd.map_or(Cell::Missing, |usd| Cell::quantity(usd, Kind::Usd)),
        Cell::quantity(case.mean_w, Kind::Si("W")),
        Cell::quantity(case.carbon_kg_co2e, Kind::Carbon),
        Cell::quantity(case.step_time_s, Kind::Duration),
        Cell::quantity(case.mfu, Kind::Percent),
        Cell::quantity(case.goodput, Kind::Percent),
        Cell::Text(case.layout.to_string()),
        Cell::Text(if row.best.is_none() {
            misses(question, case)
        } else {
            String::new()
        }),
    ]);
    cells
}

/// Why a machine has no case at all.
fn none(question: &Question, outcome: &Outcome) -> String {
    let node = u64::from(outcome.machine.base.cluster.node.n_devices);
    let least = u64::from(outcome.least_nodes) * node;
    if least > question.most_devices {
        #[allow(clippy::cast_precision_loss)]
        return format!("devices: {} at peak", units::count(least as f64));
    }
    "no layout fits".to_string()
}

/// What would make each machine keep the limits, one limit moved at a time.
pub(super) fn remedies(shown: &Shown<'_>) -> Table {
    let question = shown.question;
    let asked: Vec<Bound> = Bound::ALL.into_iter().filter(|b| question.limit(*b).is_some()).collect();
    let mut columns = vec![Column::words("Accelerator")];
    columns.extend(asked.iter().map(|b| Column::numbers(format!("--{}", b.name()))));
    columns.push(Column::words("Otherwise"));
    let mut table = Table::new("What would do: one of these, the other limits as they are", columns);
    for outcome in &shown.answer.machines {
        let mut cells = vec![Cell::Text(label(shown, outcome))];
        cells.extend(asked.iter().map(|bound| {
            let case = outcome.relaxed.iter().find(|(b, _)| b == bound).map(|(_, c)| c);
            case.and_then(|c| c.takes(*bound))
                .map_or(Cell::Missing, |v| Cell::quantity(v, kind(*bound)))
        }));
        let otherwise = if outcome.relaxed.is_empty() {
            outcome.nothing_fits.clone().unwrap_or_else(|| "no single limit".to_string())
        } else {
            String::new()
        };
        cells.push(Cell::Text(otherwise));
        table.rows.push(cells);
    }
    table
}

/// Which node and network each accelerator is had in, and how much was looked at.
pub(super) fn machines(shown: &Shown<'_>) -> Table {
    let columns = vec![
        Column::words("Accelerator"),
        Column::words("Node"),
        Column::words("Network"),
        Column::numbers("At peak"),
        Column::numbers("Counts"),
        Column::numbers("Planned"),
    ];
    let mut table = Table::new("What was looked at", columns);
    let deadline = shown.question.limits.wall_s.is_some();
    #[allow(clippy::cast_precision_loss)]
    let count = |n: usize| Cell::Count(n as f64);
    for outcome in &shown.answer.machines {
        let base = &outcome.machine.base;
        table.rows.push(vec![
            Cell::Text(label(shown, outcome)),
            Cell::Text(format!("{} ({})", base.cluster.node.name, base.cluster.node.n_devices)),
            Cell::Text(format!("{}, {}", base.scale_up.name, base.scale_out.name)),
            if deadline {
                Cell::Count(f64::from(outcome.least_nodes))
            } else {
                Cell::Missing
            },
            count(outcome.n_counts),
            count(outcome.n_planned),
        ]);
    }
    let planned: usize = shown.answer.machines.iter().map(|o| o.n_planned).sum();
    let how = if shown.question.exhaustive {
        "every count that can be cut, between what peak FLOP and idle power allow".to_string()
    } else {
        format!(
            "a grid, then every count near the answer; one that was not planned could be smaller only if it were {} more efficient per device than the best seen (--exhaustive plans all)",
            Kind::Percent.human(MARGIN_FRACTION)
        )
    };
    table.notes.push(format!(
        "At peak: nodes below which the deadline is impossible. Counts: numbers of nodes that the run can be cut to, up to {} devices. {planned} were planned in {}: {how}.",
        units::count(shown.question.limit(Bound::Devices).unwrap_or(0.0)),
        units::duration(shown.elapsed_s)
    ));
    if !shown.answer.skipped.is_empty() {
        let list: Vec<String> = shown.answer.skipped.iter().map(|(name, why)| format!("{name} ({why})")).collect();
        table.notes.push(format!("Left out: {}.", list.join(", ")));
    }
    table
}

pub(super) fn curve(shown: &Shown<'_>, best: &Best) -> Table {
    let mut columns = vec![Column::words("")];
    let usd = common(best.curve.iter().filter_map(|c| c.cost_usd), Kind::Usd);
    let kg = common(best.curve.iter().map(|c| c.carbon_kg_co2e), Kind::Carbon);
    let names = [
        "Nodes",
        "Devices",
        "Days",
        &usd.1,
        &kg.1,
        "MFU",
        "h per node",
        "USD per node",
        "kg per node",
    ];
    columns.extend(names.map(Column::numbers));
    let mut table = Table::new("More or fewer devices", columns);
    let plain = |value: f64, digits| Cell::quantity(value, Kind::Plain(digits));
    for (i, case) in best.curve.iter().enumerate() {
        let next = best.curve.get(i + 1);
        let per_node = |of: &dyn Fn(&Case) -> Option<f64>, base: f64, digits| {
            let change = next.and_then(|n| Some((of(n)? - of(case)?) / f64::from(n.n_nodes - case.n_nodes)));
            change.map_or(Cell::Missing, |v| plain(v / base, digits))
        };
        let mark = if case.n_nodes == best.case.n_nodes {
            "="
        } else if case.fits(shown.question) {
            ""
        } else {
            "x"
        };
        #[allow(clippy::cast_precision_loss)]
        table.rows.push(vec![
            mark.into(),
            Cell::Count(f64::from(case.n_nodes)),
            Cell::Count(case.n_devices as f64),
            plain(case.wall_s / units::DAY_S, 1),
            case.cost_usd.map_or(Cell::Missing, |v| plain(v / usd.0, usd.2)),
            plain(case.carbon_kg_co2e / kg.0, kg.2),
            Cell::quantity(case.mfu, Kind::Percent),
            per_node(&|c| Some(c.wall_s), units::HOUR_S, 2),
            per_node(&|c| c.cost_usd, 1.0, 0),
            per_node(&|c| Some(c.carbon_kg_co2e), 1.0, 0),
        ]);
    }
    let text = "= the answer, x misses a limit. Per node: what each node more adds on the way to the next row. Counts that are no faster than a smaller one are left out.";
    table.notes.push(text.to_string());
    table
}
