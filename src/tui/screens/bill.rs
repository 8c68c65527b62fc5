//! 5 Bill: money, joules, carbon, and what of it is lost work.

use super::whatif::tornado;
use super::{columns, missing, rows, show_blocks};
use crate::bill::Way;
use crate::plan::Plan;
use crate::report::{Block, Cell, Column, KeyValue, Kind, Table};
use crate::study::metric::Metric;
use crate::tui::action::{Command, Move};
use crate::tui::paint::{Inner, Paint, first_line, fit};
use crate::tui::state::jobs::{Effect, Elsewhere};
use crate::tui::state::{Screen, State};
use crate::tui::theme::Role;
use crate::tui::update::stepped;
use ratatui::layout::{Constraint, Rect};

/// Its panels.
pub const PANELS: [&str; 5] = ["Cost", "Energy", "Carbon", "Elsewhere", "Swing of cost"];
/// Ways to look at the cost.
const BASES: [&str; 4] = ["as planned", "rented", "bought", "power only"];
/// Conventions of carbon.
const CARBON: [&str; 3] = ["location", "market", "marginal"];

/// Where they are.
pub fn rects(state: &State, body: Rect) -> Vec<Rect> {
    if state.large() {
        let [top, bottom] = rows(body, [Constraint::Fill(1), Constraint::Fill(1)]);
        let [cost, energy] = columns(top, [Constraint::Fill(1), Constraint::Fill(1)]);
        let [left, places] = columns(bottom, [Constraint::Fill(1), Constraint::Fill(1)]);
        let [carbon, swing] = rows(left, [Constraint::Length(12), Constraint::Fill(1)]);
        return vec![cost, energy, carbon, places, swing];
    }
    let [top, bottom] = rows(body, [Constraint::Fill(11), Constraint::Fill(10)]);
    let [cost, energy] = columns(top, [Constraint::Fill(1), Constraint::Fill(1)]);
    let [carbon, places] = columns(bottom, [Constraint::Fill(1), Constraint::Fill(1)]);
    vec![cost, energy, carbon, places, Rect::default()]
}

/// Draw one.
pub fn draw(state: &State, paint: &mut Paint<'_>, panel: usize, area: Rect, focus: bool) {
    let Some(planned) = state.planned() else {
        let inner = paint.panel(area, PANELS[panel.min(4)], "", focus);
        missing(state, paint, inner);
        return;
    };
    let plan = &planned.plan;
    match panel {
        0 => cost(state, paint, plan, area, focus),
        1 => energy(state, paint, plan, area, focus),
        2 => carbon(state, paint, plan, area, focus),
        3 => places(state, paint, area, focus),
        _ => {
            let inner = paint.panel(area, "Swing of cost", "each input alone", focus);
            tornado(state, paint, inner, Metric::Cost);
        }
    }
}

/// Per million tokens, or in all.
fn shown(state: &State, plan: &Plan, value: f64, kind: Kind) -> String {
    if state.bill.per_token {
        let per = plan.per_mtoken(value);
        return match kind {
            Kind::Usd => format!("{} USD/Mtok", crate::units::significant(per)),
            Kind::Energy => format!("{}/Mtok", Kind::Energy.human(per)),
            _ => format!("{}/Mtok", kind.human(per)),
        };
    }
    kind.human(value)
}

/// Lines of name, value and bar; the largest first line sets the scale.
fn bars(state: &State, paint: &mut Paint<'_>, inner: Inner, plan: &Plan, (list, kind): (&[(String, f64)], Kind)) -> u16 {
    let most = list.iter().map(|(_, v)| *v).fold(0.0, f64::max).max(f64::MIN_POSITIVE);
    let mut y = 0;
    for (i, (name, value)) in list.iter().enumerate().filter(|(_, (_, v))| *v > most * 1e-4) {
        inner.put(paint, (1, y), &fit(name, 16), Role::Text);
        inner.right(paint, (31, y), &shown(state, plan, *value, kind), Role::Text);
        let width = inner.width().saturating_sub(34);
        inner.bar(paint, (33, y), width, value / most, Role::Series(u8::try_from(i).unwrap_or(0)));
        y += 1;
    }
    y
}

/// Lines of the cost by the way that is looked at, with its total.
fn cost_lines(state: &State, plan: &Plan) -> (Vec<(String, f64)>, Option<f64>) {
    let cost = &plan.bill.cost;
    let way = match state.bill.basis {
        0 => cost.way,
        1 => Some(Way::Cloud),
        _ => Some(Way::Owned),
    };
    let line = |name: &str, v: f64| (name.to_string(), v);
    if state.bill.basis == 3 {
        let usd = cost.owned.as_ref().map(|o| o.electricity_usd);
        return (usd.map(|v| line("electricity", v)).into_iter().collect(), usd);
    }
    match (way, &cost.cloud, &cost.owned) {
        (Some(Way::Cloud), Some(c), _) => {
            let list = c.lines().into_iter().map(|(n, v)| line(n, v)).collect();
            (list, Some(c.total_usd))
        }
        (Some(Way::Owned), _, Some(o)) => {
            let list = o.lines().into_iter().map(|(n, v)| line(n, v)).collect();
            (list, Some(o.total_usd))
        }
        _ => (Vec::new(), None),
    }
}

fn cost(state: &State, paint: &mut Paint<'_>, plan: &Plan, area: Rect, focus: bool) {
    let (list, total) = cost_lines(state, plan);
    let right = total.map_or("no price".to_string(), |v| shown(state, plan, v, Kind::Usd));
    let inner = paint.panel(area, &format!("Cost, {}", BASES[state.bill.basis % 4]), &right, focus);
    let mut y = bars(state, paint, inner, plan, (&list, Kind::Usd)) + 1;
    let mut add = |paint: &mut Paint<'_>, key: &str, value: String, note: String| {
        inner.put(paint, (1, y), key, Role::Text);
        inner.right(paint, (31, y), &value, Role::Text);
        inner.put(paint, (33, y), &note, Role::Dim);
        y += 1;
    };
    if let Some(usd) = total {
        add(
            paint,
            "USD per Mtoken",
            crate::units::significant(plan.per_mtoken(usd)),
            String::new(),
        );
    }
    if let Some(offer) = plan.scenario.offer.as_ref().filter(|_| state.bill.basis < 2) {
        let note = format!("{}, {} {}", offer.name, offer.commitment.name(), offer.as_of);
        add(
            paint,
            "USD per device-hour",
            crate::units::significant(offer.usd_per_device_hour.base_usd),
            note,
        );
    }
    add(paint, "device-hours", crate::units::si(plan.device_hours(), ""), String::new());
    let other = |v: Option<f64>| v.map_or("-".to_string(), |v| Kind::Usd.human(v));
    let owned = plan.bill.cost.owned.as_ref();
    add(
        paint,
        "bought instead",
        other(owned.map(|o| o.total_usd)),
        owned.map_or_else(String::new, |o| format!("to buy: {}", Kind::Usd.human(o.purchase_usd))),
    );
    add(
        paint,
        "rented instead",
        other(plan.bill.cost.cloud.as_ref().map(|c| c.total_usd)),
        String::new(),
    );
    if let Some(even) = plan.bill.cost.break_even_utilization_fraction {
        add(paint, "buying pays above", format!("{:.0} % use", 100.0 * even), String::new());
    }
    if let Some(range) = crate::plan::ranges(plan).and_then(|r| r.cost_usd) {
        let scale = Kind::Usd.scale(range.p90);
        let n = |v| Kind::Usd.number(v, &scale);
        add(
            paint,
            "8 cases of 10",
            format!("{} .. {} {}", n(range.p10), n(range.p90), scale.unit),
            String::new(),
        );
    }
}

fn energy(state: &State, paint: &mut Paint<'_>, plan: &Plan, area: Rect, focus: bool) {
    let e = &plan.bill.energy;
    let inner = paint.panel(area, "Energy", &shown(state, plan, e.facility_j, Kind::Energy), focus);
    let line = |name: &str, v: f64| (name.to_string(), v);
    let list = [
        line("devices", e.devices_j),
        line("hosts", e.hosts_j),
        line("network", e.network_j),
        line("storage", e.storage_j),
        line("cooling", e.cooling_j),
    ];
    let mut y = bars(state, paint, inner, plan, (&list, Kind::Energy)) + 1;
    let mut add = |paint: &mut Paint<'_>, key: &str, value: String| {
        inner.put(paint, (1, y), key, Role::Text);
        inner.right(paint, (31, y), &value, Role::Text);
        y += 1;
    };
    add(paint, "PUE", format!("{:.2}", e.pue));
    add(paint, "mean power", Kind::Si("W").human(e.mean_w));
    add(paint, "power to provide", Kind::Si("W").human(e.peak_w));
    add(paint, "swing in a step", Kind::Si("W").human(e.swing_it_w));
    add(paint, "J per token", crate::units::significant(plan.j_per_token()));
    let limit = plan
        .scenario
        .limits
        .facility_w
        .map_or("none".to_string(), |w| Kind::Si("W").human(w));
    add(paint, "limit", limit);
    if state.large() {
        add(paint, "TDP convention", Kind::Energy.human(e.tdp_convention_j));
        for (name, j) in e.list() {
            add(paint, &format!("  {}", name.trim_end_matches("_j")), Kind::Energy.human(j));
        }
    }
}

fn carbon(state: &State, paint: &mut Paint<'_>, plan: &Plan, area: Rect, focus: bool) {
    let c = &plan.bill.carbon;
    let operational = match state.bill.carbon {
        0 => Some(c.operational_location_kg_co2e),
        1 => c.operational_market_kg_co2e,
        _ => c.operational_marginal_kg_co2e,
    };
    let name = CARBON[state.bill.carbon % 3];
    let right = operational.map_or("not known".to_string(), |o| {
        shown(state, plan, o + c.embodied_kg_co2e, Kind::Carbon)
    });
    let inner = paint.panel(area, &format!("Carbon, by {name}"), &right, focus);
    let list = [
        ("operation".to_string(), operational.unwrap_or(0.0)),
        ("making servers".to_string(), c.embodied_kg_co2e),
    ];
    let mut y = bars(state, paint, inner, plan, (&list, Kind::Carbon));
    if operational.is_none() {
        inner.put(paint, (1, y), &format!("no {name} factor is published for this place"), Role::Warn);
        y += 1;
    }
    y += 1;
    let region = &plan.scenario.region;
    let water = Kind::Si("L").human(plan.bill.water_l);
    let grid = format!("{} kg/kWh", crate::units::significant(c.location_kg_co2e_per_kwh));
    for (key, value) in [
        ("grid", format!("{}, {grid}", region.grid.name)),
        ("water", water),
        ("keys", "c basis   y grid and its source".to_string()),
    ] {
        inner.put(paint, (1, y), key, Role::Dim);
        inner.put(paint, (9, y), &value, Role::Text);
        y += 1;
    }
}

/// The list that is shown: prices, or places at the plan's own price.
fn elsewhere(state: &State) -> Vec<&Elsewhere> {
    let list = state.bill.places.value.as_deref();
    list.into_iter()
        .flatten()
        .filter(|e| (e.offer == "as planned") == state.bill.regions)
        .collect()
}

fn places(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let list = elsewhere(state);
    let title = if state.bill.regions {
        "Elsewhere: places"
    } else {
        "Elsewhere: prices"
    };
    let inner = paint.panel(area, title, &format!("{}   o other", list.len()), focus);
    if state.bill.places.value.is_none() {
        inner.put(paint, (1, 0), "working out ...", Role::Dim);
        return;
    }
    let wide = inner.width() >= 70;
    let head = if wide {
        format!(
            "{:<16}{:<12}{:<11}{:>7}{:>9}{:>9}{:>7}{:>6}",
            "place", "provider", "terms", "USD/h", "cost M", "MWh", "tCO2e", "days"
        )
    } else {
        format!("{:<12}{:<9}{:>7}{:>8}", "place", "terms", "MUSD", "tCO2e")
    };
    inner.put(paint, (1, 0), &head, Role::Dim);
    let room = usize::from(inner.height().saturating_sub(1));
    let cursor = state.bill.cursor.min(list.len().saturating_sub(1));
    let first = first_line(cursor, list.len(), room);
    for (y, (i, e)) in (1..).zip(list.iter().enumerate().skip(first).take(room)) {
        let musd = e.cost_usd.map_or("-".to_string(), |v| crate::units::significant(v / 1e6));
        let carbon = crate::units::count((e.carbon_kg_co2e / 1e3).round());
        let text = if wide {
            let price = e.usd_per_device_hour.map_or("-".to_string(), crate::units::significant);
            let mwh = crate::units::count((e.energy_j / 3.6e9).round());
            let days = format!("{:.1}", e.wall_s / crate::units::DAY_S);
            format!(
                "{:<16}{:<12}{:<11}{price:>7}{musd:>9}{mwh:>9}{carbon:>7}{days:>6}",
                fit(&e.region, 15),
                fit(&e.offer, 11),
                fit(&e.terms, 10)
            )
        } else {
            let terms = if e.terms.is_empty() { &e.offer } else { &e.terms };
            format!("{:<12}{:<9}{musd:>7}{carbon:>8}", fit(&e.region, 11), fit(terms, 8))
        };
        inner.put(paint, (1, y), &text, Role::Text);
        if focus && i == cursor {
            inner.select(paint, y);
        }
    }
}

/// What is going on.
pub fn status(state: &State) -> String {
    let Some(planned) = state.planned() else {
        return "no plan yet".to_string();
    };
    let plan = &planned.plan;
    let price = plan
        .scenario
        .offer
        .as_ref()
        .map_or("no price".to_string(), |o| format!("price as of {}", o.as_of));
    let lost = plan
        .bill
        .cost
        .goodput_loss_usd
        .map_or_else(String::new, |v| format!("; {} of it is lost work", Kind::Usd.human(v)));
    format!("{price}, grid {}{lost}", plan.scenario.region.grid.name)
}

/// What an export holds.
pub fn blocks(state: &State) -> Vec<Block> {
    let Some(planned) = state.planned() else { return Vec::new() };
    let plan = &planned.plan;
    let (list, total) = cost_lines(state, plan);
    let mut values: Vec<KeyValue> = list
        .iter()
        .map(|(n, v)| KeyValue::new(n.clone(), Cell::quantity(*v, Kind::Usd)))
        .collect();
    values.push(KeyValue::new(
        "total",
        total.map_or(Cell::Missing, |v| Cell::quantity(v, Kind::Usd)),
    ));
    values.push(KeyValue::new("energy", Cell::quantity(plan.bill.energy.facility_j, Kind::Energy)));
    values.push(KeyValue::new(
        "carbon",
        Cell::quantity(plan.bill.carbon.total_location_kg_co2e, Kind::Carbon),
    ));
    values.push(KeyValue::new("water", Cell::quantity(plan.bill.water_l, Kind::Si("L"))));
    let names = ["Place", "Provider", "Terms", "Price", "Cost", "Energy", "Carbon", "Time"];
    let columns = names
        .iter()
        .enumerate()
        .map(|(i, n)| if i < 3 { Column::words(*n) } else { Column::numbers(*n) });
    let mut table = Table::new("Elsewhere", columns.collect());
    let maybe = |v: Option<f64>, kind: Kind| v.map_or(Cell::Missing, |v| Cell::quantity(v, kind));
    table.rows = elsewhere(state)
        .iter()
        .map(|e| {
            vec![
                Cell::Text(e.region.clone()),
                Cell::Text(e.offer.clone()),
                Cell::Text(e.terms.clone()),
                maybe(e.usd_per_device_hour, Kind::Rate("USD/h")),
                maybe(e.cost_usd, Kind::Usd),
                Cell::quantity(e.energy_j, Kind::Energy),
                Cell::quantity(e.carbon_kg_co2e, Kind::Carbon),
                Cell::quantity(e.wall_s, Kind::Duration),
            ]
        })
        .collect();
    vec![Block::KeyValues(values), Block::Table(table)]
}

/// What keys do.
pub fn update(state: &mut State, command: Command, _: &mut Vec<Effect>) -> bool {
    match command {
        Command::Basis => state.bill.basis = (state.bill.basis + 1) % BASES.len(),
        Command::CarbonBasis => state.bill.carbon = (state.bill.carbon + 1) % CARBON.len(),
        Command::Offers => (state.bill.regions, state.bill.cursor) = (!state.bill.regions, 0),
        Command::PerToken => state.bill.per_token = !state.bill.per_token,
        Command::GridYear => grid(state),
        Command::Move(to) => moved(state, to),
        Command::Enter => take(state),
        _ => return false,
    }
    true
}

fn moved(state: &mut State, to: Move) {
    let n = elsewhere(state).len();
    state.bill.cursor = stepped(state.bill.cursor, n, to, 8);
}

/// Take the price or place under the cursor into the plan.
fn take(state: &mut State) {
    let at = state.bill.cursor;
    let Some(sets) = elsewhere(state).get(at).map(|e| e.sets.clone()) else {
        state.say("there is nothing under the cursor");
        return;
    };
    let Some(id) = state.current().map(|e| e.id) else { return };
    state.edit(id, |e| {
        for set in &sets {
            if let Some((path, value)) = set.split_once('=') {
                e.set(path, value);
            }
        }
        if sets.iter().any(|s| s.starts_with("cost.offer")) {
            e.edits.retain(|edit| edit.path != "cost.usd_per_device_hour");
        }
    });
    state.screen = Screen::WhatIf;
    state.say(format!("{} is tried; u takes it back", sets.join(" ")));
}

/// The grid's numbers and where they are from.
fn grid(state: &mut State) {
    let Some(planned) = state.planned().cloned() else { return };
    let grid = &planned.plan.scenario.region.grid;
    let entry = planned.catalog.entry(crate::catalog::Kind::Grid, &grid.name);
    let entry = entry.ok();
    let text = |key: &str| entry.and_then(|e| e.tree.text(key)).unwrap_or("not said").to_string();
    let values = vec![
        KeyValue::new("grid", Cell::Text(grid.name.clone())),
        KeyValue::new("by location", Cell::quantity(grid.location_kg_co2e_per_kwh, Kind::Rate("kg/kWh"))),
        KeyValue::new("year", Cell::Text(text("year"))),
        KeyValue::new("source", Cell::Text(text("source"))),
        KeyValue::new("note", Cell::Text(text("note"))),
    ];
    show_blocks(state, "Grid", vec![Block::KeyValues(values)]);
}

/// The mouse.
pub fn click(state: &mut State, panel: usize, area: Rect, (_, y): (u16, u16), _: bool, _: &mut Vec<Effect>) -> bool {
    if panel != 3 {
        return panel != 0;
    }
    let n = elsewhere(state).len();
    let room = usize::from(area.height.saturating_sub(3));
    let first = first_line(state.bill.cursor, n, room);
    if let Some(line) = usize::from(y.saturating_sub(area.top() + 1)).checked_sub(1) {
        state.bill.cursor = (first + line).min(n.saturating_sub(1));
    }
    true
}
