//! Errors as people read them: what, where with the line, and what to do.

mod excerpt;

use crate::error::{Diagnostic, Error};
use crate::report::text::shorten;
use crate::units;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use excerpt::Excerpt;
use std::collections::BTreeMap;

/// Problems shown of one input: whoever has more has one cause for most of them.
const MAX_SHOWN: usize = 50;
/// Longest message in characters: names in it may be as long as a user's file.
const MAX_MESSAGE: usize = 600;

/// The error as text, with ANSI colors when asked for.
#[must_use]
pub fn render(error: &Error, color: bool) -> String {
    match error {
        Error::Invalid(list) => invalid(list, color),
        Error::NoFeasibleLayout { rejected, nearest } => infeasible(rejected, nearest.as_deref(), color),
        Error::Io { path, source } => {
            let help = match source.kind() {
                std::io::ErrorKind::PermissionDenied => "check the permissions, or choose another place",
                std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => "check the path",
                std::io::ErrorKind::StorageFull => "free some space, or choose another place",
                _ => "choose another place",
            };
            one(
                &Diagnostic::new(format!("cannot write `{}`: {source}", path.display())).help(help),
                color,
            )
        }
        Error::Device { what } => one(&Diagnostic::new(what), color),
        Error::Interrupted => String::new(),
    }
}

/// Things to look at that are no errors.
#[must_use]
pub fn warnings(list: &[Diagnostic], color: bool) -> String {
    several(list, &Level::WARNING, color)
}

fn invalid(list: &[Diagnostic], color: bool) -> String {
    several(list, &Level::ERROR, color)
}

fn several(list: &[Diagnostic], level: &Level<'static>, color: bool) -> String {
    let mut out: Vec<String> = list.iter().take(MAX_SHOWN).map(|d| at_level(d, level, color)).collect();
    if list.len() > MAX_SHOWN {
        out.push(format!("and {} more problems", list.len() - MAX_SHOWN));
    }
    out.join("\n\n")
}

fn renderer(color: bool) -> Renderer {
    if color { Renderer::styled() } else { Renderer::plain() }.term_width(excerpt::WIDTH + 40)
}

fn one(diagnostic: &Diagnostic, color: bool) -> String {
    at_level(diagnostic, &Level::ERROR, color)
}

fn at_level(diagnostic: &Diagnostic, level: &Level<'static>, color: bool) -> String {
    let message = shorten(&diagnostic.message, MAX_MESSAGE);
    let mut group = Group::with_title(level.clone().primary_title(message));
    if let Some(at) = &diagnostic.at {
        let name = shorten(&at.origin.name, MAX_MESSAGE);
        match Excerpt::new(at) {
            Some(excerpt) => {
                let mark = AnnotationKind::Primary.span(excerpt.span.clone());
                let snippet = Snippet::source(excerpt.text).line_start(excerpt.line).annotation(mark);
                // The place in a line that was cut is not that in its excerpt.
                group = if excerpt.cut {
                    group
                        .element(Origin::path(name).line(excerpt.line).char_column(excerpt.column))
                        .element(snippet)
                } else {
                    group.element(snippet.path(name))
                };
            }
            None => group = group.element(Origin::path(name)),
        }
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(shorten(help, MAX_MESSAGE)));
    }
    renderer(color).render(&[group])
}

/// Why nothing fits, what came nearest, and what to try.
fn infeasible(rejected: &BTreeMap<String, u64>, nearest: Option<&str>, color: bool) -> String {
    let mut list: Vec<_> = rejected.iter().collect();
    list.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let total: u64 = rejected.values().sum();
    #[allow(clippy::cast_precision_loss)]
    let count = |n: u64| units::count(n as f64);
    let what = match total {
        0 => "no layout fits: the scenario leaves none to look at".to_string(),
        1 => "the layout does not fit".to_string(),
        n => format!("none of {} layouts fits", count(n)),
    };
    let mut group = Group::with_title(Level::ERROR.primary_title(what));
    let width = list.iter().map(|(_, n)| count(**n).len()).max().unwrap_or(0);
    let reasons: Vec<String> = list.iter().map(|(reason, n)| format!("{:>width$}  {reason}", count(**n))).collect();
    if !reasons.is_empty() {
        group = group.element(Level::NOTE.message(format!("layouts by the first reason they fell for\n{}", reasons.join("\n"))));
    }
    if let Some(near) = nearest {
        group = group.element(Level::NOTE.message(format!("the nearest is {}", shorten(near, MAX_MESSAGE))));
    }
    let help = if rejected.keys().any(|r| r.contains("memory")) {
        "add devices (--set cluster.nodes=...), a device with more memory, or free the layout: exaplan search"
    } else {
        "change what the reasons name, or free the layout: exaplan search"
    };
    renderer(color).render(&[group.element(Level::HELP.message(help))])
}

#[cfg(test)]
mod tests;
