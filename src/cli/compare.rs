//! `exaplan compare`.

use super::output::{Console, Forms, Target, no_form};
use super::sampling::{Sampling, sampled};
use super::{DEFAULT_SCENARIO, Done, Input, Over, layers};
use crate::error::{Diagnostic, Error, Result};
use crate::layout::Choice;
use crate::plan::{Plan, plan};
use crate::report::compare::{Case, Comparison, WhatIf, document, json, rests_on, rows};
use crate::report::opening::said;
use crate::report::plan::Detail;

const EXAMPLES: &str = "\
Examples:
  exaplan compare llama3-405b :cluster.nodes=1024,layout.data=64
  exaplan compare mine.toml mine.toml:cluster.region=eu-north-1 --json
  exaplan compare llama3-405b --what-if cluster.nodes=512,1024 --what-if cost.commitment=1-year,3-year --free-layout";

/// Scenarios side by side at most: more do not fit a screen.
const MOST: usize = 6;
/// Single changes at most.
const MOST_CHANGES: usize = 1_000;

/// Compare scenarios: side by side, why they differ, what single changes would do.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CompareArgs {
    /// Two to six scenarios, each with its own overrides: NAME, FILE, or NAME:path=value,path=value;
    /// without a name it is the first one's
    #[arg(value_name = "SCENARIO", value_hint = clap::ValueHint::FilePath)]
    pub(super) scenarios: Vec<String>,
    /// Change the first scenario, one value at a time; may be repeated
    #[arg(long = "what-if", value_name = "PATH=VALUE,VALUE")]
    what_if: Vec<String>,
    /// Search the layout of each scenario and change, whatever its [layout] fixes
    #[arg(long)]
    pub(super) free_layout: bool,
    #[command(flatten)]
    pub(super) over: Over,
    #[command(flatten)]
    pub(super) target: Target,
    #[command(flatten)]
    pub(super) sampling: Sampling,
}

/// Compare and write.
pub fn run(args: &CompareArgs, console: &Console) -> Done {
    args.target.format(console)?;
    let asked = specs(&args.scenarios, !args.what_if.is_empty())?;
    let changes = changes(&args.what_if)?;
    let loader = args.loader(console);
    let cases = loader.cases(&args.scenarios, &asked)?;
    let base = asked.first().cloned().unwrap_or_else(|| Spec::named(DEFAULT_SCENARIO));
    let progress = console.progress(changes.len(), "changes");
    let mut what_ifs = Vec::new();
    for (path, value) in changes {
        let plan = match loader.planned(&base, &[format!("{path}={value}")]) {
            Ok(made) => Ok(made.0),
            // A change that fits nowhere is an answer; a wrong one is a mistake.
            Err(none @ Error::NoFeasibleLayout { .. }) => Err(none_fits(&none)),
            Err(other) => {
                progress.end();
                return Err(other);
            }
        };
        progress.step();
        what_ifs.push(WhatIf { path, value, plan });
    }
    progress.end();
    write(&Comparison::new(cases, what_ifs), &args.again(), &args.target, console)
}

impl CompareArgs {
    /// What reads its scenarios.
    pub(super) fn loader<'a>(&'a self, console: &'a Console) -> Loader<'a> {
        Loader {
            over: &self.over,
            free_layout: self.free_layout,
            sampling: &self.sampling,
            console,
        }
    }

    /// The words of the same command, for a saved comparison.
    fn again(&self) -> Vec<String> {
        let mut words = self.over.again_with("compare", &self.scenarios);
        for what in &self.what_if {
            words.extend(["--what-if".to_string(), what.clone()]);
        }
        words.extend(self.free_layout.then(|| "--free-layout".to_string()));
        words.extend(self.sampling.again());
        words
    }
}

/// Write a comparison in the form that was asked for.
pub fn write(shown: &Comparison, again: &[String], target: &Target, console: &Console) -> Done {
    let has = "give a name in .html, .xlsx, .md, .csv, .json or .txt";
    target.write(
        console,
        &Forms {
            screen: &|| {
                let mut out = document(shown, Detail::Screen);
                if target.file().is_some() {
                    // A report says at its beginning what it is.
                    out.blocks.insert(2, said("What it rests on.", &rests_on(shown).join(" ")));
                }
                out
            },
            page: &|| document(shown, Detail::Page),
            rows: &|| rows(shown),
            json: &|| {
                let mut out = json(shown);
                out["again"] = serde_json::json!(again);
                out
            },
            trace: &|| no_form("a trace shows one step, not a comparison", has),
            svg: &|| no_form("a comparison is more than one picture", has),
            xlsx: Some(&|| book(shown)),
        },
    )
}

#[cfg(feature = "xlsx")]
fn book(shown: &Comparison) -> Result<Vec<u8>> {
    use crate::report::xlsx::{FIXED_EPOCH_S, compare};
    compare::workbook(shown, super::output::epoch_s()?.unwrap_or(FIXED_EPOCH_S))
}

#[cfg(not(feature = "xlsx"))]
fn book(_: &Comparison) -> Result<Vec<u8>> {
    super::output::no_book()
}

/// Reads, plans and samples scenarios.
pub struct Loader<'a> {
    /// Changes to all of them.
    pub over: &'a Over,
    /// Search every layout.
    pub free_layout: bool,
    /// How to sample.
    pub sampling: &'a Sampling,
    /// Where to say what is noticed.
    pub console: &'a Console,
}

impl Loader<'_> {
    /// A case for each scenario, or the default one alone.
    ///
    /// # Errors
    /// When one of them cannot be planned.
    pub fn cases(&self, texts: &[String], asked: &[Spec]) -> Result<Vec<Case>> {
        let mut cases = Vec::new();
        let whole = [Spec::named(DEFAULT_SCENARIO)];
        let default = [DEFAULT_SCENARIO.to_string()];
        let (texts, asked) = if asked.is_empty() {
            (&default[..], &whole[..])
        } else {
            (texts, asked)
        };
        for ((text, spec), letter) in texts.iter().zip(asked).zip('A'..) {
            let told = || self.console.say(&format!("in scenario {letter}, `{text}`:"));
            let made = self.planned(spec, &[]).and_then(|(mut plan, over)| {
                let input = Input {
                    scenario: spec.name.clone(),
                    over,
                };
                let study = sampled(self.sampling, &input, &mut plan, self.console)?;
                Ok((plan, study))
            });
            let (plan, study) = made.inspect_err(|_| told())?;
            cases.push(Case {
                letter,
                asked: text.clone(),
                changed: spec.sets.clone(),
                plan,
                study,
            });
        }
        Ok(cases)
    }

    /// A plan, and the changes that it was made with.
    fn planned(&self, spec: &Spec, more: &[String]) -> Result<(Plan, Over)> {
        let mut over = self.over.clone();
        over.set.extend(spec.sets.iter().chain(more).cloned());
        let (mut scenario, catalog) = over.load(&spec.name, self.console)?;
        layers::tell_ignored(&scenario, self.console);
        if self.free_layout {
            let own = scenario.choice;
            scenario.choice = Choice {
                schedule: own.schedule,
                split: own.split,
                offload: own.offload,
                ..Choice::default()
            };
        }
        Ok((plan(&scenario, &catalog)?, over))
    }
}

/// Why there is no plan: the nearest miss says more than the counts.
fn none_fits(error: &Error) -> String {
    match error {
        Error::NoFeasibleLayout { nearest: Some(near), .. } => format!("no layout fits; the nearest is {near}, or --free-layout"),
        other => other.to_string(),
    }
}

/// A scenario with its own overrides.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// As `plan` takes it.
    pub name: String,
    /// Its overrides.
    pub sets: Vec<String>,
}

impl Spec {
    fn named(name: &str) -> Spec {
        Spec {
            name: name.to_string(),
            sets: Vec::new(),
        }
    }
}

/// The scenarios that were asked for.
pub fn specs(list: &[String], alone: bool) -> Result<Vec<Spec>> {
    let least = if alone { 0 } else { 2 };
    if list.len() < least || list.len() > MOST {
        let text = format!("compare takes 2 to {MOST} scenarios, not {}", list.len());
        let help = "name them, as in `exaplan compare llama3-405b :cluster.nodes=1024,layout.data=64`, or give --what-if path=value,value";
        return Err(Diagnostic::new(text).help(help).into());
    }
    let mut out: Vec<Spec> = Vec::new();
    for text in list {
        let mut spec = spec(text);
        if spec.name.is_empty() {
            spec.name = out.first().map_or(DEFAULT_SCENARIO, |first| first.name.as_str()).to_string();
        }
        out.push(spec);
    }
    Ok(out)
}

/// `NAME:path=value,path=value`: the last colon before the first `=` ends the name, so that names may
/// hold colons; a file of that very name is taken as one.
fn spec(text: &str) -> Spec {
    let cut = text.find('=').and_then(|equals| text[..equals].rfind(':'));
    let Some(cut) = cut.filter(|_| !std::path::Path::new(text).exists()) else {
        return Spec::named(text);
    };
    let mut sets: Vec<String> = Vec::new();
    for piece in pieces(&text[cut + 1..]) {
        match sets.last_mut() {
            // `1,000` and the like: a comma that no assignment follows belongs to the value.
            Some(last) if !piece.contains('=') => *last = format!("{last},{piece}"),
            _ => sets.push(piece),
        }
    }
    Spec {
        name: text[..cut].to_string(),
        sets,
    }
}

/// The pieces of a list between its commas; quotes and brackets hold together.
fn pieces(text: &str) -> Vec<String> {
    let (mut depth, mut quoted, mut out) = (0_i32, false, vec![String::new()]);
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            '[' | '{' if !quoted => depth += 1,
            ']' | '}' if !quoted => depth -= 1,
            ',' if !quoted && depth == 0 => {
                out.push(String::new());
                continue;
            }
            _ => {}
        }
        if let Some(last) = out.last_mut() {
            last.push(c);
        }
    }
    out
}

/// Paths with single values.
fn changes(list: &[String]) -> Result<Vec<(String, String)>> {
    let mut out = Vec::new();
    for text in list {
        let (path, values) = text
            .split_once('=')
            .filter(|(path, values)| !path.trim().is_empty() && !values.trim().is_empty())
            .ok_or_else(|| {
                Diagnostic::new(format!("--what-if: `{text}` is no path=value,value"))
                    .help("write for example --what-if cluster.nodes=512,1024")
            })?;
        out.extend(pieces(values).into_iter().map(|v| (path.trim().to_string(), v.trim().to_string())));
    }
    if out.len() > MOST_CHANGES {
        let text = format!("--what-if names {} values", out.len());
        return Err(Diagnostic::new(text).help(format!("name at most {MOST_CHANGES}")).into());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_bring_their_overrides() {
        for (text, name, sets) in [
            ("llama3-405b", "llama3-405b", &[][..]),
            (
                "a:cluster.nodes=1024,layout.data=64",
                "a",
                &["cluster.nodes=1024", "layout.data=64"],
            ),
            (":limits.budget=1,000 USD,a.b=2", "", &["limits.budget=1,000 USD", "a.b=2"]),
            ("c:\\x.toml:a=[1,2],b=\"x,y=z\"", "c:\\x.toml", &["a=[1,2]", "b=\"x,y=z\""]),
            ("c:\\x.toml", "c:\\x.toml", &[]),
        ] {
            let want = Spec {
                name: name.to_string(),
                sets: sets.iter().map(ToString::to_string).collect(),
            };
            assert_eq!(spec(text), want);
        }
        let list = specs(&["x".to_string(), ":a=1".to_string()], false).unwrap();
        assert_eq!(list[1].name, "x");
        assert!(specs(&["x".to_string()], false).is_err() && specs(&["x".to_string()], true).is_ok());
        assert!(specs(&vec!["x".to_string(); 7], false).is_err());
    }

    #[test]
    fn changes_are_single_values() {
        let list = changes(&["a.b=1,2".to_string(), "c={ use = \"x\", y = 1 }".to_string()]).unwrap();
        let want = [("a.b", "1"), ("a.b", "2"), ("c", "{ use = \"x\", y = 1 }")];
        assert_eq!(list, want.map(|(p, v)| (p.to_string(), v.to_string())));
        assert!(changes(&["a.b".to_string()]).is_err() && changes(&["=3".to_string()]).is_err());
    }
}
