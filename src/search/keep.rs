//! What a search keeps of all that it looks at: the best few, the front, and why the others fell.

use super::{Candidate, Objective, Options};
use crate::layout::{Layout, Violation};
use std::collections::BTreeMap;

/// The result of a part of a space. Parts are merged in their order, and what is kept does not depend
/// on the order in which candidates come, so threads do not matter.
#[derive(Debug, Clone)]
pub(super) struct Keep {
    objectives: Vec<Objective>,
    front_over: Vec<Objective>,
    n_best: usize,
    front_factor: f64,
    rank_factor: f64,
    /// The layout whose rank is asked for.
    pub(super) mark: Option<Candidate>,
    /// Candidates that are better than it.
    pub(super) ahead: u64,
    pub(super) considered: u64,
    pub(super) evaluated: u64,
    /// Cut by a bound before their step time was computed.
    pub(super) bounded: u64,
    /// Best first.
    pub(super) best: Vec<Candidate>,
    /// By the first objective, best first.
    pub(super) front: Vec<Candidate>,
    rejected: Vec<(&'static str, u64)>,
    pub(super) nearest: Option<(f64, Layout, Violation)>,
}

impl Keep {
    pub(super) fn new(options: &Options<'_>, mark: Option<Candidate>) -> Keep {
        let mut front_over = options.objectives.to_vec();
        if front_over.len() < 2 {
            front_over.push(if front_over[..] == [Objective::Memory] {
                Objective::StepTime
            } else {
                Objective::Memory
            });
        }
        Keep {
            objectives: options.objectives.to_vec(),
            front_over,
            n_best: options.n_best.max(1),
            front_factor: options.front_factor.max(1.0),
            rank_factor: if options.exhaustive { f64::INFINITY } else { options.rank_factor },
            mark,
            ahead: 0,
            considered: 0,
            evaluated: 0,
            bounded: 0,
            best: Vec::new(),
            front: Vec::new(),
            rejected: Vec::new(),
            nearest: None,
        }
    }

    fn order(&self, a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
        let by = self.objectives.iter().map(|o| a.value(*o).total_cmp(&b.value(*o)));
        by.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
            .then(a.layout.cmp(&b.layout))
    }

    /// A step at least that long, in at least that memory, can be neither among the best nor on the front.
    pub(super) fn hopeless(&self, step_time_s: f64, peak_bytes: f64) -> bool {
        let late = self.best.len() >= self.n_best && self.best.last().is_some_and(|b| b.step_time_s < step_time_s);
        // What is not timed must not be ahead of the one whose rank is asked for.
        let behind = self.mark.is_none_or(|m| m.step_time_s < step_time_s) || !self.mark_counts();
        late && behind && (self.far(step_time_s) || self.beaten(step_time_s, peak_bytes))
    }

    /// The marked layout is near enough to the best for its rank to be told. Once false this stays so.
    pub(super) fn mark_counts(&self) -> bool {
        let limit = self.best.first().map_or(f64::INFINITY, |b| b.step_time_s * self.rank_factor);
        self.mark.is_none_or(|m| m.step_time_s <= limit)
    }

    /// Further from the best than the front goes.
    fn far(&self, step_time_s: f64) -> bool {
        self.best.first().is_some_and(|b| b.step_time_s * self.front_factor < step_time_s)
    }

    /// Some candidate of the front is better in one and no worse in the other.
    fn beaten(&self, step_time_s: f64, peak_bytes: f64) -> bool {
        let faster = self.front.partition_point(|c| c.step_time_s <= step_time_s);
        let better = |c: &Candidate| c.peak_bytes <= peak_bytes && (c.peak_bytes < peak_bytes || c.step_time_s < step_time_s);
        // Of those the last has the least memory: along a front of two it only falls.
        self.front[..faster].last().is_some_and(better)
    }

    pub(super) fn offer(&mut self, candidate: &Candidate) {
        self.evaluated += 1;
        let ahead = self.mark.is_some_and(|m| self.order(candidate, &m).is_lt());
        self.ahead += u64::from(ahead);
        self.hold(candidate);
    }

    /// Hold a candidate that was counted elsewhere.
    fn hold(&mut self, candidate: &Candidate) {
        let full = self.best.len() >= self.n_best;
        if !full || self.best.last().is_some_and(|last| self.order(candidate, last).is_lt()) {
            if self.n_best == usize::MAX {
                // All are kept: sorted once, at the end.
                self.best.push(*candidate);
            } else {
                let at = self.best.partition_point(|b| self.order(b, candidate).is_lt());
                self.best.insert(at, *candidate);
                self.best.truncate(self.n_best);
            }
        }
        self.advance(candidate);
    }

    /// Put a candidate on the front, unless another is as good in everything.
    fn advance(&mut self, candidate: &Candidate) {
        let over = |c: &Candidate, i: usize| c.value(self.front_over[i]);
        let n = self.front_over.len();
        let first = over(candidate, 0);
        let no_worse = |a: &Candidate, b: &Candidate| (0..n).all(|i| over(a, i) <= over(b, i));
        let end = self.front.partition_point(|c| over(c, 0) <= first);
        for other in self.front[..end].iter().rev() {
            let same = || (0..n).all(|i| over(other, i).to_bits() == over(candidate, i).to_bits());
            if no_worse(other, candidate) && !(same() && candidate.layout < other.layout) {
                return;
            }
            if n == 2 {
                // Along a front of two the second only falls: the nearest is the one to beat.
                break;
            }
        }
        let mut front = std::mem::take(&mut self.front);
        front.retain(|other| !no_worse(candidate, other));
        let at = front.partition_point(|c| (over(c, 0), &c.layout) < (first, &candidate.layout));
        front.insert(at, *candidate);
        self.front = front;
    }

    pub(super) fn reject(&mut self, n: u64, layout: &Layout, violation: Violation) {
        self.count(violation.kind(), n);
        let miss = match violation {
            Violation::OutOfMemory { short_bytes, .. } | Violation::HostOutOfMemory { short_bytes, .. } => short_bytes,
            _ => f64::MAX,
        };
        let nearer = |(m, l, _): &(f64, Layout, Violation)| miss < *m || miss.to_bits() == m.to_bits() && layout < l;
        if self.nearest.as_ref().is_none_or(nearer) {
            self.nearest = Some((miss, *layout, violation));
        }
    }

    pub(super) fn count(&mut self, reason: &'static str, n: u64) {
        match self.rejected.iter_mut().find(|(r, _)| std::ptr::eq(*r, reason) || *r == reason) {
            Some((_, count)) => *count += n,
            None => self.rejected.push((reason, n)),
        }
    }

    /// Add another part.
    pub(super) fn merge(&mut self, other: Keep) {
        self.considered += other.considered;
        self.evaluated += other.evaluated;
        self.bounded += other.bounded;
        self.ahead += other.ahead;
        for (reason, n) in &other.rejected {
            self.count(reason, *n);
        }
        if let Some((miss, layout, violation)) = other.nearest {
            let nearer = |(m, l, _): &(f64, Layout, Violation)| miss < *m || miss.to_bits() == m.to_bits() && layout < *l;
            if self.nearest.as_ref().is_none_or(nearer) {
                self.nearest = Some((miss, layout, violation));
            }
        }
        if self.n_best == usize::MAX {
            self.best.extend(other.best);
        } else {
            for candidate in &other.best {
                let at = self.best.partition_point(|b| self.order(b, candidate).is_lt());
                self.best.insert(at, *candidate);
                self.best.truncate(self.n_best);
            }
        }
        for candidate in &other.front {
            self.advance(candidate);
        }
    }

    /// Know what another part has found, without counting it.
    pub(super) fn raise(&mut self, other: &Keep) {
        for candidate in other.best.iter().chain(&other.front) {
            if self.n_best != usize::MAX && !self.best.iter().any(|b| b.layout == candidate.layout) {
                self.hold(candidate);
            }
        }
    }

    /// The best in order.
    pub(super) fn sorted(&mut self) -> Vec<Candidate> {
        let mut best = std::mem::take(&mut self.best);
        best.sort_by(|a, b| self.order(a, b));
        best
    }

    /// The front as far as it goes.
    pub(super) fn front(&mut self, best: &[Candidate]) -> Vec<Candidate> {
        let mut front = std::mem::take(&mut self.front);
        if let Some(best) = best.iter().map(|c| c.step_time_s).reduce(f64::min) {
            front.retain(|c| c.step_time_s <= best * self.front_factor);
        }
        front
    }

    pub(super) fn reasons(&self) -> BTreeMap<String, u64> {
        self.rejected.iter().map(|(reason, n)| ((*reason).to_string(), *n)).collect()
    }
}
