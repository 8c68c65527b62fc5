//! Which numbers of a scenario an unknown moves: read once for a few of its values, then set
//! directly, so that thousands of samples need not read the scenario anew.

use crate::plan::Scenario;

/// Numbers of a scenario that run and bill follow from without the step changing.
///
/// A number that is missing here is no error: what moves it is read anew for every sample.
pub fn knobs(s: &mut Scenario) -> Vec<&mut f64> {
    let (node, region, finance) = (&mut s.cluster.node, &mut s.region, &mut s.finance);
    let (reliability, limits, terms) = (&mut s.cluster.reliability, &mut s.limits, &mut s.terms);
    let mut out = vec![
        &mut s.workload.total_tokens,
        &mut s.cluster.storage_bytes_per_s,
        &mut reliability.node_mtbf_s,
        &mut reliability.unscreened_factor,
        &mut reliability.burn_in_factor,
        &mut reliability.burn_in_s,
        &mut reliability.link_hang_fraction,
        &mut reliability.software_hang_fraction,
        &mut reliability.detect_s,
        &mut reliability.hang_detect_s,
        &mut reliability.silent_detect_s,
        &mut reliability.restart_s,
        &mut reliability.warm_up_s,
        &mut reliability.compile_s,
        &mut reliability.replace_fraction,
        &mut reliability.repair_s,
        &mut reliability.slow_node_mtbf_s,
        &mut reliability.slow_factor,
        &mut reliability.slow_found_s,
        &mut reliability.planned_s_per_day,
        &mut reliability.maintenance_every_s,
        &mut reliability.maintenance_s,
        &mut reliability.spikes_per_trillion_tokens,
        &mut reliability.rollback_steps,
        &mut reliability.preemptions_per_day,
        &mut reliability.preemption_wait_s,
        &mut reliability.delivered_fraction,
        &mut reliability.copies_lost_fraction,
        &mut node.idle_w,
        &mut node.active_w,
        &mut node.max_w,
        &mut node.embodied_kg_co2e,
        &mut region.pue,
        &mut region.wue_l_per_kwh,
        &mut region.electricity_usd_per_kwh,
        &mut region.grid.location_kg_co2e_per_kwh,
        &mut region.grid.water_l_per_kwh,
        &mut finance.life_s,
        &mut finance.network_fraction,
        &mut finance.residual_fraction,
        &mut finance.capital_rate_fraction,
        &mut finance.maintenance_fraction,
        &mut finance.colocation_usd_per_kw_month,
        &mut finance.utilization_fraction,
        &mut finance.storage_usd_per_gb_month,
        &mut finance.network_power_fraction,
        &mut finance.storage_w_per_tb,
        &mut finance.staff_usd_per_device_year,
        &mut finance.support_fraction,
        &mut finance.egress_usd_per_gb,
        &mut finance.facility_usd_per_w,
        &mut finance.facility_life_s,
        &mut terms.egress_bytes,
        &mut terms.licences_usd,
        &mut terms.experiments_fraction,
        &mut terms.failed_runs_fraction,
        &mut terms.tax_fraction,
    ];
    let optional = [
        &mut region.market_kg_co2e_per_kwh,
        &mut region.grid.marginal_kg_co2e_per_kwh,
        &mut s.course.saving.every_s,
        &mut terms.discount_rate_fraction,
        &mut limits.peak_w,
        &mut limits.wall_s,
        &mut limits.cost_usd,
        &mut limits.facility_w,
        &mut limits.carbon_kg_co2e,
    ];
    out.extend(optional.into_iter().flatten());
    let prices = [node.price.as_mut(), s.offer.as_mut().map(|o| &mut o.usd_per_device_hour)];
    for price in prices.into_iter().flatten() {
        out.extend([&mut price.low_usd, &mut price.base_usd, &mut price.high_usd]);
    }
    out
}

/// The numbers that [`knobs`] names.
pub fn numbers(scenario: &Scenario) -> Vec<f64> {
    knobs(&mut scenario.clone()).into_iter().map(|v| *v).collect()
}

/// Everything about a scenario but its knobs, as text: what differs here is no matter of knobs.
pub fn rest(scenario: &Scenario) -> String {
    let mut bare = scenario.clone();
    for knob in knobs(&mut bare) {
        *knob = 0.0;
    }
    bare.assumptions.clear();
    bare.overrides.clear();
    bare.digest.clear();
    bare.unknowns.clear();
    format!("{bare:?}")
}

/// A knob that follows an unknown in a line.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Follows {
    knob: usize,
    slope: f64,
    start: f64,
}

/// How far a line may miss the third point: rounding of text to binary and back.
const STRAIGHT: f64 = 1e-12;

/// Which knobs follow an unknown, told from what the scenario becomes at three of its values, given
/// as `(value, numbers)`; nothing when one of them does not follow in a line.
pub fn follows(points: [(f64, &[f64]); 3]) -> Option<Vec<Follows>> {
    let [(low, at_low), (middle, at_middle), (high, at_high)] = points;
    if at_low.len() != at_middle.len() || at_high.len() != at_middle.len() || low >= high {
        return None;
    }
    let mut out = Vec::new();
    for knob in 0..at_middle.len() {
        let (from, between, to) = (at_low[knob], at_middle[knob], at_high[knob]);
        if from.to_bits() == between.to_bits() && to.to_bits() == between.to_bits() {
            continue;
        }
        let slope = (to - from) / (high - low);
        let line = Follows {
            knob,
            slope,
            // A value that is read as it stands is set as it stands, to the last bit.
            start: if from == low && to == high { 0.0 } else { from - slope * low },
        };
        let size = from.abs().max(to.abs());
        if (line.at(middle) - between).abs() > STRAIGHT * size {
            return None;
        }
        out.push(line);
    }
    Some(out)
}

impl Follows {
    fn at(&self, value: f64) -> f64 {
        self.start + self.slope * value
    }

    /// Set the knob to what it is at a value of the unknown.
    pub fn set(&self, knobs: &mut [&mut f64], value: f64) {
        if let Some(knob) = knobs.get_mut(self.knob) {
            **knob = self.at(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_and_curves_are_not() {
        let line = follows([(1.0, &[5.0, 2.0]), (2.0, &[5.0, 4.0]), (3.0, &[5.0, 6.0])]).unwrap();
        assert_eq!(
            line,
            [Follows {
                knob: 1,
                slope: 2.0,
                start: 0.0
            }]
        );
        let mut values = [5.0, 0.0];
        let mut knobs: Vec<&mut f64> = values.iter_mut().collect();
        line[0].set(&mut knobs, 10.0);
        assert_eq!(values, [5.0, 20.0]);
        assert!(follows([(1.0, &[1.0]), (2.0, &[4.0]), (3.0, &[9.0])]).is_none());
        assert_eq!(follows([(1.0, &[1.0]), (2.0, &[1.0]), (3.0, &[1.0])]), Some(Vec::new()));
    }
}
