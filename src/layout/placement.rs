//! Which parallel group spans which part of the machine.
//!
//! Ranks are laid out tensor first, then context, data, pipeline (Megatron's default order), so a
//! group of stride `s` has `domain / s` members inside one scale-up domain.

use super::Layout;

/// One communication group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed {
    /// Members.
    pub n: f64,
    /// Members inside one scale-up domain.
    pub per_domain: f64,
}

impl Placed {
    fn new(n: f64, stride: f64, domain: f64) -> Placed {
        let per_domain = (domain / stride).floor().clamp(1.0, n.max(1.0));
        Placed { n, per_domain }
    }

    /// True when every member is in one domain.
    #[must_use]
    pub fn inside(&self) -> bool {
        self.per_domain >= self.n
    }
}

/// The groups of a layout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Groups {
    /// Tensor ranks.
    pub tensor: Placed,
    /// Context ranks.
    pub context: Placed,
    /// Ranks over which gradients of dense weights are reduced and their state is shared.
    pub data: Placed,
    /// The part of `data` inside one sharding group (HSDP).
    pub shard: Placed,
    /// Copies of a sharding group.
    pub replica: Placed,
    /// Expert ranks.
    pub expert: Placed,
    /// Tensor ranks inside experts.
    pub expert_tensor: Placed,
    /// Ranks over which gradients of expert weights are reduced.
    pub expert_data: Placed,
    /// True when neighbouring pipeline stages share a domain.
    pub pipeline_inside: bool,
}

/// Place the groups of a layout on domains of `domain` devices.
#[must_use]
pub fn place(layout: &Layout, domain: u32) -> Groups {
    let d = f64::from(domain.max(1));
    let (t, c) = (f64::from(layout.tensor), f64::from(layout.context));
    let (dp, replicas) = (f64::from(layout.data), f64::from(layout.replicas.max(1)));
    let (e, et) = (f64::from(layout.expert), f64::from(layout.expert_tensor));
    // Context ranks hold the same weights, so gradients are reduced over context and data together.
    let shard = c * dp / replicas;
    Groups {
        tensor: Placed::new(t, 1.0, d),
        context: Placed::new(c, t, d),
        data: Placed::new(c * dp, t, d),
        shard: Placed::new(shard, t, d),
        replica: Placed::new(replicas, t * shard, d),
        expert: Placed::new(e, et, d),
        expert_tensor: Placed::new(et, 1.0, d),
        expert_data: Placed::new(layout.expert_data(), e * et, d),
        pipeline_inside: t * c * dp * 2.0 <= d,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_know_how_many_members_share_a_domain() {
        let layout = Layout {
            tensor: 2,
            context: 2,
            pipeline: 4,
            data: 16,
            ..Layout::single()
        };
        let g = place(&layout, 8);
        assert!(g.tensor.inside() && g.context.inside());
        assert_eq!((g.data.n, g.data.per_domain), (32.0, 4.0));
        assert!(!g.pipeline_inside);
        let whole = place(
            &Layout {
                tensor: 8,
                pipeline: 2,
                ..Layout::single()
            },
            72,
        );
        assert!(whole.pipeline_inside);
    }
}
