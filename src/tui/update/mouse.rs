//! The mouse: everything it does has a key.

use super::command_;
use crate::tui::action::{Command, Mouse, Move};
use crate::tui::screens;
use crate::tui::state::jobs::Effect;
use crate::tui::state::{Screen, State};
use crate::tui::view;
use ratatui::layout::Position;

/// What the mouse does; whether anything changed.
pub fn update(state: &mut State, what: Mouse, effects: &mut Vec<Effect>) -> bool {
    if state.too_small() {
        return false;
    }
    match what {
        Mouse::Wheel(x, y, up) => {
            if state.overlay.is_none() {
                focus(state, x, y);
            }
            command_(state, Command::Move(if up { Move::Up } else { Move::Down }), effects);
            true
        }
        Mouse::Press(x, y) | Mouse::Drag(x, y) if state.overlay.is_none() => {
            let pressed = matches!(what, Mouse::Press(..));
            if pressed && y == 0 {
                if let Some(n) = view::tab_at(state, x) {
                    super::go(state, n);
                    return true;
                }
                return false;
            }
            let Some((panel, area)) = focus(state, x, y) else { return false };
            screens::click(state, panel, area, (x, y), pressed, effects)
        }
        _ => false,
    }
}

/// The panel under the mouse listens from now on.
fn focus(state: &mut State, x: u16, y: u16) -> Option<(usize, ratatui::layout::Rect)> {
    let areas = view::areas(state);
    let (panel, area) = areas.into_iter().find(|(_, area)| area.contains(Position { x, y }))?;
    let screen: Screen = state.screen;
    state.focus[screen.index()] = panel;
    Some((panel, area))
}
