//! Plans side by side in a terminal. It shows no number that the library cannot return.
//!
//! One thread draws and reads keys; another plans. Nothing is drawn unless something changed.

mod answer;
mod keys;
mod state;
#[cfg(test)]
mod tests;
mod view;
mod worker;

use crate::catalog::Catalog;
use crate::error::{Diagnostic, Error, Result};
use crate::plan::{Plan, Scenario};
use crate::report::Document;
use crossterm::event::{self, Event};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use state::{Action, State};
use std::io::{IsTerminal, Stdout, stdout};
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::mpsc::TryRecvError;
use std::time::{Duration, Instant};
use worker::Worker;

/// While the other thread works: how often it is asked, and how often the spinner turns.
const BUSY: Duration = Duration::from_millis(40);
const SPIN: Duration = Duration::from_millis(120);
/// Nothing can happen but keys; the pause ends to see whether the terminal is still there.
const IDLE: Duration = Duration::from_secs(1);
/// Between events of one burst; crossterm's `/dev/tty` source sees nothing in no time.
const BURST: Duration = Duration::from_millis(1);
/// Events taken before the screen is drawn: a held key must not draw once per repeat.
const MAX_EVENTS: usize = 64;

/// Show scenarios until the user leaves, each report as `document` makes it of a plan.
///
/// # Errors
/// [`Error::Invalid`] without scenarios; [`Error::Device`] when stdout is no terminal or it fails.
pub fn run(scenarios: Vec<(Scenario, Catalog)>, document: impl Fn(&Plan) -> Document + Send + 'static) -> Result<()> {
    if scenarios.is_empty() {
        return Err(Diagnostic::new("no scenario to show").help("name one or more").into());
    }
    if !stdout().is_terminal() {
        return Err(Error::Device {
            what: "stdout is not a terminal".to_string(),
        });
    }
    let names: Vec<String> = scenarios.iter().map(|(s, _)| s.name.clone()).collect();
    let worker = worker::start(scenarios, document)?;
    let mut screen = Screen::enter().map_err(broken)?;
    let size = screen.terminal.size().map_err(broken)?;
    let mut state = State::new(names, (size.width, size.height));
    show(&mut state, &mut screen.terminal, &worker)
}

fn broken(error: std::io::Error) -> Error {
    Error::Device {
        what: format!("the terminal failed: {error}"),
    }
}

fn show(state: &mut State, terminal: &mut Terminal<CrosstermBackend<Stdout>>, worker: &Worker) -> Result<()> {
    let mut changed = true;
    let mut last_spin = Instant::now();
    while !state.quit {
        if changed {
            terminal.draw(|frame| view::draw(state, frame)).map_err(broken)?;
            changed = false;
        }
        if let Some(request) = state.request() {
            state.busy = worker.requests.send(request).is_ok();
        }
        let mut wait = if state.busy { BUSY } else { IDLE };
        for _ in 0..MAX_EVENTS {
            if !event::poll(wait).map_err(broken)? {
                break;
            }
            wait = BURST;
            let action = match event::read().map_err(broken)? {
                Event::Key(key) => keys::action(&key),
                Event::Resize(width, height) => Some(Action::Resize(width, height)),
                _ => None,
            };
            changed |= action.is_some_and(|a| state.update(a));
        }
        if wait == IDLE {
            // Crossterm takes a terminal that hung up for a silent one; a write tells.
            execute!(stdout(), cursor::Hide).map_err(broken)?;
        }
        match worker.replies.try_recv() {
            Ok(reply) => changed |= state.update(Action::Done(reply)),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => {
                return Err(Error::Device {
                    what: "the planning thread ended".to_string(),
                });
            }
        }
        if state.busy && last_spin.elapsed() >= SPIN {
            last_spin = Instant::now();
            changed |= state.update(Action::Tick);
        }
    }
    Ok(())
}

type Hook = Arc<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

/// The terminal while it is ours; given back when dropped, and before a panic is printed.
struct Screen {
    terminal: Terminal<CrosstermBackend<Stdout>>,
    hook: Hook,
}

impl Screen {
    fn enter() -> std::io::Result<Screen> {
        let terminal = Terminal::new(CrosstermBackend::new(stdout()))?;
        let hook: Hook = Arc::from(std::panic::take_hook());
        let (before, ours) = (hook.clone(), std::thread::current().id());
        std::panic::set_hook(Box::new(move |info| {
            // Other threads report their panics as answers; printing would spoil the screen.
            if std::thread::current().id() == ours {
                restore();
                before(info);
            }
        }));
        let screen = Screen { terminal, hook };
        enable_raw_mode()?;
        execute!(stdout(), EnterAlternateScreen, cursor::Hide)?;
        Ok(screen)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
        // A hook cannot be changed while panicking, and that panic has been printed.
        if !std::thread::panicking() {
            let hook = self.hook.clone();
            std::panic::set_hook(Box::new(move |info| hook(info)));
        }
    }
}

/// Errors are ignored: there is no terminal left to tell them on.
fn restore() {
    let _ = disable_raw_mode();
    let _ = execute!(stdout(), LeaveAlternateScreen, cursor::Show);
}
