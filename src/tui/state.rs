//! What the program knows and shows: plain data. It is changed by [`super::update`] and nothing else.

pub mod derive;
pub mod jobs;
pub mod plans;
pub mod views;

use super::field::Field;
use super::theme::Theme;
use jobs::Answer;
use plans::{Entry, Undo};
use std::sync::Arc;
use views::{Bill, Calib, Layouts, Memory, Plans, Step, Sweep, WhatIf};

/// Smallest window that is drawn.
pub const MIN_SIZE: (u16, u16) = (60, 15);
/// Below these columns or lines one panel is shown at a time.
pub const FULL_SIZE: (u16, u16) = (80, 24);
/// From these on the large arrangement is used.
pub const LARGE_SIZE: (u16, u16) = (120, 36);

/// A screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Screen {
    /// Which of these is better?
    Plans,
    /// What fits, what is on the front, why not the others?
    Layouts,
    /// Where do the seconds go?
    Step,
    /// How full is each stage?
    Memory,
    /// Money, joules, carbon.
    Bill,
    /// Which knob matters?
    WhatIf,
    /// Does the model match measurements?
    Calib,
    /// The map of the space.
    Sweep,
}

impl Screen {
    /// Every screen with its name, in the order of its number.
    pub const ALL: [(&'static str, Screen); 8] = [
        ("Plans", Screen::Plans),
        ("Layouts", Screen::Layouts),
        ("Step", Screen::Step),
        ("Memory", Screen::Memory),
        ("Bill", Screen::Bill),
        ("What-if", Screen::WhatIf),
        ("Calib", Screen::Calib),
        ("Sweep", Screen::Sweep),
    ];

    /// Its place, from 0.
    #[must_use]
    pub fn index(self) -> usize {
        Screen::ALL.iter().position(|(_, s)| *s == self).unwrap_or(0)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Screen::ALL[self.index()].0
    }
}

/// What a line of text is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Keep what matches.
    Filter,
    /// A command by name.
    Palette,
    /// A scenario to add.
    Add,
    /// A new name of the plan with this id.
    Rename(u64),
    /// The value of a path.
    Value(String),
    /// Where to write what is seen.
    Export,
    /// Name of a new plan.
    SaveAs,
    /// Where to write a measured profile.
    SaveProfile,
    /// Where to write the study of a grid.
    Study,
    /// A log of measurements to read.
    Import,
}

/// What lies on top of a screen.
#[derive(Debug, Clone, PartialEq)]
pub enum Overlay {
    /// The keys.
    Help {
        /// What they are filtered by.
        filter: Field,
        /// Whether it is being typed.
        typing: bool,
        /// First line.
        scroll: usize,
    },
    /// A line of text to enter.
    Prompt {
        /// What for.
        ask: Ask,
        /// What is there.
        field: Field,
        /// Which of the proposals is chosen.
        chosen: usize,
    },
    /// Something to read.
    Popup {
        /// What it is.
        title: String,
        /// Its lines.
        lines: Vec<String>,
        /// First line.
        scroll: usize,
    },
    /// A question that is answered with yes or no.
    Confirm {
        /// It.
        question: String,
        /// The plan that is to go.
        id: u64,
    },
}

/// A line under the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its words.
    pub text: String,
    /// Something went wrong.
    pub bad: bool,
}

/// How to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quit {
    /// Nothing remains.
    Plain,
    /// The last screen stays above the prompt.
    Leave,
    /// A signal asked for it.
    Signal(i32),
}

/// All of it.
#[derive(Clone)]
pub struct State {
    /// Columns and lines of the window.
    pub size: (u16, u16),
    /// Entry and plan that the answers of the screens are about.
    pub shown_for: (Option<u64>, Option<String>),
    /// Colours.
    pub theme: Theme,
    /// No animation.
    pub still: bool,
    /// Digest of the catalog and the words that a command line begins with.
    pub about: About,
    /// Which screen is seen.
    pub screen: Screen,
    /// Which panel listens, by screen.
    pub focus: [usize; 8],
    /// The panel that listens fills the screen.
    pub expanded: bool,
    /// The plans.
    pub entries: Vec<Entry>,
    /// What the others are held against.
    pub reference: u64,
    /// Edits that can be taken back, and those that were.
    pub undo: Undo,
    /// What lies on top.
    pub overlay: Option<Overlay>,
    /// A line for the user.
    pub message: Option<Message>,
    /// Lines typed before, the newest last.
    pub history: Vec<String>,
    /// Screens.
    pub plans: Plans,
    /// Screen 2.
    pub layouts: Layouts,
    /// Screen 3.
    pub step: Step,
    /// Screen 4.
    pub memory: Memory,
    /// Screen 5.
    pub bill: Bill,
    /// Screen 6.
    pub whatif: WhatIf,
    /// Screen 7.
    pub calib: Calib,
    /// Screen 8.
    pub sweep: Sweep,
    /// Number of the last request.
    pub generation: u64,
    /// How often files were read anew.
    pub epoch: u64,
    /// Number of the last plan.
    pub last_id: u64,
    /// Ticks so far.
    pub ticks: usize,
    /// The program is to end.
    pub quit: Option<Quit>,
}

/// What does not change.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// Digest of the catalog.
    pub catalog: String,
    /// Flags that every command line of it has: `--catalog`, `--profile`, `--hf`.
    pub flags: Vec<String>,
    /// Overrides that these flags stand for.
    pub hidden: Vec<String>,
    /// Names of built-in scenarios.
    pub builtin: Vec<String>,
}

impl State {
    /// Nothing planned yet.
    #[must_use]
    pub fn new(entries: Vec<Entry>, about: About, theme: Theme, size: (u16, u16)) -> State {
        let last_id = entries.iter().map(|e| e.id).max().unwrap_or(0);
        let reference = entries.first().map_or(0, |e| e.id);
        State {
            size,
            theme,
            shown_for: (None, None),
            still: false,
            about,
            screen: Screen::Plans,
            focus: [0; 8],
            expanded: false,
            entries,
            reference,
            undo: Undo::default(),
            overlay: None,
            message: None,
            history: Vec::new(),
            plans: Plans::default(),
            layouts: Layouts::default(),
            step: Step::default(),
            memory: Memory::default(),
            bill: Bill::default(),
            whatif: WhatIf::default(),
            calib: Calib::default(),
            sweep: Sweep::default(),
            generation: 0,
            epoch: 0,
            last_id,
            ticks: 0,
            quit: None,
        }
    }

    /// Whether the window is too small to draw in.
    #[must_use]
    pub fn too_small(&self) -> bool {
        self.size.0 < MIN_SIZE.0 || self.size.1 < MIN_SIZE.1
    }

    /// One panel at a time.
    #[must_use]
    pub fn single(&self) -> bool {
        self.expanded || self.size.0 < FULL_SIZE.0 || self.size.1 < FULL_SIZE.1
    }

    /// The large arrangement.
    #[must_use]
    pub fn large(&self) -> bool {
        self.size.0 >= LARGE_SIZE.0 && self.size.1 >= LARGE_SIZE.1
    }

    /// The plan that the cursor is on.
    #[must_use]
    pub fn current(&self) -> Option<&Entry> {
        let list = self.visible();
        let at = self.plans.cursor.min(list.len().saturating_sub(1));
        list.get(at).and_then(|i| self.entries.get(*i))
    }

    /// Its place in the list.
    #[must_use]
    pub fn current_index(&self) -> Option<usize> {
        let id = self.current()?.id;
        self.entries.iter().position(|e| e.id == id)
    }

    /// The answer of the current plan, if there is one.
    #[must_use]
    pub fn planned(&self) -> Option<&Arc<jobs::Planned>> {
        self.current().and_then(Entry::planned)
    }

    /// A plan by its id.
    #[must_use]
    pub fn entry(&self, id: u64) -> Option<&Entry> {
        self.entries.iter().find(|e| e.id == id)
    }

    /// How many plans may be marked.
    #[must_use]
    pub fn most_marks(&self) -> usize {
        if self.size.0 >= 160 { 6 } else { 4 }
    }

    /// Places of the plans that the filter lets through, in the order of the list.
    #[must_use]
    pub fn visible(&self) -> Vec<usize> {
        plans::visible(self)
    }

    /// Tell the user something.
    pub fn say(&mut self, text: impl Into<String>) {
        self.message = Some(Message {
            text: text.into(),
            bad: false,
        });
    }

    /// Tell the user that something went wrong.
    pub fn complain(&mut self, text: impl Into<String>) {
        self.message = Some(Message {
            text: text.into(),
            bad: true,
        });
    }

    /// Whether any job runs.
    #[must_use]
    pub fn busy(&self) -> bool {
        let plans = self.entries.iter().any(|e| e.now.waiting || e.was.waiting);
        let waits = [
            self.layouts.found.waiting,
            self.layouts.chosen.waiting,
            self.step.details.waiting,
            self.memory.tries.waiting,
            self.bill.places.waiting,
            self.whatif.swings.waiting,
            self.calib.validation.waiting,
            self.calib.effect.waiting,
            self.calib.bench.waiting,
            self.sweep.grid.waiting,
        ];
        plans || waits.contains(&true)
    }

    /// Listed in the same order as the comparison: the reference first, then the marked ones.
    #[must_use]
    pub fn compared(&self) -> Vec<&Entry> {
        let reference = self.entry(self.reference);
        let marked = self.entries.iter().filter(|e| e.marked && e.id != self.reference);
        let mut out: Vec<&Entry> = reference.into_iter().chain(marked).take(self.most_marks().max(1)).collect();
        if let Some(current) = self.current().filter(|c| out.len() < 2 && !out.iter().any(|e| e.id == c.id)) {
            out.push(current);
        }
        out
    }

    /// The letter of a plan: its place in the list.
    #[must_use]
    pub fn letter(&self, id: u64) -> String {
        let place = self.entries.iter().position(|e| e.id == id).unwrap_or(0);
        letter(place)
    }
}

/// `a` to `z`, then `aa` and so on.
#[must_use]
pub fn letter(place: usize) -> String {
    let last = char::from(b'a' + u8::try_from(place % 26).unwrap_or(0));
    match place / 26 {
        0 => last.to_string(),
        more => letter(more - 1) + &last.to_string(),
    }
}

/// What went wrong with a plan, in lines.
#[must_use]
pub fn failure_lines(answer: &Answer) -> Vec<String> {
    match answer {
        Ok(_) => Vec::new(),
        Err(failure) => std::iter::once(failure.message.clone()).chain(failure.help.clone()).collect(),
    }
}
