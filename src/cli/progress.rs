//! How far a long command is, on a terminal only.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Nothing is said before.
const PATIENCE: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_millis(200);

/// One line on stderr that is overwritten, and gone at the end.
pub struct Progress {
    total: usize,
    what: &'static str,
    done: AtomicUsize,
    /// Done before this began: no part of the rate.
    before: AtomicUsize,
    start: Instant,
    /// When it was last written; none where nobody looks.
    last: Option<Mutex<Option<Instant>>>,
}

impl Progress {
    pub(super) fn new(total: usize, what: &'static str, quiet: bool) -> Progress {
        let seen = std::io::stderr().is_terminal() && !quiet;
        Progress {
            total,
            what,
            done: AtomicUsize::new(0),
            before: AtomicUsize::new(0),
            start: Instant::now(),
            last: seen.then(|| Mutex::new(None)),
        }
    }

    /// One more is done. Any thread may say so.
    pub fn step(&self) {
        self.steps(1);
    }

    /// So many more are done.
    pub fn steps(&self, n: usize) {
        let done = self.done.fetch_add(n, Ordering::Relaxed) + n;
        let Some(last) = &self.last else { return };
        if self.start.elapsed() < PATIENCE {
            return;
        }
        // Whoever finds the line taken need not wait: another is writing it.
        let Ok(mut last) = last.try_lock() else { return };
        if last.is_none_or(|t| t.elapsed() >= EVERY) {
            *last = Some(Instant::now());
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K{}", self.line(done));
        }
    }

    /// So many were done in an earlier run.
    pub fn resume(&self, n: usize) {
        self.before.store(n, Ordering::Relaxed);
        self.done.store(n, Ordering::Relaxed);
    }

    /// `1200 of 5000 cases, 400 per s, 9.50 s left`.
    fn line(&self, done: usize) -> String {
        let now = done.saturating_sub(self.before.load(Ordering::Relaxed));
        #[allow(clippy::cast_precision_loss)]
        let (now, left) = (now as f64, self.total.saturating_sub(done) as f64);
        let rate = now / self.start.elapsed().as_secs_f64();
        format!(
            "{done} of {} {}, {} per s, {} left",
            self.total,
            self.what,
            crate::units::significant(rate),
            crate::units::duration(left / rate)
        )
    }

    /// Say something else than a count.
    pub fn tell(&self, line: &str) {
        let Some(last) = &self.last else { return };
        if self.start.elapsed() < PATIENCE {
            return;
        }
        let Ok(mut last) = last.try_lock() else { return };
        if last.is_none_or(|t| t.elapsed() >= EVERY) {
            *last = Some(Instant::now());
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K{line}");
        }
    }

    /// Take the line away.
    pub fn end(&self) {
        let written = self.last.as_ref().is_some_and(|l| l.lock().is_ok_and(|l| l.is_some()));
        if written {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}
