//! What is to be computed for what is seen, and what comes back.

use super::jobs::{Answer, Effect, Job, Outcome, Place, Planned, Progress, Reply, Slot};
use super::{Screen, State};
use crate::tui::knobs;
use std::sync::Arc;

impl Slot<Answer> {
    fn plan(&mut self, place: Place, source: &str, sets: Vec<String>, epoch: u64, generation: &mut u64) -> Option<Effect> {
        let key = format!("{epoch}\n{source}\n{}", sets.join("\n"));
        let number = self.ask(&key, generation)?;
        Some(Effect::Start(place, number, Job::Plan(source.to_string(), sets, epoch)))
    }
}

/// What is to be computed for what is seen now. Asked after every change; a request that is under way or
/// answered is not made again.
pub fn derive(state: &mut State) -> Vec<Effect> {
    let mut out = Vec::new();
    let current = state.current().map(|e| e.id);
    let (hidden, epoch) = (state.about.hidden.clone(), state.epoch);
    let generation = &mut state.generation;
    let whole = |sets: Vec<String>| hidden.iter().cloned().chain(sets).collect::<Vec<_>>();
    // What is looked at first, the others behind it.
    let mut order: Vec<usize> = (0..state.entries.len()).collect();
    order.sort_by_key(|i| Some(state.entries[*i].id) != current);
    for i in order {
        let e = &mut state.entries[i];
        let sets = whole(e.all_sets());
        out.extend(e.now.plan(Place::Now(e.id), &e.source, sets, epoch, generation));
        if !e.edits.is_empty() {
            let sets = whole(e.sets.clone());
            out.extend(e.was.plan(Place::Was(e.id), &e.source, sets, epoch, generation));
        }
    }
    let planned = state.planned().cloned();
    forget_others(state, current, planned.as_deref());
    if let Some(planned) = planned {
        screen(state, &planned, &mut out);
    }
    out
}

/// Answers about another plan than the one that is seen now are no answers.
fn forget_others(state: &mut State, entry: Option<u64>, planned: Option<&Planned>) {
    let key = planned.map(|p| format!("{}\n{}\n{}", state.epoch, p.source, p.sets.join("\n")));
    if state.shown_for.0 != entry {
        state.whatif.swings.drop_value();
    }
    if state.shown_for.1 != key {
        state.layouts.found.drop_value();
        state.layouts.chosen.drop_value();
        state.step.details.drop_value();
        state.step.effects.drop_value();
        state.memory.tries.drop_value();
        state.memory.marked.clear();
        state.bill.places.drop_value();
        state.calib.effect.drop_value();
        state.sweep.grid.drop_value();
    }
    state.shown_for = (entry, key);
}

fn screen(state: &mut State, planned: &Arc<Planned>, out: &mut Vec<Effect>) {
    let key = format!("{}\n{}\n{}", state.epoch, planned.source, planned.sets.join("\n"));
    let large = state.large();
    match state.screen {
        Screen::Layouts => {
            let breadth = state.layouts.breadth;
            let own = format!("{key}\n{breadth:?}");
            if let Some(n) = state.layouts.found.ask(&own, &mut state.generation) {
                state.layouts.progress = Progress::default();
                out.push(Effect::Start(Place::Found, n, Job::Search(planned.clone(), breadth)));
            }
            let under = state.layouts.under_cursor().map(|(s, layout)| (s.of.clone(), layout));
            if let Some((of, layout)) = under {
                let own = format!("{key}\n{layout}");
                if let Some(n) = state.layouts.chosen.ask(&own, &mut state.generation) {
                    out.push(Effect::Start(Place::Chosen, n, Job::Evaluate(of, layout)));
                }
            }
        }
        Screen::Step => {
            if let Some(n) = state.step.details.ask(&key, &mut state.generation) {
                out.push(Effect::Start(Place::Details, n, Job::Details(planned.clone())));
            }
            if large && let Some(n) = state.step.effects.ask(&key, &mut state.generation) {
                out.push(Effect::Start(Place::Effects, n, Job::Effects(planned.clone())));
            }
        }
        Screen::Memory => {
            if let Some(n) = state.memory.tries.ask(&key, &mut state.generation) {
                let list = knobs::memory_tries(&planned.plan);
                out.push(Effect::Start(Place::Tries, n, Job::Tries(planned.clone(), list)));
            }
        }
        Screen::Bill => {
            if large && let Some(n) = state.whatif.swings.ask(&key, &mut state.generation) {
                out.push(Effect::Start(Place::Swings, n, Job::Swings(planned.clone())));
            }
            if let Some(n) = state.bill.places.ask(&key, &mut state.generation) {
                out.push(Effect::Start(Place::Places, n, Job::Places(planned.clone())));
            }
        }
        Screen::WhatIf => {
            if let Some(n) = state.whatif.swings.ask(&key, &mut state.generation) {
                out.push(Effect::Start(Place::Swings, n, Job::Swings(planned.clone())));
            }
        }
        Screen::Calib => {
            let file = state.calib.file.clone();
            let own = format!("published {} {file:?}", state.epoch);
            if let Some(n) = state.calib.validation.ask(&own, &mut state.generation) {
                out.push(Effect::Start(Place::Validation, n, Job::Validate(file)));
            }
            if let Some(n) = state.calib.effect.ask(&key, &mut state.generation) {
                out.push(Effect::Start(Place::Effect, n, Job::Sheets(planned.clone())));
            }
        }
        Screen::Sweep => {
            let axes = state.sweep.axes(&planned.plan);
            let own = format!("{key}\n{axes:?}");
            if let Some(n) = state.sweep.grid.ask(&own, &mut state.generation) {
                out.push(Effect::Start(Place::Grid, n, Job::Grid(planned.clone(), Box::new(axes))));
            }
        }
        Screen::Plans => {}
    }
    if state.calib.start {
        state.calib.start = false;
        let names = state.calib.wanted();
        let known = state.calib.bench.value.as_ref().map_or(Vec::new(), |b| b.list.clone());
        let own = format!("{}", state.generation);
        if let Some(n) = state.calib.bench.ask(&own, &mut state.generation) {
            out.push(Effect::Start(Place::Bench, n, Job::Bench(names, known)));
        }
    }
}

/// Take an answer; whether anything changed.
pub fn receive(state: &mut State, reply: Reply) -> bool {
    let n = reply.generation;
    if reply.last && matches!(reply.place, Place::Found | Place::Grid) {
        // That it is being stopped is no news any more.
        state.message = state.message.take().filter(|m| m.bad);
    }
    let entry = |id: u64, state: &mut State| state.entries.iter().position(|e| e.id == id);
    match (reply.place, reply.outcome) {
        (Place::Now(id), Outcome::Planned(answer)) => {
            let Some(i) = entry(id, state) else { return false };
            if let Ok(planned) = answer.as_ref() {
                state.plans.last_run_s = Some(planned.took_s);
                if state.about.catalog.is_empty() {
                    state.about.catalog.clone_from(&planned.plan.provenance.catalog_digest);
                }
            }
            let taken = state.entries[i].now.take(n, *answer);
            if taken && state.current_index() == Some(i) {
                state.whatif.remember(&state.entries[i]);
            }
            taken
        }
        (Place::Was(id), Outcome::Planned(answer)) => entry(id, state).is_some_and(|i| state.entries[i].was.take(n, *answer)),
        (Place::Chosen, Outcome::Planned(answer)) => state.layouts.chosen.take(n, *answer),
        (Place::Effect, Outcome::Planned(answer)) => state.calib.effect.take(n, *answer),
        (Place::Found, Outcome::Searched(search, last)) => state.layouts.take(n, *search, last),
        (Place::Details, Outcome::Details(details)) => {
            let columns = state.size.0.saturating_sub(12);
            state.step.take(n, details.map(|d| *d), columns)
        }
        (Place::Effects, Outcome::Effects(list)) => state.step.effects.take(n, list),
        (Place::Tries, Outcome::Tries(list)) => state.memory.tries.take(n, list),
        (Place::Places, Outcome::Places(list)) => state.bill.places.take(n, list),
        (Place::Swings, Outcome::Swings(list)) => state.whatif.swings.take(n, list),
        (Place::Validation, Outcome::Validated(list)) => state.calib.validation.take(n, list),
        (Place::Bench, Outcome::Measured(benched)) => {
            let error = benched.error.clone();
            let taken = if reply.last {
                state.calib.bench.take(n, *benched)
            } else {
                state.calib.bench.take_part(n, *benched)
            };
            if let Some(error) = error.filter(|_| taken) {
                state.complain(error);
            }
            taken
        }
        (Place::Grid, Outcome::Grid(grid)) => {
            if reply.last {
                state.sweep.grid.take(n, *grid)
            } else {
                state.sweep.grid.take_part(n, *grid)
            }
        }
        (place, Outcome::Failed(message)) => {
            if failed(state, place, n) {
                if place == Place::Validation {
                    // A file that cannot be read must not keep the published runs away.
                    state.calib.file = None;
                }
                state.complain(message);
                return true;
            }
            false
        }
        _ => false,
    }
}

/// A request is over without an answer.
fn failed(state: &mut State, place: Place, n: u64) -> bool {
    macro_rules! over {
        ($slot:expr) => {{
            let hit = $slot.wanted == n;
            if hit {
                $slot.waiting = false;
            }
            hit
        }};
    }
    match place {
        Place::Now(id) => state.entries.iter_mut().find(|e| e.id == id).is_some_and(|e| over!(e.now)),
        Place::Was(id) => state.entries.iter_mut().find(|e| e.id == id).is_some_and(|e| over!(e.was)),
        Place::Found => over!(state.layouts.found),
        Place::Chosen => over!(state.layouts.chosen),
        Place::Details => over!(state.step.details),
        Place::Effects => over!(state.step.effects),
        Place::Tries => over!(state.memory.tries),
        Place::Places => over!(state.bill.places),
        Place::Swings => over!(state.whatif.swings),
        Place::Validation => over!(state.calib.validation),
        Place::Effect => over!(state.calib.effect),
        Place::Bench => over!(state.calib.bench),
        Place::Grid => over!(state.sweep.grid),
    }
}
