//! 1 Plans: which of these is better, and why?

mod compare;
mod list;
mod side;

use super::{columns, popup, rows, show, show_blocks};
use crate::plan::Plan;
use crate::report::compare::{Case, Comparison};
use crate::report::plan::Detail;
use crate::report::{Block, Cell, Column, KeyValue, Table, explain};
use crate::study::compare::differences;
use crate::tui::action::{Command, Move};
use crate::tui::figures::FIGURES;
use crate::tui::paint::Paint;
use crate::tui::state::jobs::Effect;
use crate::tui::state::plans::Entry;
use crate::tui::state::{Ask, Overlay, Screen, State, failure_lines};
use crate::tui::update::{self, ask, stepped};
use crate::tui::view;
use ratatui::layout::{Constraint, Rect};

/// Its panels.
pub const PANELS: [&str; 4] = ["Scenarios", "Compare", "Where a step goes", "Warnings"];

/// Where they are.
pub fn rects(state: &State, body: Rect) -> Vec<Rect> {
    if state.large() {
        let side = (body.width / 4).clamp(34, 46);
        let [left, middle, right] = columns(body, [Constraint::Length(40), Constraint::Fill(1), Constraint::Length(side)]);
        let [parts, warnings] = rows(right, [Constraint::Fill(3), Constraint::Fill(2)]);
        return vec![left, middle, parts, warnings];
    }
    let [left, right] = columns(body, [Constraint::Length(27), Constraint::Fill(1)]);
    let [compare, warnings] = rows(right, [Constraint::Fill(1), Constraint::Length(5)]);
    vec![left, compare, Rect::default(), warnings]
}

/// Draw one.
pub fn draw(state: &State, paint: &mut Paint<'_>, panel: usize, area: Rect, focus: bool) {
    match panel {
        0 => list::draw(state, paint, area, focus),
        1 => compare::draw(state, paint, area, focus),
        2 => side::parts(state, paint, area, focus),
        _ => side::warnings(state, paint, area, focus),
    }
}

/// What is going on.
pub fn status(state: &State) -> String {
    let waiting = state.entries.iter().filter(|e| e.now.waiting).count();
    let changed = state.entries.iter().filter(|e| !e.edits.is_empty()).count();
    let last = state
        .plans
        .last_run_s
        .map_or_else(String::new, |s| format!("   last run {}", crate::units::duration(s)));
    format!("{} plans, {waiting} being planned, {changed} changed{last}", state.entries.len())
}

/// What an export holds.
pub fn blocks(state: &State) -> Vec<Block> {
    let list = state.compared();
    let mut head = vec![Column::words("")];
    head.extend(list.iter().map(|e| Column::numbers(format!("{} {}", state.letter(e.id), e.name))));
    let mut table = Table::new("Compare", head);
    for figure in &FIGURES {
        let mut row: Vec<Cell> = vec![figure.name.into()];
        row.extend(list.iter().map(|e| {
            let value = e.planned().and_then(|p| (figure.of)(&p.plan));
            value.map_or(Cell::Missing, |v| Cell::quantity(v, figure.kind))
        }));
        table.rows.push(row);
    }
    let named = |e: &&Entry| KeyValue::new(state.letter(e.id), Cell::Text(e.name.clone())).note(e.command(&state.about.flags));
    vec![Block::KeyValues(list.iter().map(named).collect()), Block::Table(table)]
}

/// What keys do.
pub fn update(state: &mut State, command: Command, _: &mut Vec<Effect>) -> bool {
    let panel = view::focused(state);
    match command {
        Command::Move(to) => moved(state, panel, to),
        Command::Match(by) => moved(state, 0, if by > 0 { Move::Down } else { Move::Up }),
        Command::Enter => open(state, panel),
        Command::Mark => mark(state),
        Command::Reference => {
            if let Some(id) = state.current().map(|e| e.id) {
                state.reference = id;
            }
        }
        Command::Difference => state.plans.difference = !state.plans.difference,
        Command::Sort => sort(state),
        Command::Metric(by) => {
            let n = FIGURES.len();
            let at = state.plans.metric;
            state.plans.metric = if by > 0 { (at + 1) % n } else { (at + n - 1) % n };
        }
        Command::Add => ask(state, Ask::Add, ""),
        Command::Clone => clone(state),
        Command::Delete => {
            if let Some((id, name)) = state.current().map(|e| (e.id, e.name.clone())) {
                let question = format!("Take {name} off the list? Its file stays.");
                state.overlay = Some(Overlay::Confirm { question, id });
            }
        }
        Command::Rename => {
            if let Some((id, name)) = state.current().map(|e| (e.id, e.name.clone())) {
                ask(state, Ask::Rename(id), &name);
            }
        }
        Command::Unknowns => assumptions(state),
        _ => return false,
    }
    true
}

fn moved(state: &mut State, panel: usize, to: Move) {
    let page = usize::from(state.size.1 / 2);
    match panel {
        1 | 2 => state.plans.row = stepped(state.plans.row, compare::rows(state).len(), to, page),
        3 => {
            let n = side::list(state).len();
            state.plans.warning = stepped(state.plans.warning, n, to, page);
        }
        _ => state.plans.cursor = stepped(state.plans.cursor, state.visible().len(), to, page),
    }
}

fn mark(state: &mut State) {
    let most = state.most_marks();
    let marked = state.entries.iter().filter(|e| e.marked).count();
    let Some(i) = state.current_index() else { return };
    if !state.entries[i].marked && marked >= most {
        state.complain(format!("{most} plans are marked; a wider window compares more"));
        return;
    }
    state.entries[i].marked = !state.entries[i].marked;
}

fn sort(state: &mut State) {
    const FIELDS: [&str; 4] = ["days", "musd", "step", "tco2e"];
    let at = state.plans.sort.and_then(|f| FIELDS.iter().position(|x| *x == f));
    let id = state.current().map(|e| e.id);
    (state.plans.sort, state.plans.descending) = match (at, state.plans.descending) {
        (None, _) => (Some(FIELDS[0]), false),
        (Some(i), false) => (Some(FIELDS[i]), true),
        (Some(i), true) if i + 1 < FIELDS.len() => (Some(FIELDS[i + 1]), false),
        (Some(_), true) => (None, false),
    };
    let at = state.visible().iter().position(|i| Some(state.entries[*i].id) == id);
    state.plans.cursor = at.unwrap_or(0);
    let text = match state.plans.sort {
        None => "in the order they came".to_string(),
        Some(field) => format!(
            "sorted by {field}, {} first",
            if state.plans.descending { "largest" } else { "least" }
        ),
    };
    state.say(text);
}

fn clone(state: &mut State) {
    let Some(entry) = state.current() else { return };
    let mut copy = Entry::new(
        state.last_id + 1,
        &format!("{} copy", entry.name),
        entry.source.clone(),
        entry.sets.clone(),
    );
    copy.edits.clone_from(&entry.edits);
    state.last_id += 1;
    state.entries.push(copy);
}

/// Open what is under the cursor: a report, a cause, or a remedy as a what-if.
fn open(state: &mut State, panel: usize) {
    match panel {
        1 | 2 => cause(state),
        3 => remedy(state),
        _ => {
            let Some(entry) = state.current() else { return };
            let name = entry.name.clone();
            match entry.now.value.as_deref() {
                None => state.say("it is being planned"),
                Some(answer @ Err(_)) => {
                    let lines = failure_lines(answer);
                    popup(state, &name, lines);
                }
                Some(Ok(planned)) => {
                    let document = crate::report::plan::document(&planned.plan, Detail::Screen);
                    show(state, &name, &document);
                }
            }
        }
    }
}

/// Where a number comes from, and why the others differ in it.
fn cause(state: &mut State) {
    let list = compare::rows(state);
    let path = list.get(state.plans.row).and_then(|r| r.path());
    let plans: Vec<(String, Vec<String>, Plan)> = state
        .compared()
        .iter()
        .filter_map(|e| {
            let changed = e.edits.iter().map(crate::tui::state::plans::Edit::assignment).collect();
            Some((e.name.clone(), changed, e.planned()?.plan.clone()))
        })
        .collect();
    let Some((.., first)) = plans.first() else {
        state.say("there is no plan yet");
        return;
    };
    let mut blocks = Vec::new();
    if let (Some(path), Some(planned)) = (path, state.compared().first().and_then(|e| e.planned()))
        && let Ok(explained) = explain::explain(first, &planned.catalog, &path)
    {
        blocks.extend(explained.document(first).blocks);
    }
    if plans.len() > 1 {
        let shown = Comparison {
            differences: plans.iter().skip(1).map(|(.., p)| differences(first, p)).collect(),
            what_ifs: Vec::new(),
            cases: plans
                .iter()
                .zip('A'..)
                .map(|((name, changed, plan), letter)| Case {
                    letter,
                    asked: name.clone(),
                    changed: changed.clone(),
                    plan: plan.clone(),
                    study: None,
                })
                .collect(),
        };
        blocks.extend(crate::report::compare::document(&shown, Detail::Screen).blocks);
    }
    show_blocks(state, "Why", blocks);
}

/// Apply the remedy of a warning, where it is a change.
fn remedy(state: &mut State) {
    let list = side::list(state);
    let Some((id, warning)) = list.get(state.plans.warning.min(list.len().saturating_sub(1))).cloned() else {
        state.say("no warnings");
        return;
    };
    let Some((path, value)) = warning.set.as_ref().and_then(|s| s.split_once('=')) else {
        popup(state, warning.code, vec![warning.message, format!("help: {}", warning.remedy)]);
        return;
    };
    let Some(at) = state.visible().iter().position(|i| state.entries[*i].id == id) else {
        return state.say("the filter hides that plan");
    };
    state.plans.cursor = at;
    update::set(state, path, value);
    state.screen = Screen::WhatIf;
    state.say(format!("{path}={value} is tried; u takes it back"));
}

/// What was assumed, with its sources, and what is known by its distribution only.
fn assumptions(state: &mut State) {
    let Some(planned) = state.planned().cloned() else { return };
    let scenario = &planned.plan.scenario;
    let mut table = Table::new("Assumptions", ["Key", "Value", "Source"].map(Column::words).to_vec());
    let unknown = |u: &crate::plan::Unknown| {
        vec![
            Cell::Text(u.path.clone()),
            u.shape.name().into(),
            "the scenario's [unknowns]".into(),
        ]
    };
    table.rows.extend(scenario.unknowns.iter().map(unknown));
    let row = |a: &crate::plan::Assumption| [&a.key, &a.value, &a.source].map(|t| Cell::Text(t.clone())).to_vec();
    table.rows.extend(scenario.assumptions.iter().map(row));
    show_blocks(state, "What it rests on", vec![Block::Table(table)]);
}

/// The mouse.
pub fn click(state: &mut State, panel: usize, area: Rect, (_, y): (u16, u16), pressed: bool, _: &mut Vec<Effect>) -> bool {
    let line = usize::from(y.saturating_sub(area.top() + 1));
    match panel {
        0 => {
            let Some(at) = list::at(state, area, line) else { return false };
            let again = std::mem::replace(&mut state.plans.cursor, at) == at;
            if pressed && again {
                mark(state);
            }
            true
        }
        1 => {
            let list = compare::rows(state);
            state.plans.row = line.saturating_sub(1).min(list.len().saturating_sub(1));
            true
        }
        _ => false,
    }
}
