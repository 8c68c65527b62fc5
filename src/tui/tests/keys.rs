//! The table of keys: no chord means two things, each does something somewhere.

use super::*;
use crate::bench::{Checked, Environment, Item, Measured, Sample, Stream};
use crate::tui::keys::{KEYS, help, hints, markdown};
use crate::tui::screens;
use crate::tui::state::jobs::Benched;

#[test]
fn no_chord_has_two_meanings_on_a_screen() {
    for (name, screen) in Screen::ALL {
        for panel in [None, Some(0), Some(1), Some(2), Some(3), Some(4)] {
            for global in [true, false] {
                let rows: Vec<_> = KEYS
                    .iter()
                    .filter(|k| k.panel == panel && k.screens.is_empty() == global && (global || k.screens.contains(&screen)))
                    .collect();
                for (i, a) in rows.iter().enumerate() {
                    for b in &rows[i + 1..] {
                        let both: Vec<_> = a.chords.iter().filter(|c| b.chords.contains(c)).collect();
                        assert!(both.is_empty(), "{name}: {both:?} is `{}` and `{}`", a.help, b.help);
                    }
                }
            }
        }
    }
}

fn measured() -> Benched {
    let item = Item::Stream {
        stream: Stream::Copy,
        bytes: 8,
    };
    Benched {
        machine: Some(Environment::default()),
        list: vec![Measured {
            item,
            n_threads: 1,
            kernel: "a copy".to_string(),
            sample: Sample::new(&[1.0, 1.0, 1.0]).unwrap(),
            check: Checked {
                max_error_fraction: 0.0,
                n_checked: 1,
            },
            energy_j: None,
        }],
        n_all: 2,
        ..Benched::default()
    }
}

/// Each row, on each screen and panel where it is found, is pressed; somewhere it must change the screen,
/// ask for something outside, or end the program.
#[test]
fn every_key_does_something() {
    let mut rig = rig((160, 48), "safe", false);
    rig.most_jobs = 200;
    // Something to unmark.
    rig.keys("space");
    // Another plan than the reference, a filter that keeps all.
    rig.keys("/ 'mfu_>_1' enter j");
    assert!(
        rig.state.visible().len() > 1 && !rig.state.filter_text().is_empty(),
        "{:?}",
        rig.frame()
    );
    // Something to undo and to redo.
    rig.keys("6 l l u 1");
    for (_, screen) in Screen::ALL {
        rig.screen(screen);
    }
    rig.keys("3 + + ] 1");
    // Measurements that go on and are kept.
    rig.state.calib.bench.value = Some(Arc::new(measured()));
    rig.state.calib.bench.waiting = true;
    rig.state.calib.accepted = true;
    let mut dead: Vec<String> = Vec::new();
    for key in KEYS {
        let mut alive = false;
        for (_, screen) in Screen::ALL
            .iter()
            .filter(|(_, s)| key.screens.is_empty() || key.screens.contains(s))
        {
            for panel in 0..screens::panels(*screen).len() {
                if alive || key.panel.is_some_and(|p| p != panel) {
                    continue;
                }
                for chord in key.chords {
                    // The same begin for each: what a key does must not hide what the next one does.
                    let before = rig.state.clone();
                    rig.screen(*screen);
                    rig.state.focus[screen.index()] = panel;
                    rig.others.clear();
                    rig.state.message = None;
                    let frame = rig.frame();
                    let modifiers = if chord.control { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
                    rig.key(chord.code, modifiers);
                    // That it does nothing here, or cannot, is nothing done.
                    let said = rig.state.message.take();
                    let word = said.is_some_and(|m| !m.bad && !m.text.starts_with("that does nothing"));
                    alive |= word || rig.frame() != frame || !rig.others.is_empty() || rig.state.quit.is_some();
                    rig.state = before;
                }
            }
        }
        if !alive {
            dead.push(format!("{}: {}", key.names(), key.help));
        }
    }
    assert!(dead.is_empty(), "keys that do nothing anywhere:\n{}", dead.join("\n"));
}

#[test]
fn help_and_hints_come_from_the_table() {
    let rig = rig((160, 48), "safe", false);
    for (_, screen) in Screen::ALL {
        let text = help(screen, "").join("\n");
        for key in KEYS.iter().filter(|k| k.screens.is_empty() || k.screens.contains(&screen)) {
            assert!(text.contains(key.help), "{}: {}", screen.name(), key.help);
        }
        assert!(help(screen, "no such thing")[0].contains("no key"));
    }
    let mut state = rig.state.clone();
    for (_, screen) in Screen::ALL {
        state.screen = screen;
        for (names, hint, _) in hints(&state) {
            assert!(!names.is_empty() && KEYS.iter().any(|k| k.hint == hint), "{names} {hint}");
        }
    }
    let table = markdown();
    assert_eq!(table.lines().count(), KEYS.len() + 2);
    insta::assert_snapshot!("keys_as_markdown", table);
}

#[test]
fn a_release_is_no_press() {
    let rig = rig((80, 24), "safe", false);
    let release = KeyEvent::new_with_kind(KeyCode::Char('q'), KeyModifiers::NONE, crossterm::event::KeyEventKind::Release);
    assert!(table::action(&rig.state, &release).is_none());
}
