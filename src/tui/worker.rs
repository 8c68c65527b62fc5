//! Threads that compute, so that the one that draws never does.
//!
//! Each lane works on one thing at a time; a newer request for the same slot takes the place of one that
//! waits and stops one that runs. Searches and grids leave one core to whoever draws and re-plans.

use super::state::jobs::{Effect, Job, Outcome, Place, Progress, Reply};
use super::work::Work;
use crate::search::Watch;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What listens for answers.
pub trait Listener: Clone + Send + 'static {
    /// Take one; false when nobody listens any more.
    fn hear(&self, reply: Reply) -> bool;
}

impl<T: From<Reply> + Send + 'static> Listener for Sender<T> {
    fn hear(&self, reply: Reply) -> bool {
        self.send(T::from(reply)).is_ok()
    }
}

/// The lanes: plans; studies of one plan; searches; measurements; grids.
const N_LANES: usize = 5;

fn lane_of(place: Place) -> usize {
    match place {
        Place::Now(_) | Place::Was(_) | Place::Chosen => 0,
        Place::Details | Place::Effects | Place::Tries | Place::Places | Place::Swings | Place::Effect => 1,
        Place::Found | Place::Validation => 2,
        Place::Bench => 3,
        Place::Grid => 4,
    }
}

/// The wish to stop, and how far a search is.
#[derive(Default)]
pub struct Stop {
    /// Of a search.
    pub watch: Watch,
    /// Of anything else.
    pub flag: AtomicBool,
}

impl Stop {
    fn stop(&self) {
        self.watch.cancel();
        self.flag.store(true, Ordering::Relaxed);
    }

    /// Whether it was asked to stop.
    #[must_use]
    pub fn stopped(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }
}

#[derive(Default)]
struct Queue {
    /// With the wish to stop, which may come before the start.
    waiting: VecDeque<(Place, u64, Job, bool)>,
    running: Option<(Place, Arc<Stop>, Instant)>,
    started: bool,
    closed: bool,
}

#[derive(Default)]
struct Lane {
    queue: Mutex<Queue>,
    more: Condvar,
}

impl Lane {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All lanes.
pub struct Worker<L: Listener> {
    lanes: [Arc<Lane>; N_LANES],
    work: Arc<Work>,
    listener: L,
}

impl<L: Listener> Worker<L> {
    /// Threads start when they are needed.
    pub fn new(work: Work, listener: L) -> Worker<L> {
        Worker {
            lanes: std::array::from_fn(|_| Arc::default()),
            work: Arc::new(work),
            listener,
        }
    }

    /// Take an effect that concerns computing; false for the others.
    pub fn handle(&self, effect: &Effect) -> bool {
        match effect {
            Effect::Start(place, generation, job) => self.start(*place, *generation, job.clone()),
            Effect::Cancel(place) => {
                let mut queue = self.lanes[lane_of(*place)].lock();
                for (waiting, .., stopped) in &mut queue.waiting {
                    *stopped |= waiting == place;
                }
                if let Some((running, stop, _)) = &queue.running
                    && running == place
                {
                    stop.stop();
                }
            }
            _ => return false,
        }
        true
    }

    fn start(&self, place: Place, generation: u64, job: Job) {
        let lane = &self.lanes[lane_of(place)];
        let mut queue = lane.lock();
        queue.waiting.retain(|(p, ..)| *p != place);
        // What the user looks at is asked for first; a lane takes the newest plan of a slider at once.
        queue.waiting.push_back((place, generation, job, false));
        if let Some((running, stop, _)) = &queue.running
            && *running == place
        {
            stop.stop();
        }
        let first = !std::mem::replace(&mut queue.started, true);
        drop(queue);
        lane.more.notify_one();
        if first {
            let (lane, work, listener) = (lane.clone(), self.work.clone(), self.listener.clone());
            let name = "exaplan-worker".to_string();
            let run = move || serve(&lane, &work, &listener);
            if std::thread::Builder::new().name(name).spawn(run).is_err() {
                let outcome = Outcome::Failed("the system refuses another thread".to_string());
                self.listener.hear(Reply {
                    place,
                    generation,
                    outcome,
                    last: true,
                });
            }
        }
    }

    /// How far the search is, if one runs.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        let queue = self.lanes[lane_of(Place::Found)].lock();
        let (_, stop, since) = queue.running.as_ref().filter(|(p, ..)| *p == Place::Found)?;
        Some(Progress {
            done: stop.watch.considered(),
            parts: stop.watch.progress(),
            since_s: since.elapsed().as_secs_f64(),
        })
    }
}

impl<L: Listener> Drop for Worker<L> {
    /// Threads are not joined: leaving must not wait for a long search.
    fn drop(&mut self) {
        for lane in &self.lanes {
            let mut queue = lane.lock();
            queue.closed = true;
            if let Some((_, stop, _)) = &queue.running {
                stop.stop();
            }
            drop(queue);
            lane.more.notify_all();
        }
    }
}

fn serve<L: Listener>(lane: &Lane, work: &Work, listener: &L) {
    loop {
        let mut queue = lane.lock();
        let (place, generation, job, stopped) = loop {
            if queue.closed {
                return;
            }
            match queue.waiting.pop_front() {
                Some(next) => break next,
                None => queue = lane.more.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        };
        let stop = Arc::new(Stop::default());
        if stopped {
            stop.stop();
        }
        queue.running = Some((place, stop.clone(), Instant::now()));
        drop(queue);
        let tell = |outcome: Outcome, last: bool| {
            listener.hear(Reply {
                place,
                generation,
                outcome,
                last,
            })
        };
        let heard = match guard(|| work.run(job, &stop, &|part| tell(part, false))) {
            Ok(outcome) => tell(outcome, true),
            Err(message) => tell(Outcome::Failed(message), true),
        };
        lane.lock().running = None;
        if !heard {
            return;
        }
    }
}

/// What a panic says becomes an answer: the others go on.
fn guard<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    // Everything that `work` could leave half done is dropped with it.
    catch_unwind(AssertUnwindSafe(work)).map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let what = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("unknown");
        crate::report::text::shorten(&format!("internal error, please report it: {what}"), 500)
    })
}
