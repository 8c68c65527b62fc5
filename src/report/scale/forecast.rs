//! Loss and tasks of a run to come.

use super::super::{Cell, Column, KeyValue, Kind, Table, Warning};
use super::sheet::Sheet;
use super::{interval_note, number, params, tokens};
use crate::error::Result;
use crate::scale::forecast::{Expected, Match, Scored, by_every_law, exact_matches, expected, tasks};
use crate::scale::formula::Allocation;
use crate::scale::hyper::{BAND_FACTOR, starts};
use crate::scale::optimal::optimum;
use crate::scale::question::Question;

/// The sheet of a forecast.
///
/// # Errors
/// Never with the shipped laws.
pub fn sheet(question: &Question, at: Allocation, answer_tokens: Option<f64>) -> Result<Sheet> {
    let loss = question.loss(at, None);
    let mut answers = vec![
        KeyValue::new("Loss", number(loss))
            .note(interval_note(question.loss_interval(at, None), number))
            .answer(),
        KeyValue::new("Size", params(at.n_params)),
        KeyValue::new("Data", tokens(at.n_tokens)).note(format!(
            "{} tokens per parameter",
            crate::units::significant(at.n_tokens / at.n_params)
        )),
        KeyValue::new("Training", super::flop(at.flop())),
    ];
    if let Some(law) = question.law.dense() {
        let reducible = loss - law.e;
        answers.push(
            KeyValue::new("Reducible", number(reducible))
                .note("above the loss that this law says neither size nor data removes; of its corpus and tokenizer, not of intelligence"),
        );
        let ratio = law.implied_inference_ratio(at);
        if ratio > 0.0 {
            let note = "tokens served for each trained on, for which this size is the cheapest of its loss";
            answers.push(KeyValue::new("Serving", Cell::quantity(ratio, Kind::Plain(1))).note(note));
        }
        let best = optimum(question, at.flop()).loss;
        answers.push(
            KeyValue::new("Above best", Cell::quantity(loss / best - 1.0, Kind::Percent)).note("against the best size for the same FLOP"),
        );
    }
    repeats(question, at, &mut answers);
    let own = expected(&question.law, at);
    let warnings = own.iter().flat_map(|o| o.beyond.iter()).map(|b| Warning {
        message: format!("extrapolated: {b}"),
        help: None,
    });
    let mut tables = vec![("laws", laws(&by_every_law(at)?)), ("tasks", scored(&tasks(at)?))];
    if let Some(k) = answer_tokens {
        tables.push(("exact_match", matches(&exact_matches(&question.law, at, k), k)));
    }
    Ok(Sheet {
        schema: "exaplan.scale-forecast/1",
        title: "Forecast".to_string(),
        warnings: warnings.collect(),
        answers,
        tables,
        notes: vec![
            super::convention(&question.law),
            "Laws count and tokenize differently: their losses are no spread of one quantity. A task without a ladder has no predictable law, and no size or date at which an ability appears is told.".to_string(),
        ],
        law: Some(question.law.clone()),
        ..Sheet::default()
    })
}

fn repeats(question: &Question, at: Allocation, answers: &mut Vec<KeyValue>) {
    let (Some(unique), Some(law)) = (question.unique_tokens, question.repeated()) else {
        return;
    };
    let epochs = at.n_tokens / unique;
    let worth = law.effective_tokens(unique, at.n_tokens) / at.n_tokens;
    let note = match epochs {
        e if e > 16.0 => "far beyond what repeats are worth: more than 16",
        e if e > 4.0 => "more than 4: repeats are worth visibly less",
        _ => "up to 4 repeats are nearly as good as fresh data",
    };
    answers.push(KeyValue::new("Epochs", Cell::quantity(epochs, Kind::Plain(2))).note(note));
    answers.push(KeyValue::new("Worth", Cell::quantity(worth, Kind::Percent)).note("of as many fresh tokens"));
    answers.push(KeyValue::new("Next epoch", Cell::quantity(law.worth(epochs + 1.0), Kind::Percent)).note("worth of a token in it"));
    // The published scales are barely identified; these ends are what their bootstrap leaves likely.
    let ends = [7.0, 50.0].map(|r| {
        let other = Question {
            repetition: (r, question.repetition.1),
            ..question.clone()
        };
        other.loss(at, None)
    });
    let text = format!("{} to {}", number(ends[1]).human(), number(ends[0]).human());
    answers.push(
        KeyValue::new("Repetition", Cell::Text(text)).note("loss when repeats last longer (50) or less long (7) than published (15.4)"),
    );
}

fn laws(list: &[Expected]) -> Table {
    let columns = vec![
        Column::words("Law"),
        Column::numbers("Loss"),
        Column::words("Corpus"),
        Column::words("Embeddings"),
        Column::words("Outside its points"),
    ];
    let mut table = Table::new("By other laws", columns);
    for e in list {
        let outside: Vec<String> = e
            .beyond
            .iter()
            .map(|b| format!("{} {}×", b.what, crate::units::significant(b.times)))
            .collect();
        table.rows.push(vec![
            Cell::Text(e.law.name.clone()),
            number(e.loss),
            Cell::Text(e.law.corpus.clone()),
            e.law.embeddings.name().into(),
            Cell::Text(outside.join(", ")),
        ]);
    }
    table
}

fn scored(list: &[Scored]) -> Table {
    let columns = vec![
        Column::words("Task"),
        Column::numbers("Score"),
        Column::numbers("Low"),
        Column::numbers("High"),
        Column::words("What"),
        Column::numbers("From loss"),
        Column::words("Known misses"),
    ];
    let mut table = Table::new("Tasks with a published ladder", columns);
    for t in list {
        let percent = |v: f64| Cell::quantity(v, Kind::Percent);
        table.rows.push(vec![
            Cell::Text(t.law.title.clone()),
            percent(t.score),
            percent(t.range.0),
            percent(t.range.1),
            if t.accuracy { "accuracy" } else { "error" }.into(),
            number(t.loss),
            Cell::Text(t.law.note.clone()),
        ]);
    }
    table.notes.push(
        "Low and high: the loss 4 % off, the largest published miss of a ladder. Accuracies have missed by up to 11 points.".to_string(),
    );
    table
}

fn matches(list: &[Match], k: f64) -> Table {
    let columns = ["Compute", "Loss", "One token", "Whole answer"].map(Column::numbers);
    let mut table = Table::new(format!("An answer of {k} tokens"), columns.to_vec());
    for (factor, loss, one, whole) in list {
        table.rows.push(vec![
            Cell::Text(format!("{factor}×")),
            number(*loss),
            Cell::quantity(*one, Kind::Percent),
            Cell::quantity(*whole, Kind::Percent),
        ]);
    }
    table.notes.push(
        "The chance of a token rises smoothly; that of all tokens of an answer is its power and seems to jump (Schaeffer et al. 2023)."
            .to_string(),
    );
    table
}

/// Learning rate and batch to start from.
///
/// # Errors
/// Never with the shipped laws.
pub fn hyper(question: &Question, at: Allocation) -> Result<Sheet> {
    let columns = vec![
        Column::words("Law"),
        Column::words("What"),
        Column::numbers("Value"),
        Column::numbers("Low"),
        Column::numbers("High"),
        Column::words("Source"),
    ];
    let mut table = Table::new("Starts", columns);
    let show = |v: f64| if v < 1.0 { Cell::Text(format!("{v:.3e}")) } else { tokens(v) };
    for s in starts(at, question.loss(at, None))? {
        table.rows.push(vec![
            Cell::Text(s.law),
            Cell::Text(s.quantity),
            show(s.value),
            show(s.value / BAND_FACTOR),
            show(s.value * BAND_FACTOR),
            Cell::Text(s.source),
        ]);
    }
    Ok(Sheet {
        schema: "exaplan.scale-hyper/1",
        title: "Learning rate and batch to start from".to_string(),
        answers: vec![KeyValue::new("Size", params(at.n_params)), KeyValue::new("Data", tokens(at.n_tokens))],
        tables: vec![("starts", table)],
        notes: vec!["Guides within a factor of two, not optima. DeepSeek's rate falls with compute, the step law's rises with data: along a Chinchilla path they agree. Whether a run diverges is not forecast.".to_string()],
        law: Some(question.law.clone()),
        ..Sheet::default()
    })
}
