//! Told before the work starts: values that no case can have.

use super::{Axis, Study, Sweep};
use crate::error::{Diagnostic, Error, Result};

/// Points of an axis that are tried, spread evenly; the ends are among them.
const N_TRIED: usize = 64;
/// Points of each other axis that a value is tried with before it is given up.
const N_OTHERS: usize = 8;

impl Sweep {
    /// Read the scenario with each value of each axis. A value that is wrong with one choice of the
    /// others may be right with another; one that is wrong with all that were tried is an error: a name
    /// or a unit was misspelled.
    ///
    /// # Errors
    /// The problems of the first such value of each axis.
    pub fn check(&self) -> Result<()> {
        let (mut guilty, mut suspect) = (Vec::new(), Vec::new());
        for (place, axis) in self.study.axes.iter().enumerate() {
            let wrong = spread(axis.len(), N_TRIED).find_map(|point| self.never(place, point).map(|list| (point, list)));
            let Some((point, list)) = wrong else { continue };
            // A value that is wrong without the other axes is itself what is wrong, not one of them.
            let alone = self.problems(&axis.overrides[point]).is_some();
            let problems = list.into_iter().map(|d| told(axis, point, d));
            if alone { guilty.extend(problems) } else { suspect.extend(problems) }
        }
        let problems = if guilty.is_empty() { suspect } else { guilty };
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Error::Invalid(problems))
        }
    }

    /// What is wrong with a point of an axis with all that was tried of the others.
    fn never(&self, axis: usize, point: usize) -> Option<Vec<Diagnostic>> {
        let study = &self.study;
        let mut points = vec![0; study.axes.len()];
        points[axis] = point;
        let first = self.wrong(&points)?;
        for other in (0..study.axes.len()).filter(|o| *o != axis) {
            for value in spread(study.axes[other].len(), N_OTHERS) {
                let mut tried = points.clone();
                tried[other] = value;
                self.wrong(&tried)?;
            }
        }
        Some(first)
    }

    fn wrong(&self, points: &[usize]) -> Option<Vec<Diagnostic>> {
        self.problems(&self.study.overrides(self.study.number(points)))
    }

    fn problems(&self, overrides: &[String]) -> Option<Vec<Diagnostic>> {
        match self.template().build(overrides) {
            Err(Error::Invalid(list)) => Some(list),
            _ => None,
        }
    }
}

impl Study {
    /// The number of a case by the point of each axis.
    #[must_use]
    pub fn number(&self, points: &[usize]) -> u64 {
        self.axes
            .iter()
            .zip(points)
            .fold(0, |number, (axis, point)| number * axis.len() as u64 + *point as u64)
    }
}

/// At most `n` numbers below `len`, ends included.
fn spread(len: usize, n: usize) -> impl Iterator<Item = usize> {
    let shown = len.min(n);
    (0..shown).map(move |i| if shown < 2 { 0 } else { i * (len - 1) / (shown - 1) })
}

/// The problem of a value where the study names it.
fn told(axis: &Axis, point: usize, problem: Diagnostic) -> Diagnostic {
    let text = format!("with {}: {}", axis.overrides[point].join(", "), problem.message);
    let out = Diagnostic::new(text);
    let out = match problem.help {
        Some(help) => out.help(help),
        None => out,
    };
    match &axis.at {
        Some(at) => out.at(at),
        None => out,
    }
}
