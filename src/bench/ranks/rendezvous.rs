//! How ranks meet: the leader listens at one address, both sides prove that they know the token, and every message
//! is short. Nothing waits forever.

use super::Place;
use crate::error::{Diagnostic, Error, Result};
use sha2::{Digest, Sha256};
use std::hash::{BuildHasher, Hasher};
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const MAGIC: &[u8; 16] = b"exaplan-ranks/1\n";
/// Longest message: names of hosts, an id of 128 bytes, an item.
const MOST_BYTES: usize = 64 << 10;
/// A peer that says nothing holds nobody up for longer.
const GREETING: Duration = Duration::from_secs(2);
const POLL: Duration = Duration::from_millis(20);
/// After a refusal: the leader may not be there yet.
const AGAIN: Duration = Duration::from_millis(100);

/// What the ranks agree on beside their places.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A secret that all ranks know; may be empty where all are on one host.
    pub token: String,
    /// How long to wait for each other, and for each answer.
    pub patience: Duration,
    /// Address that the leader listens at instead of that of its name.
    pub bind: Option<IpAddr>,
}

/// Connections of one rank.
#[derive(Debug)]
pub enum Link {
    /// Rank 0: to rank 1 and on.
    Leader(Vec<TcpStream>),
    /// Another: to rank 0.
    Follower(TcpStream),
}

fn broken(what: impl Into<String>) -> Error {
    Error::Device { what: what.into() }
}

/// Two random words: a standard hasher begins with random keys.
fn nonce() -> [u8; 16] {
    let word = || std::collections::hash_map::RandomState::new().build_hasher().finish().to_le_bytes();
    let mut out = [0; 16];
    out[..8].copy_from_slice(&word());
    out[8..].copy_from_slice(&word());
    out
}

/// A secret for ranks that one process starts.
#[must_use]
pub fn token() -> String {
    nonce().iter().map(|b| format!("{b:02x}")).collect()
}

/// That `who` knows the token, for these nonces.
fn proof(token: &str, who: &[u8], place: [u32; 2], nonces: [&[u8; 16]; 2]) -> [u8; 32] {
    let mut hash = Sha256::new();
    // Lengths first: no two inputs run into each other.
    hash.update((token.len() as u64).to_le_bytes());
    hash.update(token.as_bytes());
    hash.update(who);
    for number in place {
        hash.update(number.to_le_bytes());
    }
    for nonce in nonces {
        hash.update(nonce);
    }
    hash.update(token.as_bytes());
    hash.finalize().into()
}

/// Without telling by its duration how much is equal.
fn same(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.iter().zip(b).fold(0, |off, (a, b)| off | (a ^ b)) == 0
}

/// Meet all ranks.
///
/// # Errors
/// Who did not come in time, a token that differs, an address that cannot be listened at; [`Error::Interrupted`].
pub fn meet(place: &Place, settings: &Settings, cancel: &AtomicBool) -> Result<Link> {
    let address = address(place, settings)?;
    if !address.ip().is_loopback() && settings.token.is_empty() {
        let text = format!("ranks on several hosts ({address}) need a token");
        let help = "set EXAPLAN_TOKEN to the same secret for all ranks, or MASTER_ADDR to 127.0.0.1 where all are on one host";
        return Err(Diagnostic::new(text).help(help).into());
    }
    let end = Instant::now() + settings.patience;
    if place.rank == 0 {
        lead(place, settings, address, (end, cancel))
    } else {
        follow(place, settings, address, (end, cancel))
    }
}

fn address(place: &Place, settings: &Settings) -> Result<SocketAddr> {
    if let Some(ip) = settings.bind.filter(|_| place.rank == 0) {
        return Ok(SocketAddr::new(ip, place.port));
    }
    let found = (place.leader.as_str(), place.port).to_socket_addrs();
    let mut all = found.map_err(|e| broken(format!("no address of `{}`, the host of rank 0: {e}", place.leader)))?;
    all.next()
        .ok_or_else(|| broken(format!("`{}`, the host of rank 0, has no address", place.leader)))
}

type Wait<'a> = (Instant, &'a AtomicBool);

/// Wait a little, or find that it is over.
fn pause(duration: Duration, (end, cancel): Wait) -> Result<bool> {
    if cancel.load(Ordering::Relaxed) {
        return Err(Error::Interrupted);
    }
    std::thread::sleep(duration);
    Ok(Instant::now() < end)
}

fn lead(place: &Place, settings: &Settings, address: SocketAddr, wait: Wait) -> Result<Link> {
    let io = |e: std::io::Error| {
        let help = "is MASTER_ADDR this host, and the port free? EXAPLAN_PORT names another";
        Diagnostic::new(format!("rank 0 cannot listen at {address}: {e}")).help(help)
    };
    let listener = TcpListener::bind(address).map_err(io)?;
    listener.set_nonblocking(true).map_err(io)?;
    let mut peers: Vec<Option<TcpStream>> = (1..place.world).map(|_| None).collect();
    let mut refused = 0;
    while peers.iter().any(Option::is_none) {
        match listener.accept() {
            Ok((stream, _)) => match greet(stream, place, settings, &peers) {
                Some((rank, stream)) => peers[rank - 1] = Some(stream),
                None => refused += 1,
            },
            Err(e) if e.kind() == ErrorKind::WouldBlock => {
                if !pause(POLL, wait)? {
                    break;
                }
            }
            Err(e) => return Err(io(e).into()),
        }
        if Instant::now() >= wait.0 {
            break;
        }
    }
    let missing: Vec<String> = (1..place.world).filter(|r| peers[r - 1].is_none()).map(|r| r.to_string()).collect();
    if missing.is_empty() {
        return Ok(Link::Leader(peers.into_iter().flatten().collect()));
    }
    let shown = if missing.len() > 8 {
        format!("{} and {} more", missing[..8].join(", "), missing.len() - 8)
    } else {
        missing.join(", ")
    };
    let others = match refused {
        0 => String::new(),
        n => format!("; {n} connections were refused, whose token, number of ranks or rank was another"),
    };
    let seconds = settings.patience.as_secs_f64();
    Err(broken(format!(
        "rank {shown} of {} did not come to {address} in {seconds:.0} s{others}",
        place.world
    )))
}

/// A connection that proves which rank it is; none for all others.
fn greet(mut stream: TcpStream, place: &Place, settings: &Settings, peers: &[Option<TcpStream>]) -> Option<(usize, TcpStream)> {
    stream.set_nonblocking(false).ok()?;
    stream.set_nodelay(true).ok()?;
    stream.set_read_timeout(Some(GREETING)).ok()?;
    stream.set_write_timeout(Some(GREETING)).ok()?;
    let mine = nonce();
    stream.write_all(MAGIC).and_then(|()| stream.write_all(&mine)).ok()?;
    // Magic, nonce, rank, number of ranks, proof.
    let mut hello = [0_u8; 16 + 16 + 4 + 4 + 32];
    stream.read_exact(&mut hello).ok()?;
    let number = |at: usize| u32::from_le_bytes(hello[at..at + 4].try_into().unwrap_or_default());
    let theirs: [u8; 16] = hello[16..32].try_into().ok()?;
    let (rank, world) = (number(32), number(36));
    let shown: [u8; 32] = hello[40..].try_into().ok()?;
    let expected = proof(&settings.token, b"follower", [rank, world], [&mine, &theirs]);
    let index = usize::try_from(rank).ok()?;
    let free = peers.get(index.checked_sub(1)?)?.is_none();
    if &hello[..16] != MAGIC || world as usize != place.world || !free || !same(&shown, &expected) {
        // Whether that arrives does not matter.
        let _ = stream.write_all(&[0; 32]);
        return None;
    }
    let answer = proof(&settings.token, b"leader", [0, world], [&theirs, &mine]);
    stream.write_all(&answer).ok()?;
    stream.set_read_timeout(Some(settings.patience)).ok()?;
    stream.set_write_timeout(Some(settings.patience)).ok()?;
    Some((index, stream))
}

fn follow(place: &Place, settings: &Settings, address: SocketAddr, wait: Wait) -> Result<Link> {
    loop {
        let left = wait.0.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let why = match TcpStream::connect_timeout(&address, left.min(GREETING)) {
            Ok(stream) => match introduce(stream, place, settings) {
                Ok(Some(stream)) => return Ok(Link::Follower(stream)),
                Ok(None) => {
                    let text = format!("rank 0 at {address} refuses rank {} of {}", place.rank, place.world);
                    let help = "EXAPLAN_TOKEN and the number of ranks must be the same for all, and each rank there once";
                    return Err(Diagnostic::new(text).help(help).into());
                }
                Err(e) => e.to_string(),
            },
            Err(e) => e.to_string(),
        };
        if !pause(AGAIN, wait)? {
            let seconds = settings.patience.as_secs_f64();
            return Err(broken(format!("rank 0 is not at {address} after {seconds:.0} s: {why}")));
        }
    }
}

/// None when the leader refuses, or is none that knows the token.
fn introduce(mut stream: TcpStream, place: &Place, settings: &Settings) -> std::io::Result<Option<TcpStream>> {
    stream.set_nodelay(true)?;
    // The leader greets one after the other.
    stream.set_read_timeout(Some(settings.patience))?;
    stream.set_write_timeout(Some(settings.patience))?;
    let mut hello = [0_u8; 32];
    stream.read_exact(&mut hello)?;
    if &hello[..16] != MAGIC {
        return Ok(None);
    }
    let (mine, theirs) = (nonce(), <[u8; 16]>::try_from(&hello[16..]).unwrap_or_default());
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let (rank, world) = (number(place.rank), number(place.world));
    let mut out = Vec::from(MAGIC);
    out.extend_from_slice(&mine);
    out.extend_from_slice(&rank.to_le_bytes());
    out.extend_from_slice(&world.to_le_bytes());
    out.extend_from_slice(&proof(&settings.token, b"follower", [rank, world], [&theirs, &mine]));
    stream.write_all(&out)?;
    let mut answer = [0_u8; 32];
    stream.read_exact(&mut answer)?;
    let expected = proof(&settings.token, b"leader", [0, world], [&mine, &theirs]);
    Ok(same(&answer, &expected).then_some(stream))
}

fn send(stream: &mut TcpStream, message: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(message.len()).ok().filter(|_| message.len() <= MOST_BYTES);
    let length = length.ok_or_else(|| std::io::Error::other("a message is too long"))?;
    stream.write_all(&length.to_le_bytes())?;
    stream.write_all(message)
}

fn receive(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    if length > MOST_BYTES {
        return Err(std::io::Error::other(format!("a message of {length} bytes is too long")));
    }
    let mut message = vec![0; length];
    stream.read_exact(&mut message)?;
    Ok(message)
}

impl Link {
    /// Wait longer for what comes next: rank 0 may do something alone.
    ///
    /// # Errors
    /// When the connection is gone.
    pub fn patience(&self, patience: Duration) -> Result<()> {
        let set = |stream: &TcpStream| {
            stream
                .set_read_timeout(Some(patience))
                .map_err(|e| broken(format!("a rank is gone: {e}")))
        };
        match self {
            Link::Leader(peers) => peers.iter().try_for_each(set),
            Link::Follower(leader) => set(leader),
        }
    }

    /// Send to all others (the leader) or to the leader (another).
    ///
    /// # Errors
    /// Which rank is gone.
    pub fn tell(&mut self, message: &[u8]) -> Result<()> {
        match self {
            Link::Leader(peers) => {
                for (i, peer) in peers.iter_mut().enumerate() {
                    send(peer, message).map_err(|e| broken(format!("rank {} is gone: {e}", i + 1)))?;
                }
                Ok(())
            }
            Link::Follower(leader) => send(leader, message).map_err(|e| broken(format!("rank 0 is gone: {e}"))),
        }
    }

    /// One message of each other rank, by rank (the leader), or of the leader (another).
    ///
    /// # Errors
    /// Which rank says nothing.
    pub fn hear(&mut self) -> Result<Vec<Vec<u8>>> {
        let one = |rank: usize, stream: &mut TcpStream| receive(stream).map_err(|e| broken(format!("rank {rank} says nothing: {e}")));
        match self {
            Link::Leader(peers) => peers.iter_mut().enumerate().map(|(i, p)| one(i + 1, p)).collect(),
            Link::Follower(leader) => Ok(vec![one(0, leader)?]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    fn place(rank: usize, world: usize, port: u16) -> Place {
        Place {
            rank,
            world,
            local_rank: rank,
            launcher: "a test".into(),
            leader: "127.0.0.1".into(),
            port,
        }
    }

    fn free_port() -> u16 {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    fn settings(token: &str, seconds: f64) -> Settings {
        Settings {
            token: token.into(),
            patience: Duration::from_secs_f64(seconds),
            bind: None,
        }
    }

    fn met(rank: usize, world: usize, port: u16, token: &str, seconds: f64) -> Result<Link> {
        meet(&place(rank, world, port), &settings(token, seconds), &AtomicBool::new(false))
    }

    #[test]
    fn ranks_meet_in_any_order_and_hear_each_other() {
        let port = free_port();
        let others: Vec<_> = [3, 1, 2]
            .map(|rank| {
                thread::spawn(move || {
                    let mut link = met(rank, 4, port, "secret", 20.0).unwrap();
                    link.tell(format!("I am {rank}").as_bytes()).unwrap();
                    link.hear().unwrap().remove(0)
                })
            })
            .into();
        let mut leader = met(0, 4, port, "secret", 20.0).unwrap();
        let heard: Vec<String> = leader.hear().unwrap().into_iter().map(|m| String::from_utf8(m).unwrap()).collect();
        assert_eq!(heard, ["I am 1", "I am 2", "I am 3"]);
        leader.patience(Duration::from_millis(50)).unwrap();
        let silent = leader.hear().unwrap_err().to_string();
        assert!(silent.contains("rank 1 says nothing"), "{silent}");
        leader.tell(&[7; 128]).unwrap();
        assert!(others.into_iter().all(|t| t.join().unwrap() == [7; 128]));
        assert!(leader.tell(&vec![0; MOST_BYTES + 1]).is_err());
    }

    #[test]
    fn who_is_missing_or_has_another_token_is_told() {
        let port = free_port();
        let wrong = thread::spawn(move || met(1, 3, port, "guess", 10.0).unwrap_err().to_string());
        let late = met(0, 3, port, "secret", 1.0).unwrap_err().to_string();
        assert!(
            late.contains("rank 1, 2 of 3") && late.contains("1 connections were refused"),
            "{late}"
        );
        assert!(wrong.join().unwrap().contains("refuses rank 1 of 3"));
        let alone = met(1, 2, free_port(), "x", 0.3).unwrap_err().to_string();
        assert!(alone.contains("rank 0 is not at"), "{alone}");
    }

    #[test]
    fn strangers_are_refused_and_hold_nobody_up() {
        let port = free_port();
        let stranger = thread::spawn(move || {
            let mut stream = loop {
                if let Ok(s) = TcpStream::connect(("127.0.0.1", port)) {
                    break s;
                }
            };
            // Longer than any greeting, and nothing that is one.
            let _ = stream.write_all(&[b'G'; 400]);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            answer.len()
        });
        let follower = thread::spawn(move || {
            thread::sleep(Duration::from_millis(300));
            met(1, 2, port, "secret", 20.0).map(|_| ())
        });
        assert!(met(0, 2, port, "secret", 20.0).is_ok());
        follower.join().unwrap().unwrap();
        assert!(stranger.join().unwrap() <= 64);
    }

    #[test]
    fn a_leader_that_does_not_know_the_token_is_not_believed() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let impostor = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(MAGIC).unwrap();
            stream.write_all(&[1; 16]).unwrap();
            let mut hello = [0; 72];
            stream.read_exact(&mut hello).unwrap();
            stream.write_all(&[9; 32]).unwrap();
        });
        assert!(met(1, 2, port, "secret", 5.0).unwrap_err().to_string().contains("refuses"));
        impostor.join().unwrap();
    }

    #[test]
    fn beyond_one_host_a_token_is_needed() {
        let mut far = place(0, 2, 1);
        far.leader = "192.0.2.1".into();
        let outcome = meet(&far, &settings("", 1.0), &AtomicBool::new(false));
        assert!(outcome.unwrap_err().to_string().contains("need a token"));
        let outcome = meet(&place(1, 2, free_port()), &settings("", 60.0), &AtomicBool::new(true));
        assert!(matches!(outcome, Err(Error::Interrupted)));
    }

    #[test]
    fn a_rank_that_comes_twice_is_refused_the_second_time() {
        let port = free_port();
        let first = thread::spawn(move || met(1, 3, port, "s", 20.0));
        let second = thread::spawn(move || {
            thread::sleep(Duration::from_millis(400));
            met(1, 3, port, "s", 20.0)
        });
        let third = thread::spawn(move || {
            thread::sleep(Duration::from_millis(800));
            met(2, 3, port, "s", 20.0)
        });
        assert!(met(0, 3, port, "s", 20.0).is_ok());
        assert!(first.join().unwrap().is_ok() && third.join().unwrap().is_ok());
        assert!(second.join().unwrap().unwrap_err().to_string().contains("refuses"));
    }
}
