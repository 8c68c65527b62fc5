//! Ladders, curricula, architectures and what stands beside a run.

use super::super::{Cell, Column, KeyValue, Kind, Table};
use super::sheet::Sheet;
use super::{flop, number, params, tokens};
use crate::scale::architecture::{Entry, Kind as Architecture};
use crate::scale::concepts::{CONCEPTS, Extent};
use crate::scale::curriculum::{Phase, Totals};
use crate::scale::ladder::Ladder;
use crate::scale::law::Law;
use crate::units::HOUR_S;

/// The small runs before the big one.
#[must_use]
pub fn ladder(made: &Ladder) -> Sheet {
    let names = ["Size", "Data", "Training", "Time", "Device-hours", "Cost", "MFU"];
    let mut table = Table::new("Rungs", names.map(Column::numbers).to_vec());
    for r in &made.rungs {
        let of = |f: &dyn Fn(&crate::plan::Plan) -> Option<Cell>| r.plan.as_ref().and_then(f).unwrap_or(Cell::Missing);
        table.rows.push(vec![
            params(r.at.n_params),
            tokens(r.at.n_tokens),
            flop(r.at.flop()),
            of(&|p| Some(Cell::quantity(p.run.wall_s, Kind::Duration))),
            of(&|p| Some(Cell::Count(device_s(p) / HOUR_S))),
            of(&|p| p.bill.cost.total_usd.map(|u| Cell::quantity(u, Kind::Usd))),
            of(&|p| Some(Cell::quantity(p.step.mfu, Kind::Percent))),
        ]);
    }
    let [size, data, work] = made.distance();
    let times = |v: f64| Cell::quantity(v, Kind::Plain(1));
    #[allow(clippy::cast_precision_loss)]
    let runs = made.rungs.len() as f64 * made.n_copies;
    let mut answers = vec![
        KeyValue::new("Runs", Cell::Count(runs)).answer(),
        KeyValue::new("Ladder", flop(made.flop())).answer(),
        KeyValue::new("Share", Cell::quantity(made.share_fraction(), Kind::Percent))
            .note(format!("of the {} of the big run", flop(made.target.flop()).human()))
            .answer(),
        KeyValue::new("Size ahead", times(size)).note("times the largest rung"),
        KeyValue::new("Data ahead", times(data)).note("times the longest rung"),
        KeyValue::new("FLOP ahead", times(work)).note("times the largest rung"),
    ];
    if let Some(s) = made.sum(|p| Some(device_s(p))) {
        answers
            .push(KeyValue::new("Device-hours", Cell::Count(s / HOUR_S)).note("all rungs on the scenario's machine, one after the other"));
    }
    if let Some(usd) = made.sum(|p| p.bill.cost.total_usd) {
        answers.push(KeyValue::new("Cost", Cell::quantity(usd, Kind::Usd)));
    }
    Sheet {
        schema: "exaplan.scale-ladder/1",
        title: "Ladder".to_string(),
        answers,
        tables: vec![("rungs", table)],
        notes: vec![
            "Seeds move the loss of small runs by up to 4 % (Choshen et al. 2024, arXiv 2410.11840): --copies pays for that.".to_string(),
        ],
        ..Sheet::default()
    }
}

fn device_s(plan: &crate::plan::Plan) -> f64 {
    #[allow(clippy::cast_precision_loss)]
    let n = plan.scenario.n_devices() as f64;
    plan.run.wall_s * n
}

/// A schedule against a constant run.
#[must_use]
pub fn curriculum(phases: &[Phase], with: &Totals, without: &Totals, tokens_ratio: f64) -> Sheet {
    let columns = ["Until", "Tokens", "Sequence", "Batch", "Steps"].map(Column::numbers);
    let mut table = Table::new("Phases", columns.to_vec());
    let mut until = 0.0;
    for p in phases {
        until += p.tokens;
        table.rows.push(vec![
            tokens(until),
            tokens(p.tokens),
            tokens(p.seq_len_tokens),
            tokens(p.batch_tokens),
            Cell::Count(p.n_steps()),
        ]);
    }
    let saved = |a: f64, b: f64| Cell::quantity(1.0 - a / b, Kind::Percent);
    let mut answers = vec![
        KeyValue::new("Steps saved", saved(with.n_steps, without.n_steps))
            .note(format!(
                "{} instead of {}",
                crate::units::count(with.n_steps),
                crate::units::count(without.n_steps)
            ))
            .answer(),
        KeyValue::new("FLOP saved", saved(with.train_flop, without.train_flop))
            .note("attention at its real length")
            .answer(),
    ];
    if let (Some(a), Some(b)) = (with.time_s, without.time_s) {
        let text = |s| Cell::quantity(s, Kind::Duration).human();
        answers.push(
            KeyValue::new("Time saved", saved(a, b))
                .note(format!(
                    "steps take {} instead of {}, each phase in its best layout",
                    text(a),
                    text(b)
                ))
                .answer(),
        );
    }
    answers.push(
        KeyValue::new("Tokens needed", Cell::quantity(tokens_ratio, Kind::Percent))
            .note("with the factors of --method, capped at the 2x that was ever shown (up to 1.3B)"),
    );
    Sheet {
        schema: "exaplan.scale-curriculum/1",
        title: "Curriculum".to_string(),
        answers,
        tables: vec![("phases", table)],
        notes: vec!["What the loss does is not told: growing batches cost none at 1B (Merrill et al. 2025, arXiv 2505.23971); an order by difficulty has no law.".to_string()],
        ..Sheet::default()
    }
}

/// Architectures beside each other.
#[must_use]
pub fn architectures(list: &[Entry], law: &Law, factor: f64) -> Sheet {
    let columns = vec![
        Column::words("Architecture"),
        Column::numbers("Total"),
        Column::numbers("Active"),
        Column::numbers("FLOP per token"),
        Column::numbers("Step"),
        Column::numbers("Tokens per device"),
        Column::numbers("Memory"),
        Column::numbers("State"),
        Column::numbers("Even context"),
        Column::numbers("Data"),
        Column::numbers("Loss"),
        Column::words("Loss is known"),
    ];
    let mut table = Table::new("On the same machine in the same time", columns);
    for e in list {
        let plan = |f: &dyn Fn(&crate::plan::Plan) -> Cell| e.plan.as_ref().map_or(Cell::Missing, f);
        let peak = |p: &crate::plan::Plan| {
            p.step
                .memory
                .iter()
                .map(crate::layout::MemoryBudget::peak_bytes)
                .fold(0.0, f64::max)
        };
        table.rows.push(vec![
            e.kind.name().into(),
            params(e.counts.params_total),
            params(e.counts.params_active),
            flop(e.counts.train_flop_per_token),
            plan(&|p| Cell::quantity(p.step.time_s, Kind::Duration)),
            plan(&|p| Cell::quantity(p.step.tokens_per_s_per_device(), Kind::Si("tokens/s"))),
            plan(&|p| Cell::quantity(peak(p), Kind::Bytes)),
            Cell::quantity(e.state_bytes, Kind::Bytes),
            e.even_tokens.map_or(Cell::Missing, tokens),
            if e.plan.is_some() { tokens(e.tokens) } else { Cell::Missing },
            e.loss.map_or(Cell::Missing, number),
            e.kind.known().into(),
        ]);
    }
    table.notes.push("State: what serving keeps for one sequence of the training length. Even context: where mixing tokens costs as much as all the rest. Data: tokens in the time that the dense model needs for its own.".to_string());
    let mixtures = list.iter().any(|e| e.kind == Architecture::Mixture);
    let mut notes = vec![format!(
        "Loss of sliding, ssm and hybrid is the dense law's times --loss-factor {factor}: no published law tells it."
    )];
    if mixtures {
        notes.push(
            "Experts do not specialise by topic in a way that routing reads; routing is per token and acts in training too.".to_string(),
        );
    }
    Sheet {
        schema: "exaplan.scale-architectures/1",
        title: "Architectures".to_string(),
        tables: vec![("architectures", table)],
        notes,
        law: Some(law.clone()),
        ..Sheet::default()
    }
}

/// Every concept with the command that reaches it.
#[must_use]
pub fn concepts() -> Sheet {
    let columns = ["Concept", "Extent", "What is told", "Command"].map(Column::words);
    let mut table = Table::new("Concepts of scaling", columns.to_vec());
    for c in CONCEPTS {
        table
            .rows
            .push(vec![c.name.into(), c.extent.name().into(), c.tells.into(), c.command.into()]);
    }
    let n = |extent: Extent| {
        Cell::Count(f64::from(
            u32::try_from(CONCEPTS.iter().filter(|c| c.extent == extent).count()).unwrap_or(0),
        ))
    };
    Sheet {
        schema: "exaplan.scale-concepts/1",
        title: "What of scaling can be planned".to_string(),
        answers: vec![
            KeyValue::new("Modelled", n(Extent::Whole)),
            KeyValue::new("In part", n(Extent::Part)),
            KeyValue::new("Not", n(Extent::Outside)).note("with the reason"),
        ],
        tables: vec![("concepts", table)],
        ..Sheet::default()
    }
}
