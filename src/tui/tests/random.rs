//! Ten thousand events in a row: keys, typed text, mouse, windows of any size.

use super::super::action::Mouse;
use super::*;
use crate::tui::keys::KEYS;

/// Knuth's MMIX generator: the same events on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n.max(1)
    }
}

#[test]
fn ten_thousand_events_neither_panic_nor_blank_the_screen() {
    const SIZES: [(u16, u16); 6] = [(80, 24), (60, 15), (160, 48), (20, 5), (100, 30), (61, 40)];
    let mut random = Random(20_261_130);
    let mut rig = rig((80, 24), "safe", false);
    rig.most_jobs = 80;
    let chords: Vec<_> = KEYS.iter().flat_map(|k| k.chords).collect();
    let mut screens = std::collections::BTreeSet::new();
    for i in 0..10_000 {
        match random.below(40) {
            0 => {
                let (w, h) = SIZES[random.below(SIZES.len())];
                rig.act(Action::Resize(w, h));
            }
            1..=3 => {
                let (w, h) = (usize::from(rig.state.size.0), usize::from(rig.state.size.1));
                let (x, y) = (u16::try_from(random.below(w)).unwrap(), u16::try_from(random.below(h)).unwrap());
                let what = [Mouse::Press(x, y), Mouse::Drag(x, y), Mouse::Wheel(x, y, true)][random.below(3)];
                rig.act(Action::Mouse(what));
            }
            4 => {
                let text = ["musd < 4", "東京", "set cluster.nodes=1024", "\x1b[31m", "!h100"][random.below(5)];
                rig.act(Action::Type(crate::tui::field::Typed::Text(text.to_string())));
            }
            5 => {
                rig.act(Action::Tick);
            }
            _ => {
                let chord = chords[random.below(chords.len())];
                let modifiers = if chord.control { KeyModifiers::CONTROL } else { KeyModifiers::NONE };
                rig.key(chord.code, modifiers);
            }
        }
        // Someone who keeps adding plans is no test of the rest.
        if rig.state.entries.len() > 12 {
            rig.state.entries.truncate(6);
        }
        rig.state.quit = None;
        rig.others.clear();
        screens.insert(rig.state.screen.index());
        if i % 4 == 0 {
            let frame = rig.frame();
            let marks = frame.chars().filter(|c| !c.is_whitespace()).count();
            assert!(marks > 8, "event {i}: {:?} {}", rig.state.size, rig.state.screen.name());
            assert!(rig.state.too_small() || frame.contains("exaplan"), "event {i}:\n{frame}");
        }
    }
    assert_eq!(screens.len(), 8);
}
