//! Every screen in every size, as text. Digits are masked: a change of a predicted number is no change of
//! the screen, and `tests/it/cli/tui.rs` holds the numbers against the JSON.

use super::*;

const SIZES: [(&str, (u16, u16), &str, bool); 4] = [
    ("80x24", (80, 24), "safe", false),
    ("160x48", (160, 48), "safe", false),
    ("60x15", (60, 15), "safe", false),
    ("ascii", (80, 24), "mono", true),
];

fn masked(frame: &str) -> String {
    // The digest of the catalog, too, has letters.
    let digest = frame
        .split("  catalog ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next())
        .unwrap_or("");
    let is_digest = digest.len() == 12 && digest.chars().all(|c| c.is_ascii_hexdigit());
    let frame = if is_digest {
        frame.replace(digest, &"9".repeat(12))
    } else {
        frame.to_string()
    };
    frame.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect()
}

#[test]
fn every_screen_in_every_size() {
    for (name, size, theme, ascii) in SIZES {
        let mut rig = rig(size, theme, ascii);
        rig.keys("space j space");
        for (screen_name, screen) in Screen::ALL {
            rig.screen(screen);
            let frame = rig.frame();
            assert!(!ascii || frame.is_ascii(), "{screen_name}: {frame}");
            insta::with_settings!({ omit_expression => true }, {
                insta::assert_snapshot!(format!("{}_{name}", screen_name.to_lowercase()), masked(&frame));
            });
        }
    }
}

#[test]
fn help_palette_and_command_line() {
    let mut rig = rig((80, 24), "safe", false);
    rig.keys("?");
    insta::assert_snapshot!("help", rig.frame());
    rig.keys("/ 'undo'");
    assert!(rig.frame().contains("ctrl-r"), "{}", rig.frame());
    rig.keys("enter esc");
    assert!(rig.state.overlay.is_none());
    rig.keys(": 'swe'");
    insta::assert_snapshot!("palette", masked(&rig.frame()));
    rig.keys("esc 6 l y");
    insta::assert_snapshot!("command_line", masked(&rig.frame()));
}

#[test]
fn what_is_too_small_says_so_and_can_be_left() {
    let mut rig = rig((52, 14), "safe", false);
    assert!(rig.frame().contains("60x15 needed, 52x14 now; q quits"), "{}", rig.frame());
    rig.keys("j 3");
    assert_eq!(rig.state.screen, Screen::Plans);
    rig.keys("q");
    assert!(rig.state.quit.is_some());
}

/// Any window draws, whatever the state was in.
#[test]
fn any_size_draws() {
    let mut rig = rig((80, 24), "safe", false);
    for (_, screen) in Screen::ALL {
        rig.act(Action::Resize(80, 24));
        rig.screen(screen);
        for (w, h) in [
            (1, 1),
            (3, 200),
            (250, 2),
            (59, 15),
            (60, 15),
            (61, 16),
            (79, 23),
            (80, 24),
            (119, 36),
            (120, 35),
            (120, 36),
            (200, 20),
            (250, 80),
        ] {
            // Only drawn: the answers stay those of the window before.
            rig.state.size = (w, h);
            let frame = rig.frame();
            assert!(!frame.trim().is_empty() || w < 30, "{w}x{h} of {} is blank", screen.name());
        }
    }
}

#[test]
fn no_theme_loses_the_cursor() {
    for name in crate::tui::theme::NAMES {
        let rig = rig((80, 24), name, false);
        let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
        terminal.draw(|f| view::draw(&rig.state, f)).unwrap();
        let cell = terminal.backend().buffer().cell((5, 4)).unwrap();
        assert!(cell.modifier.contains(ratatui::style::Modifier::REVERSED), "{name}");
        if name == "mono" {
            let colours = terminal
                .backend()
                .buffer()
                .content
                .iter()
                .filter(|c| c.fg != ratatui::style::Color::Reset || c.bg != ratatui::style::Color::Reset);
            assert_eq!(colours.count(), 0);
        }
    }
}
