//! Which stack ran a published run: a table of words, first match wins.
//!
//! Each program goes to the stack that its kind is most like, not to the one that predicts its rows
//! best. What no rule knows is taken for the root of all stacks, and marked.

use super::runs::Row;
use crate::catalog::source;
use std::sync::OnceLock;

/// The table, as it is shipped.
const TABLE: &str = "scenarios/software.csv";

/// The stack of programs that no rule knows.
const ROOT: &str = "megatron-core";

/// One line: every column that is not empty must hold one of its words.
#[derive(Debug, Clone)]
struct Rule {
    /// Words of `software`, of `source`, the whole `kind`, and beginnings of `accelerator`.
    words: [Vec<String>; 4],
    stack: String,
}

/// The stack of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ran {
    /// Catalog name.
    pub stack: &'static str,
    /// A rule says so.
    pub told: bool,
}

fn rules() -> &'static [Rule] {
    static RULES: OnceLock<Vec<Rule>> = OnceLock::new();
    RULES.get_or_init(|| {
        let text = source::embedded().find(|(path, _)| path == TABLE).map_or("", |(_, text)| text);
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let words = |cell: &str| cell.split('|').filter(|w| !w.is_empty()).map(str::to_lowercase).collect();
        reader
            .records()
            .filter_map(Result::ok)
            .filter(|r| r.len() == 5)
            .map(|r| Rule {
                words: [words(&r[0]), words(&r[1]), words(&r[2]), words(&r[3])],
                stack: r[4].to_string(),
            })
            .collect()
    })
}

/// The stack that ran a row.
#[must_use]
pub fn ran(row: &Row) -> Ran {
    let cell = |column: &str| row.text(column).unwrap_or("").to_lowercase();
    let (software, from) = (cell("software"), cell("source"));
    let (kind, accelerator) = (cell("kind"), cell("accelerator"));
    let holds = |rule: &&Rule| {
        let [in_software, in_source, whole_kind, starts] = &rule.words;
        let any = |words: &[String], test: &dyn Fn(&str) -> bool| words.is_empty() || words.iter().any(|w| test(w));
        any(in_software, &|w| software.contains(w))
            && any(in_source, &|w| from.contains(w))
            && any(whole_kind, &|w| kind == w)
            && any(starts, &|w| accelerator.starts_with(w))
    };
    match rules().iter().find(holds) {
        Some(rule) => Ran {
            stack: &rule.stack,
            told: true,
        },
        None => Ran { stack: ROOT, told: false },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Catalog, Stack};

    #[test]
    fn every_rule_names_a_stack_and_has_a_word() {
        let catalog = Catalog::builtin();
        assert!(rules().len() > 20);
        for rule in rules() {
            assert!(catalog.get::<Stack>(&rule.stack).is_ok(), "{}", rule.stack);
            assert!(rule.words.iter().any(|w| !w.is_empty()), "{}", rule.stack);
        }
    }
}
