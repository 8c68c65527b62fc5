//! Keys in, what the state says out.

use super::*;
use crate::tui::session;
use crate::tui::state::{Overlay, Quit};

fn edits(rig: &Rig) -> String {
    let list = rig.state.current().unwrap().edits.iter().map(|e| e.assignment());
    list.collect::<Vec<_>>().join(" ")
}

#[test]
fn knobs_turn_and_come_back() {
    let mut rig = rig((80, 24), "safe", false);
    for (keys, wanted) in [
        // Nodes take the data degree with them.
        ("6 l", "cluster.nodes=4096 layout.data=256"),
        ("u", ""),
        ("ctrl-r", "cluster.nodes=4096 layout.data=256"),
        ("0", ""),
        ("j l", "training.tokens=17.2T"),
        ("H", "training.tokens=8.6T"),
        ("enter ctrl-u '14T' enter", "training.tokens=14T"),
        ("R", ""),
        ("u", "training.tokens=14T"),
        ("u u u u u u u u", ""),
        ("a", "layout={}"),
        ("k l", "layout={} cluster.nodes=4096"),
        ("a", "cluster.nodes=4096"),
        ("R : 'set_cost.owned=true' enter", "cost.owned=true"),
    ] {
        rig.keys(keys);
        assert_eq!(edits(&rig), wanted, "after {keys}: {:?}", rig.state.message);
    }
    let owned = rig.state.planned().unwrap();
    assert!(owned.plan.scenario.owned && owned.sets == ["cost.owned=true"]);
    // A value that leads nowhere says why and is taken back.
    rig.keys("R : 'set_cluster.nodez=3' enter");
    assert!(rig.frame().contains("nodez"), "{}", rig.frame());
    rig.keys("u");
    assert!(rig.state.planned().is_some());
}

#[test]
fn plans_are_marked_filtered_cloned_and_gone() {
    let mut rig = rig((80, 24), "safe", false);
    rig.keys("j space j space =");
    assert_eq!(rig.state.reference, 3);
    assert_eq!(rig.state.compared().iter().map(|e| e.id).collect::<Vec<_>>(), [3, 2]);
    rig.keys("/ 'devices_<_10000' enter");
    assert_eq!(rig.state.visible(), [1]);
    rig.keys("esc");
    assert_eq!(rig.state.visible().len(), 3);
    rig.keys("/ 'dayz_<_4' enter");
    assert!(rig.state.message.as_ref().unwrap().text.contains("days"));
    rig.keys("c");
    assert_eq!(rig.state.entries.len(), 4);
    rig.keys("g D q");
    assert_eq!((rig.state.entries.len(), rig.state.quit), (4, None));
    rig.keys("D y");
    assert_eq!(rig.state.entries.len(), 3);
    rig.keys("s s");
    assert!(rig.state.plans.descending && rig.state.plans.sort == Some("days"));
    rig.keys("R ctrl-u 'another' enter");
    assert_eq!(rig.state.current().unwrap().name, "another");
    rig.keys("a ':cluster.nodes=512,layout.data=32' enter");
    assert_eq!(rig.state.current().unwrap().sets, ["cluster.nodes=512", "layout.data=32"]);
    rig.keys("a 'no-such-scenario' enter enter");
    assert!(rig.frame().contains("no-such-scenario"));
}

#[test]
fn at_most_four_are_marked_where_it_is_narrow() {
    let mut rig = rig((80, 24), "safe", false);
    rig.keys("c c c G");
    rig.keys("space k space k space k space k space");
    assert_eq!(rig.state.entries.iter().filter(|e| e.marked).count(), 4);
    assert!(rig.state.message.as_ref().is_some_and(|m| m.bad));
    rig.act(Action::Resize(160, 48));
    rig.keys("space");
    assert_eq!(rig.state.entries.iter().filter(|e| e.marked).count(), 5);
}

/// A layout that was found is the layout of the plan that it is taken into.
#[test]
fn a_found_layout_is_taken_whole() {
    let mut rig = rig((160, 48), "safe", false);
    for (go, at) in [("2", 0), ("2", 7), ("2 f", 31), ("2 f", 3)] {
        rig.keys("1 g").keys(go);
        rig.state.layouts.cursor = at;
        rig.state.layouts.filter.clear();
        let (_, layout) = rig.state.layouts.under_cursor().unwrap();
        rig.state.focus[1] = 2;
        rig.keys("enter");
        assert_eq!(rig.state.screen, Screen::Plans);
        let planned = rig.state.planned().unwrap_or_else(|| panic!("{layout}: {}", rig.frame()));
        assert_eq!(planned.plan.layout, layout);
        rig.keys("u");
        assert!(edits(&rig).is_empty());
    }
}

#[test]
fn memory_and_bill_apply_as_what_ifs() {
    let mut rig = rig((80, 24), "safe", false);
    rig.keys("4 tab tab 3");
    assert_eq!((rig.state.screen, edits(&rig).as_str()), (Screen::WhatIf, "layout.sharding=zero3"));
    rig.keys("u 4 j space j space enter");
    assert_eq!(rig.state.current().unwrap().edits.len(), 2, "{}", edits(&rig));
    rig.keys("u 5");
    let own = rig.state.bill.places.value.clone().unwrap();
    rig.keys("j enter");
    assert!(edits(&rig).contains("cost.offer="), "{}", edits(&rig));
    let planned = rig.state.planned().unwrap();
    assert!(
        own.iter()
            .any(|e| Some(&e.offer) == planned.plan.scenario.offer.as_ref().map(|o| &o.provider))
    );
}

#[test]
fn a_warning_is_tried() {
    let mut rig = rig((80, 24), "safe", false);
    rig.keys("6 : 'set_cluster.region=cn-north-1' enter R");
    // Devices that no price is known of have a remedy that is a change.
    rig.keys("1 : 'set_limits.deadline=10_d' enter");
    assert!(rig.frame().contains("deadline"), "{}", rig.frame());
    rig.keys("tab tab enter");
    assert!(edits(&rig).contains("layout={}"), "{}", edits(&rig));
}

#[test]
fn a_long_command_line_breaks_between_words() {
    let line = "exaplan plan a.toml --set cluster.nodes=4 --set 'cost.usd_per_device_hour=2.5 USD/h' --set x='a b'";
    let lines = update::wrapped(line, 40);
    assert!(
        lines.len() > 2 && lines.iter().all(|l| l.matches('\'').count() % 2 == 0),
        "{lines:?}"
    );
    let back: Vec<String> = lines.iter().map(|l| l.trim_end_matches('\\').trim().to_string()).collect();
    assert_eq!(back.join(" "), line);
}

#[test]
fn leaving() {
    for (keys, wanted) in [
        ("q", Quit::Plain),
        ("Q", Quit::Leave),
        ("ctrl-c", Quit::Plain),
        ("? q", Quit::Plain),
    ] {
        let mut rig = rig((80, 24), "safe", false);
        rig.keys(keys);
        assert_eq!(rig.state.quit, Some(wanted), "{keys}");
    }
    let mut rig = rig((80, 24), "safe", false);
    rig.act(Action::Signal(15));
    assert_eq!(rig.state.quit, Some(Quit::Signal(15)));
}

/// An answer to an older question is dropped, and the newest stays.
#[test]
fn the_newest_request_wins() {
    let mut rig = rig((80, 24), "safe", false);
    let old = rig.state.entries[0].now.wanted;
    let answer = rig.state.entries[0].now.value.as_deref().unwrap().clone();
    let (_, effects) = update::update(&mut rig.state, Action::Do(super::super::action::Command::Screen(5)));
    rig.perform(effects);
    let key = KeyEvent::new(KeyCode::Char('l'), KeyModifiers::NONE);
    let action = table::action(&rig.state, &key).unwrap();
    let (_, effects) = update::update(&mut rig.state, action);
    let late = |generation| {
        Action::Reply(Reply {
            place: jobs::Place::Now(1),
            generation,
            outcome: Outcome::Planned(Box::new(answer.clone())),
            last: true,
        })
    };
    assert!(!update::update(&mut rig.state, late(old)).0);
    assert!(rig.state.entries[0].now.waiting);
    rig.perform(effects);
    assert!(!rig.state.entries[0].now.waiting);
    assert!((rig.state.planned().unwrap().plan.step.n_devices - 32_768.0).abs() < 0.5);
}

#[test]
fn the_mouse_does_what_keys_do() {
    use super::super::action::Mouse;
    let mut rig = rig((80, 24), "safe", false);
    rig.act(Action::Mouse(Mouse::Press(6, 5)));
    assert_eq!(rig.state.plans.cursor, 1);
    rig.act(Action::Mouse(Mouse::Press(6, 5)));
    assert!(rig.state.entries[1].marked);
    rig.act(Action::Mouse(Mouse::Wheel(6, 5, false)));
    assert_eq!(rig.state.plans.cursor, 2);
    let x = u16::try_from(rig.frame().lines().next().unwrap().find("6 What-if").unwrap()).unwrap();
    rig.act(Action::Mouse(Mouse::Press(x, 0)));
    assert_eq!(rig.state.screen, Screen::WhatIf);
    // Drag the slider of the tokens to its right end.
    rig.act(Action::Mouse(Mouse::Drag(44, 3)));
    assert!(edits(&rig).starts_with("training.tokens="), "{}", edits(&rig));
}

#[test]
fn what_is_remembered_comes_back() {
    let mut first = rig((80, 24), "safe", false);
    first.keys("j space s d 8 x m L");
    let text = session::text(&first.state);
    let mut second = rig((80, 24), "safe", false);
    let origin = |text: &str| {
        Arc::new(crate::error::Origin {
            name: "tui.toml".to_string(),
            text: text.to_string(),
        })
    };
    session::apply(&mut second.state, &origin(&text));
    assert_eq!(session::text(&second.state), text);
    assert!(second.state.screen == Screen::Sweep && second.state.entries.iter().any(|e| e.marked));
    // Anything else is ignored.
    for broken in [
        "version = 2\nscreen = 3",
        "screen = [",
        "version = 1\nscreen = 99\nmetric = -4\nsweep = [9, 9, 99]",
    ] {
        let mut third = rig((80, 24), "safe", false);
        session::apply(&mut third.state, &origin(broken));
        assert_eq!(third.state.screen, Screen::Plans);
        assert!(!third.frame().trim().is_empty());
    }
}

#[test]
fn explanations_open_and_close() {
    let mut rig = rig((160, 48), "safe", false);
    rig.keys("j space k");
    for (keys, wanted) in [
        ("1 enter", "Time to train"),
        ("1 U", "reliability"),
        ("1 tab j j j j j enter", "Ang 2005"),
        ("2 i", "Difference"),
        ("3 t", "Critical"),
        ("3 enter", "feed-forward in"),
        ("5 y", "egrid"),
    ] {
        rig.state.focus = [0; 8];
        rig.keys(keys);
        assert!(matches!(rig.state.overlay, Some(Overlay::Popup { .. })), "{keys}");
        let Some(Overlay::Popup { lines, .. }) = &rig.state.overlay else {
            unreachable!()
        };
        assert!(lines.iter().any(|l| l.contains(wanted)), "{keys}: {}", lines.join("\n"));
        rig.keys("esc");
    }
}

#[test]
fn exports_of_every_screen() {
    let dir = std::env::temp_dir().join(format!("exaplan-tui-{}", std::process::id()));
    let mut rig = rig((160, 48), "safe", false);
    for (_, screen) in Screen::ALL {
        rig.screen(screen);
        for ending in ["md", "csv", "json", "html", "txt"] {
            let path = dir.join(format!("{}.{ending}", screen.name()));
            let told = rig
                .state
                .writing(path.to_str().unwrap())
                .write()
                .unwrap_or_else(|e| panic!("{} {ending}: {e}", screen.name()));
            assert!(told.starts_with("wrote ") && path.metadata().unwrap().len() > 30);
        }
    }
    rig.keys("1");
    let file = |name: &str| dir.join(name).to_str().unwrap().to_string();
    for name in ["plan.xlsx", "step.trace.json"] {
        rig.state.writing(&file(name)).write().unwrap();
    }
    assert!(
        rig.state
            .writing(&file("plan.xlsx"))
            .write()
            .unwrap_err()
            .to_string()
            .contains("plan.xlsx!")
    );
    rig.state.writing(&format!("{}!", file("plan.xlsx"))).write().unwrap();
    for wrong in ["plan.svg", "plan.doc", "plan"] {
        assert!(rig.state.writing(&file(wrong)).write().is_err(), "{wrong}");
    }
    // The study of a sweep is one that `exaplan sweep run` reads.
    rig.keys("8");
    let text = rig.state.sweep.grid.value.as_ref().unwrap().study.clone();
    let origin = Arc::new(crate::error::Origin {
        name: "sweep.toml".to_string(),
        text,
    });
    let study = crate::study::sweep::Study::parse(&origin).unwrap();
    assert_eq!(study.axes.len(), 2);
    std::fs::remove_dir_all(dir).unwrap();
}
