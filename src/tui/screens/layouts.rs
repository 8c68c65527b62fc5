//! 2 Layouts: what fits, what is on the front, and why not the others?

mod list;
mod scatter;

use super::{columns, fold, popup, rows, show_blocks};
use crate::layout::Breadth;
use crate::report::search::rejected;
use crate::report::{Block, Cell, Column, Kind, Table};
use crate::search::Objective;
use crate::tui::action::{Command, Move};
use crate::tui::figures::short_layout;
use crate::tui::knobs;
use crate::tui::paint::{Inner, Paint, first_line, fit, gauge};
use crate::tui::state::jobs::{Effect, Search};
use crate::tui::state::views::AXES;
use crate::tui::state::{Screen, State};
use crate::tui::theme::Role;
use crate::tui::update::stepped;
use crate::tui::view;
use ratatui::layout::{Constraint, Rect};

/// Its panels.
pub const PANELS: [&str; 4] = ["Pareto", "Why not", "Candidates", "Chosen"];

/// Where they are.
pub fn rects(state: &State, body: Rect) -> Vec<Rect> {
    if state.large() {
        let [top, bottom] = rows(body, [Constraint::Fill(11), Constraint::Fill(7)]);
        let [chart, side] = columns(top, [Constraint::Fill(4), Constraint::Fill(3)]);
        let [why, chosen] = rows(side, [Constraint::Fill(1), Constraint::Fill(1)]);
        return vec![chart, why, bottom, chosen];
    }
    let [top, bottom] = rows(body, [Constraint::Fill(3), Constraint::Fill(2)]);
    let [chart, why] = columns(top, [Constraint::Fill(11), Constraint::Fill(9)]);
    vec![chart, why, bottom, Rect::default()]
}

/// How an axis is seen.
pub(super) fn kind(objective: Objective) -> Kind {
    match objective {
        Objective::StepTime => Kind::Duration,
        Objective::Memory => Kind::Bytes,
        Objective::Cost => Kind::Usd,
        Objective::Energy => Kind::Energy,
        Objective::Carbon => Kind::Carbon,
    }
}

/// Draw one.
pub fn draw(state: &State, paint: &mut Paint<'_>, panel: usize, area: Rect, focus: bool) {
    match panel {
        0 => scatter::draw(state, paint, area, focus),
        1 => why_not(state, paint, area, focus),
        2 => list::draw(state, paint, area, focus),
        _ => chosen(state, paint, area, focus),
    }
}

fn search(state: &State) -> Option<&Search> {
    state.layouts.found.value.as_deref()
}

/// What is going on.
pub fn status(state: &State) -> String {
    let p = state.layouts.progress;
    if state.layouts.found.waiting {
        #[allow(clippy::cast_precision_loss)]
        let (n, share) = (p.done as f64, p.parts.0 as f64 / p.parts.1.max(1) as f64);
        let left = if share > 0.01 {
            format!("   {} left", crate::units::duration(p.since_s / share - p.since_s))
        } else {
            String::new()
        };
        let rate = crate::units::si(n / p.since_s.max(1e-3), "/s");
        let width = if state.size.0 >= 120 { 42 } else { 20 };
        return format!(
            "{} {} layouts   {rate}{left}   esc stops, keeps what is found",
            gauge(share, width),
            crate::units::count(n)
        );
    }
    search(state).map_or_else(
        || "no search yet".to_string(),
        |s| {
            let f = &s.found;
            #[allow(clippy::cast_precision_loss)]
            let count = |n: u64| crate::units::count(n as f64);
            let stopped = if f.cancelled { "stopped: a part only; " } else { "" };
            format!(
                "{stopped}{} layouts ({}) in {}, {} timed, {} kept",
                count(f.n_considered),
                breadth_name(s.breadth),
                crate::units::duration(s.took_s),
                count(f.n_evaluated),
                count(f.best.len() as u64)
            )
        },
    )
}

fn breadth_name(breadth: Breadth) -> &'static str {
    match breadth {
        Breadth::Usual => "usual",
        Breadth::Schedules => "schedules",
        Breadth::All => "all",
    }
}

fn waiting(state: &State, paint: &mut Paint<'_>, inner: Inner) {
    if state.planned().is_none() {
        super::missing(state, paint, inner);
    } else {
        inner.put(paint, (1, 0), "searching ...", Role::Dim);
    }
}

fn why_not(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let Some(s) = search(state) else {
        let inner = paint.panel(area, "Why not", "", focus);
        waiting(state, paint, inner);
        return;
    };
    #[allow(clippy::cast_precision_loss)]
    let count = |n: u64| crate::units::count(n as f64);
    let inner = paint.panel(area, "Why not", &format!("of {}", count(s.found.n_considered)), focus);
    let mut list: Vec<(&String, &u64)> = s.found.rejected.iter().collect();
    list.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let most = list.first().map_or(1, |(_, n)| **n).max(1);
    let foot = 3;
    let room = usize::from(inner.height().saturating_sub(foot + 1));
    let bar_width = if inner.width() < 50 { 3 } else { inner.width() / 5 };
    let first = first_line(state.layouts.why, list.len(), room);
    for (y, (i, (reason, n))) in (0..).zip(list.iter().enumerate().skip(first).take(room)) {
        let end = inner.width().saturating_sub(bar_width + 2);
        let text = fit(reason, usize::from(end.saturating_sub(13)));
        inner.put(paint, (1, y), &text, Role::Text);
        inner.right(paint, (end, y), &count(**n), Role::Text);
        #[allow(clippy::cast_precision_loss)]
        inner.bar(paint, (end + 1, y), bar_width, **n as f64 / most as f64, Role::Series(5));
        if focus && i == state.layouts.why {
            inner.select(paint, y);
        }
    }
    let y = inner.height().saturating_sub(foot);
    let end = inner.width().saturating_sub(bar_width + 2);
    let fits = if s.found.n_bounded > 0 { "timed" } else { "fit" };
    for (i, (name, n)) in [(fits, s.found.n_evaluated), ("on the front", s.found.pareto.len() as u64)]
        .into_iter()
        .enumerate()
    {
        let y = y + u16::try_from(i).unwrap_or(0);
        inner.put(paint, (1, y), name, Role::Strong);
        inner.right(paint, (end, y), &count(n), Role::Strong);
    }
    let text = format!("space tried: {} (f changes)", breadth_name(state.layouts.breadth));
    inner.put(paint, (1, y + 2), &text, Role::Dim);
}

fn chosen(state: &State, paint: &mut Paint<'_>, area: Rect, focus: bool) {
    let title = state
        .layouts
        .under_cursor()
        .map_or_else(|| "Chosen".to_string(), |(_, l)| format!("Chosen: {}", short_layout(&l)));
    let inner = paint.panel(area, &title, "", focus);
    let (Some((search, layout)), Some(Ok(planned))) = (state.layouts.under_cursor(), state.layouts.chosen.value.as_deref()) else {
        return;
    };
    if planned.plan.layout != layout {
        inner.put(paint, (1, 0), "computing ...", Role::Dim);
        return;
    }
    let (plan, base) = (&planned.plan, &search.of.plan);
    let mut y = 0;
    for text in fold(&layout.to_string(), usize::from(inner.width().saturating_sub(2))) {
        inner.put(paint, (1, y), &text, Role::Text);
        y += 1;
    }
    y += 1;
    for field in ["step", "mfu", "mem", "goodput", "days", "musd", "mwh", "tco2e"] {
        let Some(f) = crate::tui::figures::by_field(field) else { continue };
        let (Some(now), Some(was)) = ((f.of)(plan), (f.of)(base)) else {
            continue;
        };
        let (difference, better) = f.difference(now, was);
        inner.put(paint, (1, y), f.name, Role::Text);
        inner.right(paint, (30, y), &f.kind.human(now), Role::Strong);
        let role = match better {
            Some(true) => Role::Good,
            Some(false) => Role::Bad,
            None => Role::Dim,
        };
        let text = if f.change == crate::tui::figures::Change::Absolute {
            format!("plan has {}", f.kind.human(was))
        } else {
            difference
        };
        inner.put(paint, (33, y), &text, role);
        y += 1;
    }
    y += 1;
    for (name, s) in plan
        .step
        .parts
        .list()
        .iter()
        .filter(|(n, s)| *s > 0.0 && matches!(*n, "tensor_s" | "context_s" | "expert_s" | "pipeline_s" | "data_s"))
    {
        let text = format!(
            "{} {:.1} % exposed",
            crate::report::plan::part_name(name),
            100.0 * s / plan.step.time_s
        );
        inner.put(paint, (1, y), &text, Role::Dim);
        y += 1;
    }
}

/// What an export holds.
pub fn blocks(state: &State) -> Vec<Block> {
    let Some(s) = search(state) else { return Vec::new() };
    let names = ["Layout", "Step", "Tokens/s per device", "Memory", "Cost", "Energy", "Carbon"];
    let columns = names
        .iter()
        .enumerate()
        .map(|(i, n)| if i == 0 { Column::words(*n) } else { Column::numbers(*n) });
    let mut table = Table::new("Candidates", columns.collect());
    let maybe = |v: Option<f64>, kind: Kind| v.map_or(Cell::Missing, |v| Cell::quantity(v, kind));
    table.rows = state
        .layouts
        .list()
        .iter()
        .map(|c| {
            vec![
                Cell::Text(c.layout.to_string()),
                Cell::quantity(c.step_time_s, Kind::Duration),
                Cell::quantity(c.tokens_per_s_per_device, Kind::Plain(0)),
                Cell::quantity(c.peak_bytes, Kind::Bytes),
                maybe(c.totals.and_then(|t| t.cost_usd), Kind::Usd),
                maybe(c.totals.map(|t| t.energy_j), Kind::Energy),
                maybe(c.totals.map(|t| t.carbon_kg_co2e), Kind::Carbon),
            ]
        })
        .collect();
    let chart = crate::report::search::chart(&s.found).map(Block::Chart);
    [Block::Table(table), Block::Table(rejected(&s.found, true))]
        .into_iter()
        .chain(chart)
        .collect()
}

/// What keys do.
pub fn update(state: &mut State, command: Command, _: &mut Vec<Effect>) -> bool {
    let panel = view::focused(state);
    match command {
        Command::Move(to) => moved(state, panel, to),
        Command::Match(by) => moved(state, 2, if by > 0 { Move::Down } else { Move::Up }),
        Command::Enter if panel == 1 => reasons(state),
        Command::Enter => use_it(state),
        Command::Mark => {
            if let Some((_, layout)) = state.layouts.under_cursor() {
                match state.layouts.marked.iter().position(|l| *l == layout) {
                    Some(i) => drop(state.layouts.marked.remove(i)),
                    None => state.layouts.marked.push(layout),
                }
            }
        }
        Command::Sort => state.layouts.sort = (state.layouts.sort + 1) % AXES.len(),
        Command::AxisX => state.layouts.x = (state.layouts.x + 1) % AXES.len(),
        Command::AxisY => state.layouts.y = (state.layouts.y + 1) % AXES.len(),
        Command::OnlyFront => {
            state.layouts.only_front = !state.layouts.only_front;
            state.layouts.cursor = 0;
        }
        Command::Published => state.layouts.published = !state.layouts.published,
        Command::Breadth => {
            state.layouts.breadth = match state.layouts.breadth {
                Breadth::Usual => Breadth::Schedules,
                Breadth::Schedules => Breadth::All,
                Breadth::All => Breadth::Usual,
            };
        }
        Command::Explain => explain(state),
        _ => return false,
    }
    true
}

fn moved(state: &mut State, panel: usize, to: Move) {
    let page = usize::from(state.size.1 / 3);
    match panel {
        1 => {
            let n = search(state).map_or(0, |s| s.found.rejected.len());
            state.layouts.why = stepped(state.layouts.why, n, to, page);
        }
        0 => scatter::walk(state, to),
        _ => state.layouts.cursor = stepped(state.layouts.cursor, state.layouts.list().len(), to, page),
    }
}

/// Take the layout into the plan.
fn use_it(state: &mut State) {
    let Some((_, layout)) = state.layouts.under_cursor() else {
        state.say("there is no candidate yet");
        return;
    };
    let Some(id) = state.current().map(|e| e.id) else { return };
    state.edit(id, |e| {
        // What the scenario says of the layout and this does not must not stay.
        e.edits.retain(|edit| edit.path != "layout" && !edit.path.starts_with("layout."));
        e.set("layout", "{}");
        for (path, value) in knobs::layout_edits(&layout) {
            e.edits.push(crate::tui::state::plans::Edit { path, value });
        }
    });
    state.screen = Screen::Plans;
    state.say(format!("{} is taken; u takes it back", short_layout(&layout)));
}

fn reasons(state: &mut State) {
    let Some(s) = search(state) else { return };
    let mut lines = vec!["The nearest miss:".to_string()];
    lines.extend(
        fold(s.found.nearest.as_deref().unwrap_or("none is known"), 76)
            .into_iter()
            .map(|l| format!("  {l}")),
    );
    lines.push(String::new());
    let mut list: Vec<_> = s.found.rejected.iter().collect();
    list.sort_by(|a, b| b.1.cmp(a.1));
    #[allow(clippy::cast_precision_loss)]
    lines.extend(
        list.iter()
            .map(|(reason, n)| format!("{:>12}  {reason}", crate::units::count(**n as f64))),
    );
    popup(state, "Why the others fell", lines);
}

/// Why the candidate differs from the plan: parts whose differences sum to that of the step.
fn explain(state: &mut State) {
    let (Some((search, layout)), Some(Ok(planned))) = (state.layouts.under_cursor(), state.layouts.chosen.value.as_deref()) else {
        state.say("the candidate is being worked out");
        return;
    };
    let (base, plan) = (&search.of.plan, &planned.plan);
    let names = ["Part", "Plan", "Candidate", "Difference"];
    let columns = names
        .iter()
        .enumerate()
        .map(|(i, n)| if i == 0 { Column::words(*n) } else { Column::numbers(*n) });
    let mut table = Table::new(
        format!("{} against the plan's {}", short_layout(&layout), short_layout(&base.layout)),
        columns.collect(),
    );
    let cell = |s: f64| Cell::quantity(s, Kind::Duration);
    for ((key, a), (_, b)) in base.step.parts.list().iter().zip(plan.step.parts.list()) {
        if *a > 0.0 || b > 0.0 {
            table
                .rows
                .push(vec![crate::report::plan::part_name(key).into(), cell(*a), cell(b), cell(b - a)]);
        }
    }
    let (a, b) = (base.step.time_s, plan.step.time_s);
    table.rows.push(vec!["step".into(), cell(a), cell(b), cell(b - a)]);
    show_blocks(state, "Why", vec![Block::Table(table)]);
}

/// The mouse.
pub fn click(state: &mut State, panel: usize, area: Rect, (x, y): (u16, u16), _: bool, _: &mut Vec<Effect>) -> bool {
    match panel {
        0 => scatter::click(state, area, (x, y)),
        2 => {
            let n = state.layouts.list().len();
            let room = usize::from(area.height.saturating_sub(3));
            let first = first_line(state.layouts.cursor.min(n.saturating_sub(1)), n, room);
            let Some(line) = usize::from(y.saturating_sub(area.top() + 1)).checked_sub(1) else {
                return false;
            };
            if first + line < n {
                state.layouts.cursor = first + line;
            }
            true
        }
        _ => false,
    }
}
