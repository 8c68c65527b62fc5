//! The error gallery: one bad input per mistake, with the words that it must be answered with.

mod cases;
mod hostile;

use crate::support::Folder;
use cases::{Case, Input};
use exaplan::catalog::Catalog;
use exaplan::error::Error;
use exaplan::plan::{Scenario, plan};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The command line can run `plan FILE`. Until it does, only the library is held to the gallery.
const BINARY_READY: bool = true;

/// Exit code of input that cannot be used, and of a question without an answer.
const INVALID: i32 = 2;
const INFEASIBLE: i32 = 1;

/// What a case says to the user, over library and program alike.
struct Answer {
    code: i32,
    text: String,
    /// Every problem has a remedy.
    helped: bool,
    /// Lines of the file that problems point at.
    lines: Vec<usize>,
}

/// Ask the library.
fn library(path: &Path, sets: &[&str]) -> Option<Answer> {
    let sets: Vec<String> = sets.iter().map(ToString::to_string).collect();
    let result = Scenario::load(&path.display().to_string(), &sets, Catalog::builtin()).and_then(|(s, c)| plan(&s, &c));
    let error = result.err()?;
    let text = error.to_string();
    Some(match error {
        Error::Invalid(list) => Answer {
            code: INVALID,
            helped: !list.is_empty() && list.iter().all(|d| d.help.as_ref().is_some_and(|h| !h.is_empty())),
            lines: list.iter().filter_map(|d| d.at.as_ref()).map(exaplan::error::At::line).collect(),
            text,
        },
        Error::NoFeasibleLayout { nearest, .. } => {
            let nearest = nearest.unwrap_or_default();
            Answer {
                code: INFEASIBLE,
                helped: nearest.contains("; "),
                lines: Vec::new(),
                text: format!("{text}: {nearest}"),
            }
        }
        _ => Answer {
            code: INVALID,
            helped: false,
            lines: Vec::new(),
            text,
        },
    })
}

/// Ask the program.
fn program(path: &Path, sets: &[&str]) -> Option<Answer> {
    if !BINARY_READY {
        return None;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_exaplan"));
    command.arg("plan").arg(path).args(sets.iter().flat_map(|s| ["--set", s]));
    let out = command.env("NO_COLOR", "1").env_remove("RUST_BACKTRACE").output().unwrap();
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(!text.contains("panicked"), "{}: {text}", path.display());
    let name = path.display().to_string();
    let lines = text
        .split(&format!("{name}:"))
        .skip(1)
        .filter_map(|after| after.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok())
        .collect();
    Some(Answer {
        code: out.status.code().unwrap_or(-1),
        helped: text.contains("help"),
        lines,
        text,
    })
}

fn hold(case: &Case, who: &str, path: &Path, answer: &Answer) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut say = |what: String| {
        wrong.push(format!(
            "{} ({who}): {what}\n    {}",
            case.name,
            answer.text.replace('\n', "\n    ")
        ))
    };
    if answer.code != case.code {
        say(format!("exit code {}, expected {}", answer.code, case.code));
    }
    if !answer.helped {
        say("no remedy".to_string());
    }
    for word in case.words.iter().filter(|w| !answer.text.contains(**w)) {
        say(format!("does not say `{word}`"));
    }
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let named = case.code == INFEASIBLE || answer.text.contains(&*file) || answer.text.contains("--set");
    if !named {
        say("does not name the file".to_string());
    }
    if let Some(line) = case.line.filter(|l| !answer.lines.contains(l)) {
        say(format!("points at lines {:?}, not at {line}", answer.lines));
    }
    // A screen is enough for any mistake.
    if answer.text.len() > 8000 {
        say(format!("an answer of {} bytes", answer.text.len()));
    }
    wrong
}

/// Put the input of a case on disk.
fn lay(case: &Case, folder: &Folder) -> PathBuf {
    let path = folder.path().join("bad.toml");
    match &case.input {
        Input::Missing => {}
        Input::Directory => std::fs::create_dir(&path).unwrap(),
        Input::Bytes(make) => std::fs::write(&path, make()).unwrap(),
        Input::Lines(edits) => std::fs::write(&path, cases::edited(edits)).unwrap(),
    }
    path
}

#[test]
fn every_mistake_is_answered_with_its_place_and_a_remedy() {
    let mut wrong = Vec::new();
    for case in cases::all() {
        let folder = Folder::new();
        let path = lay(case, &folder);
        match library(&path, case.sets) {
            Some(answer) => wrong.extend(hold(case, "library", &path, &answer)),
            None => wrong.push(format!("{}: the library accepts it", case.name)),
        }
        if let Some(answer) = program(&path, case.sets) {
            wrong.extend(hold(case, "program", &path, &answer));
        }
    }
    assert!(wrong.is_empty(), "{} complaints\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_gallery_is_large_and_its_names_are_its_own() {
    let mut names: Vec<&str> = cases::all().map(|c| c.name).collect();
    let n = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), n);
    assert!(n >= 60, "{n}");
}

#[test]
fn the_scenario_that_all_cases_are_made_from_is_good() {
    let folder = Folder::new();
    let path = folder.path().join("good.toml");
    std::fs::write(&path, cases::edited(&[])).unwrap();
    assert!(library(&path, &[]).is_none());
}
