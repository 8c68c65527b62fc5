//! The program without a terminal, for tests and benches: the same state, updates, view and workers.

use super::action::Action;
use super::state::State;
use super::state::derive;
use super::state::jobs::{Effect, Reply};
use super::update::update;
use super::work::Work;
use super::worker::Worker;
use super::{Setup, press, view};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// A program that draws into memory.
pub struct Headless {
    state: State,
    terminal: Terminal<TestBackend>,
    worker: Worker<Sender<Reply>>,
    inbox: Receiver<Reply>,
}

impl Headless {
    /// Start it in a window of this size; nothing if the backend refuses.
    #[must_use]
    pub fn start(setup: Setup, (width, height): (u16, u16)) -> Option<Headless> {
        let (sender, inbox) = channel();
        let state = setup.state((width, height));
        let worker = Worker::new(Work::new(setup.catalog), sender);
        let terminal = Terminal::new(TestBackend::new(width, height)).ok()?;
        let mut out = Headless {
            state,
            terminal,
            worker,
            inbox,
        };
        let effects = derive::derive(&mut out.state);
        out.perform(&effects);
        Some(out)
    }

    fn perform(&self, effects: &[Effect]) {
        for effect in effects {
            self.worker.handle(effect);
        }
    }

    /// Press a key by its letter.
    pub fn key(&mut self, letter: char) {
        self.code(KeyCode::Char(letter));
    }

    /// Press escape.
    pub fn escape(&mut self) {
        self.code(KeyCode::Esc);
    }

    /// Press enter.
    pub fn enter(&mut self) {
        self.code(KeyCode::Enter);
    }

    fn code(&mut self, code: KeyCode) {
        let effects = press(&mut self.state, &KeyEvent::new(code, KeyModifiers::NONE));
        self.perform(&effects);
    }

    /// Draw a frame.
    pub fn draw(&mut self) {
        let state = &self.state;
        let _ = self.terminal.draw(|frame| view::draw(state, frame));
    }

    /// Take the answers that have come.
    pub fn receive(&mut self) {
        while let Ok(reply) = self.inbox.try_recv() {
            let (_, effects) = update(&mut self.state, Action::Reply(reply));
            self.perform(&effects);
        }
    }

    /// Whether something is being computed.
    #[must_use]
    pub fn busy(&self) -> bool {
        self.state.busy()
    }

    /// Whether the search runs.
    #[must_use]
    pub fn searching(&self) -> bool {
        self.state.layouts.found.waiting
    }

    /// Take answers until nothing is computed any more, or for so long.
    pub fn settle(&mut self, most: Duration) {
        let start = Instant::now();
        while self.busy() && start.elapsed() < most {
            if let Ok(reply) = self.inbox.recv_timeout(Duration::from_millis(20)) {
                let (_, effects) = update(&mut self.state, Action::Reply(reply));
                self.perform(&effects);
            }
        }
    }

    /// The plan under the cursor as `exaplan plan --json` has it, if there is one.
    #[must_use]
    pub fn json(&self) -> Option<String> {
        self.state.planned().map(|p| crate::report::plan::json::plan(&p.plan).to_string())
    }

    /// The command line that makes it.
    #[must_use]
    pub fn command(&self) -> Option<String> {
        self.state.current().map(|e| e.command(&self.state.about.flags))
    }

    /// What is on the screen, line by line.
    #[must_use]
    pub fn screen(&self) -> Vec<String> {
        let buffer = self.terminal.backend().buffer();
        let width = usize::from(buffer.area.width).max(1);
        let line = |row: &[ratatui::buffer::Cell]| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>();
        buffer.content.chunks(width).map(line).collect()
    }
}
