//! `exaplan explain timeline`: a step stage by stage, its critical path, and what to change next.

use crate::plan::Plan;
use crate::report::plan::provenance_json;
use crate::report::timeline::{self, Critical, CriticalPart};
use crate::report::{Block, Cell, Column, Document, KeyValue, Kind, Span, Table};
use crate::step::{Gantt, closed_parts};
use crate::study::sensitivity::Effect;
use serde_json::{Value, json};

/// Changes below this are none.
const NOTHING_FRACTION: f64 = 5e-6;
/// Stages that the sentence about the critical path names.
const NAMED: usize = 3;

/// For people.
#[must_use]
pub fn document(plan: &Plan, gantt: &Gantt, effects: &[Effect]) -> Document {
    let critical = Critical::of(gantt);
    let closed_s = closed_parts(&plan.scenario.workload, &plan.scenario.machine(), &plan.layout).total_s();
    let closed = Kind::Duration.human(closed_s);
    let time = KeyValue::new("Step time", Cell::quantity(gantt.time_s, Kind::Duration))
        .note(format!("slot by slot; {closed} in closed form, which the search ranks by"))
        .answer();
    let mut blocks = vec![Block::KeyValues(vec![time])];
    blocks.extend(drawn(gantt, &critical));
    blocks.push(Block::Table(what_next(effects)));
    super::document(plan, "The timeline of one step", blocks)
}

/// The chart of a step and its critical path.
#[must_use]
pub fn drawn(gantt: &Gantt, critical: &Critical) -> [Block; 3] {
    [
        Block::Chart(timeline::chart(gantt, critical.heaviest())),
        Block::Table(critical_table(critical, gantt.time_s)),
        Block::Paragraph(vec![Span::plain(where_it_runs(critical, gantt.time_s))]),
    ]
}

/// For programs: schema `exaplan.timeline/1`.
#[must_use]
pub fn json(plan: &Plan, gantt: &Gantt, effects: &[Effect]) -> Value {
    json!({
        "schema": "exaplan.timeline/1",
        "timeline": timeline::json(gantt),
        "stages": stages(gantt),
        "critical_path": timeline::critical_json(&Critical::of(gantt)),
        "what_next": effects_json(effects),
        "provenance": provenance_json(&plan.provenance),
    })
}

/// `what_next`: the most useful first.
#[must_use]
pub fn effects_json(effects: &[Effect]) -> Value {
    let one = |e: &Effect| json!({ "term": e.term, "change": e.change, "step_time_change_fraction": e.step_time_change_fraction });
    effects.iter().map(one).collect()
}

/// Totals of each stage by lane.
pub(super) fn stages(gantt: &Gantt) -> Vec<Value> {
    let one = |(stage, bars): (usize, &Vec<crate::step::Bar>)| {
        let alone = Gantt {
            time_s: gantt.time_s,
            stages: vec![bars.clone()],
        };
        let lane = |t: &crate::step::gantt::LaneTotal| json!({ "lane": t.lane.name(), "n_spans": t.n_spans, "busy_s": t.busy_s });
        json!({ "stage": stage, "lanes": alone.totals().iter().map(lane).collect::<Vec<_>>() })
    };
    gantt.stages.iter().enumerate().map(one).collect()
}

/// What one property 10 % better does to the step.
#[must_use]
pub fn what_next(effects: &[Effect]) -> Table {
    let columns = vec![
        Column::words("What to change next"),
        Column::words("Better by"),
        Column::numbers("Step time").unit("%"),
    ];
    let mut table = Table::new("", columns);
    let nothing = |e: &&Effect| e.step_time_change_fraction.abs() < NOTHING_FRACTION;
    table.rows = effects
        .iter()
        .filter(|e| !nothing(e))
        .map(|e| {
            let change = Cell::quantity(e.step_time_change_fraction, Kind::Percent);
            vec![e.term.into(), e.change.into(), change]
        })
        .collect();
    let without: Vec<&str> = effects.iter().filter(nothing).map(|e| e.term).collect();
    if !without.is_empty() {
        table.notes.push(format!("No effect: {}.", without.join(", ")));
    }
    table
}

fn critical_table(critical: &Critical, time_s: f64) -> Table {
    let columns = vec![
        Column::words("Critical path"),
        Column::numbers("Bars"),
        Column::numbers("Time"),
        Column::numbers("Share"),
    ];
    let mut table = Table::new("", columns);
    let row = |name: String, n: Cell, s: f64| {
        vec![
            Cell::Text(name),
            n,
            Cell::quantity(s, Kind::Duration),
            Cell::quantity(s / time_s, Kind::Percent),
        ]
    };
    #[allow(clippy::cast_precision_loss)]
    let part = |p: &CriticalPart| row(p.name.to_string(), Cell::Count(p.n_spans as f64), p.time_s);
    table.rows = critical.parts.iter().map(part).collect();
    let rest = [
        ("between bars: messages, waiting", critical.between_s),
        ("after the last bar", critical.after_s),
    ];
    let shown = rest.into_iter().filter(|(_, s)| *s > NOTHING_FRACTION * time_s);
    table.rows.extend(shown.map(|(name, s)| row(name.to_string(), Cell::Missing, s)));
    table
}

/// Which stages the critical path runs through.
fn where_it_runs(critical: &Critical, time_s: f64) -> String {
    let mut stages: Vec<(usize, f64)> = critical.stages_s.iter().copied().enumerate().filter(|(_, s)| *s > 0.0).collect();
    // Stable: of equals the first stage stays first.
    stages.sort_by(|a, b| b.1.total_cmp(&a.1));
    let named: Vec<String> = stages
        .iter()
        .take(NAMED)
        .map(|(stage, s)| format!("stage {stage} ({})", Kind::Percent.human(s / time_s)))
        .collect();
    match stages.len() {
        0 => "Nothing is on the critical path.".to_string(),
        1 => format!("It runs on {}.", named.join("")),
        n => format!(
            "It runs through {n} stages; the largest shares of the step are on {}.",
            named.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::text::{self, Options};
    use crate::step::{Bar, Lane};

    fn bar(lane: Lane, name: &'static str, start_s: f64, end_s: f64, critical: bool) -> Bar {
        Bar {
            lane,
            name,
            start_s,
            end_s,
            busy_s: end_s - start_s,
            micro_batch: None,
            chunk: Some(0),
            critical,
        }
    }

    /// One micro-batch over two stages, with a message either way and an optimizer at the end.
    fn step() -> Gantt {
        let tail = Bar {
            chunk: None,
            ..bar(Lane::Compute, "optimizer", 8.0, 8.5, true)
        };
        Gantt {
            time_s: 8.5,
            stages: vec![
                vec![
                    bar(Lane::Compute, "forward", 0.0, 1.0, true),
                    bar(Lane::Compute, "backward", 5.0, 7.0, true),
                    tail,
                    bar(Lane::Send, "send activations", 1.0, 1.5, false),
                    bar(Lane::Data, "reduce gradients", 7.0, 8.0, true),
                ],
                vec![
                    bar(Lane::Compute, "forward", 1.5, 2.5, true),
                    bar(Lane::Compute, "input gradient", 2.5, 3.5, true),
                    bar(Lane::Compute, "weight gradient", 3.5, 4.5, false),
                    tail,
                    bar(Lane::Send, "send gradients", 3.5, 3.55, false),
                ],
            ],
        }
    }

    #[test]
    fn a_small_step_is_read_at_sixty_columns() {
        let gantt = step();
        let effect = |term, step_time_change_fraction| Effect {
            term,
            change: "10 % better",
            step_time_change_fraction,
        };
        let mut blocks = drawn(&gantt, &Critical::of(&gantt)).to_vec();
        blocks.push(Block::Table(what_next(&[
            effect("math", -0.06),
            effect("network", -0.001),
            effect("host", 0.0),
        ])));
        let document = Document {
            title: "Timeline".to_string(),
            subtitle: String::new(),
            blocks,
            provenance: String::new(),
        };
        insta::assert_snapshot!(text::document(&document, Options { width: 60, color: false }), @r"
        Timeline

        One step of 8.50 s, stage by stage
                0                                             8.50 s
        stage 0 FFFFFF.........................BBBBBBBBBBBB......ooo
          send  ......ccc...........................................
          data  ...........................................cccccc...
        stage 1 .........FFFFFFbbbbbbWWWWWWW.....................ooo
        F=forward, B=backward, W=weight gradient, c=communication,
        o=optimizer, b=input gradient, .=idle
        Too short to be seen on some stages: send.

        Critical path                    Bars  Time, s  Share, %
        forward                             2    2.00      23.5
        backward                            1    2.00      23.5
        input gradient                      1    1.00      11.8
        reduce gradients                    1    1.00      11.8
        optimizer                           1    0.500      5.88
        between bars: messages, waiting     -    2.00      23.5

        It runs through 2 stages; the largest shares of the step are
        on stage 0 (47.1 %), stage 1 (23.5 %).

        What to change next  Better by    Step time, %
        math                 10 % better        -6.00
        network              10 % better        -0.100
        No effect: host.
        ");
    }

    #[test]
    fn the_critical_path_covers_the_step() {
        let gantt = step();
        let critical = Critical::of(&gantt);
        let parts_s: f64 = critical.parts.iter().map(|p| p.time_s).sum();
        assert!((parts_s + critical.between_s + critical.after_s - gantt.time_s).abs() < 1e-12);
        assert_eq!(
            critical.parts.iter().map(|p| p.n_spans).sum::<u64>(),
            6,
            "the optimizer counts once"
        );
        assert_eq!((critical.between_s, critical.heaviest()), (2.0, 0));
    }
}
