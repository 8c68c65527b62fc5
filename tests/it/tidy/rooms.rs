//! Who may use whom (rooms.md §3), read off the `use` lines and paths of the source.

use super::{code, shipped, sources};
use std::collections::BTreeSet;

/// Room, rooms it may use, outside crates it may use. Rooms below stand earlier.
const TABLE: &[(&str, &str, &str)] = &[
    ("units", "", ""),
    ("error", "", "thiserror"),
    ("fit", "", ""),
    // serde_json: configuration files of Hugging Face are models, and they are JSON. csv: measured points.
    ("catalog", "units error", "toml serde serde_json sha2 include_dir csv"),
    ("workload", "units catalog fit", ""),
    ("kernel", "units catalog", ""),
    ("layout", "units catalog workload", ""),
    ("step", "units catalog workload kernel layout", ""),
    ("run", "units catalog step", ""),
    ("bill", "units catalog step run", ""),
    // One level in two rooms: a plan is found by searching, a search reads a scenario.
    ("search", "units error catalog workload kernel layout step run bill plan", "rayon"),
    ("plan", "units error catalog workload kernel layout step run bill search", ""),
    ("lint", "units error catalog workload kernel layout step run bill search plan", ""),
    (
        "study",
        "units error fit catalog workload kernel layout step run bill search plan lint",
        "rayon csv rand_distr rand_pcg statrs",
    ),
    (
        "scale",
        "units error fit catalog workload layout step run bill search plan",
        "rayon csv rand_distr rand_pcg",
    ),
    (
        "report",
        "units error catalog workload kernel layout step run bill search plan lint study scale",
        "serde serde_json csv unicode_width rust_xlsxwriter parquet",
    ),
    // It measures; it does not predict. Which kernels a plan runs, never how long it says they take; shapes come from the lowering.
    (
        "bench",
        "units error catalog workload kernel layout step",
        "serde serde_json csv rayon gemm pulp parquet toml cudarc libloading nvml_wrapper sha2",
    ),
    // A face: it asks every room that has something to show, and the bench.
    (
        "tui",
        "units error catalog kernel layout step bill search plan lint study report bench",
        "crossterm ratatui unicode_width signal_hook",
    ),
    (
        "cli",
        "*",
        "clap clap_complete clap_mangen annotate_snippets signal_hook terminal_size serde serde_json csv",
    ),
    ("main", "*", "clap"),
    ("lib", "*", ""),
];

/// Names of paths that are neither ours nor need a room.
const FREE: [&str; 4] = ["std", "core", "proptest", "insta"];

/// `search` may take the scenario from `plan`, and nothing else.
const SEARCH_OF_PLAN: [&str; 2] = ["Scenario", "totals"];

fn room(path: &str) -> &str {
    path.split(['/', '.']).next().unwrap_or(path)
}

fn row(name: &str) -> Option<&'static (&'static str, &'static str, &'static str)> {
    TABLE.iter().find(|(n, ..)| *n == name)
}

/// Rooms that a text names by `crate::room`, in a `use` or inline; braces after `crate::` included.
fn used(text: &str) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for after in text.split("crate::").skip(1) {
        let list = if after.starts_with('{') {
            after.split(';').next().unwrap_or(after)
        } else {
            after
        };
        let parts: Vec<&str> = if let Some(inner) = list.strip_prefix('{') {
            top_level(inner)
        } else {
            vec![list]
        };
        for part in parts {
            let name: String = part.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if !name.is_empty() {
                out.insert(name);
            }
        }
    }
    out
}

/// The parts of a brace list, nested lists left whole.
fn top_level(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut out) = (0, 0, Vec::new());
    for (i, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                out.push(&list[start..i]);
                return out;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                out.push(&list[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    out
}

/// What a file does that its room may not.
fn trespasses(path: &str, text: &str) -> Vec<String> {
    let name = room(path);
    let Some((_, rooms, _)) = row(name) else {
        return vec![format!("{path}: no room `{name}` in the table")];
    };
    let allowed: Vec<&str> = rooms.split(' ').collect();
    let ours = |u: &str| row(u).is_some();
    let foreign = used(text)
        .into_iter()
        .filter(|u| ours(u) && u != name && *rooms != "*" && !allowed.contains(&u.as_str()));
    foreign.map(|u| format!("{path}: {name} may not use {u}")).collect()
}

#[test]
fn every_room_uses_only_the_rooms_below_it() {
    let wrong: Vec<String> = sources()
        .iter()
        .flat_map(|(path, text)| trespasses(path, &code(shipped(path, text))))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_catalog_that_uses_the_step_would_be_noticed() {
    assert_eq!(
        trespasses("catalog/read.rs", "use crate::step::Step;"),
        ["catalog/read.rs: catalog may not use step"]
    );
    assert_eq!(
        trespasses("layout.rs", "use crate::{catalog::Model, kernel};"),
        ["layout.rs: layout may not use kernel"]
    );
    assert_eq!(
        trespasses("bill.rs", "let x = crate::plan::plan();"),
        ["bill.rs: bill may not use plan"]
    );
    assert_eq!(trespasses("newroom.rs", ""), ["newroom.rs: no room `newroom` in the table"]);
    assert!(trespasses("plan.rs", "use crate::{search, step::{Step, Parts}};").is_empty());
}

#[test]
fn the_search_takes_nothing_of_the_plan_but_the_scenario_and_what_a_step_makes_of_it() {
    for (path, text) in sources().iter().filter(|(p, _)| room(p) == "search") {
        for after in code(shipped(path, text)).split("plan::").skip(1) {
            let name: String = after.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            assert!(SEARCH_OF_PLAN.contains(&name.as_str()), "{path} takes `plan::{name}`");
        }
    }
}

#[test]
fn outside_crates_stay_in_their_rooms() {
    let mut crates: BTreeSet<&str> = BTreeSet::new();
    let manifest = std::fs::read_to_string(crate::support::root().join("Cargo.toml")).unwrap();
    let (_, list) = manifest.split_once("[dependencies]").unwrap();
    for line in list.split("\n[").next().unwrap_or(list).lines() {
        if let Some((name, _)) = line.split_once('=') {
            crates.insert(name.trim());
        }
    }
    assert!(crates.len() > 5, "{crates:?}");
    let mut wrong = Vec::new();
    let files = sources();
    for (path, text) in &files {
        let text = code(shipped(path, text));
        let allowed: Vec<&str> = row(room(path)).map_or(Vec::new(), |r| r.2.split(' ').collect());
        for name in &crates {
            let name = name.replace('-', "_");
            // A room may have a module of that name, as `kernel` has `gemm`.
            let own = files.iter().any(|(p, _)| *p == format!("{}/{name}.rs", room(path)));
            let names = text.contains(&format!("{name}::")) || text.contains(&format!("use {name};"));
            if names && !own && !allowed.contains(&name.as_str()) && !FREE.contains(&name.as_str()) {
                wrong.push(format!("{path} uses {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_a_few_files_touch_files_and_nobody_reads_a_clock_or_draws_lots() {
    let files = |p: &str| p == "catalog/source.rs" || room(p) == "report" || room(p) == "cli" || room(p) == "main";
    for (path, text) in sources() {
        let text = code(shipped(&path, &text));
        assert!(
            files(&path) || !(text.contains("std::fs") || text.contains("std::env::")),
            "{path} touches files or the environment"
        );
        let clock = ["Instant::", "SystemTime", "std::net", "rand::", "rand_"]
            .iter()
            .find(|w| text.contains(**w));
        // Measuring and showing need a clock; nothing that predicts does.
        // Jitter, failures, samples and resamples are drawn in one file each, from a seed.
        let may = matches!(room(&path), "cli" | "tui")
            || path == "bench/clock.rs"
            // Ranks do not wait for each other forever.
            || path == "bench/ranks/rendezvous.rs"
            || ["study/noise.rs", "study/renewal.rs", "study/uncertain/draws.rs", "scale/draws.rs"].contains(&path.as_str());
        assert!(clock.is_none() || may, "{path} uses {clock:?}");
    }
}

#[test]
fn the_front_page_names_every_room() {
    let (_, lib) = sources().into_iter().find(|(p, _)| p == "lib.rs").unwrap();
    let front: String = lib.lines().take_while(|l| l.starts_with("//!") || l.is_empty()).collect();
    let rooms = lib.lines().filter_map(|l| l.trim().strip_prefix("pub mod ")?.strip_suffix(';'));
    let unnamed: Vec<&str> = rooms
        .filter(|r| !front.contains(&format!("`{r}`")) && !front.contains(&format!("[{r}]")))
        .collect();
    assert!(unnamed.is_empty(), "lib.rs does not say what these are: {unnamed:?}");
}
