//! The terminal UI: a frame, a key while a full search runs, the first frame of the program, memory.
//!
//! `cargo bench --bench tui`. The last three are measured once and printed before divan's table: they are
//! percentiles of one run, not means of a loop.

use divan::Bencher;
use exaplan::tui::headless::Headless;
use exaplan::tui::{Asked, Depth, Looks, Setup};
use std::time::{Duration, Instant};

fn main() {
    if std::env::args().all(|a| a != "--list") {
        keys_while_searching();
        memory();
    }
    divan::main();
}

fn setup(n: usize) -> Setup {
    let asked = (0..n).map(|i| Asked {
        name: format!("plan {i}"),
        source: "llama3-405b".to_string(),
        // Every one is another plan.
        sets: vec![format!("training.tokens={}T", 10 + i)],
    });
    Setup {
        catalog: exaplan::Catalog::builtin(),
        asked: asked.collect(),
        flags: Vec::new(),
        hidden: Vec::new(),
        builtin: Vec::new(),
        looks: Looks {
            theme: None,
            depth: Depth::True,
            ascii: false,
            mouse: false,
            still: true,
            session: None,
            fresh: true,
        },
    }
}

const LARGE: (u16, u16) = (160, 48);
const LONG: Duration = Duration::from_secs(120);

fn started(n: usize) -> Option<Headless> {
    let mut out = Headless::start(setup(n), LARGE)?;
    out.settle(LONG);
    Some(out)
}

/// One frame of each screen.
#[divan::bench(args = ['1', '2', '3', '4', '5', '6', '7', '8'])]
fn frame(bencher: Bencher, screen: char) {
    let Some(mut program) = started(6) else { return };
    for key in [' ', 'j', ' ', 'j', ' '] {
        program.key(key);
    }
    program.key(screen);
    program.settle(LONG);
    bencher.bench_local(|| program.draw());
}

/// A key, the change it makes and the frame that shows it, while the whole space is searched: 107 M
/// candidates on all cores but one.
fn keys_while_searching() {
    let Some(mut program) = started(6) else { return };
    let script: Vec<char> = "jkjkjkxyjjkkojjo".chars().collect();
    program.key('2');
    program.settle(LONG);
    let mut times: Vec<Duration> = Vec::new();
    let start = Instant::now();
    while times.len() < 2_000 && start.elapsed() < Duration::from_secs(40) {
        if !program.searching() {
            // Through usual and schedules to all, again and again: each f asks for another search.
            program.key('f');
        }
        for key in &script {
            let pressed = Instant::now();
            program.key(*key);
            program.receive();
            program.draw();
            if program.searching() {
                times.push(pressed.elapsed());
            }
            // A held key repeats thirty times a second; the search has the core in between.
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    println!(
        "key to frame at 160x48 while a search runs: {} keys, median {:.2?}, p99 {:.2?}, worst {:.2?}",
        times.len(),
        at(50),
        at(99),
        times.last().copied().unwrap_or_default()
    );
}

/// Resident memory with fifty plans, the layouts of one searched.
fn memory() {
    let Some(mut program) = started(50) else { return };
    program.draw();
    for screen in '2'..='8' {
        program.key(screen);
        program.settle(LONG);
        program.draw();
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |key: &str| status.lines().find(|l| l.starts_with(key)).unwrap_or("not known").to_string();
    println!("memory with 50 plans, every screen seen: {}; {}", line("VmRSS"), line("VmHWM"));
}
