//! Memory of one device per pipeline stage.

/// What fills the memory of one device of a stage, bytes at the moment of its peak.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct MemoryBudget {
    /// Pipeline stage.
    pub stage: u32,
    /// Weights.
    pub weights_bytes: f64,
    /// Gradients.
    pub gradients_bytes: f64,
    /// Optimizer state.
    pub optimizer_bytes: f64,
    /// Activations kept for backward.
    pub activations_bytes: f64,
    /// Transient buffers: gathered weights, logits, gradients of activations.
    pub buffers_bytes: f64,
    /// Context, communication library and fragmentation, on top of what is allocated.
    pub reserve_bytes: f64,
    /// What the device has.
    pub capacity_bytes: f64,
}

impl MemoryBudget {
    /// Peak allocated bytes, as a framework reports them (without the reserve).
    #[must_use]
    pub fn allocated_bytes(&self) -> f64 {
        self.weights_bytes + self.gradients_bytes + self.optimizer_bytes + self.activations_bytes + self.buffers_bytes
    }

    /// Allocated and reserve together: what must fit.
    #[must_use]
    pub fn peak_bytes(&self) -> f64 {
        self.allocated_bytes() + self.reserve_bytes
    }

    /// What is left; negative when it does not fit.
    #[must_use]
    pub fn headroom_bytes(&self) -> f64 {
        self.capacity_bytes - self.peak_bytes()
    }
}
