//! Who is who among processes that were started together, and how they meet.
//!
//! A launcher (`torchrun`, Slurm's `srun`, Open MPI's `mpirun`) says by environment variables which rank a process
//! is. Rank 0 listens; the others come to it. What they exchange is small: an id of a collective library, and what
//! to run next. No device is needed for any of it.

mod rendezvous;

pub use rendezvous::{Link, Settings, meet, token};

use crate::error::{Diagnostic, Result};

/// Port of the leader where no launcher names one: one above that of `torchrun`, whose own store has it.
const PORT: u16 = 29_501;
/// More ranks than any machine has are a mistake.
const MOST_RANKS: usize = 1 << 17;

/// The place of a process.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Place {
    /// Its number.
    pub rank: usize,
    /// How many there are.
    pub world: usize,
    /// Its number on its host: the device that it takes.
    pub local_rank: usize,
    /// Who started it.
    pub launcher: String,
    /// Host of rank 0.
    pub leader: String,
    /// Port of rank 0.
    pub port: u16,
}

/// Names of variables: rank, number of ranks, rank on the host.
struct Launcher {
    name: &'static str,
    rank: &'static str,
    world: &'static str,
    local: &'static str,
}

const LAUNCHERS: [Launcher; 3] = [
    Launcher {
        name: "torchrun",
        rank: "RANK",
        world: "WORLD_SIZE",
        local: "LOCAL_RANK",
    },
    Launcher {
        name: "Open MPI",
        rank: "OMPI_COMM_WORLD_RANK",
        world: "OMPI_COMM_WORLD_SIZE",
        local: "OMPI_COMM_WORLD_LOCAL_RANK",
    },
    // SLURM_NTASKS is also set in a batch script, which is no rank; this one only by `srun`.
    Launcher {
        name: "Slurm",
        rank: "SLURM_PROCID",
        world: "SLURM_STEP_NUM_TASKS",
        local: "SLURM_LOCALID",
    },
];

/// The place that the environment says; none when no launcher started this process.
///
/// # Errors
/// A variable that is missing beside others, or no number, or out of range.
pub fn place(lookup: &dyn Fn(&str) -> Option<String>) -> Result<Option<Place>> {
    let Some(launcher) = LAUNCHERS.iter().find(|l| lookup(l.rank).is_some() && lookup(l.world).is_some()) else {
        return Ok(None);
    };
    let number = |name: &str, default: Option<usize>| -> Result<usize> {
        let Some(text) = lookup(name) else {
            return default.ok_or_else(|| wrong(launcher, name, "is not set"));
        };
        text.trim()
            .parse()
            .map_err(|_| wrong(launcher, name, &format!("is `{text}`, no number")))
    };
    let (rank, world) = (number(launcher.rank, None)?, number(launcher.world, None)?);
    if world == 0 || world > MOST_RANKS || rank >= world {
        let why = format!("is {rank} of {world}: it must be below the number of ranks");
        return Err(wrong(launcher, launcher.rank, &why));
    }
    let local_rank = number(launcher.local, Some(0))?;
    let port = match (lookup("EXAPLAN_PORT"), lookup("MASTER_PORT")) {
        (Some(_), _) => port(launcher, lookup, "EXAPLAN_PORT")?,
        // That port is taken by the store of `torchrun`.
        (None, Some(_)) => port(launcher, lookup, "MASTER_PORT")?.checked_add(1).unwrap_or(PORT),
        (None, None) => PORT,
    };
    let leader = leader(launcher, lookup, world)?;
    Ok(Some(Place {
        rank,
        world,
        local_rank,
        launcher: launcher.name.to_string(),
        leader,
        port,
    }))
}

fn port(launcher: &Launcher, lookup: &dyn Fn(&str) -> Option<String>, name: &str) -> Result<u16> {
    let text = lookup(name).unwrap_or_default();
    let port = text.trim().parse::<u16>().ok().filter(|p| *p > 0);
    port.ok_or_else(|| wrong(launcher, name, &format!("is `{text}`, no port")))
}

/// The host of rank 0. Where all ranks are on one host they meet on its loopback, whatever its name is.
fn leader(launcher: &Launcher, lookup: &dyn Fn(&str) -> Option<String>, world: usize) -> Result<String> {
    let is = |name: &str, n: usize| lookup(name).is_some_and(|text| text.trim() == n.to_string());
    let all_here = match launcher.name {
        "torchrun" => is("LOCAL_WORLD_SIZE", world),
        "Slurm" => is("SLURM_STEP_NUM_NODES", 1),
        _ => is("OMPI_COMM_WORLD_LOCAL_SIZE", world),
    };
    if world == 1 || all_here {
        return Ok("127.0.0.1".to_string());
    }
    if let Some(host) = lookup("MASTER_ADDR").filter(|h| !h.trim().is_empty()) {
        return Ok(host.trim().to_string());
    }
    // Rank 0 of a step runs on its first host.
    match lookup("SLURM_STEP_NODELIST").filter(|_| launcher.name == "Slurm") {
        Some(list) => Ok(first_host(&list)),
        None => Err(wrong(launcher, "MASTER_ADDR", "is not set, so nobody knows where rank 0 is")),
    }
}

/// `node[03-06,09]` begins with `node03`.
fn first_host(list: &str) -> String {
    let end = list.find([',', '[']).unwrap_or(list.len());
    let (head, rest) = list.split_at(end);
    let Some(inside) = rest.strip_prefix('[') else {
        return head.to_string();
    };
    let number = &inside[..inside.find([',', '-', ']']).unwrap_or(inside.len())];
    let tail = inside.split_once(']').map_or("", |(_, t)| t);
    let tail = &tail[..tail.find([',', '[']).unwrap_or(tail.len())];
    format!("{head}{number}{tail}")
}

fn wrong(launcher: &Launcher, name: &str, why: &str) -> crate::error::Error {
    let text = format!("{name} {why} (this process was started by {})", launcher.name);
    let help = "start all ranks with torchrun, srun or mpirun, or unset its variables; MASTER_ADDR is the host of rank 0";
    Diagnostic::new(text).help(help).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Result<Option<Place>> {
        let pairs: Vec<(String, String)> = pairs.iter().map(|(a, b)| ((*a).to_string(), (*b).to_string())).collect();
        place(&move |name| pairs.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone()))
    }

    #[test]
    fn launchers_are_known_by_their_variables() {
        assert_eq!(of(&[]).unwrap(), None);
        let torch = [
            ("RANK", "3"),
            ("WORLD_SIZE", "16"),
            ("LOCAL_RANK", "3"),
            ("MASTER_ADDR", "node0"),
            ("MASTER_PORT", "1234"),
        ];
        let place = of(&torch).unwrap().unwrap();
        assert_eq!((place.rank, place.world, place.local_rank, place.port), (3, 16, 3, 1235));
        assert_eq!((place.launcher.as_str(), place.leader.as_str()), ("torchrun", "node0"));
        let slurm = [
            ("SLURM_PROCID", "9"),
            ("SLURM_STEP_NUM_TASKS", "16"),
            ("SLURM_LOCALID", "1"),
            ("SLURM_STEP_NODELIST", "gpu[07-08,12]"),
        ];
        let place = of(&slurm).unwrap().unwrap();
        assert_eq!((place.leader.as_str(), place.port, place.local_rank), ("gpu07", 29_501, 1));
        let mpi = [
            ("OMPI_COMM_WORLD_RANK", "1"),
            ("OMPI_COMM_WORLD_SIZE", "2"),
            ("OMPI_COMM_WORLD_LOCAL_SIZE", "2"),
            ("EXAPLAN_PORT", "77"),
        ];
        let place = of(&mpi).unwrap().unwrap();
        assert_eq!((place.leader.as_str(), place.port), ("127.0.0.1", 77));
        let mut here = torch.to_vec();
        here.push(("LOCAL_WORLD_SIZE", "16"));
        assert_eq!(of(&here).unwrap().unwrap().leader, "127.0.0.1");
        // A batch script of Slurm is no rank.
        assert_eq!(of(&[("SLURM_PROCID", "0"), ("SLURM_NTASKS", "8")]).unwrap(), None);
    }

    #[test]
    fn wrong_variables_are_named() {
        let say = |pairs: &[(&str, &str)]| of(pairs).unwrap_err().to_string();
        let base = [("RANK", "0"), ("WORLD_SIZE", "2")];
        assert!(say(&base).contains("MASTER_ADDR"));
        assert!(say(&[("RANK", "2"), ("WORLD_SIZE", "2")]).contains("2 of 2"));
        assert!(say(&[("RANK", "x"), ("WORLD_SIZE", "2")]).contains("`x`"));
        assert!(say(&[("RANK", "0"), ("WORLD_SIZE", "999999999")]).contains("RANK"));
        let port = [("RANK", "0"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "a"), ("MASTER_PORT", "0")];
        assert!(say(&port).contains("MASTER_PORT"));
    }

    #[test]
    fn the_first_host_of_a_list() {
        for (list, first) in [
            ("a", "a"),
            ("a,b", "a"),
            ("n[1-4]", "n1"),
            ("n[01,03]", "n01"),
            ("r[2]-x,q", "r2-x"),
            ("", ""),
            ("n[", "n"),
        ] {
            assert_eq!(first_host(list), first, "{list}");
        }
    }
}
