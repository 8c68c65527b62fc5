//! What more compute buys and what stops it.

use super::super::svg::{Axis, Lines};
use super::super::{Cell, Column, KeyValue, Kind, Table};
use super::sheet::Sheet;
use super::{flop, number, params, tokens};
use crate::scale::law::Law;
use crate::scale::limits::{Marginal, Means, ceilings, crossing, marginal, meetings, progress, worth_until};
use crate::scale::question::BatchCost;
use crate::scale::stock::Book;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// The law.
    pub law: &'a Law,
    /// Its dense part.
    pub dense: crate::scale::formula::Chinchilla,
    /// Budget.
    pub train_flop: f64,
    /// Step of loss that is priced.
    pub step_loss: f64,
    /// Price of a delivered model FLOP, and where it comes from.
    pub usd_per_flop: Option<(f64, String)>,
    /// What a step of loss is worth.
    pub worth_usd: Option<f64>,
    /// Months ahead.
    pub months: f64,
    /// Months in which effective compute doubles, and the ends of that.
    pub doubling_months: [f64; 3],
    /// What somebody has.
    pub means: Means,
    /// Cost of wide batches.
    pub batch: BatchCost,
    /// Published limits.
    pub book: &'a Book,
}

/// The sheet.
#[must_use]
pub fn sheet(asked: &Asked<'_>) -> Sheet {
    let price = asked.usd_per_flop.as_ref().map(|(p, _)| *p);
    let here = marginal(&asked.dense, asked.train_flop, asked.step_loss, price);
    let mut answers = vec![
        KeyValue::new("Loss", number(here.loss)).answer(),
        KeyValue::new("Reducible", number(here.reducible_loss)).note("above the irreducible loss of this corpus and tokenizer"),
        KeyValue::new("Slope", number(here.slope_loss)).note("change of loss with ln of compute"),
    ];
    let nat = format!("to lower the loss by {} more", asked.step_loss);
    answers.push(KeyValue::new("Next step", here.next_flop.map_or(Cell::Missing, flop)).note(nat.clone()));
    if let Some(usd) = here.next_usd {
        let source = asked.usd_per_flop.as_ref().map_or("", |(_, s)| s.as_str());
        answers.push(
            KeyValue::new("Its price", Cell::quantity(usd, Kind::Usd))
                .note(format!("{nat}; {source}"))
                .answer(),
        );
    }
    if let (Some(price), Some(worth)) = (price, asked.worth_usd) {
        let until = worth_until(&asked.dense, asked.step_loss, price, worth);
        let note = format!(
            "beyond which the next {} costs more than {}",
            asked.step_loss,
            Cell::quantity(worth, Kind::Usd).human()
        );
        answers.push(KeyValue::new("Worth until", flop(until)).note(note).answer());
    }
    let factor = |m: f64| progress(asked.months, m);
    let [fast, middle, slow] = asked.doubling_months;
    let note = format!(
        "in {} months, {} to {}; the same loss then takes {} of the FLOP",
        asked.months,
        crate::units::significant(factor(slow)),
        crate::units::significant(factor(fast)),
        Kind::Percent.human(1.0 / factor(middle))
    );
    answers.push(KeyValue::new("Algorithms", Cell::quantity(factor(middle), Kind::Plain(2))).note(note));
    let mut tables = vec![("marginal", curve(asked, price))];
    let own = ceilings(&asked.means, &asked.batch);
    if let Some((name, largest)) = own.first() {
        answers.push(
            KeyValue::new("Binds first", (*name).into())
                .note(format!("allows {}", flop(*largest).human()))
                .answer(),
        );
        tables.push(("ceilings", own_table(&own, asked)));
    }
    tables.push(("published", published(asked)));
    for threshold in &asked.book.thresholds {
        let over = asked.train_flop >= threshold.flop;
        let note = format!(
            "{} ({}): {}",
            threshold.title,
            threshold.source,
            if over { "reached" } else { "not reached" }
        );
        answers.push(KeyValue::new("Threshold", flop(threshold.flop)).note(note));
    }
    Sheet {
        schema: "exaplan.scale-limits/1",
        title: "Limits of scaling".to_string(),
        answers,
        tables,
        charts: vec![chart(asked)],
        notes: vec![super::convention(asked.law), "Published limits are held at what they are estimated to be in their own year; demand grows from a published run. No law tells when an ability appears, nor what loss intelligence has.".to_string()],
        law: Some(asked.law.clone()),
        ..Sheet::default()
    }
}

fn points(asked: &Asked<'_>, price: Option<f64>) -> Vec<Marginal> {
    (-2..=4)
        .map(|p| marginal(&asked.dense, asked.train_flop * 10f64.powi(p), asked.step_loss, price))
        .collect()
}

fn curve(asked: &Asked<'_>, price: Option<f64>) -> Table {
    let names = ["Compute", "Size", "Data", "Loss", "Reducible", "Next step", "Its price"];
    let mut table = Table::new("More compute, spent optimally", names.map(Column::numbers).to_vec());
    for m in points(asked, price) {
        table.rows.push(vec![
            flop(m.train_flop),
            params(m.at.n_params),
            tokens(m.at.n_tokens),
            number(m.loss),
            number(m.reducible_loss),
            m.next_flop.map_or(Cell::Missing, flop),
            m.next_usd.map_or(Cell::Missing, |u| Cell::quantity(u, Kind::Usd)),
        ]);
    }
    table.notes.push(format!(
        "Each tenfold of compute leaves {} of the reducible loss.",
        Kind::Percent.human(10f64.powf(-asked.dense.gamma()))
    ));
    table
}

fn own_table(list: &[(&'static str, f64)], asked: &Asked<'_>) -> Table {
    let demand = &asked.book.demand;
    let columns = vec![
        Column::words("Constraint"),
        Column::numbers("Largest run"),
        Column::numbers("Demand reaches it"),
    ];
    let mut table = Table::new("What you have allows", columns);
    for (name, c) in list {
        table.rows.push(vec![
            (*name).into(),
            flop(*c),
            Cell::quantity(crossing(demand, demand.growth[1], *c), Kind::Year),
        ]);
    }
    table
}

fn published(asked: &Asked<'_>) -> Table {
    let demand = &asked.book.demand;
    let columns = vec![
        Column::words("Limit"),
        Column::numbers("Low"),
        Column::numbers("High"),
        Column::numbers("Of year"),
        Column::numbers("Low reached"),
        Column::numbers("High reached"),
        Column::words("Source"),
    ];
    let mut table = Table::new("Published limits, and when demand reaches them", columns);
    let year = |v: f64| Cell::quantity(v, Kind::Year);
    for m in meetings(demand, &asked.book.limits) {
        table.rows.push(vec![
            Cell::Text(m.limit.title.clone()),
            flop(m.limit.low_flop),
            flop(m.limit.high_flop),
            Cell::Text(format!("{}", m.limit.year)),
            year(m.low_year),
            year(m.high_year),
            Cell::Text(m.limit.source.clone()),
        ]);
    }
    table.notes.push(format!(
        "Demand: {:e} FLOP in {}, {} times a year ({}).",
        demand.flop, demand.year, demand.growth[1], demand.source
    ));
    table
}

fn chart(asked: &Asked<'_>) -> Lines {
    let axis = |label: &str, kind, log| Axis {
        label: label.to_string(),
        kind,
        log,
    };
    let list = points(asked, None);
    let floor = list.iter().map(|m| (m.train_flop, asked.dense.e)).collect();
    Lines {
        title: "Loss over compute".to_string(),
        x: axis("training FLOP", Kind::Rate("FLOP"), true),
        y: axis("loss", Kind::Plain(2), false),
        series: vec![
            (
                "best size and data".to_string(),
                list.iter().map(|m| (m.train_flop, m.loss)).collect(),
            ),
            ("irreducible".to_string(), floor),
        ],
        fill: false,
    }
}
