//! What a shard has done so far: an append-only file of frames, each with its length and checksum.
//!
//! A process that is killed leaves whole frames and perhaps a torn one at the end, which is dropped.

use crate::error::{Diagnostic, Error, Result};
use crate::study::sweep::Row;
use crate::study::sweep::row::{COLUMNS, Cell};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: &str = "exaplan.sweep.journal/1\n";
/// Larger frames are damage, not rows.
const MAX_FRAME_BYTES: u32 = 256 * 1024 * 1024;
/// Length and checksum before each frame.
const HEAD_BYTES: usize = 12;

/// One row as it is kept: the number of the case and the cells of [`COLUMNS`].
pub type Kept = (u64, Vec<Cell>);

/// A journal that is being written. No other process writes it meanwhile.
pub struct Journal {
    path: PathBuf,
    file: File,
    /// What was found in it, and since added.
    pub done: Done,
}

/// How far a journal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Done {
    /// Rows.
    pub n_rows: u64,
    /// Rows with a result.
    pub n_feasible: u64,
    /// The last case.
    pub last: Option<u64>,
}

impl Done {
    fn add(&mut self, case: u64, feasible: bool) {
        self.n_rows += 1;
        self.n_feasible += u64::from(feasible);
        self.last = Some(case);
    }
}

impl Journal {
    /// Open the journal of what `label` says, or begin it.
    ///
    /// # Errors
    /// When it is in use, is about something else, or cannot be written.
    pub fn open(path: &Path, label: &str) -> Result<Journal> {
        let io = |e| io(path, e);
        if let Some(dir) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(dir).map_err(io)?;
        }
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
        lock(&file, path)?;
        let (sound_bytes, done) = match scan(&mut BufReader::new(&mut file), path, label)? {
            Some(found) => found,
            None => {
                // New, or killed before its first line was whole.
                let head = format!("{MAGIC}{label}\n");
                file.set_len(0).map_err(io)?;
                file.seek(SeekFrom::Start(0)).map_err(io)?;
                file.write_all(head.as_bytes()).map_err(io)?;
                (head.len() as u64, Done::default())
            }
        };
        file.set_len(sound_bytes).map_err(io)?;
        file.seek(SeekFrom::End(0)).map_err(io)?;
        Ok(Journal {
            path: path.to_path_buf(),
            file,
            done,
        })
    }

    /// Add rows; they are safe from the end of this process when it returns.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn add(&mut self, rows: Vec<Row>) -> Result<()> {
        let mut frame = vec![0; HEAD_BYTES];
        for row in rows {
            let (case, feasible) = (row.case, row.outcome.is_ok());
            frame.extend(case.to_le_bytes());
            row.cells().iter().for_each(|cell| encode(cell, &mut frame));
            self.done.add(case, feasible);
        }
        let (length, sum) = (frame.len() - HEAD_BYTES, checksum(&frame[HEAD_BYTES..]));
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        frame[..4].copy_from_slice(&length.to_le_bytes());
        frame[4..HEAD_BYTES].copy_from_slice(&sum.to_le_bytes());
        self.file.write_all(&frame).map_err(|e| io(&self.path, e))
    }

    /// Every row, in the order in which they were added.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn rows(&mut self, mut each: impl FnMut(Kept) -> Result<()>) -> Result<()> {
        self.file.seek(SeekFrom::Start(0)).map_err(|e| io(&self.path, e))?;
        let mut input = BufReader::new(&mut self.file);
        let _ = head(&mut input).map_err(|e| io(&self.path, e))?;
        frames(&mut input, &mut each).map_err(|e| e.unwrap_or_else(|e| io(&self.path, e)))?;
        Ok(())
    }

    /// Take it away: its rows are elsewhere.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(self) -> Result<()> {
        std::fs::remove_file(&self.path).map_err(|e| io(&self.path, e))
    }
}

fn lock(file: &File, path: &Path) -> Result<()> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            let text = format!("another process works on `{}`", path.display());
            Err(Diagnostic::new(text)
                .help("wait for it, or give this one another --shard; `exaplan sweep status` shows all")
                .into())
        }
        // A file system without locks: shards have files of their own, so none is needed either.
        Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// How far the journal of a running or stopped shard is, and whether a process works on it.
///
/// # Errors
/// When it cannot be read.
pub fn look(path: &Path, label: &str) -> Result<(Done, bool)> {
    let file = File::open(path).map_err(|e| io(path, e))?;
    let running = matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
    let found = scan(&mut BufReader::new(file), path, label)?;
    Ok((found.map_or_else(Done::default, |(_, done)| done), running))
}

/// Bytes up to the end of the last whole frame and what they hold; nothing where no head is.
fn scan(input: &mut impl Read, path: &Path, label: &str) -> Result<Option<(u64, Done)>> {
    let Some(found) = head(input).map_err(|e| io(path, e))? else {
        return Ok(None);
    };
    if found != label {
        let text = format!("`{}` was begun with another study, scenario, catalog or program", path.display());
        let help = "give --restart to begin anew, or another --dir";
        return Err(Diagnostic::new(text).help(help).into());
    }
    let mut done = Done::default();
    let mut each = |(case, cells): Kept| {
        done.add(case, matches!(cells.first(), Some(Cell::Flag(true))));
        Ok(())
    };
    let bytes = frames(input, &mut each).map_err(|e| e.unwrap_or_else(|e| io(path, e)))?;
    Ok(Some(((MAGIC.len() + label.len() + 1) as u64 + bytes, done)))
}

/// The label of a journal; nothing where its head is not whole.
fn head(input: &mut impl Read) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    let mut lines = Vec::new();
    let mut byte = [0];
    while lines.len() < 2 {
        if input.read(&mut byte)? == 0 {
            return Ok(None);
        }
        if byte[0] == b'\n' {
            lines.push(String::from_utf8_lossy(&line).into_owned());
            line.clear();
        } else {
            line.push(byte[0]);
        }
    }
    Ok(lines.pop().filter(|_| format!("{}\n", lines[0]) == MAGIC).or(Some(String::new())))
}

/// Go through whole frames; their bytes.
fn frames(
    input: &mut impl Read,
    each: &mut impl FnMut(Kept) -> Result<()>,
) -> std::result::Result<u64, std::result::Result<Error, std::io::Error>> {
    let mut bytes = 0;
    let mut frame = Vec::new();
    loop {
        let mut start = [0; HEAD_BYTES];
        if !whole(input, &mut start).map_err(Err)? {
            return Ok(bytes);
        }
        let (length, sum) = start.split_at(4);
        let length = length.try_into().map_or(u32::MAX, u32::from_le_bytes);
        let sum = sum.try_into().map_or(0, u64::from_le_bytes);
        if length > MAX_FRAME_BYTES {
            return Ok(bytes);
        }
        frame.resize(length as usize, 0);
        if !whole(input, &mut frame).map_err(Err)? || checksum(&frame) != sum {
            return Ok(bytes);
        }
        let mut rest = frame.as_slice();
        while let Some(row) = decode(&mut rest) {
            each(row).map_err(Ok)?;
        }
        bytes += (HEAD_BYTES + frame.len()) as u64;
    }
}

/// Fill a buffer; false where the input ends before.
fn whole(input: &mut impl Read, buffer: &mut [u8]) -> std::io::Result<bool> {
    match input.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

/// FNV-1a over words of eight bytes (Fowler, Noll, Vo; draft-eastlake-fnv): tells a torn frame from a whole one.
fn checksum(bytes: &[u8]) -> u64 {
    let word = |chunk: &[u8]| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    };
    let start = 0xcbf2_9ce4_8422_2325 ^ bytes.len() as u64;
    bytes.chunks(8).fold(start, |sum, chunk| {
        (sum ^ word(chunk)).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23)
    })
}

fn encode(cell: &Cell, out: &mut Vec<u8>) {
    match cell {
        Cell::Null => out.push(0),
        Cell::Whole(n) => {
            out.push(1);
            out.extend(n.to_le_bytes());
        }
        Cell::Number(x) => {
            out.push(2);
            out.extend(x.to_bits().to_le_bytes());
        }
        Cell::Text(text) => {
            out.push(3);
            out.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
            out.extend(text.as_bytes());
        }
        Cell::Flag(b) => out.push(4 + u8::from(*b)),
    }
}

/// The next row of a frame; nothing at its end.
fn decode(bytes: &mut &[u8]) -> Option<Kept> {
    let case = u64::from_le_bytes(take(bytes)?);
    let cells = COLUMNS.iter().map(|_| cell(bytes)).collect::<Option<Vec<_>>>()?;
    Some((case, cells))
}

fn cell(bytes: &mut &[u8]) -> Option<Cell> {
    Some(match take::<1>(bytes)?[0] {
        0 => Cell::Null,
        1 => Cell::Whole(i64::from_le_bytes(take(bytes)?)),
        2 => Cell::Number(f64::from_bits(u64::from_le_bytes(take(bytes)?))),
        3 => {
            let length = u32::from_le_bytes(take(bytes)?) as usize;
            let text = bytes.get(..length)?;
            *bytes = &bytes[length..];
            Cell::Text(String::from_utf8_lossy(text).into_owned().into())
        }
        flag => Cell::Flag(flag == 5),
    })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*first)
}

fn io(path: &Path, source: std::io::Error) -> Error {
    Error::Io {
        path: path.to_path_buf(),
        source,
    }
}
