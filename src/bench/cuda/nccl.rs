//! NCCL, bound by hand: a few functions with signatures that have not changed since version 2.7 (nccl.h). It is
//! found by the name that it is installed under, and nothing panics when it is not.

#![allow(unsafe_code)]

use crate::error::{Error, Result};
use libloading::Library;
use std::ffi::{c_char, c_int, c_void};
use std::sync::OnceLock;

const NAMES: &[&str] = if cfg!(windows) {
    &["nccl.dll"]
} else {
    &["libnccl.so.2", "libnccl.so"]
};

/// What all ranks share: where the communicator begins.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct UniqueId {
    internal: [c_char; UniqueId::BYTES],
}

impl UniqueId {
    const BYTES: usize = 128;

    /// As it is sent.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        self.internal.iter().map(|c| c.cast_unsigned()).collect()
    }

    /// As it was received.
    ///
    /// # Errors
    /// [`Error::Device`] when it is too long or too short.
    pub fn from_bytes(bytes: &[u8]) -> Result<UniqueId> {
        if bytes.len() != UniqueId::BYTES {
            let what = format!("the id of NCCL has {} bytes", bytes.len());
            return Err(Error::Device { what });
        }
        let mut internal = [0; UniqueId::BYTES];
        internal.iter_mut().zip(bytes).for_each(|(to, from)| *to = from.cast_signed());
        Ok(UniqueId { internal })
    }
}

type Code = c_int;
type Handle = *mut c_void;
type Reduce = unsafe extern "C" fn(*const c_void, *mut c_void, usize, c_int, c_int, Handle, Handle) -> Code;

/// fp32, as nccl.h numbers it.
const FLOAT: c_int = 7;
/// How numbers are reduced, as nccl.h numbers it.
#[derive(Debug, Clone, Copy)]
pub enum Op {
    /// Their sum.
    Sum = 0,
    /// The largest.
    Max = 2,
}

struct Functions {
    get_version: unsafe extern "C" fn(*mut c_int) -> Code,
    get_error_string: unsafe extern "C" fn(Code) -> *const c_char,
    get_unique_id: unsafe extern "C" fn(*mut UniqueId) -> Code,
    comm_init_rank: unsafe extern "C" fn(*mut Handle, c_int, UniqueId, c_int) -> Code,
    comm_abort: unsafe extern "C" fn(Handle) -> Code,
    all_reduce: Reduce,
    reduce_scatter: Reduce,
    all_gather: unsafe extern "C" fn(*const c_void, *mut c_void, usize, c_int, Handle, Handle) -> Code,
    send: unsafe extern "C" fn(*const c_void, usize, c_int, c_int, Handle, Handle) -> Code,
    recv: unsafe extern "C" fn(*mut c_void, usize, c_int, c_int, Handle, Handle) -> Code,
    group_start: unsafe extern "C" fn() -> Code,
    group_end: unsafe extern "C" fn() -> Code,
    // The functions are its.
    _library: Library,
}

fn load() -> std::result::Result<Functions, String> {
    let open = |name: &&str| {
        // SAFETY: loads NCCL; its initializers are those of NVIDIA.
        unsafe { Library::new(*name) }.ok()
    };
    let missing = "no NCCL (libnccl.so.2) found, which is needed for collectives; it comes with `pip install \
        nvidia-nccl-cu12`, whose lib folder must be in LD_LIBRARY_PATH";
    let library = NAMES.iter().find_map(open).ok_or(missing)?;
    macro_rules! function {
        ($name:literal) => {
            // SAFETY: the type of the field that it goes to is that of the function in nccl.h.
            *unsafe { library.get($name) }.map_err(|e| format!("NCCL is too old: {e}"))?
        };
    }
    Ok(Functions {
        get_version: function!(b"ncclGetVersion"),
        get_error_string: function!(b"ncclGetErrorString"),
        get_unique_id: function!(b"ncclGetUniqueId"),
        comm_init_rank: function!(b"ncclCommInitRank"),
        comm_abort: function!(b"ncclCommAbort"),
        all_reduce: function!(b"ncclAllReduce"),
        reduce_scatter: function!(b"ncclReduceScatter"),
        all_gather: function!(b"ncclAllGather"),
        send: function!(b"ncclSend"),
        recv: function!(b"ncclRecv"),
        group_start: function!(b"ncclGroupStart"),
        group_end: function!(b"ncclGroupEnd"),
        _library: library,
    })
}

fn functions() -> Result<&'static Functions> {
    static FUNCTIONS: OnceLock<std::result::Result<Functions, String>> = OnceLock::new();
    let found = FUNCTIONS.get_or_init(load);
    found.as_ref().map_err(|what| Error::Device { what: what.clone() })
}

fn done(f: &Functions, code: Code) -> Result<()> {
    if code == 0 {
        return Ok(());
    }
    // SAFETY: NCCL returns a text that lives as long as the library, for any number.
    let text = unsafe { std::ffi::CStr::from_ptr((f.get_error_string)(code)) };
    Err(Error::Device {
        what: format!("NCCL: {} ({code})", text.to_string_lossy()),
    })
}

/// Its version: 22800 is 2.28.0.
///
/// # Errors
/// [`Error::Device`] when it is missing.
pub fn version() -> Result<usize> {
    let f = functions()?;
    let mut version = 0;
    // SAFETY: writes the number that it is given.
    done(f, unsafe { (f.get_version)(&raw mut version) })?;
    Ok(usize::try_from(version).unwrap_or(0))
}

/// Where a new communicator begins.
///
/// # Errors
/// [`Error::Device`] when NCCL finds no network.
pub fn unique_id() -> Result<UniqueId> {
    let f = functions()?;
    let mut id = UniqueId {
        internal: [0; UniqueId::BYTES],
    };
    // SAFETY: writes the id that it is given.
    done(f, unsafe { (f.get_unique_id)(&raw mut id) })?;
    Ok(id)
}

/// A communicator on the device that is current on this thread.
pub struct Comm {
    f: &'static Functions,
    comm: Handle,
    stream: Handle,
}

impl Comm {
    /// Meet the other ranks of this id; it returns when all are there.
    ///
    /// # Errors
    /// [`Error::Device`] of NCCL.
    pub fn open(id: UniqueId, rank: usize, world: usize, stream: *mut c_void) -> Result<Comm> {
        let f = functions()?;
        let number = |n: usize| c_int::try_from(n).unwrap_or(c_int::MAX);
        let mut comm = std::ptr::null_mut();
        // SAFETY: the place for the communicator is ours.
        done(f, unsafe { (f.comm_init_rank)(&raw mut comm, number(world), id, number(rank)) })?;
        Ok(Comm { f, comm, stream })
    }

    /// `n` numbers of all ranks reduced, on all ranks.
    ///
    /// # Errors
    /// [`Error::Device`] of NCCL.
    pub fn all_reduce(&self, from: u64, to: u64, n: usize, op: Op) -> Result<()> {
        // SAFETY: addresses on the device of buffers that hold `n` numbers and outlive the stream's work: the
        // callers in this room wait for it. So in the functions below.
        done(self.f, unsafe {
            (self.f.all_reduce)(from as _, to as _, n, FLOAT, op as c_int, self.comm, self.stream)
        })
    }

    /// Sums of which each rank gets `n`.
    ///
    /// # Errors
    /// [`Error::Device`] of NCCL.
    pub fn reduce_scatter(&self, from: u64, to: u64, n: usize) -> Result<()> {
        // SAFETY: as above; `from` holds `n` for each rank.
        done(self.f, unsafe {
            (self.f.reduce_scatter)(from as _, to as _, n, FLOAT, Op::Sum as c_int, self.comm, self.stream)
        })
    }

    /// `n` numbers of each rank, on all ranks.
    ///
    /// # Errors
    /// [`Error::Device`] of NCCL.
    pub fn all_gather(&self, from: u64, to: u64, n: usize) -> Result<()> {
        // SAFETY: as above; `to` holds `n` for each rank.
        done(self.f, unsafe {
            (self.f.all_gather)(from as _, to as _, n, FLOAT, self.comm, self.stream)
        })
    }

    /// `n` numbers to each rank and from each.
    ///
    /// # Errors
    /// [`Error::Device`] of NCCL.
    pub fn all_to_all(&self, from: u64, to: u64, n: usize, world: usize) -> Result<()> {
        let f = self.f;
        // SAFETY: as above; both hold `n` for each rank, and the group is closed whatever happens within it.
        unsafe {
            done(f, (f.group_start)())?;
            let all = (0..world).try_for_each(|peer| {
                let at = 4 * (n * peer) as u64;
                let peer = c_int::try_from(peer).unwrap_or(c_int::MAX);
                done(f, (f.send)((from + at) as _, n, FLOAT, peer, self.comm, self.stream))?;
                done(f, (f.recv)((to + at) as _, n, FLOAT, peer, self.comm, self.stream))
            });
            let end = done(f, (f.group_end)());
            all.and(end)
        }
    }
}

impl Drop for Comm {
    fn drop(&mut self) {
        // SAFETY: made by `open`, and given up once. What fails on the way out does not matter.
        let _ = unsafe { (self.f.comm_abort)(self.comm) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_goes_there_and_back() {
        let bytes: Vec<u8> = (0..128).map(|i| i * 2).collect();
        assert_eq!(UniqueId::from_bytes(&bytes).unwrap().to_bytes(), bytes);
        assert!(UniqueId::from_bytes(&bytes[1..]).is_err());
        assert_eq!(size_of::<UniqueId>(), 128);
    }

    #[test]
    fn a_missing_library_is_a_message() {
        match version() {
            Ok(version) => assert!(version > 20_000 && unique_id().is_ok()),
            Err(error) => assert!(error.to_string().contains("libnccl.so.2"), "{error}"),
        }
    }
}
