//! What the screen shows and how it changes: plain data and pure functions.

use super::answer::{Answer, Lines};
use crate::report::{Document, text};
use std::sync::Arc;

/// Smallest window that is drawn.
pub const MIN_SIZE: (u16, u16) = (60, 15);
/// Columns of a label and of a number, each with the space after it.
pub const LABEL_WIDTH: u16 = 8;
/// Columns of one scenario in the list, with the space after it.
pub const NUMBER_WIDTH: u16 = 13;

/// One scenario.
#[derive(Debug, Clone, Default)]
pub struct Tab {
    /// Its name, safe to print.
    pub name: String,
    /// What is known.
    pub answer: Answer,
    /// What is drawn of it.
    pub lines: Lines,
    /// First line that is seen.
    pub scroll: usize,
}

/// Work for the other thread.
#[derive(Debug, Clone)]
pub enum Request {
    /// Plan this scenario.
    Plan(usize),
    /// Write this report in this width.
    Write(usize, Arc<Document>, u16),
}

/// What the other thread found.
#[derive(Debug, Clone)]
pub enum Reply {
    /// The plan of a scenario.
    Planned(usize, Answer),
    /// The lines of its report.
    Written(usize, Lines),
}

/// How far to scroll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// By lines.
    Lines(isize),
    /// By screens.
    Pages(isize),
    /// To the begin.
    Top,
    /// To the end.
    Bottom,
}

/// Everything that the user, the window or the other thread can cause.
#[derive(Debug, Clone)]
pub enum Action {
    /// Close what lies on top, else leave.
    Close,
    /// Leave.
    Quit,
    /// Show or hide the keys.
    Help,
    /// Another scenario, this many further.
    Step(isize),
    /// The scenario with this number, from 0.
    Select(usize),
    /// Scroll.
    Scroll(Move),
    /// The window has this many columns and rows.
    Resize(u16, u16),
    /// The other thread is done.
    Done(Reply),
    /// The other thread is still busy.
    Tick,
}

/// All of it.
#[derive(Debug, Clone)]
pub struct State {
    /// The scenarios; at least one.
    pub tabs: Vec<Tab>,
    /// Which one is seen.
    pub current: usize,
    /// The keys are shown.
    pub help: bool,
    /// First line of the keys that is seen.
    pub help_scroll: usize,
    /// Columns and rows of the window.
    pub size: (u16, u16),
    /// The other thread works.
    pub busy: bool,
    /// Ticks so far, for the spinner.
    pub ticks: usize,
    /// The program is to end.
    pub quit: bool,
}

impl State {
    /// Nothing planned yet.
    #[must_use]
    pub fn new(names: impl IntoIterator<Item = String>, size: (u16, u16)) -> State {
        let tab = |name: String| Tab {
            name: text::shorten(&name, 60),
            ..Tab::default()
        };
        State {
            tabs: names.into_iter().map(tab).collect(),
            current: 0,
            help: false,
            help_scroll: 0,
            size,
            busy: false,
            ticks: 0,
            quit: false,
        }
    }

    /// The scenario that is seen.
    #[must_use]
    pub fn tab(&self) -> Option<&Tab> {
        self.tabs.get(self.current)
    }

    /// Columns of the list: as many scenarios as almost half of the window holds, one at least.
    #[must_use]
    pub fn list_width(&self) -> u16 {
        let n = u16::try_from(self.tabs.len()).unwrap_or(u16::MAX);
        let room = (self.size.0 * 9 / 20).saturating_sub(LABEL_WIDTH) / NUMBER_WIDTH;
        LABEL_WIDTH + NUMBER_WIDTH * room.min(n).max(1)
    }

    /// Columns of the report: a line and a space stand before it, a space behind.
    #[must_use]
    pub fn text_width(&self) -> u16 {
        self.size.0.saturating_sub(self.list_width() + 3)
    }

    /// Rows of the report: tabs stand above it, hints below.
    #[must_use]
    pub fn text_height(&self) -> u16 {
        self.size.1.saturating_sub(2)
    }

    /// The window is too small to draw in.
    #[must_use]
    pub fn too_small(&self) -> bool {
        self.size.0 < MIN_SIZE.0 || self.size.1 < MIN_SIZE.1
    }

    /// The next thing to compute, what is seen first. Derived from the state, so that nothing
    /// outdated waits in a queue.
    #[must_use]
    pub fn request(&self) -> Option<Request> {
        if self.busy {
            return None;
        }
        let others = (0..self.tabs.len()).filter(|i| *i != self.current);
        std::iter::once(self.current).chain(others).find_map(|i| self.request_of(i))
    }

    fn request_of(&self, index: usize) -> Option<Request> {
        let tab = self.tabs.get(index)?;
        match &tab.answer {
            Answer::Waiting => Some(Request::Plan(index)),
            Answer::Ready(_, document) if index == self.current && !self.too_small() && tab.lines.width != self.text_width() => {
                Some(Request::Write(index, document.clone(), self.text_width()))
            }
            Answer::Ready(..) => None,
        }
    }

    /// Change by `action`; true when the screen does.
    pub fn update(&mut self, action: Action) -> bool {
        match action {
            Action::Quit => self.quit = true,
            Action::Close if self.help => self.help = false,
            Action::Close => self.quit = true,
            Action::Help => {
                self.help = !self.help;
                self.help_scroll = 0;
            }
            Action::Step(by) => {
                let n = isize::try_from(self.tabs.len()).unwrap_or(1).max(1);
                self.select((self.current.cast_signed() + by).rem_euclid(n).cast_unsigned());
            }
            Action::Select(index) if index < self.tabs.len() => self.select(index),
            Action::Select(_) => return false,
            Action::Scroll(by) => return self.scroll(by),
            Action::Resize(width, height) => {
                self.size = (width, height);
                self.clamp();
            }
            Action::Done(reply) => {
                self.busy = false;
                self.receive(reply);
            }
            Action::Tick => {
                self.ticks = self.ticks.wrapping_add(1);
                return self.busy;
            }
        }
        true
    }

    fn select(&mut self, index: usize) {
        self.current = index;
        self.help = false;
        self.clamp();
    }

    fn receive(&mut self, reply: Reply) {
        match reply {
            Reply::Planned(index, answer) => {
                if let Some(tab) = self.tabs.get_mut(index) {
                    tab.answer = answer;
                }
            }
            Reply::Written(index, lines) => {
                if let Some(tab) = self.tabs.get_mut(index) {
                    // The reader stays at the same part of the report, though it has other lines.
                    tab.scroll = tab.scroll * lines.list.len() / tab.lines.list.len().max(1);
                    tab.lines = lines;
                }
                self.clamp();
            }
        }
    }

    fn scroll(&mut self, by: Move) -> bool {
        let page = usize::from(self.text_height()).saturating_sub(1).max(1);
        let help_end = super::keys::help().len().saturating_sub(1);
        let end = self.last_scroll();
        let Some(tab) = self.tabs.get_mut(self.current) else { return false };
        let (at, end) = if self.help {
            (&mut self.help_scroll, help_end)
        } else {
            (&mut tab.scroll, end)
        };
        let to = match by {
            Move::Lines(n) => at.saturating_add_signed(n),
            Move::Pages(n) => at.saturating_add_signed(n.saturating_mul(page.cast_signed())),
            Move::Top => 0,
            Move::Bottom => end,
        }
        .min(end);
        std::mem::replace(at, to) != to
    }

    fn last_scroll(&self) -> usize {
        self.tab()
            .map_or(0, |t| t.lines.list.len().saturating_sub(usize::from(self.text_height())))
    }

    fn clamp(&mut self) {
        let last = self.last_scroll();
        if let Some(tab) = self.tabs.get_mut(self.current) {
            tab.scroll = tab.scroll.min(last);
        }
    }
}
