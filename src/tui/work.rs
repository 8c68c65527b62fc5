//! What the lanes compute: calls into the library, nothing of their own.

mod places;
mod study;

use super::knobs;
use super::state::jobs::{Answer, Benched, Details, Failure, Grid, GridAxes, Job, Outcome, Planned, Search, Swing, Swings, Try};
use super::worker::Stop;
use crate::bench::{self, Event, Item, Measured};
use crate::catalog::{Catalog, source};
use crate::error::Error;
use crate::layout::{Breadth, Choice, Layout};
use crate::lint;
use crate::plan::scenario::Template;
use crate::plan::{Plan, Scenario, evaluate, plan, step_gantt};
use crate::report::timeline::Critical;
use crate::search::{N_SIMULATED, Objective, Options, Watch, search_watched};
use crate::study::metric::Metric;
use crate::study::sweep::{Sweep, with_threads};
use crate::study::{sensitivity, uncertain, validate};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Candidates that are kept of a search: more points than a chart has cells.
const MOST_CANDIDATES: usize = 4_000;
/// The same of the whole space, where each is held against all.
const FEW_CANDIDATES: usize = 400;
/// The front of the whole space goes no further than this many best step times.
const FRONT_FACTOR: f64 = 1.25;

/// What jobs need: the catalog, and scenarios that were read.
pub struct Work {
    catalog: Catalog,
    templates: Mutex<HashMap<(String, u64), Arc<Template>>>,
    n_threads: usize,
}

impl Work {
    /// Over a catalog.
    #[must_use]
    pub fn new(catalog: Catalog) -> Work {
        let n = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        Work {
            catalog,
            templates: Mutex::default(),
            n_threads: n.saturating_sub(1).max(1),
        }
    }

    fn template(&self, name: &str, epoch: u64) -> crate::Result<Arc<Template>> {
        let key = (name.to_string(), epoch);
        let known = |list: &HashMap<(String, u64), Arc<Template>>| list.get(&key).cloned();
        if let Some(template) = known(&self.templates.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(template);
        }
        let template = Arc::new(Template::load(name, &[], self.catalog.clone())?);
        let mut list = self.templates.lock().unwrap_or_else(PoisonError::into_inner);
        // Files of an earlier reading are not asked for again.
        list.retain(|(_, e), _| *e == epoch);
        list.insert(key, template.clone());
        Ok(template)
    }

    /// The same with whatever reading is newest.
    fn newest(&self, name: &str) -> crate::Result<Arc<Template>> {
        let list = self.templates.lock().unwrap_or_else(PoisonError::into_inner);
        let known = list.iter().filter(|((n, _), _)| n == name).max_by_key(|((_, e), _)| *e);
        let known = known.map(|(_, t)| t.clone());
        drop(list);
        known.map_or_else(|| self.template(name, 0), Ok)
    }

    /// Do a job; `part` takes what is known before the end, and says whether anybody listens.
    pub fn run(&self, job: Job, stop: &Stop, part: &dyn Fn(Outcome) -> bool) -> Outcome {
        match job {
            Job::Plan(name, sets, epoch) => Outcome::Planned(Box::new(self.planned(&name, sets, epoch))),
            Job::Evaluate(of, layout) => Outcome::Planned(Box::new(Ok(evaluated(&of, layout)))),
            Job::Sheets(of) => Outcome::Planned(Box::new(sheets(&of))),
            Job::Search(of, breadth) => self.searched(&of, breadth, stop, part),
            Job::Details(of) => Outcome::Details(step_gantt(&of.plan).map(|gantt| {
                let critical = Critical::of(&gantt);
                Box::new(Details { gantt, critical })
            })),
            Job::Effects(of) => Outcome::Effects(sensitivity::what_next(&of.plan)),
            Job::Tries(of, list) => Outcome::Tries(list.into_iter().map(|(name, sets)| self.tried(&of, name, sets)).collect()),
            Job::Places(of) => Outcome::Places(places::places(&of)),
            Job::Swings(of) => Outcome::Swings(self.swings(&of)),
            Job::Validate(file) => self.validated(file.as_deref()),
            Job::Bench(suites, known) => measured(&suites, known, stop, part),
            Job::Grid(of, axes) => self.grid(&of, *axes, stop, part),
        }
    }

    fn planned(&self, name: &str, sets: Vec<String>, epoch: u64) -> Answer {
        let start = Instant::now();
        let answer = self
            .template(name, epoch)
            .and_then(|t| t.build(&sets))
            .and_then(|(scenario, catalog)| {
                let plan = plan(&scenario, &catalog)?;
                Ok(Planned {
                    source: name.to_string(),
                    sets,
                    warnings: lint::warnings(&plan),
                    plan,
                    catalog,
                    took_s: start.elapsed().as_secs_f64(),
                })
            });
        answer.map(Arc::new).map_err(|e| failure(&e))
    }

    fn built(&self, of: &Planned, more: &[String]) -> crate::Result<(Scenario, Arc<Catalog>)> {
        let all: Vec<String> = of.sets.iter().chain(more).cloned().collect();
        self.newest(&of.source)?.build(&all)
    }

    fn changed(&self, of: &Planned, more: &[String]) -> crate::Result<Plan> {
        let (scenario, catalog) = self.built(of, more)?;
        plan(&scenario, &catalog)
    }

    fn tried(&self, of: &Planned, name: String, sets: Vec<String>) -> Try {
        let plan = self.changed(of, &sets).map(Box::new).map_err(|e| one_line(&e));
        Try { name, sets, plan }
    }

    fn searched(&self, of: &Arc<Planned>, breadth: Breadth, stop: &Stop, part: &dyn Fn(Outcome) -> bool) -> Outcome {
        let mut scenario = of.plan.scenario.clone();
        let own = scenario.choice;
        scenario.choice = Choice {
            overlap: own.overlap,
            ..Choice::default()
        };
        let search = |breadth: Breadth, watch: &Watch| {
            let start = Instant::now();
            let priced = scenario.offer.is_some() || scenario.owned;
            let all = breadth == Breadth::All;
            let objectives: &[Objective] = match (all, priced) {
                (true, _) => &[Objective::StepTime, Objective::Memory],
                (false, true) => &[Objective::StepTime, Objective::Memory, Objective::Cost],
                (false, false) => &[Objective::StepTime, Objective::Memory, Objective::Energy],
            };
            let options = Options {
                n_best: if all { FEW_CANDIDATES } else { MOST_CANDIDATES },
                mark: (own != Choice::default()).then_some(own),
                breadth,
                objectives,
                exhaustive: !all,
                front_factor: if all { FRONT_FACTOR } else { f64::INFINITY },
                n_simulated: N_SIMULATED,
                ..Options::default()
            };
            let found = with_threads(Some(self.n_threads), || Ok(search_watched(&scenario, &options, watch)));
            found.map(|found| Search {
                found: Arc::new(found),
                of: of.clone(),
                breadth,
                took_s: start.elapsed().as_secs_f64(),
            })
        };
        if breadth != Breadth::Usual
            && let Ok(mut first) = search(Breadth::Usual, &Watch::default())
        {
            part(Outcome::Searched(Box::new(first.clone()), false));
            let wide = if stop.stopped() { None } else { search(breadth, &stop.watch).ok() };
            let step_s = |s: &Search| s.found.best.first().map_or(f64::INFINITY, |b| b.step_time_s);
            return match wide {
                // A wider search that was stopped may know less than the first one did.
                Some(wide) if !wide.found.cancelled || step_s(&wide) <= step_s(&first) => Outcome::Searched(Box::new(wide), true),
                _ => {
                    let mut found = (*first.found).clone();
                    found.cancelled = true;
                    first.found = Arc::new(found);
                    Outcome::Searched(Box::new(first), true)
                }
            };
        }
        match search(breadth, &stop.watch) {
            Ok(all) => Outcome::Searched(Box::new(all), true),
            Err(error) => Outcome::Failed(one_line(&error)),
        }
    }

    fn swings(&self, of: &Arc<Planned>) -> Swings {
        let base = &of.plan;
        let mut out = Swings::default();
        if let Some((list, note)) = self.unknowns(of) {
            out.list.extend(list);
            out.note = note;
        }
        let known: Vec<String> = out.list.iter().map(|s| s.name.clone()).collect();
        for (name, number) in knobs::numbers() {
            let path = (number.path)(&base.scenario);
            let Some(value) = (number.of)(base).filter(|_| number.small_factor < 2.0 && !known.contains(&path)) else {
                continue;
            };
            let ends = [value * 0.9, value * 1.1].map(|v| (number.write)(v));
            let plans = ends.clone().map(|v| self.changed(of, &[format!("{path}={v}")]));
            let [Ok(low), Ok(high)] = &plans else { continue };
            let both = |m: &Metric| Some([m.of(low)?, m.of(high)?]);
            out.list.push(Swing {
                name: name.to_string(),
                range: format!("{} to {}", number.human(value * 0.9), number.human(value * 1.1)),
                ends: Metric::ALL.iter().map(both).collect(),
                known: false,
            });
        }
        out
    }

    /// What unknowns and the error of the step time do.
    fn unknowns(&self, of: &Arc<Planned>) -> Option<(Vec<Swing>, String)> {
        let read = |more: &[String]| self.built(of, more).map(|(scenario, _)| scenario);
        let n_samples = of.plan.scenario.unknowns.is_empty().then_some(200);
        let options = uncertain::Options { n_samples, seed: 1 };
        let study = uncertain::uncertain(&of.plan, &read, options).ok()?;
        let list = study.inputs.iter().enumerate().map(|(i, input)| {
            let ends = |m: &Metric| {
                let output = study.outputs.iter().find(|o| o.metric == *m)?;
                output.influences.iter().find(|f| f.input == i).map(|f| f.ends)
            };
            let q = &input.quantiles;
            let name = if input.path == uncertain::STEP_TIME {
                "step time, by past errors"
            } else {
                &input.path
            };
            Swing {
                name: name.to_string(),
                range: format!(
                    "{} to {} {}",
                    crate::units::significant(q.p10),
                    crate::units::significant(q.p90),
                    input.unit
                ),
                ends: Metric::ALL.iter().map(ends).collect(),
                known: true,
            }
        });
        let note = format!("{} samples, seed {}", study.n_samples, study.seed);
        Some((list.collect(), note))
    }

    fn validated(&self, own: Option<&str>) -> Outcome {
        let mut rows = Vec::new();
        let own = match own.map(|path| source::read(std::path::Path::new(path))).transpose() {
            Ok(own) => own,
            Err(error) => return Outcome::Failed(one_line(&error)),
        };
        for file in own.into_iter().chain(source::published()) {
            match crate::study::runs::read_rows(&file) {
                Ok(read) => rows.extend(read.rows),
                Err(error) => return Outcome::Failed(one_line(&error)),
            }
        }
        let list = with_threads(Some(self.n_threads), || Ok(validate::predict(&rows, &self.catalog)));
        list.map_or_else(|e| Outcome::Failed(one_line(&e)), Outcome::Validated)
    }

    fn grid(&self, of: &Arc<Planned>, axes: GridAxes, stop: &Stop, part: &dyn Fn(Outcome) -> bool) -> Outcome {
        let start = Instant::now();
        let study = study::study_of(of, &axes);
        let sweep = match Sweep::new(study, &of.source, self.catalog.clone()) {
            Ok(sweep) => sweep,
            Err(error) => return Outcome::Failed(one_line(&error)),
        };
        let (nx, ny) = (axes.x.1.len(), axes.y.1.len());
        let mut grid = Grid {
            study: study::study_text(of, &axes),
            axes,
            rows: vec![vec![None; nx]; ny],
            n_done: 0,
            took_s: 0.0,
            stopped: false,
        };
        // From the plan itself outwards.
        let mut lines: Vec<usize> = (0..ny).collect();
        lines.sort_by_key(|y| y.abs_diff(ny / 2));
        for y in lines {
            if stop.stopped() {
                grid.stopped = true;
                break;
            }
            let cases: Vec<u64> = (0..nx).map(|x| (y * nx + x) as u64).collect();
            let rows = with_threads(Some(self.n_threads), || Ok(sweep.rows(&cases))).unwrap_or_default();
            for (x, row) in rows.into_iter().enumerate() {
                grid.rows[y][x] = Some(row);
                grid.n_done += 1;
            }
            grid.took_s = start.elapsed().as_secs_f64();
            if !part(Outcome::Grid(Box::new(grid.clone()))) {
                break;
            }
        }
        Outcome::Grid(Box::new(grid))
    }
}

fn evaluated(of: &Arc<Planned>, layout: Layout) -> Arc<Planned> {
    let start = Instant::now();
    let plan = evaluate(&of.plan.scenario, &of.catalog, layout);
    Arc::new(Planned {
        source: of.source.clone(),
        sets: of.sets.clone(),
        warnings: lint::warnings(&plan),
        plan,
        catalog: of.catalog.clone(),
        took_s: start.elapsed().as_secs_f64(),
    })
}

/// The plan as data sheets alone would have it, with the same layout.
fn sheets(of: &Arc<Planned>) -> Answer {
    let mut scenario = of.plan.scenario.clone();
    scenario.profile = None;
    let plan = evaluate(&scenario, &of.catalog, of.plan.layout);
    Ok(Arc::new(Planned {
        source: of.source.clone(),
        sets: of.sets.clone(),
        warnings: Vec::new(),
        plan,
        catalog: of.catalog.clone(),
        took_s: 0.0,
    }))
}

fn measured(suites: &[String], known: Vec<Measured>, stop: &Stop, part: &dyn Fn(Outcome) -> bool) -> Outcome {
    let mut out = Benched {
        list: known.into_iter().filter(|m| suites.iter().any(|s| s == m.item.suite())).collect(),
        ..Benched::default()
    };
    let known: Vec<Item> = out.list.iter().map(|m| m.item).collect();
    let result = bench::host::measure(suites, &known, &stop.flag, &mut |machine, n_all, event| {
        match event {
            Some(Event::Done(m)) => out.list.push((*m).clone()),
            Some(Event::Failed(..)) => out.n_failed += 1,
            None => {}
        }
        out.machine = Some(machine.clone());
        out.n_all = n_all;
        part(Outcome::Measured(Box::new(out.clone())));
    });
    match result {
        Ok(end) => out.end = Some(end),
        Err(error) => out.error = Some(one_line(&error)),
    }
    Outcome::Measured(Box::new(out))
}

fn failure(error: &Error) -> Failure {
    let help = match error {
        Error::Invalid(list) => {
            let lines = list.iter().flat_map(|d| [Some(d.message.clone()), d.help.clone()]);
            lines.flatten().skip(1).collect()
        }
        Error::NoFeasibleLayout { nearest, rejected } => {
            let near = nearest.iter().map(|n| format!("nearest: {n}"));
            let mut list: Vec<_> = rejected.iter().collect();
            list.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
            near.chain(list.into_iter().map(|(reason, n)| format!("{n} fell: {reason}")))
                .collect()
        }
        _ => Vec::new(),
    };
    let message = match error {
        Error::Invalid(list) => list.first().map_or_else(|| error.to_string(), |d| d.message.clone()),
        other => other.to_string(),
    };
    Failure { message, help }
}

fn one_line(error: &Error) -> String {
    let f = failure(error);
    crate::report::text::shorten(
        &f.help.first().map_or_else(|| f.message.clone(), |h| format!("{}; {h}", f.message)),
        300,
    )
}
