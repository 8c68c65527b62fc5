//! Measured points from a CSV whose columns may have any name.

use crate::catalog::reader::one_of;
use crate::catalog::source;
use crate::error::{At, Diagnostic, Error, Origin, Result};
use std::path::Path;
use std::sync::Arc;

/// Most rows that are fitted: more than any published set, few enough for a laptop.
pub const MAX_ROWS: usize = 100_000;
/// Diagnostics of one file; a broken column need not be told a thousand times.
const MAX_PROBLEMS: usize = 12;

/// What a column means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Parameters.
    Params,
    /// Training tokens.
    Tokens,
    /// Loss.
    Loss,
    /// Training FLOP.
    Flop,
    /// Unique tokens.
    Unique,
    /// Routed experts.
    Experts,
    /// Bits of weights.
    Bits,
    /// Bits of activations.
    ActivationBits,
    /// Bits of keys and values.
    AttentionBits,
    /// Error or accuracy of a task, from 0 to 1.
    Score,
    /// What a power law tells.
    Value,
    /// Standard deviation of the natural logarithm of the value.
    Sd,
}

impl Role {
    /// Every role with its name on the command line and the columns that are taken for it.
    pub const ALL: [(&'static str, Role, &'static [&'static str]); 12] = [
        (
            "params",
            Role::Params,
            &["params", "n", "parameters", "n_params", "params_no_embed"],
        ),
        ("tokens", Role::Tokens, &["tokens", "d", "n_tokens"]),
        ("loss", Role::Loss, &["loss", "l", "bpb"]),
        ("flop", Role::Flop, &["flop", "flops", "c"]),
        ("unique", Role::Unique, &["unique", "unique_tokens"]),
        ("experts", Role::Experts, &["experts", "num_experts"]),
        ("bits", Role::Bits, &["bits", "weight_bits"]),
        ("activation-bits", Role::ActivationBits, &["activation_bits"]),
        ("attention-bits", Role::AttentionBits, &["attention_bits", "kv_bits"]),
        ("score", Role::Score, &["score", "error", "err", "acc", "accuracy"]),
        ("value", Role::Value, &["value"]),
        ("sd", Role::Sd, &["sd"]),
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        Role::ALL.iter().find(|(_, r, _)| *r == self).map_or("", |(n, ..)| n)
    }

    fn columns(self) -> &'static [&'static str] {
        Role::ALL.iter().find(|(_, r, _)| *r == self).map_or(&[], |(.., c)| c)
    }

    /// Values that the role may have, and how to say that.
    fn allows(self, value: f64) -> bool {
        match self {
            Role::Score => (0.0..=1.0).contains(&value),
            Role::Experts => value >= 1.0,
            _ => value > 0.0 && value < 1e60,
        }
    }

    fn allowed(self) -> &'static str {
        match self {
            Role::Score => "a number from 0 to 1",
            Role::Experts => "a number of 1 or more",
            _ => "a finite number greater than 0",
        }
    }
}

/// Which columns and rows of a file are meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Columns by role; a role that is not named takes its usual ones.
    pub columns: Vec<(Role, String)>,
    /// Only rows whose column has this text.
    pub only: Vec<(String, String)>,
}

impl Mapping {
    /// Read `ROLE=COLUMN` and `COLUMN=VALUE` as given on the command line.
    ///
    /// # Errors
    /// When one has no `=` or names a role that does not exist.
    pub fn parse(columns: &[String], only: &[String]) -> Result<Mapping> {
        let mut mapping = Mapping::default();
        for text in columns {
            let Some((role, column)) = text.split_once('=') else {
                return Err(no_equals("--column", text, "params=N"));
            };
            let Some((_, role, _)) = Role::ALL.iter().find(|(name, ..)| *name == role) else {
                let names = Role::ALL.map(|(n, ..)| n);
                return Err(Diagnostic::new(format!("--column: there is no role `{role}`"))
                    .help(one_of(role, &names))
                    .into());
            };
            mapping.columns.push((*role, column.to_string()));
        }
        for text in only {
            let Some((column, value)) = text.split_once('=') else {
                return Err(no_equals("--only", text, "outlier=0"));
            };
            mapping.only.push((column.to_string(), value.to_string()));
        }
        Ok(mapping)
    }
}

fn no_equals(flag: &str, text: &str, example: &str) -> Error {
    Diagnostic::new(format!("{flag}: `{text}` has no `=`"))
        .help(format!("write for example {flag} {example}"))
        .into()
}

/// Columns of numbers, all of the same length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Points {
    /// Where they come from.
    pub name: String,
    columns: Vec<(Role, Vec<f64>)>,
    n_rows: usize,
    /// Rows left out because a cell that is needed is empty.
    pub n_empty: usize,
}

impl Points {
    /// Points made in the program, for tests and checks. Short columns cut the others.
    #[must_use]
    pub fn of(name: &str, columns: Vec<(Role, Vec<f64>)>) -> Points {
        let n_rows = columns.iter().map(|(_, c)| c.len()).min().unwrap_or(0);
        Points {
            name: name.to_string(),
            columns,
            n_rows,
            n_empty: 0,
        }
    }

    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.n_rows
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.n_rows == 0
    }

    /// The column of a role; empty when there is none.
    #[must_use]
    pub fn get(&self, role: Role) -> &[f64] {
        self.columns
            .iter()
            .find(|(r, _)| *r == role)
            .map_or(&[], |(_, c)| &c[..self.n_rows])
    }

    /// Whether a role has a column.
    #[must_use]
    pub fn has(&self, role: Role) -> bool {
        self.columns.iter().any(|(r, _)| *r == role)
    }

    /// The rows for which something holds.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(usize) -> bool) -> Points {
        self.picked(&(0..self.n_rows).filter(|i| keep(*i)).collect::<Vec<_>>())
    }

    /// Rows by their index, as often as they are named; indices that do not exist are passed over.
    #[must_use]
    pub fn picked(&self, rows: &[usize]) -> Points {
        let pick = |c: &[f64]| rows.iter().filter_map(|i| c.get(*i).copied()).collect();
        Points {
            name: self.name.clone(),
            columns: self.columns.iter().map(|(r, c)| (*r, pick(c))).collect(),
            n_rows: rows.iter().filter(|i| **i < self.n_rows).count(),
            n_empty: self.n_empty,
        }
    }

    /// Training FLOP of a row: stated, else `6 N D`.
    #[must_use]
    pub fn flop(&self, row: usize) -> f64 {
        let stated = self.get(Role::Flop).get(row).copied();
        stated.unwrap_or_else(|| super::formula::TRAIN_FLOP * self.at(Role::Params, row) * self.at(Role::Tokens, row))
    }

    /// A cell; not a number where there is none.
    #[must_use]
    pub fn at(&self, role: Role, row: usize) -> f64 {
        self.get(role).get(row).copied().unwrap_or(f64::NAN)
    }
}

/// Read a file of points.
///
/// # Errors
/// When it cannot be read, a column is missing, or a cell is no number that its role may have.
pub fn read(path: &Path, mapping: &Mapping, needed: &[Role], wanted: &[Role]) -> Result<Points> {
    let origin = source::read_as(path, &format!("a CSV of at most {MAX_ROWS} runs, one a row"))?;
    parse(&origin, mapping, needed, wanted)
}

/// The same from a text.
///
/// # Errors
/// As [`read`].
pub fn parse(origin: &Arc<Origin>, mapping: &Mapping, needed: &[Role], wanted: &[Role]) -> Result<Points> {
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(origin.text.as_bytes());
    let header: Vec<String> = match reader.headers() {
        Ok(h) => h.iter().map(str::to_string).collect(),
        Err(error) => return Err(Diagnostic::new(format!("`{}` is no CSV: {error}", origin.name)).into()),
    };
    let plan = Plan::new(origin, &header, mapping, needed, wanted)?;
    let mut table = Table::new(origin, &plan);
    let mut record = csv::StringRecord::new();
    loop {
        match reader.read_record(&mut record) {
            Ok(false) => break,
            Ok(true) => table.row(&record)?,
            Err(error) => {
                table
                    .problems
                    .push(Diagnostic::new(format!("`{}` is no CSV: {error}", origin.name)));
                break;
            }
        }
        if table.problems.len() >= MAX_PROBLEMS {
            break;
        }
    }
    table.finish(needed)
}

/// Which column holds what.
struct Plan {
    roles: Vec<(Role, usize)>,
    only: Vec<(usize, String)>,
    header: Vec<String>,
}

impl Plan {
    fn new(origin: &Arc<Origin>, header: &[String], mapping: &Mapping, needed: &[Role], wanted: &[Role]) -> Result<Plan> {
        let names: Vec<&str> = header.iter().map(String::as_str).collect();
        let place = |column: &str| header.iter().position(|h| h.eq_ignore_ascii_case(column));
        let missing = |column: &str, help: String| -> Error {
            let at = At {
                origin: origin.clone(),
                span: 0..origin.text.find('\n').unwrap_or(origin.text.len()),
            };
            Diagnostic::new(format!("there is no column `{column}`")).at(&at).help(help).into()
        };
        let mut roles = Vec::new();
        for role in needed.iter().chain(wanted) {
            let named = mapping.columns.iter().rev().find(|(r, _)| r == role).map(|(_, c)| c);
            let found = match named {
                Some(column) => Some(place(column).ok_or_else(|| missing(column, one_of(column, &names)))?),
                None => role.columns().iter().find_map(|c| place(c)),
            };
            match found {
                Some(index) => roles.push((*role, index)),
                None if needed.contains(role) => {
                    let name = role.name();
                    let help = format!("say which column it is: --column {name}=NAME; the file has {}", names.join(", "));
                    return Err(missing(name, help));
                }
                None => {}
            }
        }
        let mut only = Vec::new();
        for (column, value) in &mapping.only {
            let index = place(column).ok_or_else(|| missing(column, one_of(column, &names)))?;
            only.push((index, value.clone()));
        }
        Ok(Plan {
            roles,
            only,
            header: header.to_vec(),
        })
    }
}

struct Table<'a> {
    origin: &'a Arc<Origin>,
    plan: &'a Plan,
    columns: Vec<Vec<f64>>,
    n_empty: usize,
    n_seen: usize,
    problems: Vec<Diagnostic>,
}

impl<'a> Table<'a> {
    fn new(origin: &'a Arc<Origin>, plan: &'a Plan) -> Self {
        Table {
            origin,
            plan,
            columns: vec![Vec::new(); plan.roles.len()],
            n_empty: 0,
            n_seen: 0,
            problems: Vec::new(),
        }
    }

    fn row(&mut self, record: &csv::StringRecord) -> Result<()> {
        self.n_seen += 1;
        if self.n_seen > MAX_ROWS {
            let text = format!("`{}` has more than the {MAX_ROWS} rows that are fitted", self.origin.name);
            let help = "keep the last checkpoint of each run, or thin it out";
            return Err(Diagnostic::new(text).help(help).into());
        }
        let cell = |index: usize| record.get(index).unwrap_or("");
        if self.plan.only.iter().any(|(index, value)| !same(cell(*index), value)) {
            return Ok(());
        }
        let mut values = Vec::with_capacity(self.columns.len());
        for (role, index) in &self.plan.roles {
            let text = cell(*index);
            if text.is_empty() {
                self.n_empty += 1;
                return Ok(());
            }
            match text.parse::<f64>() {
                Ok(value) if role.allows(value) => values.push(value),
                _ => {
                    let problem = self.wrong(record, *role, *index, text);
                    self.problems.push(problem);
                    return Ok(());
                }
            }
        }
        for (column, value) in self.columns.iter_mut().zip(values) {
            column.push(value);
        }
        Ok(())
    }

    fn wrong(&self, record: &csv::StringRecord, role: Role, index: usize, text: &str) -> Diagnostic {
        let column = self.plan.header.get(index).map_or("", String::as_str);
        let start = record.position().map_or(0, csv::Position::byte);
        let start = usize::try_from(start).unwrap_or(0).min(self.origin.text.len());
        let length = self.origin.text[start..].find('\n').unwrap_or(self.origin.text.len() - start);
        let at = At {
            origin: self.origin.clone(),
            span: start..start + length,
        };
        Diagnostic::new(format!("`{column}` is `{text}`, expected {}", role.allowed()))
            .at(&at)
            .help("correct the row, take it out, or choose rows with --only COLUMN=VALUE")
    }

    fn finish(self, needed: &[Role]) -> Result<Points> {
        if !self.problems.is_empty() {
            return Err(Error::Invalid(self.problems));
        }
        let n_rows = self.columns.first().map_or(0, Vec::len);
        if n_rows == 0 {
            let names: Vec<&str> = needed.iter().map(|r| r.name()).collect();
            let text = format!("`{}` has no row with {}", self.origin.name, names.join(", "));
            let help = format!("{} rows were read, {} of them with an empty cell", self.n_seen, self.n_empty);
            return Err(Diagnostic::new(text).help(help).into());
        }
        Ok(Points {
            name: self.origin.name.clone(),
            columns: self.plan.roles.iter().map(|(r, _)| *r).zip(self.columns).collect(),
            n_rows,
            n_empty: self.n_empty,
        })
    }
}

/// Whether a cell is what was asked for: the same text, or the same number.
fn same(cell: &str, wanted: &str) -> bool {
    cell == wanted || matches!((cell.parse::<f64>(), wanted.parse::<f64>()), (Ok(a), Ok(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(text: &str, columns: &[&str], only: &[&str]) -> Result<Points> {
        let own = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let origin = Arc::new(Origin {
            name: "p.csv".to_string(),
            text: text.to_string(),
        });
        let mapping = Mapping::parse(&own(columns), &own(only))?;
        parse(&origin, &mapping, &[Role::Params, Role::Tokens, Role::Loss], &[Role::Flop])
    }

    #[test]
    fn columns_are_found_by_usual_names_and_by_flags() {
        let p = points("N,D,val,keep\n1e9,2e10,3.1,1\n2e9,4e10,2.9,0\n", &["loss=val"], &["keep=1.0"]).unwrap();
        assert_eq!((p.len(), p.at(Role::Loss, 0)), (1, 3.1));
        assert!((p.flop(0) - 1.2e20).abs() < 1e8);
    }

    #[test]
    fn hostile_files_say_what_is_wrong_and_where() {
        for (text, columns, word) in [
            (
                "params,tokens,loss\n1e9,2e10,NaN\n",
                &[][..],
                "p.csv:2: `loss` is `NaN`, expected a finite number",
            ),
            ("params,tokens,loss\n1e9,0,3\n", &[], "`tokens` is `0`"),
            ("params,tokens,loss\n1e9,inf,3\n", &[], "`tokens` is `inf`"),
            ("params,tokens,loss\n", &[], "has no row with params, tokens, loss"),
            ("params,tokens,los\n1,1,1\n", &[], "--column loss=NAME"),
            ("params,tokens,los\n1,1,1\n", &["loss=lss"], "did you mean `los`"),
            ("params,tokens,loss\n1,1,1\n", &["lose=loss"], "did you mean `loss`"),
            ("params,tokens,loss\n1,1,1\n", &["loss"], "has no `=`"),
            ("", &[], "there is no column"),
            ("params,tokens,loss\n1,2\n", &[], "empty cell"),
        ] {
            let error = points(text, columns, &[]).unwrap_err().to_string();
            assert!(error.contains(word), "{text}: {error}");
        }
        let many = format!("params,tokens,loss\n{}", "1,1,1\n".repeat(MAX_ROWS + 1));
        assert!(points(&many, &[], &[]).unwrap_err().to_string().contains("thin it out"));
        let broken = format!("params,tokens,loss\n{}", "1,0,1\n".repeat(1000));
        let Err(Error::Invalid(list)) = points(&broken, &[], &[]) else {
            panic!()
        };
        assert_eq!(list.len(), MAX_PROBLEMS);
    }
}
