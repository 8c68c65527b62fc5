//! Seconds of one operation on one device or group.
//!
//! A time stands on the first step of this ladder that holds; each is graded no better than the one
//! before and errs more ([`Source::error_fraction`]): this very shape was measured; the model with what
//! measured shapes near it say; the model with parameters fitted to the format; those of another format
//! of the same multiplier; those of another device of the architecture; the data sheet.

pub mod attention;
pub mod calibrate;
pub mod collective;
pub mod gemm;
pub mod grouped;
mod near;
pub mod op;
pub mod stream;
#[cfg(test)]
mod tests;

pub use attention::{AttentionShape, Unfused, attention, attention_backward, unfused, visible_keys};
pub use collective::{Group, Network, ScaleOut, ScaleUp, collective, send};
pub use gemm::{GemmShape, gemm};
pub use grouped::{Launch, grouped};
pub use op::{Device, Source, Timed};
pub use stream::stream;

/// How well a time is founded; the worse grade is the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Evidence {
    /// This very operation and shape was measured.
    Measured,
    /// Between measured shapes, by a model fitted on them.
    Interpolated,
    /// Outside measured shapes, or parameters of a related device.
    Extrapolated,
    /// From the data sheet and a stated efficiency.
    Datasheet,
}

impl Evidence {
    /// Lower-case name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Evidence::Measured => "measured",
            Evidence::Interpolated => "interpolated",
            Evidence::Extrapolated => "extrapolated",
            Evidence::Datasheet => "datasheet",
        }
    }
}
