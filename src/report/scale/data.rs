//! Training data.

use super::super::{Cell, Column, KeyValue, Kind, Table};
use super::sheet::Sheet;
use super::{flop, params, tokens};
use crate::error::Result;
use crate::scale::extras::filtering;
use crate::scale::stock::{Book, Exhaustion, Price, audit, exhaustion, exposure, funnel, licences, poison_document_tokens};

/// What is asked about data.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// What is shipped.
    pub book: &'a Book,
    /// Training tokens.
    pub need_tokens: f64,
    /// Recipe of cleaning.
    pub recipe: &'a str,
    /// Raw tokens that go into it.
    pub raw_tokens: Option<f64>,
    /// Shares by source.
    pub mix: &'a [(String, f64)],
    /// Share of a stock that can be used.
    pub usable_fraction: f64,
    /// Licences: price and units.
    pub licences: Vec<(&'a Price, f64)>,
    /// Term.
    pub term_years: f64,
    /// The compute bill to compare with.
    pub compute_usd: Option<f64>,
    /// Documents that an attacker can place.
    pub n_documents: f64,
    /// Documents that are enough.
    pub n_enough: f64,
    /// How many times more data than today's sets of their year.
    pub overtraining_factor: f64,
    /// Parameters of a filtering classifier, and the share it removes.
    pub classifier: Option<(f64, f64)>,
    /// Seed of the Monte Carlo.
    pub seed: u64,
}

/// The sheet.
///
/// # Errors
/// When shares do not sum to one.
pub fn sheet(asked: &Asked<'_>) -> Result<Sheet> {
    let mut sheet = Sheet {
        schema: "exaplan.scale-data/1",
        title: "Training data".to_string(),
        answers: vec![KeyValue::new("Need", tokens(asked.need_tokens)).answer()],
        ..Sheet::default()
    };
    cleaning(asked, &mut sheet);
    sheet.tables.push(("stocks", stocks(asked)));
    if !asked.mix.is_empty() {
        sheet.tables.push(("mix", mix(asked)?));
    }
    if !asked.licences.is_empty() {
        licensing(asked, &mut sheet);
    }
    poisoning(asked, &mut sheet);
    if let Some((n, removed)) = asked.classifier {
        let (work, lost) = filtering(asked.need_tokens, n, removed);
        sheet.answers.push(KeyValue::new("Classifier", flop(work)).note(format!(
            "2 N of {} over the corpus; removes {}",
            params(n).human(),
            tokens(lost).human()
        )));
    }
    dates(
        &exhaustion(&asked.book.draws, asked.overtraining_factor, asked.seed),
        asked,
        &mut sheet,
    );
    sheet.notes.push("Yields are of one recipe each: stages of two recipes do not multiply, and deduplication across all dumps made FineWeb worse while OLMo 3 uses it. What a corpus does to bias, and whether a use is lawful, is not told.".to_string());
    Ok(sheet)
}

fn cleaning(asked: &Asked<'_>, sheet: &mut Sheet) {
    let Some(recipe) = asked.book.yields.iter().find(|y| y.name == asked.recipe) else {
        return;
    };
    let columns = vec![Column::words("Stage"), Column::numbers("Kept"), Column::numbers("Left")];
    let mut table = Table::new(format!("Cleaning as {}", recipe.title), columns);
    let left = funnel(recipe, asked.raw_tokens);
    for l in &left {
        let kept = l.keep_fraction.map_or(Cell::Missing, |k| Cell::quantity(k, Kind::Percent));
        let rest = if l.tokens.is_finite() { tokens(l.tokens) } else { Cell::Missing };
        table.rows.push(vec![Cell::Text(l.stage.clone()), kept, rest]);
    }
    for a in &recipe.alternatives {
        let kept = a.keep_fraction.map_or(Cell::Missing, |k| Cell::quantity(k, Kind::Percent));
        table.rows.push(vec![
            Cell::Text(format!("instead or after: {}", a.name)),
            kept,
            a.tokens_out.map_or(Cell::Missing, tokens),
        ]);
    }
    table.notes.push(format!("Source: {}.", recipe.source));
    if let Some(last) = left.last().filter(|l| l.tokens.is_finite()) {
        let note = format!("left by {}: {}", recipe.title, tokens(last.tokens).human());
        sheet.answers.push(
            KeyValue::new("Epochs", Cell::quantity(asked.need_tokens / last.tokens, Kind::Plain(2)))
                .note(note)
                .answer(),
        );
        let short = (asked.need_tokens - last.tokens).max(0.0);
        sheet
            .answers
            .push(KeyValue::new("Short of", tokens(short)).note("fresh tokens; the rest are repeats"));
    }
    sheet.tables.push(("funnel", table));
}

fn stocks(asked: &Asked<'_>) -> Table {
    let columns = vec![
        Column::words("Stock"),
        Column::words("Kind"),
        Column::numbers("Low"),
        Column::numbers("Middle"),
        Column::numbers("High"),
        Column::numbers("Growth"),
        Column::numbers("Need"),
        Column::words("Source"),
    ];
    let mut table = Table::new("How much there is", columns);
    for s in &asked.book.stocks {
        table.rows.push(vec![
            Cell::Text(s.name.clone()),
            Cell::Text(s.kind.clone()),
            tokens(s.low_tokens),
            tokens(s.median_tokens),
            tokens(s.high_tokens),
            s.growth
                .map_or(Cell::Missing, |(l, h)| Cell::quantity(0.5 * (l + h), Kind::Percent)),
            Cell::quantity(asked.need_tokens / s.median_tokens, Kind::Percent),
            Cell::Text(s.source.clone()),
        ]);
    }
    table
        .notes
        .push("Private messages and mail count in full here; usually none of them may be used. Growth is by year.".to_string());
    table
}

fn mix(asked: &Asked<'_>) -> Result<Table> {
    let columns = vec![
        Column::words("Source"),
        Column::numbers("Share"),
        Column::numbers("Tokens"),
        Column::numbers("Unique"),
        Column::numbers("Epochs"),
    ];
    let mut table = Table::new("Mix", columns);
    for part in audit(asked.book, asked.mix, asked.need_tokens, asked.usable_fraction)? {
        table.rows.push(vec![
            Cell::Text(part.name.clone()),
            Cell::quantity(part.share_fraction, Kind::Percent),
            tokens(part.tokens),
            part.unique_tokens.map_or(Cell::Missing, tokens),
            part.epochs().map_or(Cell::Missing, |e| Cell::quantity(e, Kind::Plain(3))),
        ]);
    }
    table
        .notes
        .push("About 45 % of Common Crawl is English (Villalobos et al. 2024).".to_string());
    Ok(table)
}

fn licensing(asked: &Asked<'_>, sheet: &mut Sheet) {
    let bundle = licences(&asked.licences, asked.term_years);
    let columns = vec![
        Column::words("Price"),
        Column::words("Unit"),
        Column::numbers("Units"),
        Column::numbers("Low"),
        Column::numbers("Middle"),
        Column::numbers("High"),
        Column::words("Source"),
    ];
    let mut table = Table::new("Licences", columns);
    for (p, n) in &asked.licences {
        let usd = |v: f64| Cell::quantity(v * n, Kind::Usd);
        table.rows.push(vec![
            Cell::Text(p.name.clone()),
            Cell::Text(p.unit.clone()),
            Cell::Count(*n),
            usd(p.low_usd),
            usd(p.median_usd),
            usd(p.high_usd),
            Cell::Text(p.source.clone()),
        ]);
    }
    let money = |v: f64| Cell::quantity(v, Kind::Usd);
    let range = |v: [f64; 3]| format!("{} to {}", money(v[0]).human(), money(v[2]).human());
    sheet
        .answers
        .push(KeyValue::new("Licences", money(bundle.usd[1])).note(range(bundle.usd)).answer());
    sheet
        .answers
        .push(KeyValue::new("By year", money(bundle.usd_per_year[1])).note(range(bundle.usd_per_year)));
    sheet.answers.push(
        KeyValue::new("By token", Cell::quantity(bundle.usd[1] / asked.need_tokens, Kind::Plain(9))).note("USD for each token trained on"),
    );
    if let Some(compute) = asked.compute_usd {
        let note = format!("of the {} of compute", money(compute).human());
        sheet
            .answers
            .push(KeyValue::new("Against compute", Cell::quantity(bundle.usd[1] / compute, Kind::Percent)).note(note));
    }
    sheet.tables.push(("licences", table));
}

fn poisoning(asked: &Asked<'_>, sheet: &mut Sheet) {
    let poison = &asked.book.poison;
    let e = exposure(poison, asked.need_tokens, asked.n_documents, asked.n_enough);
    let verdict = if e.crosses() { "enough" } else { "not enough" };
    let note = format!(
        "to plant a backdoor if {} are; the count decides, not the corpus: they are {:.2e} of it at {} tokens each ({})",
        crate::units::count(asked.n_enough),
        e.share_fraction,
        crate::units::count(poison_document_tokens(poison)),
        poison.source
    );
    sheet
        .answers
        .push(KeyValue::new("Planted", Cell::Count(asked.n_documents)).note(format!("documents are {verdict} {note}")));
}

fn dates(e: &Exhaustion, asked: &Asked<'_>, sheet: &mut Sheet) {
    let year = |v: f64| Cell::quantity(v, Kind::Year);
    let note = format!(
        "when the largest data set reaches {} of effective public text; {} to {} in 8 cases of 10",
        tokens(e.stock_tokens).human(),
        year(e.years[0]).human(),
        year(e.years[2]).human()
    );
    sheet.answers.push(KeyValue::new("Used up", year(e.years[1])).note(note).answer());
    sheet.answers.push(KeyValue::new("Used up p10", year(e.years[0])));
    sheet.answers.push(
        KeyValue::new("Used up p90", year(e.years[2]))
            .note(format!("{} of the draws last a century", Kind::Percent.human(e.never_fraction))),
    );
    sheet.answers.push(
        KeyValue::new("Share of stock", Cell::quantity(asked.need_tokens / e.stock_tokens, Kind::Percent))
            .note("of effective public text, used by this plan"),
    );
    sheet.notes.push(format!(
        "Exhaustion: {} draws from {}, seed {}.",
        20_000, asked.book.draws.source, asked.seed
    ));
}
