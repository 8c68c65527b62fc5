//! NVIDIA devices.

use super::{Backend, Clock, Environment, Item, Measured, Protocol};
use crate::catalog::DType;
use crate::error::{Error, Result};
use std::sync::atomic::AtomicBool;

/// A device.
pub struct Device;

impl Device {
    /// Open it.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(_: u64) -> Result<Device> {
        Err(Error::Device { what: "no CUDA".into() })
    }
    /// Formats.
    #[must_use]
    pub fn dtypes(&self) -> Vec<DType> {
        Vec::new()
    }
    /// Members.
    #[must_use]
    pub fn ranks(&self) -> u64 {
        1
    }
}

impl Backend for Device {
    fn name(&self) -> &'static str {
        "cuda"
    }
    fn environment(&mut self, _: &dyn Clock) -> Result<Environment> {
        Ok(Environment::default())
    }
    fn supports(&self, _: &Item) -> bool {
        false
    }
    fn measure(&mut self, _: &Item, _: &Protocol, _: &dyn Clock, _: &AtomicBool) -> Result<Measured> {
        Err(Error::Interrupted)
    }
}
