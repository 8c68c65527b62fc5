//! The table.

use super::{Chord, Key};
use crate::tui::action::{Command, Move};
use crate::tui::state::Screen;
use Screen::{Bill, Calib, Layouts, Memory, Plans, Step, Sweep, WhatIf};
use crossterm::event::KeyCode;

const fn c(letter: char) -> Chord {
    Chord {
        code: KeyCode::Char(letter),
        control: false,
    }
}

const fn ctrl(letter: char) -> Chord {
    Chord {
        code: KeyCode::Char(letter),
        control: true,
    }
}

const fn k(code: KeyCode) -> Chord {
    Chord { code, control: false }
}

const fn own(screens: &'static [Screen], chords: &'static [Chord], command: Command, hint: &'static str, help: &'static str) -> Key {
    Key {
        screens,
        panel: None,
        chords,
        command,
        hint,
        help,
    }
}

const fn all(chords: &'static [Chord], command: Command, hint: &'static str, help: &'static str) -> Key {
    own(&[], chords, command, hint, help)
}

const fn digit(chord: &'static [Chord], n: u8, help: &'static str) -> Key {
    Key {
        screens: &[Memory],
        panel: Some(2),
        chords: chord,
        command: Command::Try(n),
        hint: "",
        help,
    }
}

const fn turn(up: bool, large: bool) -> Command {
    Command::Turn { up, large }
}

/// All keys. Hints come in this order, a screen's own first.
pub const KEYS: &[Key] = &[
    // 1 Plans.
    own(
        &[Plans],
        &[c('a')],
        Command::Add,
        "add",
        "add a scenario: a file or a built-in name",
    ),
    own(&[Plans], &[c('c')], Command::Clone, "clone", "clone the plan with its changes"),
    own(&[Plans], &[c('D')], Command::Delete, "delete", "take the plan off the list (asks)"),
    own(&[Plans], &[c('R')], Command::Rename, "rename", "rename the plan"),
    own(
        &[Plans],
        &[c('<')],
        Command::Metric(-1),
        "metric",
        "the bars show the figure before",
    ),
    own(&[Plans], &[c('>')], Command::Metric(1), "metric", "the bars show the next figure"),
    own(
        &[Plans],
        &[c('U')],
        Command::Unknowns,
        "",
        "what was assumed, with its source, and what is known by its distribution only",
    ),
    // 2 Layouts.
    own(
        &[Layouts],
        &[c('f')],
        Command::Breadth,
        "space",
        "how much is tried: usual, schedules, all",
    ),
    own(
        &[Layouts],
        &[c('i')],
        Command::Explain,
        "explain",
        "why the candidate is faster or slower than the plan, part by part",
    ),
    own(&[Layouts], &[c('x')], Command::AxisX, "axes", "what the chart has across"),
    own(&[Layouts], &[c('y')], Command::AxisY, "axes", "what the chart has up"),
    own(
        &[Layouts],
        &[c('o')],
        Command::OnlyFront,
        "front",
        "list only those that no other beats",
    ),
    own(
        &[Layouts],
        &[c('.')],
        Command::Published,
        "",
        "mark the layout that the scenario came with",
    ),
    // 3 Step.
    own(&[Step], &[c('[')], Command::Pan(-1), "pan", "earlier"),
    own(&[Step], &[c(']')], Command::Pan(1), "pan", "later"),
    own(&[Step], &[c('+')], Command::Zoom(1), "zoom", "stretch the time"),
    own(&[Step], &[c('-')], Command::Zoom(-1), "zoom", "see more time"),
    own(&[Step], &[c('z')], Command::Fit, "fit", "see the whole step"),
    own(&[Step], &[c('b')], Command::Bubble, "bubble", "to the next bubble of this stage"),
    own(
        &[Step],
        &[c('m')],
        Command::Follow,
        "follow",
        "follow this micro-batch through the stages, or stop",
    ),
    own(&[Step], &[c('v')], Command::Lanes, "lanes", "lanes of this stage, or stages"),
    own(&[Step], &[c('t')], Command::Table, "table", "the bars of this stage as a table"),
    own(&[Step], &[c('G')], Command::Move(Move::Bottom), "", "to the end of the step"),
    // 4 Memory.
    own(&[Memory], &[c('p')], Command::Fullest, "fullest", "to the fullest stage"),
    digit(&[c('1')], 0, "try the first change"),
    digit(&[c('2')], 1, "try the second change"),
    digit(&[c('3')], 2, "try the third change"),
    digit(&[c('4')], 3, "try the fourth change"),
    digit(&[c('5')], 4, "try the fifth change"),
    digit(&[c('6')], 5, "try the sixth change"),
    digit(&[c('7')], 6, "try the seventh change"),
    digit(&[c('8')], 7, "try the eighth change"),
    // 5 Bill.
    own(
        &[Bill],
        &[c('b')],
        Command::Basis,
        "basis",
        "cost as planned, rented, bought, or power only",
    ),
    own(
        &[Bill],
        &[c('c')],
        Command::CarbonBasis,
        "carbon",
        "carbon by location, market or marginal",
    ),
    own(&[Bill], &[c('o')], Command::Offers, "offers", "elsewhere: prices, or places"),
    own(
        &[Bill],
        &[c('y')],
        Command::GridYear,
        "grid",
        "the grid's factor, its year and source",
    ),
    own(&[Bill], &[c('U')], Command::PerToken, "units", "in all, or per million tokens"),
    // 6 What-if.
    own(
        &[WhatIf],
        &[c('l'), k(KeyCode::Right)],
        turn(true, false),
        "step",
        "turn the knob up a little",
    ),
    own(
        &[WhatIf],
        &[c('h'), k(KeyCode::Left)],
        turn(false, false),
        "step",
        "turn the knob down a little",
    ),
    own(&[WhatIf], &[c('L')], turn(true, true), "big step", "double it, or the last word"),
    own(&[WhatIf], &[c('H')], turn(false, true), "big step", "halve it, or the first word"),
    own(&[WhatIf], &[c('0')], Command::ResetKnob, "reset", "what this knob was"),
    own(&[WhatIf], &[c('R')], Command::ResetAll, "reset all", "what all knobs were"),
    own(
        &[WhatIf],
        &[c('a')],
        Command::Auto,
        "auto layout",
        "search the layout at each change, or fix it again",
    ),
    own(
        &[WhatIf],
        &[c('S')],
        Command::SaveAs,
        "save",
        "keep the changes as a plan of its own",
    ),
    own(&[WhatIf], &[c('<')], Command::Metric(-1), "metric", "swings of the figure before"),
    own(&[WhatIf], &[c('>')], Command::Metric(1), "metric", "swings of the next figure"),
    // 7 Calibration.
    own(
        &[Calib],
        &[k(KeyCode::Char(' '))],
        Command::StartPause,
        "start/stop",
        "measure this machine, or stop and keep what is measured",
    ),
    own(
        &[Calib],
        &[c('s')],
        Command::Skip,
        "skip suite",
        "leave the suite under the cursor out",
    ),
    own(
        &[Calib],
        &[c('d')],
        Command::Device,
        "device",
        "published runs of the next accelerator, or of all",
    ),
    own(
        &[Calib],
        &[c('i')],
        Command::Import,
        "import",
        "hold a CSV file of measured runs against predictions, too",
    ),
    own(
        &[Calib],
        &[c('p')],
        Command::Preview,
        "preview",
        "what measured kernels change for the plan",
    ),
    own(
        &[Calib],
        &[c('A')],
        Command::Accept,
        "accept",
        "keep these measurements for the profile, or drop them",
    ),
    own(
        &[Calib],
        &[c('W')],
        Command::SaveProfile,
        "save profile",
        "write the measurements as a kernel profile",
    ),
    // 8 Sweep.
    own(&[Sweep], &[c('m')], Command::SweepMetric, "metric", "map another figure"),
    own(&[Sweep], &[c('x')], Command::AxisX, "axes", "what the map has across"),
    own(&[Sweep], &[c('y')], Command::AxisY, "axes", "what the map has up"),
    own(&[Sweep], &[c('+')], Command::Zoom(1), "zoom", "a narrower range"),
    own(&[Sweep], &[c('-')], Command::Zoom(-1), "zoom", "a wider range"),
    own(&[Sweep], &[c('b')], Command::Best, "best", "to the best cell"),
    own(
        &[Sweep],
        &[c('c')],
        Command::Contour,
        "contour",
        "a line where days or carbon are the plan's",
    ),
    own(&[Sweep], &[c('L')], Command::LogColor, "log", "colours by the logarithm, or evenly"),
    own(
        &[Sweep],
        &[c('S')],
        Command::Submit,
        "submit",
        "write the study for `exaplan sweep run` and `submit`",
    ),
    // Everywhere.
    all(&[c(' ')], Command::Mark, "mark", "mark, or take the mark away"),
    all(
        &[k(KeyCode::Enter)],
        Command::Enter,
        "open",
        "open what is under the cursor, or apply it",
    ),
    all(&[c('=')], Command::Reference, "reference", "hold the others against this plan"),
    all(&[c('s')], Command::Sort, "sort", "sort by the next column; again turns it round"),
    all(
        &[c('/')],
        Command::Filter,
        "filter",
        "keep what matches: words, `musd < 4 and mem < 70 gib`",
    ),
    all(&[c('n')], Command::Match(1), "", "next match"),
    all(&[c('N')], Command::Match(-1), "", "match before"),
    all(&[c('d')], Command::Difference, "", "differences to the reference, or values"),
    all(&[c('u')], Command::Undo, "undo", "undo the last change"),
    all(&[ctrl('r')], Command::Redo, "redo", "redo what was undone"),
    all(
        &[c('e')],
        Command::Expand,
        "expand",
        "the panel that listens fills the screen, or not",
    ),
    all(
        &[c('w')],
        Command::Export,
        "export",
        "write what is seen: .csv .md .json .html .txt .svg .xlsx .trace.json",
    ),
    all(&[c('y')], Command::Copy, "", "copy the command line that makes this plan"),
    all(&[c('r')], Command::Reread, "", "read the files again and plan anew"),
    all(&[c(':')], Command::Palette, "command", "a command by its name, or `set path=value`"),
    all(&[c('?'), k(KeyCode::F(1))], Command::Help, "help", "these keys; / filters them"),
    all(&[c('q')], Command::Quit, "quit", "quit"),
    all(&[c('Q')], Command::QuitLeave, "", "quit and leave the last screen in the terminal"),
    all(&[ctrl('c')], Command::Quit, "", "quit"),
    all(&[ctrl('z')], Command::Suspend, "", "suspend; `fg` comes back"),
    all(
        &[k(KeyCode::Esc)],
        Command::Escape,
        "",
        "close what lies on top, stop a job, take the filter away",
    ),
    all(&[k(KeyCode::Tab)], Command::Panel(1), "", "next panel"),
    all(&[k(KeyCode::BackTab)], Command::Panel(-1), "", "panel before"),
    all(&[k(KeyCode::Up), c('k')], Command::Move(Move::Up), "", "up"),
    all(&[k(KeyCode::Down), c('j')], Command::Move(Move::Down), "", "down"),
    all(&[k(KeyCode::Left), c('h')], Command::Move(Move::Left), "", "left"),
    all(&[k(KeyCode::Right), c('l')], Command::Move(Move::Right), "", "right"),
    all(&[k(KeyCode::PageUp), ctrl('u')], Command::Move(Move::PageUp), "", "a page up"),
    all(&[k(KeyCode::PageDown), ctrl('d')], Command::Move(Move::PageDown), "", "a page down"),
    all(&[k(KeyCode::Home), c('g')], Command::Move(Move::Top), "", "to the begin"),
    all(&[k(KeyCode::End), c('G')], Command::Move(Move::Bottom), "", "to the end"),
    all(&[c('1')], Command::Screen(0), "", "Plans: which is better?"),
    all(&[c('2')], Command::Screen(1), "", "Layouts: what fits, and why not the others?"),
    all(&[c('3')], Command::Screen(2), "", "Step: where do the seconds go?"),
    all(&[c('4')], Command::Screen(3), "", "Memory: how full is each stage?"),
    all(&[c('5')], Command::Screen(4), "", "Bill: money, joules, carbon"),
    all(&[c('6')], Command::Screen(5), "", "What-if: which knob matters?"),
    all(&[c('7')], Command::Screen(6), "", "Calib: does the model match measurements?"),
    all(&[c('8')], Command::Screen(7), "", "Sweep: the map of the space"),
];
