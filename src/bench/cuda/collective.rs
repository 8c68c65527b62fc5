//! Collectives by NCCL over ranks that were started together. The leader decides what runs and how often; the
//! others follow, so that all do the same. Nothing of NCCL begins before every rank has said that it is ready.

use super::device::{Device, Memory};
use super::input::{Format, spread};
use super::job::{Check, Job};
use super::library::Library;
use super::memory::filled;
use super::nccl::{Comm, Op, UniqueId, unique_id};
use crate::bench::Item;
use crate::bench::ranks::{Link, Place, Settings, meet};
use crate::catalog::Collective;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

const N_CHECKED: u64 = 2048;
/// Rank 0 measures what needs no others alone; when it ends, its connections close.
const NEXT_ORDER: Duration = Duration::from_secs(24 * 3600);
const SINGLE: Format = Format {
    bytes: 4,
    exponent: 8,
    mantissa: 23,
};

/// What the leader asks for.
#[derive(Debug, Serialize, Deserialize)]
enum Order {
    /// Memory for this.
    Prepare(Item),
    /// So many times, after all have begun.
    Run(usize),
    /// Is the result right?
    Check,
    /// No more.
    End,
}

/// What another rank answers: nothing, or what went wrong.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Answer {
    error: Option<String>,
}

/// All ranks, as one of them sees them.
pub struct Team {
    comm: Comm,
    link: RefCell<Link>,
    rank: usize,
    world: usize,
    seed: u64,
}

/// Buffers of one collective, in fp32.
struct Buffers {
    collective: Collective,
    send: Memory,
    receive: Memory,
    barrier: Memory,
    /// Numbers that this rank sends, and that it gets.
    n: [u64; 2],
}

impl Team {
    /// Meet the others and open the communicator.
    ///
    /// # Errors
    /// As [`meet`], and those of NCCL.
    pub fn join(device: &Device, place: &Place, settings: &Settings, seed: u64, cancel: &AtomicBool) -> Result<Team> {
        Library::Nccl.need()?;
        let mut link = meet(place, settings, cancel)?;
        let id = if place.rank == 0 {
            let id = unique_id()?;
            link.tell(&id.to_bytes())?;
            id
        } else {
            UniqueId::from_bytes(&link.hear()?.swap_remove(0))?
        };
        let comm = Comm::open(id, place.rank, place.world, device.stream().cast())?;
        Ok(Team {
            comm,
            link: RefCell::new(link),
            rank: place.rank,
            world: place.world,
            seed,
        })
    }

    /// Members.
    #[must_use]
    pub fn world(&self) -> usize {
        self.world
    }

    fn buffers(&self, device: &Device, collective: Collective, bytes: u64) -> Result<Buffers> {
        let world = self.world as u64;
        let part = (bytes / 4 / world).max(1);
        let n = match collective {
            Collective::AllReduce | Collective::AllToAll => [part * world; 2],
            Collective::AllGather => [part, part * world],
            Collective::ReduceScatter => [part * world, part],
        };
        let receive = device.memory(usize::try_from(4 * n[1]).unwrap_or(usize::MAX))?;
        device.zero(&receive)?;
        Ok(Buffers {
            collective,
            send: filled(device, SINGLE, self.seed_of(self.rank), n[0])?,
            receive,
            barrier: filled(device, SINGLE, 1, 4)?,
            n,
        })
    }

    /// Every rank has numbers of its own.
    fn seed_of(&self, rank: usize) -> u64 {
        self.seed + 1000 * (rank as u64 + 1)
    }

    /// Put the collective on the stream. All ranks do so in the same order: see [`Order`].
    fn run(&self, b: &Buffers) -> Result<()> {
        let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let (from, to) = (b.send.address(), b.receive.address());
        match b.collective {
            Collective::AllReduce => self.comm.all_reduce(from, to, size(b.n[0]), Op::Sum),
            Collective::AllGather => self.comm.all_gather(from, to, size(b.n[0])),
            Collective::ReduceScatter => self.comm.reduce_scatter(from, to, size(b.n[1])),
            Collective::AllToAll => self.comm.all_to_all(from, to, size(b.n[0]) / self.world, self.world),
        }
    }

    /// Wait until all ranks are here: one number, in place.
    fn barrier(&self, b: &Buffers) -> Result<()> {
        self.comm.all_reduce(b.barrier.address(), b.barrier.address(), 1, Op::Max)
    }

    /// What this rank got, against the numbers that all ranks sent.
    fn check(&self, device: &Device, b: &Buffers) -> Result<Check> {
        let mut check = Check::default();
        let part = b.n[0].min(b.n[1]);
        for i in spread(b.n[1], N_CHECKED, self.seed) {
            let found = SINGLE.decode_all(&device.read(&b.receive, usize::try_from(4 * i).unwrap_or(0), 4)?)[0];
            let block = self.rank as u64 * part;
            let of = |rank: usize, i: u64| SINGLE.element(self.seed_of(rank), i);
            let all = |i: u64| (0..self.world).fold((0.0, 0.0), |(x, s), r| (x + of(r, i), s + of(r, i).abs()));
            let length = b.n[0] / self.world as u64;
            let from = |i: u64, part: u64| (usize::try_from(i / part).unwrap_or(0), i % part);
            let (exact, size) = match b.collective {
                Collective::AllReduce => all(i),
                Collective::ReduceScatter => all(block + i),
                Collective::AllGather => {
                    let (rank, i) = from(i, part);
                    (of(rank, i), 1.0)
                }
                Collective::AllToAll => {
                    let (rank, i) = from(i, length);
                    (of(rank, self.rank as u64 * length + i), 1.0)
                }
            };
            check.add(found, exact, size, self.world as f64 * SINGLE.rounding() * size);
        }
        Ok(check)
    }

    /// Tell all others, do the same here, and hear that all did it.
    fn all<T>(&self, order: &Order, here: impl FnOnce() -> Result<T>) -> Result<T> {
        let mut link = self.link.borrow_mut();
        let text = serde_json::to_vec(order).map_err(|e| Error::Device { what: e.to_string() })?;
        link.tell(&text)?;
        let done = here();
        for (i, answer) in link.hear()?.iter().enumerate() {
            let answer: Answer = serde_json::from_slice(answer).map_err(|e| Error::Device { what: e.to_string() })?;
            if let Some(error) = answer.error {
                let what = format!("rank {}: {error}", i + 1);
                return Err(Error::Device { what });
            }
        }
        done
    }

    /// Make a collective ready on all ranks; the leader's part.
    ///
    /// # Errors
    /// Which rank could not, and why.
    pub fn prepare<'a>(&'a self, device: &'a Device, item: Item) -> Result<Job<'a>> {
        let version = Library::Nccl.version()?;
        let Item::Collective { collective, bytes, .. } = item else {
            let what = format!("{item} is no collective");
            return Err(Error::Device { what });
        };
        let buffers = self.all(&Order::Prepare(item), || self.buffers(device, collective, bytes))?;
        let once = |runs: usize| {
            self.all(&Order::Run(runs), || {
                self.barrier(&buffers)?;
                device.time_s(runs, &mut || self.run(&buffers))
            })
        };
        once(1)?;
        let check = self.all(&Order::Check, || self.check(device, &buffers))?;
        Ok(Job {
            kernel: format!("NCCL {version}, fp32, {} ranks, one device each", self.world),
            check,
            parts: 1,
            time_s: Box::new(move |runs| {
                self.all(&Order::Run(runs), || {
                    self.barrier(&buffers)?;
                    device.time_s(runs, &mut || self.run(&buffers))
                })
            }),
        })
    }

    /// Do what the leader says until it is done.
    ///
    /// # Errors
    /// When the leader is gone.
    pub fn follow(&self, device: &Device) -> Result<()> {
        self.link.borrow().patience(NEXT_ORDER)?;
        let mut buffers = None;
        loop {
            let text = self.link.borrow_mut().hear()?.swap_remove(0);
            let order: Order = serde_json::from_slice(&text).map_err(|e| Error::Device { what: e.to_string() })?;
            let done = match (&order, &buffers) {
                (Order::End, _) => return Ok(()),
                (Order::Prepare(Item::Collective { collective, bytes, .. }), _) => {
                    // The old ones first: both may not fit.
                    buffers = None;
                    self.buffers(device, *collective, *bytes).map(|b| buffers = Some(b))
                }
                (Order::Run(runs), Some(b)) => self
                    .barrier(b)
                    .and_then(|()| (0..*runs).try_for_each(|_| self.run(b)))
                    .and_then(|()| device.sync()),
                (Order::Check, Some(b)) => self.check(device, b).and_then(|c| c.verdict(&"the collective").map(|_| ())),
                _ => Err(Error::Device {
                    what: "an order that does not fit".to_string(),
                }),
            };
            let answer = Answer {
                error: done.err().map(|e| e.to_string()),
            };
            let text = serde_json::to_vec(&answer).map_err(|e| Error::Device { what: e.to_string() })?;
            self.link.borrow_mut().tell(&text)?;
        }
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        if self.rank == 0 {
            // Who does not hear it finds the connection closed.
            let end = serde_json::to_vec(&Order::End).unwrap_or_default();
            let _ = self.link.borrow_mut().tell(&end);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_short_and_read_as_they_are_written() {
        let item = Item::Collective {
            collective: Collective::AllToAll,
            ranks: 1 << 16,
            bytes: 4 << 30,
        };
        for order in [Order::Prepare(item), Order::Run(usize::MAX), Order::Check, Order::End] {
            let text = serde_json::to_vec(&order).unwrap();
            assert!(text.len() < 1000);
            assert_eq!(
                format!("{:?}", serde_json::from_slice::<Order>(&text).unwrap()),
                format!("{order:?}")
            );
        }
    }
}
