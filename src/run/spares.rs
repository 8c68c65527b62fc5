//! Nodes that are slow, and nodes that are out for repair.

/// Most that missing nodes may slow a job: a twentieth of its speed is left.
const LEAST_SPEED: f64 = 0.05;
/// Mean number of nodes out above which their spread no longer matters.
const MOST_OUT: f64 = 500.0;
/// Points at which the repair shop's filling is averaged over a run.
const N_POINTS: u32 = 32;

/// Nodes that turn slow and are taken out when found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SlowNodes {
    /// Mean time until one node of the job turns slow.
    pub mtbf_s: f64,
    /// How many times as long a step takes with at least one of them: a synchronous step waits for the slowest.
    pub slow_factor: f64,
    /// Until it is found.
    pub found_s: f64,
}

impl SlowNodes {
    /// Share that the run is longer, of a run of `run_s`.
    ///
    /// Onsets are Poisson with rate λ and last D, so at time t none is present with probability
    /// `e^{−λ min(t, D)}` (M/G/∞ started empty; Takács 1962). The mean P over the run of the complement is
    /// `[(D' − (1 − e^{−λD'})/λ) + (T − D') (1 − e^{−λD'})] / T` with D' = min(D, T). In that share of the
    /// time a step takes f times as long, so the run takes `1 / (1 − P (1 − 1/f))` times as long.
    #[must_use]
    pub fn lost_fraction(&self, run_s: f64) -> f64 {
        let d = self.found_s.min(run_s);
        if d <= 0.0 || !self.mtbf_s.is_finite() || self.slow_factor <= 1.0 {
            return 0.0;
        }
        let any = -(-d / self.mtbf_s).exp_m1();
        let filling_s = (d - self.mtbf_s * any).max(0.0);
        let share = ((filling_s + (run_s - d) * any) / run_s).clamp(0.0, 1.0);
        1.0 / (1.0 - share * (1.0 - 1.0 / self.slow_factor)) - 1.0
    }
}

/// Spare nodes and the repair of failed ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pool {
    /// Spares; none where a node is always replaced within the restart.
    pub n_spares: Option<u32>,
    /// The job goes on with fewer nodes when they are out.
    pub elastic: bool,
    /// Share of hardware failures that take a node out.
    pub replace_fraction: f64,
    /// Mean time between failures that take a node out.
    pub mtbf_s: f64,
    /// Until it is back.
    pub repair_s: f64,
    /// Share of the job's speed that goes with each missing node.
    pub lost_fraction: f64,
    /// How many times as often hardware fails at the start.
    pub burn_in_factor: f64,
    /// Time in which that excess falls to 1/e.
    pub burn_in_s: f64,
}

impl Pool {
    /// Mean number of nodes out for repair, without spares ever blocking, at N times over a run of
    /// `run_s` that starts with all nodes sound: `∫ λ (1 + (b − 1) e^{−u/τ}) e^{−(t−u)/R} du` for failures
    /// with burn-in and repairs of mean R.
    fn out(&self, run_s: f64) -> impl Iterator<Item = f64> + use<> {
        let Pool {
            mtbf_s,
            repair_s,
            burn_in_factor,
            burn_in_s,
            ..
        } = *self;
        (0..N_POINTS).map(move |i| {
            let t = run_s * (f64::from(i) + 0.5) / f64::from(N_POINTS);
            if repair_s <= 0.0 || !mtbf_s.is_finite() {
                return 0.0;
            }
            let steady_s = repair_s * -(-t / repair_s).exp_m1();
            let rates = 1.0 / repair_s - 1.0 / burn_in_s;
            let excess_s = if burn_in_factor <= 1.0 {
                0.0
            } else if (rates * repair_s).abs() < 1e-6 {
                t * (-t / repair_s).exp()
            } else {
                ((-t / burn_in_s).exp() - (-t / repair_s).exp()) / rates
            };
            (steady_s + (burn_in_factor - 1.0) * excess_s) / mtbf_s
        })
    }

    /// Share of the time that the job waits because more nodes are out than there are spares.
    ///
    /// A job that stops when the spare after the last is needed has as many nodes out as a loss system of
    /// S + 1 servers has calls: arrivals end while it is full. Its time in that state is Erlang's B, for
    /// any distribution of the repair time (Erlang 1917; Sevastyanov 1957). Averaged over the run's filling.
    #[must_use]
    pub fn blocked_fraction(&self, run_s: f64) -> f64 {
        match self.n_spares {
            Some(n) if !self.elastic => mean(self.out(run_s).map(|a| erlang_b(a, n.saturating_add(1)))).min(0.99),
            _ => 0.0,
        }
    }

    /// Mean share of the speed that is left when the job goes on without missing nodes: each takes the
    /// copy of the model that it belongs to along. Nodes out are Poisson (M/G/∞).
    #[must_use]
    pub fn speed_fraction(&self, run_s: f64) -> f64 {
        match self.n_spares {
            Some(_) if self.elastic => mean(self.out(run_s).map(|a| self.speed_of_poisson(a))),
            _ => 1.0,
        }
    }

    /// Mean speed with a Poisson number of nodes out.
    fn speed_of_poisson(&self, mean: f64) -> f64 {
        if mean > MOST_OUT {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            return self.speed_with(mean.min(1e9) as usize);
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let most = (mean + 12.0 * mean.sqrt() + 20.0) as usize;
        let (mut p, mut speed, mut sum) = ((-mean).exp(), 0.0, 0.0);
        for k in 0..=most {
            speed += p * self.speed_with(k);
            sum += p;
            #[allow(clippy::cast_precision_loss)]
            let next = (k + 1) as f64;
            p *= mean / next;
        }
        speed / sum
    }

    /// Speed with `n_out` nodes out.
    #[must_use]
    pub fn speed_with(&self, n_out: usize) -> f64 {
        match self.n_spares {
            #[allow(clippy::cast_precision_loss)]
            Some(n) if self.elastic => {
                let missing = n_out.saturating_sub(n as usize) as f64;
                (1.0 - missing * self.lost_fraction).max(LEAST_SPEED)
            }
            _ => 1.0,
        }
    }
}

fn mean(list: impl Iterator<Item = f64>) -> f64 {
    list.sum::<f64>() / f64::from(N_POINTS)
}

/// Erlang's loss formula by its recursion `B(n) = a B(n−1) / (n + a B(n−1))`.
#[must_use]
pub fn erlang_b(load: f64, n_servers: u32) -> f64 {
    let mut b = 1.0;
    for n in 1..=n_servers {
        b = load * b / (f64::from(n) + load * b);
        if b < 1e-15 {
            return 0.0;
        }
    }
    b
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn erlang_and_poisson_are_right_by_hand() {
        // B(1) = a/(1+a); B(2) of 1: 1·½/(2 + ½) = 0.2. Tables of Erlang B: 10 servers, 5 erlangs: 0.0184.
        assert!((erlang_b(0.5, 1) - 1.0 / 3.0).abs() < 1e-15);
        assert!((erlang_b(1.0, 2) - 0.2).abs() < 1e-15);
        assert!((erlang_b(5.0, 10) - 0.018_385).abs() < 1e-5);
        // E[max(K−1,0)] = mean − 1 + e^−mean for a Poisson K; a hundredth of the speed for each.
        let pool = Pool {
            n_spares: Some(1),
            elastic: true,
            replace_fraction: 1.0,
            mtbf_s: 1.0,
            repair_s: 1.0,
            lost_fraction: 0.01,
            burn_in_factor: 1.0,
            burn_in_s: 1.0,
        };
        assert!((pool.speed_of_poisson(2.0) - (1.0 - 0.01 * (1.0 + (-2.0f64).exp()))).abs() < 1e-9);
        // Two out on average in the end, half filled after R ln 2; the excess of burn-in as R = τ: b − 1 times t e^−t.
        let at = |burn_in_factor: f64| Pool {
            burn_in_factor,
            repair_s: 2.0,
            burn_in_s: 2.0,
            ..pool
        };
        let first = |pool: &Pool| pool.out(64.0).next().unwrap();
        assert!((first(&at(1.0)) - 2.0 * (1.0 - (-0.5f64).exp())).abs() < 1e-12);
        assert!((first(&at(3.0)) - first(&at(1.0)) - 2.0 * (-0.5f64).exp()).abs() < 1e-12);
    }

    #[test]
    fn one_slow_node_in_a_month_costs_its_share() {
        // λ = 1/10 d, D = 1 d, T → ∞: 1 − e^−0.1 = 9.516 % of the time, at 20 % slower.
        let slow = SlowNodes {
            mtbf_s: 10.0,
            slow_factor: 1.2,
            found_s: 1.0,
        };
        let slower = 1.0 / (1.0 - 0.095_162_58 / 6.0) - 1.0;
        assert!((slow.lost_fraction(1e9) - slower).abs() < 1e-9);
        assert!(slow.lost_fraction(0.0) == 0.0 && slow.lost_fraction(0.5) < slow.lost_fraction(5.0));
    }
}
