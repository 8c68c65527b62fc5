//! Pictures of a bill: what it is made of, how far it may go, energy and carbon over the run.

use super::bill;
use crate::bill::Way;
use crate::bill::calendar::{Span, of_hours};
use crate::plan::{Plan, Quantiles, ranges};
use crate::report::svg::frame::N_COLORS;
use crate::report::svg::{Axis, Bar, Bars, Lines};
use crate::report::{Block, Chart, Kind};
use crate::study::sensitivity::Effect;
use crate::units::KWH_J;

/// Points of a line over the run.
const N_POINTS: u32 = 24;

/// Both ways to have the machine, line by line.
pub(super) fn breakdown(plan: &Plan) -> Option<Block> {
    let cost = &plan.bill.cost;
    let ways = [
        (Way::Cloud, "rented", cost.cloud.as_ref().map(bill::cloud_lines)),
        (Way::Owned, "owned", cost.owned.as_ref().map(bill::owned_lines)),
    ];
    let ways: Vec<_> = ways
        .into_iter()
        .filter_map(|(way, name, lines)| Some((way, name, lines?)))
        .collect();
    let mut parts: Vec<&str> = Vec::new();
    for (name, _) in ways.iter().flat_map(|(.., lines)| lines) {
        if !parts.contains(name) {
            parts.push(name);
        }
    }
    let of = |lines: &[(&str, f64)], part: &str| lines.iter().find(|(n, _)| *n == part).map_or(0.0, |(_, usd)| *usd);
    // Two parts of one color would be one: the smallest go together.
    let mut small: Vec<&str> = Vec::new();
    if parts.len() > N_COLORS {
        let largest = |part: &str| ways.iter().map(|(.., lines)| of(lines, part)).fold(0.0, f64::max);
        let mut order = parts.clone();
        order.sort_by(|a, b| largest(b).total_cmp(&largest(a)));
        small = order.split_off(N_COLORS - 1);
        parts.retain(|part| !small.contains(part));
    }
    let bar = |(way, name, lines): &(Way, &str, Vec<(&str, f64)>)| {
        let rest: f64 = small.iter().map(|part| of(lines, part)).sum();
        let own = parts.iter().map(|part| of(lines, part));
        Bar {
            label: if cost.way == Some(*way) {
                format!("{name}: this plan")
            } else {
                (*name).to_string()
            },
            values: own.chain((!small.is_empty()).then_some(rest)).collect(),
        }
    };
    (!ways.is_empty()).then(|| {
        Block::Chart(Chart::Bars(Bars {
            title: "What the cost is made of".to_string(),
            kind: Kind::Usd,
            bars: ways.iter().map(bar).collect(),
            parts: parts
                .iter()
                .copied()
                .chain((!small.is_empty()).then_some("all else"))
                .map(ToString::to_string)
                .collect(),
        }))
    })
}

/// Cost so far over the share of the tokens that is trained, between P10 and P90.
pub(super) fn fan(plan: &Plan) -> Option<Block> {
    let Quantiles { p10, p50, p90 } = ranges(plan)?.cost_usd?;
    let line = |name: &str, usd: f64| (name.to_string(), vec![(0.0, 0.0), (0.5, usd / 2.0), (1.0, usd)]);
    Some(Block::Chart(Chart::Lines(Lines {
        title: "Cost so far: eight cases of ten lie in the fan".to_string(),
        x: Axis {
            label: "share of the tokens trained".to_string(),
            kind: Kind::Percent,
            log: false,
        },
        y: Axis {
            label: "cost".to_string(),
            kind: Kind::Usd,
            log: false,
        },
        series: vec![line("P90", p90), line("P50", p50), line("P10", p10)],
        fill: true,
    })))
}

/// Energy and carbon so far over the days of the run. Carbon follows the hours of the grid where it has them.
pub(super) fn over_time(plan: &Plan) -> Vec<Block> {
    let (bill, wall_s) = (&plan.bill, plan.run.wall_s);
    let days = |label: &str| Axis {
        label: label.to_string(),
        kind: Kind::Duration,
        log: false,
    };
    let at = |i: u32| wall_s * f64::from(i) / f64::from(N_POINTS);
    let energy_j = |t: f64| bill.energy.facility_j * t / wall_s;
    let servers_kg = |t: f64| bill.carbon.embodied_kg_co2e * t / wall_s;
    let grid = &plan.scenario.region.grid;
    let factor = |t: f64| match (&grid.hourly_kg_co2e_per_kwh, t > 0.0) {
        (Some(hours), true) => of_hours(
            hours,
            Span {
                start_s: plan.scenario.terms.start_s,
                wall_s: t,
            },
        ),
        _ => bill.carbon.location_kg_co2e_per_kwh,
    };
    let electricity_kg = |t: f64| energy_j(t) / KWH_J * factor(t);
    let line = |name: &str, of: &dyn Fn(f64) -> f64| (name.to_string(), (0..=N_POINTS).map(|i| (at(i), of(at(i)))).collect::<Vec<_>>());
    let chart = |title: &str, y: &str, kind: Kind, series: Vec<crate::report::svg::Series>| {
        Block::Chart(Chart::Lines(Lines {
            title: title.to_string(),
            x: days("time since the start"),
            y: Axis {
                label: y.to_string(),
                kind,
                log: false,
            },
            series,
            fill: false,
        }))
    };
    vec![
        chart(
            "Energy over the run",
            "energy at the meter so far",
            Kind::Energy,
            vec![line("energy", &energy_j)],
        ),
        chart(
            "Carbon over the run",
            "carbon so far",
            Kind::Carbon,
            vec![
                line("electricity and servers", &|t| electricity_kg(t) + servers_kg(t)),
                line("electricity by location", &electricity_kg),
                line("servers", &servers_kg),
            ],
        ),
    ]
}

/// What ten percent better does to the step, the most first.
pub(super) fn effects(effects: &[Effect]) -> Option<Block> {
    let bars: Vec<Bar> = effects
        .iter()
        .filter(|e| e.step_time_change_fraction.abs() > 5e-6)
        .map(|e| Bar {
            label: e.term.to_string(),
            values: vec![e.step_time_change_fraction],
        })
        .collect();
    (!bars.is_empty()).then(|| {
        Block::Chart(Chart::Bars(Bars {
            title: "Change of the step time with one property 10 % better".to_string(),
            kind: Kind::Percent,
            parts: vec!["change".to_string()],
            bars,
        }))
    })
}
