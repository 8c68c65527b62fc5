//! A grid as a study: what a sweep plans, and what is written for `exaplan sweep run`.

use crate::study::sweep::{Axis, Study, Value};
use crate::tui::state::jobs::{GridAxes, Planned};

fn value_of(text: &str) -> Value {
    let integer = text.parse::<i64>().map(Value::Integer);
    integer.unwrap_or_else(|_| text.parse::<f64>().map_or_else(|_| Value::Text(text.to_string()), Value::Number))
}

/// The study of a grid: the layout is searched in every case.
pub fn study_of(of: &Planned, axes: &GridAxes) -> Study {
    let axis =
        |(path, list): &(String, Vec<(f64, String)>)| Axis::new(vec![path.clone()], list.iter().map(|(_, v)| vec![value_of(v)]).collect());
    Study {
        name: "sweep".to_string(),
        scenario: of.source.clone(),
        set: free(of),
        axes: vec![axis(&axes.y), axis(&axes.x)],
        filters: Vec::new(),
        digest: String::new(),
    }
}

fn free(of: &Planned) -> Vec<String> {
    let mut set = of.sets.clone();
    set.push("layout={}".to_string());
    set
}

/// The same as a file that `exaplan sweep run` takes.
pub fn study_text(of: &Planned, axes: &GridAxes) -> String {
    let quoted = |text: &str| crate::catalog::raw::quoted(text);
    let set: Vec<String> = free(of).iter().map(|s| quoted(s)).collect();
    let mut out = format!(
        "format = 1\nname = \"from the terminal\"\nscenario = {}\nset = [{}]\n",
        quoted(&of.source),
        set.join(", ")
    );
    for (path, list) in [&axes.y, &axes.x] {
        let values: Vec<String> = list.iter().map(|(_, v)| value_of(v).literal()).collect();
        out += &format!("\n[[axis]]\npath = {}\nvalues = [{}]\n", quoted(path), values.join(", "));
    }
    out
}
