//! The catalog: named things with a source.

pub mod accelerator;
pub mod cluster;
pub mod fabric;
pub mod market;
pub mod model;
pub mod profile;

pub use accelerator::{Accelerator, DType, Money3, Peak};
pub use cluster::{Cluster, Level, Node, Reliability};
pub use fabric::{Fabric, Topology};
pub use market::{Commitment, Finance, Grid, Offer, Region};
pub use model::{Attention, Latent, Model, Moe, Sliding};
pub use profile::{AffinePieces, AttentionWave, Collective, GemmWave, Profile, Stack};
