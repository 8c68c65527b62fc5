//! Cases to rows: each scenario is read and planned as `plan --set …` would, and neighbours that have
//! the same step share it.

use super::{Row, Study, row};
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::plan::scenario::Template;
use crate::plan::{Plan, Scenario, plan, same_step, with_scenario};
use rayon::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};

/// Do something that uses threads with this many of them; with as many as there are if none is said.
///
/// # Errors
/// Those of `work`, and [`Error::Device`] when threads cannot be started.
pub fn with_threads<T: Send>(n: Option<usize>, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let Some(n) = n else { return work() };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(n).build();
    let pool = pool.map_err(|e| Error::Device {
        what: format!("cannot start {n} threads: {e}"),
    })?;
    pool.install(work)
}

/// A study with the scenario that it varies.
pub struct Sweep {
    /// The study.
    pub study: Study,
    template: Template,
    /// The last step that was found, with the number of its group: the next cases may go on with it.
    last: Mutex<Option<(u64, Arc<Head>)>>,
}

/// The first of cases that probably have the same step.
struct Head {
    case: u64,
    /// Its plan, or why it has none.
    plan: Outcome<Plan>,
    /// Its scenario where that could be read and has no plan.
    scenario: Option<Scenario>,
}

/// What came out, or why nothing did.
type Outcome<T> = std::result::Result<T, String>;

/// Rows that a thread makes before it looks for more work.
const N_TOGETHER: usize = 32;

impl Sweep {
    /// Read the scenario of a study.
    ///
    /// # Errors
    /// When it cannot be read, or the study's overrides have no place in it.
    pub fn new(study: Study, scenario: &str, catalog: Catalog) -> Result<Sweep> {
        let template = Template::load(scenario, &study.set, catalog)?;
        Ok(Sweep {
            study,
            template,
            last: Mutex::default(),
        })
    }

    /// The scenario that is varied.
    #[must_use]
    pub fn template(&self) -> &Template {
        &self.template
    }

    /// The rows of cases given in rising order, in that order: the same for any number of threads.
    #[must_use]
    pub fn rows(&self, cases: &[u64]) -> Vec<Row> {
        let n = self.study.n_per_step();
        let groups: Vec<&[u64]> = cases.chunk_by(|a, b| a / n == b / n).collect();
        let known = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let head = |case: u64| match &known {
            Some((group, head)) if *group == case / n => head.clone(),
            _ => Arc::new(self.head(case)),
        };
        let heads: Vec<Arc<Head>> = groups.par_iter().filter_map(|g| g.first()).map(|case| head(*case)).collect();
        if let (Some(case), Some(head)) = (cases.last(), heads.last()) {
            *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((case / n, head.clone()));
        }
        let parts: Vec<(&Arc<Head>, &[u64])> = heads
            .iter()
            .zip(&groups)
            .flat_map(|(head, group)| group.chunks(N_TOGETHER).map(move |part| (head, part)))
            .collect();
        let rows: Vec<Vec<Row>> = parts.par_iter().map(|(head, part)| self.part(head, part)).collect();
        rows.into_iter().flatten().collect()
    }

    /// The row of one case, nothing shared.
    #[must_use]
    pub fn row(&self, case: u64) -> Row {
        self.head(case).row()
    }

    fn head(&self, case: u64) -> Head {
        let (scenario, catalog) = match self.template.build(&self.study.overrides(case)) {
            Ok(built) => built,
            Err(error) => {
                return Head {
                    case,
                    plan: Err(row::reason(&error)),
                    scenario: None,
                };
            }
        };
        let plan = plan(&scenario, &catalog).map_err(|error| row::reason(&error));
        Head {
            case,
            scenario: plan.is_err().then_some(scenario),
            plan,
        }
    }

    /// Rows of cases that probably have the step of their head.
    fn part(&self, head: &Head, cases: &[u64]) -> Vec<Row> {
        let mut scratch: Option<Plan> = None;
        let mut row = |case: u64| {
            if case == head.case {
                return head.row();
            }
            let outcome = match self.template.build(&self.study.overrides(case)) {
                Err(error) => Err(row::reason(&error)),
                Ok((scenario, catalog)) => match head.step_of(&scenario) {
                    Some(Ok(shared)) => {
                        let plan = scratch.get_or_insert_with(|| shared.clone());
                        with_scenario(plan, scenario);
                        Ok(row::figures(plan))
                    }
                    Some(Err(reason)) => Err(reason.clone()),
                    None => plan(&scenario, &catalog).map(|p| row::figures(&p)).map_err(|e| row::reason(&e)),
                },
            };
            Row { case, outcome }
        };
        cases.iter().map(|case| row(*case)).collect()
    }
}

impl Head {
    fn row(&self) -> Row {
        let outcome = self.plan.as_ref().map(row::figures).map_err(String::clone);
        Row { case: self.case, outcome }
    }

    /// The plan of a scenario with the same step, or why that has none; nothing where the step is another.
    fn step_of(&self, scenario: &Scenario) -> Option<std::result::Result<&Plan, &String>> {
        let own = self.plan.as_ref().map_or(self.scenario.as_ref(), |p| Some(&p.scenario))?;
        same_step(own, scenario).then_some(self.plan.as_ref())
    }
}
