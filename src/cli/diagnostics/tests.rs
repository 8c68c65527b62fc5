//! Errors must be readable whatever the input was.

use super::*;
use crate::error::{At, Origin};
use std::sync::Arc;

fn problem(text: &str, span: std::ops::Range<usize>) -> Error {
    let origin = Arc::new(Origin {
        name: "a.toml".to_string(),
        text: text.to_string(),
    });
    Error::invalid(
        Diagnostic::new("unknown key `nods`")
            .at(&At { origin, span })
            .help("did you mean `nodes`?"),
    )
}

#[test]
fn a_problem_shows_its_line() {
    let text = "[cluster]\nnode = \"dgx-h100\"\nnods = 3\n";
    let start = text.find("nods").unwrap();
    insta::assert_snapshot!(render(&problem(text, start..start + 4), false), @r"
    error: unknown key `nods`
     --> a.toml:3:1
      |
    3 | nods = 3
      | ^^^^
      |
      = help: did you mean `nodes`?
    ");
}

#[test]
fn a_long_line_is_cut_around_the_place() {
    let text = format!("x = \"{}\" # {}\nok = 1\n", "a".repeat(5000), "b".repeat(1_000_000));
    let shown = render(&problem(&text, 5010..5012), false);
    assert!(
        shown.contains("a.toml:1:5011") && shown.lines().all(|l| l.chars().count() < 140),
        "{shown}"
    );
}

#[test]
fn nothing_hostile_reaches_the_terminal() {
    let text = "k\u{1b}[31m\u{202e}y = \"\u{7}\"\n";
    for end in 0..=text.len() + 3 {
        for start in 0..=end {
            let shown = render(&problem(text, start..end), false);
            assert!(
                shown.chars().all(|c| c == '\n' || (!c.is_control() && c != '\u{202e}')),
                "{shown:?}"
            );
        }
    }
}

#[test]
fn many_problems_are_counted() {
    let list = vec![Diagnostic::new("x"); 60];
    let shown = render(&Error::Invalid(list), false);
    assert_eq!(shown.matches("error: x").count(), MAX_SHOWN);
    assert!(shown.ends_with("and 10 more problems"));
}

#[test]
fn reasons_are_listed_most_first() {
    let rejected = BTreeMap::from([("out of memory".to_string(), 1200), ("more stages than layers".to_string(), 3)]);
    let shown = render(
        &Error::NoFeasibleLayout {
            rejected,
            nearest: Some("TP 8: stage 0 lacks 2 GiB".to_string()),
        },
        false,
    );
    insta::assert_snapshot!(shown, @r"
    error: none of 1,203 layouts fits
     |
     = note: layouts by the first reason they fell for
             1,200  out of memory
                 3  more stages than layers
     = note: the nearest is TP 8: stage 0 lacks 2 GiB
     = help: add devices (--set cluster.nodes=...), a device with more memory, or free the layout: exaplan search
    ");
}
