//! What the step runs on.

use crate::catalog::{Accelerator, Profile, Stack};
use crate::kernel::{Device, Network};
use crate::layout::Overlap;
use crate::layout::activation::ActivationRules;
use crate::layout::memory::MemoryContext;
use std::borrow::Cow;

/// Devices, their kernels, their network and their software.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// The device.
    pub accelerator: Accelerator,
    /// Its measured kernels, if there are any.
    pub profile: Option<Profile>,
    /// Links.
    pub network: Network,
    /// Devices in one scale-up domain.
    pub domain: u32,
    /// Devices in all.
    pub n_devices: u64,
    /// Devices of one server: the unit that lags behind when it is slow.
    pub node_devices: u32,
    /// Software.
    pub stack: Stack,
    /// Link between a device and its host, one direction, if it is known.
    pub host_link_bytes_per_s: Option<f64>,
    /// Host memory of one device: the server's, divided by its devices.
    pub host_bytes_per_device: f64,
}

impl Machine {
    /// The same with the overlaps that a layout leaves on.
    #[must_use]
    pub fn with_overlap(&self, overlap: Overlap) -> Cow<'_, Machine> {
        if overlap == Overlap::ALL {
            return Cow::Borrowed(self);
        }
        let mut other = self.clone();
        let stack = &mut other.stack;
        if !overlap.tensor {
            stack.hides_tensor_backward = false;
            stack.tensor_overlap_fraction = 0.0;
        }
        if !overlap.data {
            stack.data_overlap_fraction = 0.0;
        }
        if !overlap.pipeline {
            stack.pipeline_overlap_fraction = 0.0;
        }
        if !overlap.expert {
            stack.expert_overlap_fraction = 0.0;
        }
        Cow::Owned(other)
    }

    /// The device with its kernels.
    #[must_use]
    pub fn device(&self) -> Device<'_> {
        Device {
            accelerator: &self.accelerator,
            profile: self.profile.as_ref(),
        }
    }

    /// What memory depends on.
    #[must_use]
    pub fn memory_context(&self) -> MemoryContext {
        MemoryContext {
            capacity_bytes: self.accelerator.memory_bytes,
            rules: ActivationRules {
                flash_attention: self.stack.flash_attention,
                dropout: !self.stack.flash_attention,
            },
            fused_loss: self.stack.fused_loss,
            host_bytes: self.host_bytes_per_device,
            host_link_bytes_per_s: self.host_link_bytes_per_s,
        }
    }
}
