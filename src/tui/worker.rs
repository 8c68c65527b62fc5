//! The thread that computes, so that the one that draws never does.

use super::answer::{Answer, Lines, failure, numbers, write};
use super::state::{Reply, Request};
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::plan::{Plan, Scenario, plan};
use crate::report::{Document, Warning};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

/// Both ends of it. Dropping them ends the thread after its present request.
pub struct Worker {
    /// What to compute; the caller sends one request at a time.
    pub requests: Sender<Request>,
    /// One reply per request.
    pub replies: Receiver<Reply>,
}

/// Start it.
///
/// # Errors
/// When the system refuses a thread.
pub fn start(scenarios: Vec<(Scenario, Catalog)>, document: impl Fn(&Plan) -> Document + Send + 'static) -> Result<Worker> {
    let (requests, todo) = channel();
    let (done, replies) = channel();
    let run = move || {
        while let Ok(request) = todo.recv() {
            if done.send(answer(&scenarios, &document, request)).is_err() {
                break;
            }
        }
    };
    // Not joined: leaving must not wait for a long search.
    match std::thread::Builder::new().name("planner".to_string()).spawn(run) {
        Ok(_) => Ok(Worker { requests, replies }),
        Err(e) => Err(Error::Device {
            what: format!("no thread to plan on: {e}"),
        }),
    }
}

/// A failure belongs to the scenario that asked; the others go on.
fn answer(scenarios: &[(Scenario, Catalog)], document: &dyn Fn(&Plan) -> Document, request: Request) -> Reply {
    match request {
        Request::Plan(index) => {
            let name = scenarios.get(index).map_or("", |(s, _)| s.name.as_str());
            let planned = guard(|| {
                let (scenario, catalog) = scenarios.get(index)?;
                Some(match plan(scenario, catalog) {
                    Ok(plan) => Answer::Ready(Some(Arc::new(numbers(&plan))), Arc::new(document(&plan))),
                    Err(error) => failure(name, warnings(error)),
                })
            });
            let answer = match planned {
                Ok(answer) => answer.unwrap_or_default(),
                Err(message) => failure(name, vec![Warning { message, help: None }]),
            };
            Reply::Planned(index, answer)
        }
        Request::Write(index, document, width) => {
            let broken = |message| Lines {
                width,
                list: vec![message],
            };
            Reply::Written(index, guard(|| write(&document, width)).unwrap_or_else(broken))
        }
    }
}

fn guard<T>(work: impl FnOnce() -> T) -> std::result::Result<T, String> {
    // Everything that `work` could leave half done is dropped with it.
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let what = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("unknown");
        crate::report::text::shorten(&format!("internal error, please report it: {what}"), 500)
    })
}

fn warnings(error: Error) -> Vec<Warning> {
    let message = error.to_string();
    match error {
        Error::Invalid(list) => list
            .into_iter()
            .map(|d| Warning {
                message: d.message,
                help: d.help,
            })
            .collect(),
        Error::NoFeasibleLayout { nearest, .. } => vec![Warning { message, help: nearest }],
        _ => vec![Warning { message, help: None }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn scenario(overrides: &[&str]) -> Vec<(Scenario, Catalog)> {
        let overrides: Vec<String> = overrides.iter().map(ToString::to_string).collect();
        vec![Scenario::load("llama3-405b", &overrides, Catalog::builtin()).unwrap()]
    }

    fn first_line(reply: Reply) -> (bool, String) {
        match reply {
            Reply::Planned(0, Answer::Ready(numbers, document)) => (numbers.is_some(), write(&document, 200).list.join("\n")),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn plans_failures_and_panics_are_answers() {
        let worker = start(scenario(&[]), |_| sample::document()).unwrap();
        worker.requests.send(Request::Plan(0)).unwrap();
        assert!(first_line(worker.replies.recv().unwrap()).0);

        // One device cannot hold it.
        let small = scenario(&["cluster.nodes=1"]);
        let (planned, text) = first_line(answer(&small, &|_| sample::document(), Request::Plan(0)));
        assert!(!planned && text.contains("no plan") && text.contains("no layout fits"), "{text}");

        let (planned, text) = first_line(answer(&scenario(&[]), &|_| panic!("a bug"), Request::Plan(0)));
        assert!(!planned && text.contains("please report it: a bug"), "{text}");
    }
}
