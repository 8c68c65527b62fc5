//! A step as rows of bars: stages from top to bottom, other lanes below the kernels of their stage.

use crate::report::svg::{Mark, Row, Tracks, Work};
use crate::report::{Chart, Kind};
use crate::step::gantt::PAIR;
use crate::step::{Bar, Gantt, Lane};
use std::ops::Range;

/// More stages than this are not read one by one.
const MOST_STAGES: usize = 32;
/// Stages in each group that is shown of more.
const GROUP: usize = 8;

/// In the order of colors: neighbors differ in lightness.
const WORKS: [Work; 9] = [
    work("forward", 'F'),
    work("backward", 'B'),
    work("weight gradient", 'W'),
    work("communication", 'c'),
    work("optimizer", 'o'),
    work("input gradient", 'b'),
    work("other work", 'x'),
    work("waiting", 'w'),
    work(PAIR, 'P'),
];

const fn work(name: &'static str, letter: char) -> Work {
    Work { name, letter }
}

/// The chart of a step; `heaviest` is a stage that must be seen.
#[must_use]
pub fn chart(gantt: &Gantt, heaviest: usize) -> Chart {
    let n = gantt.stages.len();
    let mut rows = Vec::new();
    let mut next = 0;
    for group in shown(n, heaviest) {
        if group.start > next {
            rows.push(left_out(next..group.start));
        }
        rows.extend(group.clone().flat_map(|stage| stage_rows(gantt, stage)));
        next = group.end;
    }
    Chart::Tracks(Tracks {
        title: format!("One step of {}, stage by stage", Kind::Duration.human(gantt.time_s)),
        end_s: gantt.time_s,
        works: WORKS.to_vec(),
        rows,
    })
}

/// All stages, or of too many the first, those around the heaviest and the last.
fn shown(n: usize, heaviest: usize) -> Vec<Range<usize>> {
    if n <= MOST_STAGES {
        return std::iter::once(0..n).collect();
    }
    let start = heaviest.saturating_sub(GROUP / 2).min(n - GROUP);
    let mut out: Vec<Range<usize>> = Vec::new();
    for group in [0..GROUP, start..start + GROUP, n - GROUP..n] {
        match out.last_mut() {
            Some(last) if group.start <= last.end => last.end = last.end.max(group.end),
            _ => out.push(group),
        }
    }
    out
}

fn left_out(stages: Range<usize>) -> Row {
    let (from, to) = (stages.start, stages.end - 1);
    Row::LeftOut(match stages.len() {
        1 => format!("… stage {from} is left out"),
        n => format!("… {n} stages, {from} to {to}, are left out"),
    })
}

fn stage_rows(gantt: &Gantt, stage: usize) -> Vec<Row> {
    let bars = &gantt.stages[stage];
    let row = |lane: Lane| Row::Track {
        label: if lane == Lane::Compute {
            format!("stage {stage}")
        } else {
            lane.name().to_string()
        },
        minor: lane != Lane::Compute,
        marks: bars.iter().filter(|b| b.lane == lane).map(mark).collect(),
    };
    let lanes = Lane::ALL.iter().map(|(_, lane)| *lane);
    lanes
        .filter(|lane| *lane == Lane::Compute || bars.iter().any(|b| b.lane == *lane))
        .map(row)
        .collect()
}

fn mark(bar: &Bar) -> Mark {
    Mark {
        start_s: bar.start_s,
        end_s: bar.end_s,
        work: work_of(bar),
        critical: bar.critical,
    }
}

/// What the bar is, as a place in [`WORKS`].
fn work_of(bar: &Bar) -> usize {
    let name = match (bar.lane, bar.name) {
        (_, name) if name.starts_with("waiting") => "waiting",
        (Lane::Compute, name) => name,
        _ => "communication",
    };
    let place = |name: &str| WORKS.iter().position(|w| w.name == name);
    place(name).or_else(|| place("other work")).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_stages_first_heaviest_and_last_are_shown() {
        assert_eq!(shown(32, 5).first(), Some(&(0..32)));
        assert_eq!(shown(64, 30), [0..8, 26..34, 56..64]);
        assert_eq!(shown(64, 0), [0..8, 56..64]);
        assert_eq!(shown(64, 63), [0..8, 56..64]);
        assert_eq!(shown(40, 9), [0..13, 32..40]);
        assert_eq!(left_out(8..26), Row::LeftOut("… 18 stages, 8 to 25, are left out".to_string()));
    }

    #[test]
    fn every_bar_has_a_kind() {
        let bar = |lane, name| Bar {
            lane,
            name,
            start_s: 0.0,
            end_s: 1.0,
            busy_s: 1.0,
            micro_batch: None,
            chunk: None,
            critical: false,
        };
        for (lane, name, kind) in [
            (Lane::Compute, "forward", "forward"),
            (Lane::Compute, "input gradient", "input gradient"),
            (Lane::Compute, "waiting for the slowest node", "waiting"),
            (Lane::Compute, PAIR, PAIR),
            (Lane::Compute, "something new", "other work"),
            (Lane::Data, "reduce gradients", "communication"),
        ] {
            assert_eq!(WORKS[work_of(&bar(lane, name))].name, kind);
        }
    }
}
