//! This machine's own processors, measured suite by suite: what a face needs without knowing backends.

use super::grid::{self, Reach};
use super::{Backend, Clock, End, Environment, Event, Item, Monotonic, Protocol, cpu, order};
use crate::error::Result;
use std::sync::atomic::AtomicBool;

/// Kernels that belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suite {
    /// Its name for the command line.
    pub name: &'static str,
    /// What it measures.
    pub what: &'static str,
    /// Backends that have it.
    pub needs: &'static str,
    /// The host has kernels for it.
    pub on_host: bool,
}

/// All suites.
pub const SUITES: [Suite; 7] = [
    Suite {
        name: "stream",
        what: "memory bandwidth: copy and triad",
        needs: "cpu, cuda, jax, torch",
        on_host: true,
    },
    Suite {
        name: "gemm",
        what: "matrix multiplies in every format that the backend has, operands as forward, dgrad and wgrad",
        needs: "cpu, cuda, jax, torch",
        on_host: true,
    },
    Suite {
        name: "attention",
        what: "flash-style or the framework's attention, forward and backward, causal and grouped",
        needs: "cpu, cuda (a floor), jax, torch",
        on_host: true,
    },
    Suite {
        name: "collective",
        what: "all-reduce, all-gather, reduce-scatter, all-to-all: over threads or devices",
        needs: "cpu, cuda or jax with --devices 2 or more, cuda under torchrun, srun or mpirun",
        on_host: true,
    },
    Suite {
        name: "fused",
        what: "element-wise work of the scenarios: norms, activations, loss, optimizer",
        needs: "cuda, jax",
        on_host: false,
    },
    Suite {
        name: "transfer",
        what: "copies between host and device",
        needs: "cuda",
        on_host: false,
    },
    Suite {
        name: "launch",
        what: "what the launch of a kernel costs, one by one and in a graph",
        needs: "cuda",
        on_host: false,
    },
];

/// Suites that the host has kernels for.
pub fn suites() -> impl Iterator<Item = &'static Suite> {
    SUITES.iter().filter(|s| s.on_host)
}

/// Bytes of a stream buffer: beyond the caches of any host.
pub const BUFFER_BYTES: u64 = 256 << 20;

/// Of random inputs.
pub const SEED: u64 = 1;

/// Seconds that the suites take together.
const BUDGET_S: f64 = 30.0;

/// What the suites of these names measure on so many cores, the most informative first.
#[must_use]
pub fn items(names: &[String], n_cores: usize) -> Vec<Item> {
    let mut list = order::order(&[], &grid::items(&Reach::host(n_cores as u64, BUFFER_BYTES)));
    list.retain(|i| names.iter().any(|n| n == i.suite()));
    list
}

/// Measure the suites of these names for half a minute, but not again what is `known`. The machine and the number of
/// kernels in all are told first, and again with whatever happens.
///
/// # Errors
/// [`crate::Error::Device`] when nothing could be measured.
pub fn measure(
    names: &[String],
    known: &[Item],
    cancel: &AtomicBool,
    tell: &mut dyn FnMut(&Environment, usize, Option<&Event>),
) -> Result<End> {
    let mut host = cpu::Host::new(None, SEED)?;
    let clock = Monotonic::default();
    let environment = host.environment(&clock)?;
    let mut list = items(names, host.machine().n_cores);
    list.retain(|i| host.supports(i));
    tell(&environment, list.len(), None);
    let mut told = |event: Event| {
        tell(&environment, list.len(), Some(&event));
        Ok(())
    };
    let how = (&clock as &dyn Clock, cancel);
    super::run(&mut host, (&list, known), (&Protocol::default(), BUDGET_S), how, &mut told)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much there is is known even of a run that is stopped before its first kernel.
    #[test]
    fn a_run_that_is_stopped_at_once_says_what_it_was() {
        let mut told = Vec::new();
        let names = ["stream".to_string(), "collective".to_string()];
        let end = measure(&names, &[], &AtomicBool::new(true), &mut |machine, n, event| {
            told.push((machine.is_host, n, event.is_none()));
        });
        let [(true, n, true)] = told[..] else { panic!("{told:?}") };
        assert!(n >= 2 && matches!(end, Ok(End::Interrupted(left)) if left == n));
    }
}
