//! Which cluster keeps the limits: for people as a document, for programs as `exaplan.size/1`.

pub mod json;

use super::svg::{Axis, Lines};
use super::{Block, Cell, Chart, Column, Document, KeyValue, Kind, Span, Table, plan};
use crate::plan::{Scenario, ranges};
use crate::study::size::{Answer, Best, Bound, Case, MARGIN_FRACTION, Machine, Market, Objective, Outcome, Question, Row};
use crate::units;

/// What a size is shown with.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// What was asked about.
    pub scenario: &'a Scenario,
    /// The question.
    pub question: &'a Question,
    /// The answer.
    pub answer: &'a Answer,
    /// Words of the command that plans the scenario as it was read.
    pub command: &'a [String],
    /// How long it took.
    pub elapsed_s: f64,
    /// Digest of the catalog.
    pub catalog_digest: &'a str,
}

/// For people; a page has charts too.
#[must_use]
pub fn document(shown: &Shown<'_>, page: bool) -> Document {
    let mut blocks = Vec::new();
    match (&shown.answer.best, shown.answer.machines.first()) {
        (Some(best), Some(outcome)) => {
            blocks.push(Block::KeyValues(summary(shown, best, outcome)));
            blocks.push(Block::Paragraph(vec![
                Span::strong("Plan it: "),
                Span::plain(command(shown, &best.overrides)),
            ]));
            if page {
                blocks.extend(charts(best));
            }
            blocks.push(Block::Table(curve(shown, best)));
        }
        _ => blocks.push(Block::KeyValues(nothing(shown))),
    }
    blocks.push(Block::Table(rows(shown)));
    if shown.answer.best.is_none() {
        blocks.push(Block::Table(remedies(shown)));
    }
    blocks.push(Block::Table(machines(shown)));
    Document {
        title: title(shown.question),
        subtitle: subtitle(shown.scenario),
        blocks,
        provenance: format!("exaplan {}, catalog {}", env!("CARGO_PKG_VERSION"), shown.catalog_digest),
    }
}

fn subtitle(scenario: &Scenario) -> String {
    format!(
        "{} on {} tokens, {}",
        scenario.workload.model.title,
        units::si(scenario.workload.total_tokens, "").replace(' ', "").replace('G', "B"),
        scenario.stack.name
    )
}

/// `Fewest devices for a deadline of 60.0 days and a budget of 60.0 MUSD`.
fn title(question: &Question) -> String {
    let what = match question.objective {
        Objective::Devices => "Fewest devices",
        Objective::Cost => "Least money",
        Objective::Days => "Fewest days",
        Objective::Carbon => "Least carbon",
    };
    let limits: Vec<String> = Bound::ALL
        .into_iter()
        .filter(|b| *b != Bound::Devices)
        .filter_map(|b| Some(format!("a {} of {}", word(b), amount(b, question.limit(b)?))))
        .collect();
    match limits.split_last() {
        None => format!(
            "{what} of at most {}",
            amount(Bound::Devices, question.limit(Bound::Devices).unwrap_or(0.0))
        ),
        Some((one, [])) => format!("{what} for {one}"),
        Some((last, rest)) => format!("{what} for {} and {last}", rest.join(", ")),
    }
}

fn word(bound: Bound) -> &'static str {
    match bound {
        Bound::Power => "power limit",
        Bound::Carbon => "carbon limit",
        other => other.name(),
    }
}

fn kind(bound: Bound) -> Kind {
    match bound {
        Bound::Deadline => Kind::Duration,
        Bound::Budget => Kind::Usd,
        Bound::Power => Kind::Si("W"),
        Bound::Carbon => Kind::Carbon,
        Bound::Devices => Kind::Plain(0),
    }
}

fn amount(bound: Bound, value: f64) -> String {
    let text = kind(bound).human(value);
    if bound == Bound::Devices { format!("{text} devices") } else { text }
}

/// `56.1 of 60.0 days`: what is taken and the limit.
fn against(case: &Case, question: &Question, bound: Bound) -> Option<String> {
    let share = case.takes(bound)? / question.limit(bound)?;
    Some(format!("{} of the {}", Kind::Percent.human(share), word(bound)))
}

fn market<'a>(machine: &'a Machine, case: &Case) -> &'a Market {
    &machine.markets[case.market]
}

fn summary(shown: &Shown<'_>, best: &Best, outcome: &Outcome) -> Vec<KeyValue> {
    let (question, machine, case, plan) = (shown.question, &outcome.machine, &best.case, &best.plan);
    let note = |bound: Bound, more: String| match against(case, question, bound) {
        Some(text) if more.is_empty() => text,
        Some(text) => format!("{text}; {more}"),
        None => more,
    };
    let range = ranges(plan).map_or(String::new(), |r| {
        let scale = Kind::Duration.scale(r.wall_s.p90);
        let number = |v: f64| Kind::Duration.number(v, &scale);
        format!(
            "{} to {} {} in 8 cases of 10",
            number(r.wall_s.p10),
            number(r.wall_s.p90),
            scale.unit
        )
    });
    #[allow(clippy::cast_precision_loss)]
    let devices = Cell::Count(case.n_devices as f64);
    let nodes = format!("{} × {}", units::count(f64::from(case.n_nodes)), machine.base.cluster.node.title);
    let network = format!("{} inside, {} between", plan.scenario.scale_up.title, plan.scenario.scale_out.title);
    let mut list = vec![
        KeyValue::new("Devices", devices)
            .note(machine.base.accelerator.title.clone())
            .answer(),
        KeyValue::new("Cluster", Cell::Text(nodes)).note(network).answer(),
        KeyValue::new("From", Cell::Text(market(machine, case).provider.clone())).note(place(market(machine, case))),
        KeyValue::new("Time to train", Cell::quantity(case.wall_s, Kind::Duration))
            .note(note(Bound::Deadline, range))
            .answer(),
        KeyValue::new("Cost", case.cost_usd.map_or(Cell::Missing, |usd| Cell::quantity(usd, Kind::Usd)))
            .note(note(Bound::Budget, String::new()))
            .answer(),
        KeyValue::new("Power", Cell::quantity(case.mean_w, Kind::Si("W"))).note(note(
            Bound::Power,
            format!("mean at the meter; provide for {}", Kind::Si("W").human(case.peak_w)),
        )),
        KeyValue::new("Carbon", Cell::quantity(case.carbon_kg_co2e, Kind::Carbon))
            .note(note(Bound::Carbon, format!("{} of electricity", Kind::Energy.human(case.energy_j)))),
        KeyValue::new("Layout", Cell::Text(case.layout.to_string())),
        KeyValue::new("Step", Cell::quantity(case.step_time_s, Kind::Duration)).note(format!(
            "MFU {}, goodput {}",
            Kind::Percent.human(case.mfu),
            Kind::Percent.human(case.goodput)
        )),
    ];
    list.push(one_more(best, machine));
    list.extend(others(shown, best));
    list
}

/// Where a market is and what it asks.
fn place(market: &Market) -> String {
    let place = if market.place_assumed {
        format!("{}, as the price names no place", market.region.title)
    } else {
        market.region.title.clone()
    };
    match &market.offer {
        Some(offer) => format!(
            "{:.2} USD per device-hour {}, {} ({}); {place}",
            offer.usd_per_device_hour.base_usd,
            offer.commitment.name(),
            offer.name,
            offer.as_of
        ),
        None => place,
    }
}

/// The marginal value of a device.
fn one_more(best: &Best, machine: &Machine) -> KeyValue {
    let Some(m) = &best.marginal else {
        return KeyValue::new("One more node", Cell::Missing).note("no count up to 15 % larger is faster");
    };
    let money = |usd: f64| {
        let verb = if usd < 0.0 { "costs" } else { "saves" };
        format!("{verb} {}; ", Kind::Usd.human(usd.abs()))
    };
    let per_device = m.saved_s / f64::from(machine.base.cluster.node.n_devices);
    let step = match m.n_more_nodes {
        1 => "one node more is a count that can be cut".to_string(),
        n => format!(
            "each of the next {n}, to {}: the smallest larger count that is faster",
            units::count(f64::from(m.next.n_nodes))
        ),
    };
    KeyValue::new("One more node", Cell::Text(format!("{} sooner", units::duration(m.saved_s)))).note(format!(
        "{}{} per device; {step}",
        m.saved_usd.map_or(String::new(), money),
        units::duration(per_device)
    ))
}

/// What else is best at something, where that is another cluster.
fn others(shown: &Shown<'_>, best: &Best) -> Vec<KeyValue> {
    let mut out = Vec::new();
    for (name, objective) in [
        ("Fewest devices", Objective::Devices),
        ("Cheapest", Objective::Cost),
        ("Greenest", Objective::Carbon),
    ] {
        if objective == shown.question.objective {
            continue;
        }
        let fitting = shown
            .answer
            .machines
            .iter()
            .flat_map(|o| o.rows.iter().filter_map(move |r| Some((o, r.best.as_ref()?))));
        let value = |c: &Case| match objective {
            Objective::Cost => c.cost_usd.unwrap_or(f64::INFINITY),
            Objective::Carbon => c.carbon_kg_co2e,
            #[allow(clippy::cast_precision_loss)]
            Objective::Devices | Objective::Days => c.n_devices as f64,
        };
        let real = fitting.filter(|(o, c)| !crate::study::size::is_average(&market(&o.machine, c).provider));
        let Some((outcome, case)) = real.reduce(|a, b| if value(b.1) < value(a.1) { b } else { a }) else {
            continue;
        };
        if value(case) < value(&best.case) {
            let cell = match objective {
                Objective::Cost => Cell::quantity(value(case), Kind::Usd),
                Objective::Carbon => Cell::quantity(value(case), Kind::Carbon),
                Objective::Devices | Objective::Days => Cell::Count(value(case)),
            };
            let m = market(&outcome.machine, case);
            #[allow(clippy::cast_precision_loss)]
            let devices = units::count(case.n_devices as f64);
            out.push(KeyValue::new(name, cell).note(format!(
                "of the rows below: {devices} × {} from {} in {}, {}",
                outcome.machine.accelerator,
                m.provider,
                m.region.name,
                units::duration(case.wall_s)
            )));
        }
    }
    out
}

/// The command that plans the answer.
#[must_use]
pub fn command(shown: &Shown<'_>, overrides: &[String]) -> String {
    let sets = overrides.iter().flat_map(|o| ["--set".to_string(), o.clone()]);
    let words: Vec<String> = shown.command.iter().cloned().chain(sets).map(|w| quoted(&w)).collect();
    words.join(" ")
}

/// A word as a POSIX shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+%@".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

fn nothing(shown: &Shown<'_>) -> Vec<KeyValue> {
    let Some(outcome) = shown.answer.machines.first() else {
        return vec![
            KeyValue::new("Nothing to look at", Cell::Missing)
                .note("no machine is left; see below")
                .answer(),
        ];
    };
    let nearest = outcome.rows.iter().filter_map(|r| r.miss.as_ref());
    let share = |c: &Case| c.tightest(shown.question).1;
    let nearest = nearest.reduce(|a, b| if share(b) < share(a) { b } else { a });
    let mut list = vec![
        KeyValue::new("Nothing keeps all limits", Cell::Missing)
            .note(format!("of {} machines", shown.answer.machines.len()))
            .answer(),
    ];
    if let Some(case) = nearest {
        let (bound, share) = case.tightest(shown.question);
        let m = market(&outcome.machine, case);
        #[allow(clippy::cast_precision_loss)]
        let devices = units::count(case.n_devices as f64);
        list.push(
            KeyValue::new("Nearest", Cell::Text(format!("{devices} × {}", outcome.machine.accelerator)))
                .note(format!("from {} in {}: {}", m.provider, m.region.name, over(case, bound, share)))
                .answer(),
        );
    }
    list
}

/// `81.0 MUSD, 1.35 times the budget`.
fn over(case: &Case, bound: Bound, share: f64) -> String {
    match case.takes(bound) {
        Some(takes) => format!("{}, {} times the {}", amount(bound, takes), units::significant(share), word(bound)),
        None => "no price to hold against the budget".to_string(),
    }
}

/// One row per accelerator and provider.
#[must_use]
pub fn rows(shown: &Shown<'_>) -> Table {
    let columns = vec![
        Column::words("Accelerator"),
        Column::words("Provider"),
        Column::numbers("USD/h"),
        Column::words("Region"),
        Column::numbers("Devices"),
        Column::numbers("Time").unit("days"),
        Column::numbers("Cost").unit("MUSD"),
        Column::numbers("Carbon").unit("tCO2e"),
        Column::words("Misses"),
    ];
    let mut table = Table::new("By accelerator and provider", columns);
    for outcome in &shown.answer.machines {
        table.rows.extend(outcome.rows.iter().map(|r| row(shown.question, outcome, r)));
    }
    if shown.answer.machines.iter().any(|o| o.rows.iter().any(|r| r.best.is_none())) {
        table
            .notes
            .push("Misses: the limit that is missed, and how many times it is taken, at the count that comes nearest.".to_string());
    }
    let assumed = |o: &Outcome| o.machine.markets.iter().any(|m| m.place_assumed);
    if shown.answer.machines.iter().any(assumed) {
        table
            .notes
            .push("~ the price names no place, so carbon and power are those of the scenario's region or one asked for.".to_string());
    }
    table
}

fn row(question: &Question, outcome: &Outcome, row: &Row) -> Vec<Cell> {
    let machine = &outcome.machine;
    let mut cells = vec![Cell::Text(machine.accelerator.clone()), Cell::Text(row.provider.clone())];
    let Some(case) = row.best.as_ref().or(row.miss.as_ref()) else {
        cells.extend(vec![Cell::Missing; 6]);
        cells.push(Cell::Text(none(question, outcome)));
        return cells;
    };
    let m = market(machine, case);
    let mark = if m.place_assumed { "~" } else { "" };
    let misses = match row.best {
        Some(_) => String::new(),
        None => case
            .shares(question)
            .filter(|(_, share)| *share > 1.0)
            .map(|(b, share)| format!("{} × {}", b.name(), units::significant(share)))
            .collect::<Vec<_>>()
            .join(", "),
    };
    #[allow(clippy::cast_precision_loss)]
    cells.extend([
        m.offer
            .as_ref()
            .map_or(Cell::Missing, |o| Cell::quantity(o.usd_per_device_hour.base_usd, Kind::Plain(2))),
        Cell::Text(format!("{mark}{}", m.region.name)),
        Cell::Count(case.n_devices as f64),
        Cell::quantity(case.wall_s, Kind::Duration),
        case.cost_usd.map_or(Cell::Missing, |usd| Cell::quantity(usd, Kind::Usd)),
        Cell::quantity(case.carbon_kg_co2e, Kind::Carbon),
        Cell::Text(misses),
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
fn remedies(shown: &Shown<'_>) -> Table {
    let question = shown.question;
    let asked: Vec<Bound> = Bound::ALL.into_iter().filter(|b| question.limit(*b).is_some()).collect();
    let mut columns = vec![Column::words("Accelerator")];
    columns.extend(asked.iter().map(|b| Column::numbers(format!("--{}", b.name()))));
    columns.push(Column::words("Otherwise"));
    let mut table = Table::new("What would do: one of these, the other limits as they are", columns);
    for outcome in &shown.answer.machines {
        let mut cells = vec![Cell::Text(outcome.machine.accelerator.clone())];
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
fn machines(shown: &Shown<'_>) -> Table {
    let columns = vec![
        Column::words("Accelerator"),
        Column::words("Node"),
        Column::words("Network"),
        Column::numbers("At peak"),
        Column::numbers("Counts"),
        Column::numbers("Planned"),
    ];
    let mut table = Table::new("What was looked at", columns);
    #[allow(clippy::cast_precision_loss)]
    let count = |n: usize| Cell::Count(n as f64);
    for outcome in &shown.answer.machines {
        let base = &outcome.machine.base;
        table.rows.push(vec![
            Cell::Text(outcome.machine.accelerator.clone()),
            Cell::Text(format!("{} ({})", base.cluster.node.name, base.cluster.node.n_devices)),
            Cell::Text(format!("{}, {}", base.scale_up.name, base.scale_out.name)),
            Cell::Count(f64::from(outcome.least_nodes)),
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
        "At peak: nodes below which the deadline is impossible. Counts: numbers of nodes that the run can be cut to. {planned} were planned in {}: {how}.",
        units::duration(shown.elapsed_s)
    ));
    if !shown.answer.skipped.is_empty() {
        let list: Vec<String> = shown.answer.skipped.iter().map(|(name, why)| format!("{name} ({why})")).collect();
        table.notes.push(format!("Left out: {}.", list.join(", ")));
    }
    table
}

fn curve(shown: &Shown<'_>, best: &Best) -> Table {
    let columns = vec![
        Column::words(""),
        Column::numbers("Nodes"),
        Column::numbers("Devices"),
        Column::numbers("Time"),
        Column::numbers("Cost"),
        Column::numbers("Carbon"),
        Column::numbers("MFU"),
        Column::numbers("Goodput"),
        Column::numbers("Node saves"),
        Column::numbers("Node costs"),
    ];
    let mut table = Table::new("More or fewer devices", columns);
    for (i, case) in best.curve.iter().enumerate() {
        let next = best.curve.get(i + 1);
        let more = next.map_or(1.0, |n| f64::from(n.n_nodes - case.n_nodes));
        let saves = next.map_or(Cell::Missing, |n| Cell::quantity((case.wall_s - n.wall_s) / more, Kind::Duration));
        let costs = next.and_then(|n| n.cost_usd.zip(case.cost_usd));
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
            Cell::quantity(case.wall_s, Kind::Duration),
            case.cost_usd.map_or(Cell::Missing, |usd| Cell::quantity(usd, Kind::Usd)),
            Cell::quantity(case.carbon_kg_co2e, Kind::Carbon),
            Cell::quantity(case.mfu, Kind::Percent),
            Cell::quantity(case.goodput, Kind::Percent),
            saves,
            costs.map_or(Cell::Missing, |(n, c)| Cell::quantity((n - c) / more, Kind::Usd)),
        ]);
    }
    table
        .notes
        .push("= the answer, x misses a limit. Node saves, node costs: each node more on the way to the next row.".to_string());
    table
}

/// Days, money and carbon over devices.
fn charts(best: &Best) -> Vec<Block> {
    let axis = |label: &str, kind| Axis {
        label: label.to_string(),
        kind,
        log: true,
    };
    let chart = |title: &str, kind: Kind, of: &dyn Fn(&Case) -> Option<f64>| {
        #[allow(clippy::cast_precision_loss)]
        let points: Vec<(f64, f64)> = best.curve.iter().filter_map(|c| Some((c.n_devices as f64, of(c)?))).collect();
        (points.len() > 1).then(|| {
            Block::Chart(Chart::Lines(Lines {
                title: format!("{title} over devices"),
                x: axis("devices", Kind::Plain(0)),
                y: axis(title, kind),
                series: vec![(title.to_lowercase(), points)],
            }))
        })
    };
    [
        chart("Time to train", Kind::Duration, &|c| Some(c.wall_s)),
        chart("Cost", Kind::Usd, &|c| c.cost_usd),
        chart("Carbon", Kind::Carbon, &|c| Some(c.carbon_kg_co2e)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Text of a plan's provenance, for the answer.
fn provenance(best: &Best) -> serde_json::Value {
    plan::provenance_json(&best.plan.provenance)
}
