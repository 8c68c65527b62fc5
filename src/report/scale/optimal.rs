//! The best size and data for training FLOP.

use super::super::{Block, Cell, Column, Document, KeyValue, Kind, Span, Table};
use super::{beyond, beyond_json, flop, interval_note, law_json, number, params, range_json, tokens};
use crate::scale::optimal::{Elsewhere, Near, Optimum};
use crate::scale::question::{Question, leverages};
use serde_json::{Value, json};

/// For people.
#[must_use]
pub fn document(found: &Optimum, question: &Question, others: &[Elsewhere]) -> Document {
    let mut blocks = vec![
        Block::KeyValues(summary(found, question)),
        Block::Table(around(found)),
        Block::Table(elsewhere(others)),
    ];
    blocks.extend(beyond(&found.beyond));
    blocks.push(Block::Paragraph(vec![Span::plain(super::convention(&question.law))]));
    super::document("Compute-optimal size and data", blocks, Some(&question.law))
}

fn summary(found: &Optimum, question: &Question) -> Vec<KeyValue> {
    let ratio = found.at.n_tokens / found.at.n_params;
    let (small, large) = found.shelf;
    let size = if question.mixing.is_some() { "Active" } else { "Size" };
    let mut list = vec![
        KeyValue::new(size, params(found.at.n_params))
            .note(interval_note(found.size_interval, params))
            .answer(),
        KeyValue::new("Data", tokens(found.at.n_tokens))
            .note(format!(
                "{} tokens per parameter; {}",
                crate::units::significant(ratio),
                interval_note(found.tokens_interval, tokens)
            ))
            .answer(),
        KeyValue::new("Loss", number(found.loss))
            .note(interval_note(found.loss_interval, number))
            .answer(),
        KeyValue::new("Budget", flop(found.train_flop)).note("training, 6 N D"),
        KeyValue::new(
            "Shelf",
            Cell::Text(format!(
                "{} to {}",
                params(small.at.n_params).human(),
                params(large.at.n_params).human()
            )),
        )
        .note(format!(
            "sizes within 1 % of the loss: {} to {} of data",
            tokens(large.at.n_tokens).human(),
            tokens(small.at.n_tokens).human()
        )),
    ];
    list.extend(extras(found, question));
    list
}

/// What of repetition, serving, mixtures and bits was asked.
pub(super) fn extras(found: &Optimum, question: &Question) -> Vec<KeyValue> {
    let mut list = Vec::new();
    if let (Some(epochs), Some(unique)) = (found.epochs, question.unique_tokens) {
        let worth = found.counted.n_tokens / found.at.n_tokens;
        let note = format!(
            "over {} of unique tokens; they count as {} of fresh ones",
            tokens(unique).human(),
            Kind::Percent.human(worth)
        );
        list.push(KeyValue::new("Epochs", Cell::quantity(epochs, Kind::Plain(2))).note(note));
    }
    if let (Some(served), Some(amount)) = (found.served, question.served_tokens) {
        let note = format!(
            "on {} reach the same loss; over a life of {} served that is {} of the FLOP",
            tokens(served.at.n_tokens).human(),
            tokens(amount).human(),
            Kind::Percent.human(served.lifetime_ratio)
        );
        list.push(KeyValue::new("To serve", params(served.at.n_params)).note(note));
    }
    if let Some(mixing) = &question.mixing {
        for (route, leverage) in leverages(mixing, found.at) {
            let note = format!("times the active parameters, by {route}");
            list.push(KeyValue::new("Counts as", leverage.map_or(Cell::Missing, |l| Cell::quantity(l, Kind::Plain(2)))).note(note));
        }
    }
    if let Some(bits) = question.bits {
        let share = crate::scale::question::share_of_bits(bits);
        let note =
            format!("of the parameters count at {bits} bits, against 16 (Kumar et al. 2024: a direction, its constants do not carry over)");
        list.push(KeyValue::new("Bits", Cell::quantity(share, Kind::Percent)).note(note));
    }
    list
}

fn around(found: &Optimum) -> Table {
    let columns = vec![
        Column::numbers("Size"),
        Column::numbers("Data"),
        Column::numbers("Tokens per parameter"),
        Column::numbers("Loss"),
        Column::numbers("Above best"),
    ];
    let mut table = Table::new("The same budget on other sizes", columns);
    for near in &found.around {
        table.rows.push(vec![
            params(near.at.n_params),
            tokens(near.at.n_tokens),
            Cell::quantity(near.at.n_tokens / near.at.n_params, Kind::Plain(1)),
            number(near.loss),
            Cell::quantity(near.loss / found.loss - 1.0, Kind::Percent),
        ]);
    }
    table
}

fn elsewhere(others: &[Elsewhere]) -> Table {
    let columns = vec![
        Column::words("Law"),
        Column::numbers("Size"),
        Column::numbers("Data"),
        Column::numbers("Tokens per parameter"),
        Column::numbers("Beyond its FLOP"),
        Column::words("What"),
    ];
    let mut table = Table::new("What other laws give this budget", columns);
    for e in others {
        let times = e.beyond.iter().find(|b| b.what == "training FLOP").map(|b| b.times);
        table.rows.push(vec![
            Cell::Text(e.law.name.clone()),
            params(e.at.n_params),
            tokens(e.at.n_tokens),
            Cell::quantity(e.at.n_tokens / e.at.n_params, Kind::Plain(1)),
            times.map_or(Cell::Missing, |t| Cell::quantity(t, Kind::Plain(0))),
            Cell::Text(e.law.title.clone()),
        ]);
    }
    table.notes.push(
        "They count, train and clean differently, so there is no mean. porian-kaplan to porian-tuned: the same data with one cause of Kaplan's exponent after the other removed."
            .to_string(),
    );
    table
}

/// For programs.
#[must_use]
pub fn json(found: &Optimum, question: &Question, others: &[Elsewhere]) -> Value {
    let near = |n: &Near| json!({ "params": n.at.n_params, "tokens": n.at.n_tokens, "loss": n.loss });
    json!({
        "schema": "exaplan.scale-optimal/1",
        "law": law_json(&question.law),
        "train_flop": found.train_flop,
        "params": found.at.n_params,
        "tokens": found.at.n_tokens,
        "tokens_per_param": found.at.n_tokens / found.at.n_params,
        "counted": { "params": found.counted.n_params, "tokens": found.counted.n_tokens },
        "loss": found.loss,
        "loss_interval": range_json(found.loss_interval),
        "params_interval": range_json(found.size_interval),
        "tokens_interval": range_json(found.tokens_interval),
        "beyond": beyond_json(&found.beyond),
        "elsewhere": others.iter().map(|e| json!({ "law": e.law.name, "params": e.at.n_params, "tokens": e.at.n_tokens, "beyond": beyond_json(&e.beyond) })).collect::<Vec<_>>(),
        "epochs": found.epochs,
        "shelf": [near(&found.shelf.0), near(&found.shelf.1)],
        "around": found.around.iter().map(near).collect::<Vec<_>>(),
        "served": found.served.map(|s| json!({ "params": s.at.n_params, "tokens": s.at.n_tokens, "lifetime_ratio": s.lifetime_ratio })),
        "leverage": question.mixing.as_ref().map(|m| leverages(m, found.at).into_iter().map(|(r, l)| json!({ "route": r, "factor": l })).collect::<Vec<_>>()),
    })
}
