//! What a page has room for and a screen has not: charts, every stage, every line of the bill.

use super::{bill, charts, human, part_name, say};
use crate::bill::Books;
use crate::plan::{Plan, step_gantt};
use crate::report::explain::timeline::{drawn, what_next as changes};
use crate::report::svg::{Axis, Bar, Bars, Lines};
use crate::report::timeline::Critical;
use crate::report::{Block, Cell, Chart, Column, KeyValue, Kind, Table};
use crate::search::tie_percent;
use crate::study::sensitivity::what_next;

/// The sections of a page after its summary.
pub(super) fn blocks(plan: &Plan) -> Vec<Block> {
    let mut out = vec![Block::Chart(step_chart(plan))];
    if let Some(gantt) = step_gantt(plan) {
        out.extend(drawn(&gantt, &Critical::of(&gantt)));
    }
    let effects = what_next(plan);
    out.extend(charts::effects(&effects));
    out.push(Block::Table(changes(&effects)));
    out.push(Block::Heading("Memory".to_string()));
    out.push(Block::Table(memory(plan)));
    if plan.step.memory.len() > 1 {
        out.push(Block::Chart(memory_chart(plan)));
    }
    out.push(Block::Heading("Run".to_string()));
    out.push(Block::KeyValues(super::run(plan)));
    out.push(Block::Table(lost(plan)));
    out.push(Block::Heading("Bill".to_string()));
    out.push(Block::KeyValues(bill::key_values(plan)));
    out.push(Block::KeyValues(bill::per_unit(plan)));
    out.extend(charts::breakdown(plan));
    out.extend(charts::fan(plan));
    out.extend(money(plan).into_iter().map(Block::Table));
    out.push(Block::Table(energy(plan)));
    out.extend(charts::over_time(plan));
    out.push(Block::Table(inventory(plan)));
    out.push(Block::Heading("Layout".to_string()));
    out.push(Block::KeyValues(layout(plan)));
    if !plan.ties.is_empty() {
        let mut table = Table::new(
            format!("Layouts within {} of this one", tie_percent()),
            vec![Column::words("Layout")],
        );
        table.rows = plan.ties.iter().map(|l| vec![Cell::Text(l.to_string())]).collect();
        out.push(Block::Table(table));
    }
    out.push(Block::Heading("Assumptions".to_string()));
    out.push(say("Values that the scenario left open, and where the named ones come from."));
    out
}

fn step_chart(plan: &Plan) -> Chart {
    let parts: Vec<_> = plan.step.parts.list().into_iter().filter(|(_, s)| *s > 0.0).collect();
    Chart::Bars(Bars {
        title: "One step".to_string(),
        kind: Kind::Duration,
        parts: parts.iter().map(|(key, _)| part_name(key).to_string()).collect(),
        bars: vec![Bar {
            label: "step".to_string(),
            values: parts.iter().map(|(_, s)| *s).collect(),
        }],
    })
}

/// Memory of one device by stage.
#[must_use]
pub fn memory(plan: &Plan) -> Table {
    let names = [
        "Weights",
        "Gradients",
        "Optimizer",
        "Activations",
        "Buffers",
        "Reserve",
        "Peak",
        "Free",
    ];
    let columns = std::iter::once(Column::numbers("Stage"))
        .chain(names.map(Column::numbers))
        .collect();
    let mut table = Table::new("Memory of one device by pipeline stage", columns);
    table.rows = plan
        .step
        .memory
        .iter()
        .map(|b| {
            let bytes = [
                b.weights_bytes,
                b.gradients_bytes,
                b.optimizer_bytes,
                b.activations_bytes,
                b.buffers_bytes,
                b.reserve_bytes,
                b.peak_bytes(),
                b.headroom_bytes(),
            ];
            let cells = bytes.map(|v| Cell::quantity(v, Kind::Bytes));
            std::iter::once(Cell::Count(f64::from(b.stage))).chain(cells).collect()
        })
        .collect();
    if let Some(b) = plan.step.memory.first() {
        table.notes.push(format!(
            "Of {}; reserve is context, communication buffers and fragmentation.",
            human(b.capacity_bytes, Kind::Bytes)
        ));
    }
    table
}

fn memory_chart(plan: &Plan) -> Chart {
    let points = |value: fn(&crate::layout::MemoryBudget) -> f64| {
        plan.step.memory.iter().map(|b| (f64::from(b.stage), value(b))).collect::<Vec<_>>()
    };
    Chart::Lines(Lines {
        title: "Memory by pipeline stage".to_string(),
        x: Axis {
            label: "stage".to_string(),
            kind: Kind::Plain(0),
            log: false,
        },
        y: Axis {
            label: "bytes of one device".to_string(),
            kind: Kind::Bytes,
            log: false,
        },
        series: vec![
            ("peak with reserve".to_string(), points(|b| b.peak_bytes())),
            ("activations".to_string(), points(|b| b.activations_bytes)),
            ("capacity".to_string(), points(|b| b.capacity_bytes)),
        ],
        fill: false,
    })
}

fn lost(plan: &Plan) -> Table {
    let mut table = Table::new(
        "Lost time",
        vec![
            Column::words("Cause"),
            Column::numbers("Time"),
            Column::numbers("Share of wall time"),
        ],
    );
    let list = plan.run.lost.named();
    let rows = list.iter().filter(|(_, s)| *s > 0.0);
    table.rows = rows
        .map(|&(name, s)| {
            vec![
                name.into(),
                Cell::quantity(s, Kind::Duration),
                Cell::quantity(s / plan.run.wall_s, Kind::Percent),
            ]
        })
        .collect();
    table
}

fn energy(plan: &Plan) -> Table {
    let energy = &plan.bill.energy;
    let mut table = Table::new(
        "Energy",
        vec![Column::words("Phase"), Column::numbers("Energy"), Column::numbers("Share")],
    );
    let named = energy.named();
    let rows = named.iter().filter(|(_, j)| *j > 0.0);
    table.rows = rows
        .map(|&(name, j)| {
            vec![
                name.into(),
                Cell::quantity(j, Kind::Energy),
                Cell::quantity(j / energy.facility_j, Kind::Percent),
            ]
        })
        .collect();
    let tdp = human(energy.tdp_convention_j, Kind::Energy);
    let of = |j: f64| human(j, Kind::Energy);
    table.notes.push(format!(
        "By equipment: devices {}, hosts {}, network {}, storage {}, cooling {}.",
        of(energy.devices_j),
        of(energy.hosts_j),
        of(energy.network_j),
        of(energy.storage_j),
        of(energy.cooling_j)
    ));
    table.notes.push(format!(
        "Of math, {} is recomputation and {} the optimizer; of lost time, {} is detection and restarts.",
        of(energy.recompute_j),
        of(energy.optimizer_j),
        of(energy.restart_j)
    ));
    table.notes.push(format!(
        "Device TDP times time, as model cards print it, would be {tdp}: without host, network and cooling."
    ));
    table
}

/// Lines of a greenhouse gas inventory, and the intensity of the run.
fn inventory(plan: &Plan) -> Table {
    let columns = vec![
        Column::words("Scope"),
        Column::words("What"),
        Column::numbers("By location"),
        Column::numbers("After contracts"),
    ];
    let mut table = Table::new("Greenhouse gas inventory", columns);
    let kg = |v: Option<f64>| v.map_or(Cell::Missing, |kg| Cell::quantity(kg, Kind::Carbon));
    let rows = plan.bill.scopes.iter();
    table.rows = rows
        .map(|l| vec![l.scope.into(), l.what.into(), kg(l.location_kg_co2e), kg(l.market_kg_co2e)])
        .collect();
    let sci = &plan.bill.carbon.sci;
    table.notes.push(format!(
        "Software carbon intensity (ISO/IEC 21031), by location with servers amortized: {} per billion tokens, {} per EFLOP. Empty: not known, not zero.",
        human(sci.gtoken_kg_co2e, Kind::Carbon),
        human(sci.eflop_kg_co2e, Kind::Carbon)
    ));
    table
}

fn money(plan: &Plan) -> Vec<Table> {
    let cost = &plan.bill.cost;
    let table = |title: &str, lines: &[(&str, f64)]| {
        let mut table = Table::new(title, vec![Column::words("Line"), Column::numbers("Cost")]);
        table.rows = lines
            .iter()
            .map(|(name, usd)| vec![(*name).into(), Cell::quantity(*usd, Kind::Usd)])
            .collect();
        table
    };
    let cloud = cost.cloud.as_ref().map(|c| table("Rented", &bill::cloud_lines(c)));
    let owned = cost.owned.as_ref().map(|o| {
        let mut owned = table("Owned", &bill::owned_lines(o));
        owned.notes.push(format!(
            "Buying the cluster takes {}: servers {}, network {}, building {}.",
            human(o.purchase_usd, Kind::Usd),
            human(o.capital.servers_usd, Kind::Usd),
            human(o.capital.network_usd, Kind::Usd),
            human(o.capital.facility_usd, Kind::Usd)
        ));
        owned
    });
    cloud.into_iter().chain(owned).chain(cost.books.as_ref().map(books)).collect()
}

/// Years of the machine: what is paid and what is booked.
fn books(books: &Books) -> Table {
    let columns = vec![
        Column::numbers("Year"),
        Column::numbers("Paid"),
        Column::numbers("Booked"),
        Column::numbers("Rent of the same hours"),
    ];
    let mut table = Table::new("The cluster over its life", columns);
    let usd = |v: f64| Cell::quantity(v, Kind::Usd);
    let rows = books.years.iter();
    table.rows = rows
        .map(|y| {
            let rent = y.rent_usd.map_or(Cell::Missing, usd);
            vec![Cell::Count(f64::from(y.number)), usd(y.cash_usd), usd(y.accrual_usd), rent]
        })
        .collect();
    table.notes.push(format!(
        "Cash and accrual both come to {}; year 0 is the purchase, and what is left of it is sold at the end.",
        human(books.cash_usd(), Kind::Usd)
    ));
    table
}

fn layout(plan: &Plan) -> Vec<KeyValue> {
    let l = &plan.layout;
    let degrees = [
        ("Tensor", l.tensor),
        ("Context", l.context),
        ("Pipeline", l.pipeline),
        ("Virtual stages", l.virtual_stages),
        ("Expert", l.expert),
        ("Expert tensor", l.expert_tensor),
        ("Data", l.data),
        ("Replicas", l.replicas),
        ("Micro-batch", l.micro_batch_seqs),
    ];
    let words = [
        ("Sharding", l.sharding.name()),
        ("Schedule", l.schedule_name()),
        ("Recomputation", l.recompute.name()),
    ];
    let numbers = degrees.map(|(key, n)| KeyValue::new(key, Cell::Count(f64::from(n))));
    let sequence = KeyValue::new("Sequence parallel", if l.sequence_parallel { "yes" } else { "no" }.into());
    numbers
        .into_iter()
        .chain(words.map(|(key, word)| KeyValue::new(key, word.into())))
        .chain([sequence])
        .collect()
}
