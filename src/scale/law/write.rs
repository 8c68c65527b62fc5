//! A fit as a file of laws that `--law FILE` reads.

use crate::scale::fit::forms::Fitted;
use crate::scale::formula::Chinchilla;
use crate::scale::law::Formula;
use crate::scale::points::{Points, Role};
use std::fmt::Write;

/// Resamples that are kept: enough for tenths of a distribution.
const N_DRAWS: usize = 200;

/// The law of a fit in TOML; nothing for forms that are no law.
#[must_use]
pub fn toml(fitted: &Fitted, points: &Points, loss_unit: &str) -> Option<String> {
    let (form, constants) = constants(fitted.formula.as_ref()?)?;
    let mut text = String::from("format = 1\n\n[law.own]\n");
    let name = points.name.rsplit(['/', '\\']).next().unwrap_or("points");
    let quoted: String = name.chars().filter(|c| !c.is_control() && *c != '"' && *c != '\\').collect();
    let _ = writeln!(text, "title = \"fitted to {quoted}\"\nform = \"{form}\"");
    let _ = writeln!(
        text,
        "loss_unit = \"{loss_unit}\"\nevidence = \"own\"\nsource = \"{quoted}, {} rows\"",
        fitted.n_rows
    );
    if !fitted.draws.is_empty() {
        let row = |c: &Chinchilla| format!("  [{:?}, {:?}, {:?}, {:?}, {:?}]", c.e, c.a, c.b, c.alpha, c.beta);
        let rows: Vec<String> = fitted.draws.iter().take(N_DRAWS).map(row).collect();
        let _ = writeln!(text, "draws = [\n{},\n]", rows.join(",\n"));
    }
    let _ = writeln!(text, "\n[law.own.constants]");
    for (key, value) in &constants {
        let _ = writeln!(text, "{key} = {value:?}");
    }
    let told = |key: &str| fitted.parameters.iter().find(|p| p.name == key).and_then(|p| p.interval);
    let intervals: Vec<_> = constants
        .iter()
        .filter_map(|(k, _)| Some((*k, told(k).filter(|i| i.low >= 0.0)?)))
        .collect();
    if !intervals.is_empty() {
        let _ = writeln!(text, "\n[law.own.interval]");
        for (key, i) in intervals {
            let _ = writeln!(text, "{key} = [{:?}, {:?}]", i.low, i.high);
        }
    }
    let _ = writeln!(text, "\n[law.own.box]");
    for (key, role) in [("params", Role::Params), ("tokens", Role::Tokens)] {
        let column = points.get(role);
        let (low, high) = column.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
        if !column.is_empty() {
            let _ = writeln!(text, "{key} = [{low:?}, {high:?}]");
        }
    }
    let flop = (0..points.len()).map(|i| points.flop(i)).filter(|c| c.is_finite());
    let (low, high) = flop.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
    if low <= high {
        let _ = writeln!(text, "flop = [{low:?}, {high:?}]");
    }
    Some(text)
}

type Constants = Vec<(&'static str, f64)>;

fn constants(formula: &Formula) -> Option<(&'static str, Constants)> {
    let dense = |c: &Chinchilla| vec![("e", c.e), ("a", c.a), ("b", c.b), ("alpha", c.alpha), ("beta", c.beta)];
    match formula {
        Formula::Chinchilla(c) => Some(("chinchilla", dense(c))),
        Formula::Repeated(r) => {
            let mut list = dense(&r.base);
            list.extend([("r_tokens", r.r_tokens), ("r_params", r.r_params)]);
            Some(("repeated", list))
        }
        Formula::Kaplan(k) => {
            let list = vec![("n_c", k.n_c), ("d_c", k.d_c), ("alpha_n", k.alpha_n), ("alpha_d", k.alpha_d)];
            Some(("kaplan", list))
        }
        Formula::Routed(r) => {
            let list = vec![
                ("a", r.a),
                ("b", r.b),
                ("c", r.c),
                ("d", r.d),
                ("e_start", r.e_start),
                ("e_max", r.e_max),
            ];
            Some(("routed", list))
        }
        Formula::Power(p) => Some(("power", vec![("coefficient", p.coefficient?), ("flop_exponent", p.flop_exponent)])),
        _ => None,
    }
}
