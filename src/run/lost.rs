//! Where the wall time goes that trains nothing new.

/// Wall time that trains nothing new. The parts and the ideal time sum to the wall time.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Lost {
    /// Training stands still while a checkpoint is taken.
    pub checkpoint_s: f64,
    /// Work that a failure destroyed and that is done again.
    pub rework_s: f64,
    /// From noticing a failure to the first new step.
    pub restart_s: f64,
    /// From a failure to noticing it.
    pub detect_s: f64,
    /// Planned pauses and maintenance.
    pub planned_s: f64,
    /// Evaluations that stop training, beyond the daily pauses.
    pub evaluation_s: f64,
    /// Steps that loss spikes send the run back over.
    pub rollback_s: f64,
    /// No nodes: preempted, or all spares out.
    pub wait_s: f64,
    /// Steps are longer while a slow node is not found.
    pub slow_s: f64,
    /// Steps are longer while nodes are missing.
    pub degraded_s: f64,
}

impl Lost {
    /// Name and seconds of each part, in display order.
    #[must_use]
    pub fn list(&self) -> [(&'static str, f64); 10] {
        [
            ("checkpoint_s", self.checkpoint_s),
            ("rework_s", self.rework_s),
            ("restart_s", self.restart_s),
            ("detect_s", self.detect_s),
            ("planned_s", self.planned_s),
            ("evaluation_s", self.evaluation_s),
            ("rollback_s", self.rollback_s),
            ("wait_s", self.wait_s),
            ("slow_s", self.slow_s),
            ("degraded_s", self.degraded_s),
        ]
    }

    /// The same with names for people.
    #[must_use]
    pub fn named(&self) -> [(&'static str, f64); 10] {
        const NAMES: [&str; 10] = [
            "checkpoints",
            "rework",
            "restarts",
            "detection",
            "planned pauses",
            "evaluation",
            "rollbacks",
            "waiting for nodes",
            "slow nodes",
            "missing nodes",
        ];
        let mut list = self.list();
        for ((name, _), human) in list.iter_mut().zip(NAMES) {
            *name = human;
        }
        list
    }

    /// All lost time.
    #[must_use]
    pub fn total_s(&self) -> f64 {
        self.list().iter().map(|(_, s)| s).sum()
    }
}
