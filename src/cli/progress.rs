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
            start: Instant::now(),
            last: seen.then(|| Mutex::new(None)),
        }
    }

    /// One more is done. Any thread may say so.
    pub fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let Some(last) = &self.last else { return };
        if self.start.elapsed() < PATIENCE {
            return;
        }
        // Whoever finds the line taken need not wait: another is writing it.
        let Ok(mut last) = last.try_lock() else { return };
        if last.is_none_or(|t| t.elapsed() >= EVERY) {
            *last = Some(Instant::now());
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K{done} of {} {}", self.total, self.what);
        }
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
