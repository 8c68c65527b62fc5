//! Around an answer: what more and fewer devices do to days, money and carbon.

use super::Case;
use super::seek::Seek;

/// Counts of the curve, as multiples of the answer.
const CURVE_RATIOS: [f64; 8] = [0.25, 0.35, 0.5, 0.71, 1.41, 2.0, 2.83, 4.0];
/// How far a rich count may be from such a multiple.
const SLACK_RATIO: f64 = 1.08;
/// The next larger count that is faster is looked for this far.
const NEXT_RATIO: f64 = 1.15;
/// And so many counts at most.
const MOST_NEXT: usize = 8;

/// What each node more is worth on the way to a larger count.
///
/// One node more is seldom a count that can be cut, and one that can need not be faster. So this is the
/// difference to a larger count, per node that it has more.
#[derive(Debug, Clone, PartialEq)]
pub struct Marginal {
    /// That count.
    pub to: Case,
    /// Nodes that it has more.
    pub n_more_nodes: u32,
    /// Wall time saved by each of these nodes.
    pub saved_s: f64,
    /// Money saved by each; below zero where it costs more.
    pub saved_usd: Option<f64>,
    /// Greenhouse gases saved by each.
    pub saved_kg_co2e: f64,
}

impl Marginal {
    fn of(case: &Case, to: &Case) -> Marginal {
        let n_more_nodes = to.n_nodes - case.n_nodes;
        let more = f64::from(n_more_nodes);
        Marginal {
            n_more_nodes,
            saved_s: (case.wall_s - to.wall_s) / more,
            saved_usd: case.cost_usd.zip(to.cost_usd).map(|(a, b)| (a - b) / more),
            saved_kg_co2e: (case.carbon_kg_co2e - to.carbon_kg_co2e) / more,
            to: to.clone(),
        }
    }
}

/// The answer among rich counts around it, at its own market, whether or not they keep the limits: those
/// that are faster than every smaller one, and the answer.
pub(super) fn curve(seek: &mut Seek<'_>, case: &Case) -> Vec<Case> {
    let middle = f64::from(case.n_nodes);
    let mut list = vec![case.clone()];
    for ratio in CURVE_RATIOS {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let (from, to) = ((middle * ratio / SLACK_RATIO).ceil() as u32, (middle * ratio * SLACK_RATIO) as u32);
        let Some(n) = seek.counts().richest(from.max(1), to) else {
            continue;
        };
        list.extend(seek.look(n).get(case.market).cloned());
    }
    list.sort_by_key(|c| c.n_nodes);
    list.dedup_by_key(|c| c.n_nodes);
    let mut fastest_s = f64::INFINITY;
    list.retain(|c| {
        let faster = c.wall_s < fastest_s;
        fastest_s = fastest_s.min(c.wall_s);
        faster || c.n_nodes == case.n_nodes
    });
    list
}

/// What the next nodes are worth: to the smallest larger count that is faster, and to the one that saves
/// most time per node, which is the next corner of the convex hull of time over nodes.
pub(super) fn marginal(seek: &mut Seek<'_>, case: &Case) -> (Option<Marginal>, Option<Marginal>) {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let most = (f64::from(case.n_nodes) * NEXT_RATIO).ceil() as u32;
    let near = seek.counts().within(case.n_nodes + 1, most);
    for n in near.into_iter().take(MOST_NEXT) {
        seek.look(n);
    }
    let larger = seek.at(case.market).filter(|c| c.n_nodes > case.n_nodes && c.wall_s < case.wall_s);
    let list: Vec<Marginal> = larger.map(|to| Marginal::of(case, to)).collect();
    let steepest = list.iter().reduce(|a, b| if b.saved_s > a.saved_s { b } else { a }).cloned();
    (list.first().cloned(), steepest)
}
