//! Which cluster keeps the limits: for people as a document, for programs as `exaplan.size/1`.

pub mod json;
mod tables;

pub use tables::rows;

use super::svg::{Axis, Lines};
use super::{Block, Cell, Chart, Document, KeyValue, Kind, Span, opening, plan};
use crate::plan::{Scenario, ranges};
use crate::study::size::{Answer, Best, Bound, Case, MOST_DEVICES, Machine, Marginal, Market, Objective, Outcome, Question};
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
            if page {
                blocks.extend(opening::blocks(&best.plan));
            }
            blocks.push(Block::Paragraph(vec![
                Span::strong("Plan it: "),
                Span::plain(command(shown, &best.overrides)),
            ]));
            blocks.push(Block::Paragraph(vec![Span::plain(again(best))]));
            if page {
                blocks.extend(charts(best));
            }
            blocks.push(Block::Table(tables::curve(shown, best)));
        }
        _ => blocks.push(Block::KeyValues(nothing(shown))),
    }
    blocks.push(Block::Table(if page { rows(shown) } else { tables::screen_rows(shown) }));
    if shown.answer.best.is_none() {
        blocks.push(Block::Table(tables::remedies(shown)));
    }
    blocks.push(Block::Table(tables::machines(shown)));
    Document {
        title: title(shown.question),
        subtitle: subtitle(shown.scenario),
        blocks,
        provenance: format!("exaplan {}, catalog {}", env!("CARGO_PKG_VERSION"), shown.catalog_digest),
    }
}

/// What planning the answer from its text gave.
fn again(best: &Best) -> String {
    let (run, bill) = (&best.plan.run, &best.plan.bill);
    let cost = bill
        .cost
        .total_usd
        .map_or(String::new(), |usd| format!(", {}", Kind::Usd.human(usd)));
    format!(
        "Planned again from this text: {}{cost}, {}, {}.",
        units::duration(run.wall_s),
        Kind::Si("W").human(bill.energy.mean_w),
        Kind::Carbon.human(bill.carbon.total_location_kg_co2e)
    )
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
    let asked = |b: &Bound| *b != Bound::Devices || question.most_devices != MOST_DEVICES;
    let limits = Bound::ALL.into_iter().filter(asked).filter_map(|b| {
        let amount = amount(b, question.limit(b)?);
        Some(match b {
            Bound::Devices => format!("at most {amount}"),
            _ => format!("a {} of {amount}", word(b)),
        })
    });
    let limits: Vec<String> = limits.collect();
    match limits.split_last() {
        None => what.to_string(),
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

/// An accelerator, or its node where there are several with it.
fn label(shown: &Shown<'_>, outcome: &Outcome) -> String {
    let accelerator = &outcome.machine.accelerator;
    let same = shown.answer.machines.iter().filter(|o| o.machine.accelerator == *accelerator);
    if same.count() > 1 {
        outcome.machine.base.cluster.node.name.clone()
    } else {
        accelerator.clone()
    }
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
    let spread = ranges(plan);
    let range = spread.map_or(String::new(), |r| plan::in_most(r.wall_s, Kind::Duration));
    let cost_range = spread
        .and_then(|r| r.cost_usd)
        .map_or(String::new(), |q| plan::in_most(q, Kind::Usd));
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
            .note(note(Bound::Budget, cost_range))
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
    list.extend(one_more(best, machine));
    list.extend(others(shown, best));
    list
}

/// Where a market is and what it asks.
fn place(market: &Market) -> String {
    let place = if market.place_assumed {
        format!("place assumed: {}", market.region.title)
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
fn one_more(best: &Best, machine: &Machine) -> Vec<KeyValue> {
    let (Some(next), Some(steepest)) = (&best.next, &best.steepest) else {
        return vec![KeyValue::new("One more node", Cell::Missing).note("no larger count that was looked at is faster")];
    };
    let value = |m: &Marginal| {
        let per_device = m.saved_s / f64::from(machine.base.cluster.node.n_devices);
        let money = m.saved_usd.map_or(String::new(), |usd| {
            let verb = if usd < 0.0 { "costs" } else { "saves" };
            format!("{verb} {}; ", Kind::Usd.human(usd.abs()))
        });
        format!("{money}{} per device", units::duration(per_device))
    };
    let to = |m: &Marginal| units::count(f64::from(m.to.n_nodes));
    let sooner = |m: &Marginal| Cell::Text(format!("{} sooner", units::duration(m.saved_s)));
    let mut list = vec![KeyValue::new("One more node", sooner(steepest)).note(format!(
        "{}: each of the next {}, to {}, where nodes save most",
        value(steepest),
        units::count(f64::from(steepest.n_more_nodes)),
        to(steepest)
    ))];
    if next.to.n_nodes != steepest.to.n_nodes {
        let note = format!("{}: to {}, the next count that is faster at all", value(next), to(next));
        list.push(KeyValue::new("The very next", sooner(next)).note(note));
    }
    list
}

/// What else is best at something, where that is another cluster.
fn others(shown: &Shown<'_>, best: &Best) -> Vec<KeyValue> {
    let mut out = Vec::new();
    for (name, objective) in [
        ("Fewest devices", Objective::Devices),
        ("Cheapest", Objective::Cost),
        ("Greenest", Objective::Carbon),
    ] {
        // Without a deadline the smallest cluster that fits the memory wins, which nobody asks for.
        let idle = objective == Objective::Devices && shown.question.limits.wall_s.is_none();
        if idle || objective == shown.question.objective {
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
        let firm = fitting.filter(|(o, c)| market(&o.machine, c).is_firm(shown.question));
        let Some((outcome, case)) = firm.reduce(|a, b| if value(b.1) < value(a.1) { b } else { a }) else {
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
    let excess = |c: &Case| c.excess(shown.question);
    let nearest = nearest.reduce(|a, b| if excess(b) < excess(a) { b } else { a });
    let mut list = vec![
        KeyValue::new("Answer", "none".into())
            .note(format!("nothing keeps all limits, of {} machines", shown.answer.machines.len()))
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
                fill: false,
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
