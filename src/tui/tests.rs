//! The whole program on a backend in memory, its jobs done on the spot.

mod frames;
mod keys;
mod random;
mod script;

use super::action::Action;
use super::state::derive;
use super::state::jobs::{self, Effect, Job, Outcome, Reply};
use super::state::plans::Entry;
use super::state::{About, Screen, State};
use super::theme::{Depth, Theme};
use super::work::Work;
use super::worker::Stop;
use super::{keys as table, update, view};
use crate::catalog::Catalog;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::collections::HashMap;
use std::sync::Arc;

/// A state and what answers its jobs.
pub(super) struct Rig {
    pub state: State,
    work: Work,
    /// Effects that are not jobs, in the order they came.
    pub others: Vec<Effect>,
    known: HashMap<String, Arc<Reply2>>,
    /// After so many different jobs older answers are given again: random events ask for thousands.
    pub most_jobs: usize,
    n_other: usize,
}

/// An answer that can be given more than once.
enum Reply2 {
    Planned(jobs::Answer),
    Failed(String),
}

const NAMES: [(&str, &[&str]); 3] = [
    ("llama3-405b", &[]),
    ("half of it", &["cluster.nodes=1024", "layout.data=64"]),
    ("東京 in Stockholm", &["cluster.region=eu-north-1", "cost.owned=true"]),
];

pub(super) fn rig(size: (u16, u16), theme: &str, ascii: bool) -> Rig {
    let entry = |(i, (name, sets)): (usize, &(&str, &[&str]))| {
        let sets = sets.iter().map(ToString::to_string).collect();
        Entry::new(i as u64 + 1, name, "llama3-405b".to_string(), sets)
    };
    let entries = NAMES.iter().enumerate().map(entry).collect();
    let theme = Theme::named(theme, Depth::True, ascii).unwrap();
    let about = About {
        builtin: vec!["llama3-405b".to_string()],
        ..About::default()
    };
    let mut rig = Rig {
        state: State::new(entries, about, theme, size),
        work: Work::new(Catalog::builtin()),
        others: Vec::new(),
        known: HashMap::new(),
        most_jobs: usize::MAX,
        n_other: 0,
    };
    rig.state.still = true;
    let effects = derive::derive(&mut rig.state);
    rig.perform(effects);
    rig
}

impl Rig {
    /// Do jobs and what follows from their answers.
    pub fn perform(&mut self, effects: Vec<Effect>) {
        let mut todo: Vec<Effect> = effects;
        while !todo.is_empty() {
            let mut next = Vec::new();
            for effect in todo {
                let Effect::Start(place, generation, job) = effect else {
                    self.others.push(effect);
                    continue;
                };
                let outcome = self.outcome(job);
                let reply = Reply {
                    place,
                    generation,
                    outcome,
                    last: true,
                };
                next.extend(update::update(&mut self.state, Action::Reply(reply)).1);
            }
            todo = next;
        }
    }

    fn outcome(&mut self, job: Job) -> Outcome {
        let key = match &job {
            Job::Plan(name, sets, _) => format!("{name}\n{}", sets.join("\n")),
            // Nothing is measured in tests, and all published runs take a while.
            Job::Bench(..) => return Outcome::Measured(Box::default()),
            Job::Validate(_) => return Outcome::Validated(some_predictions()),
            other => {
                // A grid is a hundred plans.
                self.n_other += if matches!(other, Job::Grid(..)) { 20 } else { 1 };
                if self.n_other > self.most_jobs {
                    return Outcome::Failed("enough".to_string());
                }
                return still(self.work.run(job, &Stop::default(), &|_| true));
            }
        };
        if self.known.len() > self.most_jobs && !self.known.contains_key(&key) {
            return Outcome::Failed("enough".to_string());
        }
        if !self.known.contains_key(&key) {
            let answer = match still(self.work.run(job, &Stop::default(), &|_| true)) {
                Outcome::Planned(answer) => Reply2::Planned(*answer),
                Outcome::Failed(why) => Reply2::Failed(why),
                _ => panic!("a plan was asked for"),
            };
            self.known.insert(key.clone(), Arc::new(answer));
        }
        match self.known[&key].as_ref() {
            Reply2::Planned(answer) => Outcome::Planned(Box::new(answer.clone())),
            Reply2::Failed(why) => Outcome::Failed(why.clone()),
        }
    }

    /// Do an action.
    pub fn act(&mut self, action: Action) -> bool {
        let (changed, effects) = update::update(&mut self.state, action);
        self.perform(effects);
        changed
    }

    /// Press a key.
    pub fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        if let Some(action) = table::action(&self.state, &KeyEvent::new(code, modifiers)) {
            self.act(action);
        }
    }

    /// Press keys by their names, blanks between: `6 j l ctrl-r space enter`; `'text'` is typed.
    pub fn keys(&mut self, text: &str) -> &mut Self {
        for word in text.split(' ').filter(|w| !w.is_empty()) {
            if let Some(typed) = word.strip_prefix('\'') {
                for c in typed.trim_end_matches('\'').replace('_', " ").chars() {
                    self.key(KeyCode::Char(c), KeyModifiers::NONE);
                }
                continue;
            }
            let (word, modifiers) = match word.strip_prefix("ctrl-") {
                Some(rest) => (rest, KeyModifiers::CONTROL),
                None => (word, KeyModifiers::NONE),
            };
            let code = match word {
                "space" => KeyCode::Char(' '),
                "enter" => KeyCode::Enter,
                "esc" => KeyCode::Esc,
                "tab" => KeyCode::Tab,
                "back" => KeyCode::Backspace,
                "up" => KeyCode::Up,
                "down" => KeyCode::Down,
                "left" => KeyCode::Left,
                "right" => KeyCode::Right,
                one => KeyCode::Char(one.chars().next().unwrap()),
            };
            self.key(code, modifiers);
        }
        self
    }

    /// The cells as text.
    pub fn frame(&self) -> String {
        let (width, height) = self.state.size;
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|f| view::draw(&self.state, f)).unwrap();
        let rows = terminal.backend().buffer().content.chunks(usize::from(width).max(1));
        let line = |row: &[ratatui::buffer::Cell]| {
            row.iter()
                .map(ratatui::buffer::Cell::symbol)
                .collect::<String>()
                .trim_end()
                .to_string()
        };
        rows.map(line).collect::<Vec<_>>().join("\n")
    }

    pub fn screen(&mut self, screen: Screen) {
        let n = screen.index() + 1;
        self.keys(&n.to_string());
    }
}

/// Times of the clock are all the same, so that frames are.
fn still(mut outcome: Outcome) -> Outcome {
    match &mut outcome {
        Outcome::Planned(answer) => {
            if let Ok(planned) = answer.as_mut()
                && let Some(planned) = Arc::get_mut(planned)
            {
                planned.took_s = 1e-3;
            }
        }
        Outcome::Searched(search, _) => search.took_s = 0.1,
        Outcome::Grid(grid) => grid.took_s = 1.0,
        _ => {}
    }
    outcome
}

/// Predictions of a few published runs.
fn some_predictions() -> Vec<crate::study::validate::Prediction> {
    let files = crate::catalog::source::published();
    let rows: Vec<_> = files
        .iter()
        .flat_map(|f| crate::study::runs::read_rows(f).unwrap().rows)
        .step_by(40)
        .collect();
    crate::study::validate::predict(&rows, &Catalog::builtin())
}
