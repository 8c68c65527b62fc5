//! Plans side by side in a terminal. It shows no number that the library cannot return, and every change
//! it makes can be printed as `--set` flags.
//!
//! ```text
//!  keys, mouse, signals, workers --> Action --> update(State) --> Effects --> workers, files, clipboard
//!                                                  |
//!                                          view(State) --> cells, when something changed
//! ```
//!
//! [`update`] and [`view`] are pure; [`keys`] is the one table that names keys; [`worker`] numbers its
//! requests, and an answer to an older one is dropped.

mod action;
mod export;
mod field;
mod figures;
mod filter;
mod keys;
mod knobs;
mod paint;
mod screens;
mod session;
mod state;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;
mod update;
mod view;
mod work;
mod worker;

pub mod headless;

pub use keys::markdown as keys_markdown;
pub use theme::{Depth, NAMES as THEMES};

use crate::catalog::Catalog;
use crate::error::{Diagnostic, Error, Result};
use action::{Action, Command, Mouse};
use crossterm::event::{self, Event as Input, KeyEvent, MouseEventKind};
use crossterm::{cursor, execute};
use state::jobs::{Effect, Reply};
use state::plans::Entry;
use state::{About, Quit, State};
use std::io::{IsTerminal, stdout};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use terminal::Screen;
use theme::Theme;
use work::Work;
use worker::Worker;

/// A scenario to begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What it is called.
    pub name: String,
    /// A file or a built-in name.
    pub source: String,
    /// What is set, as `--set` takes it.
    pub sets: Vec<String>,
}

/// How it looks and behaves.
#[derive(Debug, Clone)]
pub struct Looks {
    /// One of [`THEMES`]; what was used before if none is said.
    pub theme: Option<String>,
    /// Colours of the terminal.
    pub depth: Depth,
    /// Nothing but ASCII.
    pub ascii: bool,
    /// Take the mouse.
    pub mouse: bool,
    /// Nothing turns.
    pub still: bool,
    /// Where it is remembered how it looked.
    pub session: Option<PathBuf>,
    /// Do not look there.
    pub fresh: bool,
}

/// What it starts with.
pub struct Setup {
    /// Catalog under all scenarios.
    pub catalog: Catalog,
    /// The scenarios.
    pub asked: Vec<Asked>,
    /// Flags that command lines have beside `--set`, and the overrides that they stand for.
    pub flags: Vec<String>,
    /// These.
    pub hidden: Vec<String>,
    /// Names of built-in scenarios.
    pub builtin: Vec<String>,
    /// How it looks.
    pub looks: Looks,
}

/// Nothing can happen but events; the pause ends to see whether the terminal is still there.
const IDLE: Duration = Duration::from_secs(1);
/// While something works: how often it is looked at.
const BUSY: Duration = Duration::from_millis(100);
/// Answers are drawn at most this often; what a user does is drawn at once.
const FRAME: Duration = Duration::from_millis(33);
/// Events taken before the screen is drawn: a held key must not draw once per repeat.
const MAX_EVENTS: usize = 64;

/// What reaches the loop.
enum Event {
    Input(Input),
    Reply(Reply),
    Told(std::result::Result<String, String>),
    Signal(i32),
    /// The terminal is gone.
    Gone,
}

impl From<Reply> for Event {
    fn from(reply: Reply) -> Event {
        Event::Reply(reply)
    }
}

impl Setup {
    /// The state it begins with.
    #[must_use]
    fn state(&self, size: (u16, u16)) -> State {
        let one = |(i, a): (usize, &Asked)| Entry::new(i as u64 + 1, &a.name, a.source.clone(), a.sets.clone());
        let entries = self.asked.iter().enumerate().map(one).collect();
        let about = About {
            catalog: String::new(),
            flags: self.flags.clone(),
            hidden: self.hidden.clone(),
            builtin: self.builtin.clone(),
        };
        let named = |name: &str| Theme::named(name, self.looks.depth, self.looks.ascii);
        let theme = self.looks.theme.as_deref().and_then(named).or_else(|| named(THEMES[0]));
        let theme = theme.unwrap_or_else(|| Theme::plain(self.looks.ascii));
        let mut state = State::new(entries, about, theme, size);
        state.still = self.looks.still;
        if let Some(path) = self.looks.session.as_ref().filter(|_| !self.looks.fresh) {
            let before = session::restore(&mut state, path);
            let before = before.as_deref().and_then(named).filter(|_| self.looks.theme.is_none());
            state.theme = before.unwrap_or(state.theme);
        }
        state
    }
}

/// Show scenarios until the user leaves; the number of the signal that ended it, if one did.
///
/// # Errors
/// [`Error::Invalid`] without scenarios; [`Error::Device`] when stdout is no terminal or it fails.
pub fn run(setup: Setup) -> Result<Option<i32>> {
    if setup.asked.is_empty() {
        return Err(Diagnostic::new("no scenario to show").help("name one or more").into());
    }
    if !stdout().is_terminal() {
        return Err(Error::Device {
            what: "stdout is not a terminal".to_string(),
        });
    }
    if setup.looks.theme.as_deref() == Some("mono") {
        // With NO_COLOR crossterm writes an empty colour, which resets every attribute: a line would
        // lose its reversal. Nothing here asks for a colour, so let it write what it is told.
        crossterm::style::force_color_output(true);
    }
    let (events, inbox) = channel();
    let mut screen = Screen::enter(setup.looks.mouse).map_err(broken)?;
    let size = screen.terminal.size().map_err(broken)?;
    let mut state = setup.state((size.width, size.height));
    // Before anything is computed.
    screen.terminal.draw(|frame| view::draw(&state, frame)).map_err(broken)?;
    listen(&events)?;
    let worker = Worker::new(Work::new(setup.catalog), events.clone());
    let quit = show(&mut state, &mut screen, &worker, (&events, &inbox))?;
    if let Some(path) = &setup.looks.session {
        session::save(&state, path);
    }
    if quit == Quit::Leave {
        let last = screen
            .terminal
            .draw(|frame| view::draw(&state, frame))
            .map_err(broken)?
            .buffer
            .clone();
        drop(screen);
        Screen::print(&last).map_err(broken)?;
    }
    Ok(if let Quit::Signal(number) = quit { Some(number) } else { None })
}

fn broken(error: std::io::Error) -> Error {
    Error::Device {
        what: format!("the terminal failed: {error}"),
    }
}

/// Threads that wait for the user and for signals.
fn listen(events: &Sender<Event>) -> Result<()> {
    let thread = |name: &str, run: Box<dyn FnOnce() + Send>| {
        let spawned = std::thread::Builder::new().name(name.to_string()).spawn(run);
        spawned.map(|_| ()).map_err(|e| Error::Device {
            what: format!("no thread to listen on: {e}"),
        })
    };
    let to = events.clone();
    thread(
        "exaplan-input",
        Box::new(move || {
            loop {
                let event = match event::read() {
                    Ok(input) => Event::Input(input),
                    Err(_) => Event::Gone,
                };
                let gone = matches!(event, Event::Gone);
                if to.send(event).is_err() || gone {
                    return;
                }
            }
        }),
    )?;
    #[cfg(unix)]
    {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
        let mut signals = signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(broken)?;
        let to = events.clone();
        thread(
            "exaplan-signals",
            Box::new(move || {
                for number in signals.forever() {
                    if to.send(Event::Signal(number)).is_err() {
                        return;
                    }
                }
            }),
        )?;
    }
    Ok(())
}

/// What an event is to the state.
fn action(state: &State, event: Event) -> Option<Action> {
    match event {
        Event::Input(Input::Key(key)) => keys::action(state, &key),
        Event::Input(Input::Resize(width, height)) => Some(Action::Resize(width, height)),
        Event::Input(Input::Mouse(mouse)) => {
            let (x, y) = (mouse.column, mouse.row);
            Some(Action::Mouse(match mouse.kind {
                MouseEventKind::Down(_) => Mouse::Press(x, y),
                MouseEventKind::Drag(_) => Mouse::Drag(x, y),
                MouseEventKind::ScrollUp => Mouse::Wheel(x, y, true),
                MouseEventKind::ScrollDown => Mouse::Wheel(x, y, false),
                _ => return None,
            }))
        }
        Event::Input(Input::Paste(text)) => Some(Action::Type(field::Typed::Text(text))),
        Event::Input(_) => None,
        Event::Reply(reply) => Some(Action::Reply(reply)),
        Event::Told(text) => Some(Action::Told(text)),
        Event::Signal(number) => Some(Action::Signal(number)),
        Event::Gone => Some(Action::Do(Command::Quit)),
    }
}

type Ends<'a> = (&'a Sender<Event>, &'a Receiver<Event>);

fn show(state: &mut State, screen: &mut Screen, worker: &Worker<Sender<Event>>, (events, inbox): Ends<'_>) -> Result<Quit> {
    let mut dirty = true;
    let (mut drawn, mut looked) = (Instant::now(), Instant::now());
    for effect in state::derive::derive(state) {
        worker.handle(&effect);
    }
    loop {
        let wait = match (dirty, state.busy()) {
            (true, _) => FRAME.saturating_sub(drawn.elapsed()),
            (false, true) => BUSY.saturating_sub(looked.elapsed()),
            (false, false) => IDLE,
        };
        let mut urgent = false;
        let mut next = match inbox.recv_timeout(wait) {
            Ok(event) => Some(event),
            Err(RecvTimeoutError::Disconnected) => return Ok(Quit::Plain),
            Err(RecvTimeoutError::Timeout) => {
                if wait == IDLE {
                    // A terminal that hung up is taken for a silent one; a write tells.
                    execute!(stdout(), cursor::Hide).map_err(broken)?;
                }
                None
            }
        };
        let mut n = 0;
        while let Some(event) = next.take() {
            urgent |= matches!(event, Event::Input(_));
            if let Some(action) = action(state, event) {
                dirty |= step(state, action, screen, worker, events)?;
            }
            if let Some(quit) = state.quit {
                return Ok(quit);
            }
            n += 1;
            if n < MAX_EVENTS {
                next = inbox.try_recv().ok();
            }
        }
        if state.busy() && looked.elapsed() >= BUSY {
            looked = Instant::now();
            dirty |= step(state, Action::Tick, screen, worker, events)?;
            if let Some(progress) = worker.progress() {
                dirty |= step(state, Action::Progress(progress), screen, worker, events)?;
            }
        }
        if dirty && (urgent || drawn.elapsed() >= FRAME) {
            screen.terminal.draw(|frame| view::draw(state, frame)).map_err(broken)?;
            drawn = Instant::now();
            dirty = false;
        }
    }
}

/// Change the state and do what follows from that; whether the screen may look different.
fn step(state: &mut State, action: Action, screen: &mut Screen, worker: &Worker<Sender<Event>>, events: &Sender<Event>) -> Result<bool> {
    let (changed, effects) = update::update(state, action);
    for effect in effects {
        if worker.handle(&effect) {
            continue;
        }
        match effect {
            Effect::Copy(text) => Screen::copy(&text).map_err(broken)?,
            Effect::Suspend => screen.suspend().map_err(broken)?,
            Effect::Write(writing) => {
                let to = events.clone();
                let write = move || {
                    let told = writing.write().map_err(|e| e.to_string());
                    let _ = to.send(Event::Told(told));
                };
                match std::thread::Builder::new().name("exaplan-export".to_string()).spawn(write) {
                    Ok(thread) => screen.exports.push(thread),
                    Err(_) => state.complain("the system refuses a thread to write on"),
                }
            }
            Effect::Crash => crash(),
            Effect::Start(..) | Effect::Cancel(_) => {}
        }
    }
    Ok(changed)
}

/// End as a bug would: `:crash` shows that the terminal comes back.
#[allow(clippy::panic)]
fn crash() {
    std::panic::panic_any("asked for by :crash");
}

/// For tests and benches: what a key does.
pub(crate) fn press(state: &mut State, key: &KeyEvent) -> Vec<Effect> {
    keys::action(state, key).map_or_else(Vec::new, |a| update::update(state, a).1)
}
