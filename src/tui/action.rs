//! Everything that a key, the window or another thread can cause.

use super::field::Typed;
use super::state::jobs::{Progress, Reply};

/// Where to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// A line or a column.
    Up,
    /// A line or a column.
    Down,
    /// A column.
    Left,
    /// A column.
    Right,
    /// A screen.
    PageUp,
    /// A screen.
    PageDown,
    /// To the begin.
    Top,
    /// To the end.
    Bottom,
}

/// What a key does; the same things have a name in the palette.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Command {
    Quit,
    QuitLeave,
    Screen(u8),
    Panel(i8),
    Move(Move),
    Enter,
    Escape,
    Expand,
    Filter,
    Match(i8),
    Sort,
    Mark,
    Reference,
    Difference,
    Undo,
    Redo,
    Reread,
    Export,
    Copy,
    Palette,
    Help,
    Suspend,
    // Plans.
    Add,
    Clone,
    Delete,
    Rename,
    Metric(i8),
    Unknowns,
    // Layouts.
    Breadth,
    Explain,
    AxisX,
    AxisY,
    OnlyFront,
    Published,
    // Step.
    Pan(i8),
    Zoom(i8),
    Fit,
    Bubble,
    Follow,
    Lanes,
    Table,
    // Memory.
    Fullest,
    Try(u8),
    // Bill.
    Basis,
    CarbonBasis,
    Offers,
    GridYear,
    PerToken,
    // What-if.
    Turn { up: bool, large: bool },
    ResetKnob,
    ResetAll,
    Auto,
    SaveAs,
    // Calibration.
    StartPause,
    Skip,
    Device,
    Import,
    Preview,
    Accept,
    SaveProfile,
    // Sweep.
    SweepMetric,
    Best,
    Contour,
    LogColor,
    Submit,
}

/// What the mouse did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mouse {
    /// Pressed at a cell.
    Press(u16, u16),
    /// Moved to a cell while pressed.
    Drag(u16, u16),
    /// The wheel went up or down over a cell.
    Wheel(u16, u16, bool),
}

/// Everything that changes the state.
pub enum Action {
    /// A key of the table, or its name in the palette.
    Do(Command),
    /// A key or characters while a line is being typed.
    Type(Typed),
    /// The mouse.
    Mouse(Mouse),
    /// The window has this many columns and lines.
    Resize(u16, u16),
    /// A worker is done, or has a part.
    Reply(Reply),
    /// How far the search is.
    Progress(Progress),
    /// Time passes while something works.
    Tick,
    /// A file was written, or not.
    Told(Result<String, String>),
    /// A signal asks to end.
    Signal(i32),
}
