//! What was measured, a line each: whatever ends a run, the lines before stay true, and the next run
//! goes on after them.

use super::{Environment, Measured};
use crate::error::{Diagnostic, Result};
use serde::{Deserialize, Serialize};

/// First line of a journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// Format of the lines.
    pub schema: String,
    /// Name of the backend.
    pub backend: String,
    /// The machine.
    pub environment: Environment,
}

/// The format that is written and read.
pub const SCHEMA: &str = "exaplan.bench-journal/1";

/// A line with its end.
///
/// # Errors
/// Never in practice: numbers and names have a form in JSON.
pub fn line<T: Serialize>(value: &T) -> Result<String> {
    let text = serde_json::to_string(value).map_err(|e| Diagnostic::new(format!("a line of the journal: {e}")))?;
    Ok(text + "\n")
}

/// What a journal holds. A last line that is torn is as if it were not there.
///
/// # Errors
/// When the first line is not that of a journal, or another than the last is broken.
pub fn read(text: &str) -> Result<(Head, Vec<Measured>)> {
    let mut lines = text.split_inclusive('\n').filter(|l| l.ends_with('\n'));
    let head: Head = lines
        .next()
        .and_then(|l| serde_json::from_str(l).ok())
        .filter(|h: &Head| h.schema == SCHEMA)
        .ok_or_else(|| Diagnostic::new("line 1 is not that of a journal of `bench run`").help("--fresh starts it anew"))?;
    let mut list = Vec::new();
    for (i, line) in lines.enumerate() {
        let one: Measured = serde_json::from_str(line).map_err(|e| {
            let text = format!("line {} of the journal is broken: {e}", i + 2);
            Diagnostic::new(text).help("remove the line, or start anew with --fresh")
        })?;
        list.push(one);
    }
    Ok((head, list))
}

/// Whether a run on this machine may go on with it: same backend, device and software. Clocks may differ.
///
/// # Errors
/// When it may not, with what differs.
pub fn same_machine(head: &Head, backend: &str, now: &Environment) -> Result<()> {
    let then = &head.environment;
    let pairs = [
        ("backend", head.backend.clone(), backend.to_string()),
        ("device", then.device.clone(), now.device.clone()),
        ("software", then.software.join("; "), now.software.join("; ")),
        ("devices", then.n_devices.to_string(), now.n_devices.to_string()),
        ("units", then.n_units.to_string(), now.n_units.to_string()),
    ];
    match pairs.iter().find(|(_, before, now)| before != now) {
        None => Ok(()),
        Some((what, before, now)) => {
            let text = format!("the journal is of another machine: its {what} is `{before}`, here it is `{now}`");
            Err(Diagnostic::new(text)
                .help("write to another file with -o, or start anew with --fresh")
                .into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Checked, Item, Sample, Stream};
    use super::*;

    #[test]
    fn a_journal_is_read_back_up_to_a_torn_line() {
        let head = Head {
            schema: SCHEMA.into(),
            backend: "cpu".into(),
            environment: Environment {
                device: "box".into(),
                ..Environment::default()
            },
        };
        let one = Measured {
            item: Item::Stream {
                stream: Stream::Copy,
                bytes: 64,
            },
            n_threads: 2,
            kernel: "k".into(),
            sample: Sample::new(&[0.25; 7]).unwrap(),
            check: Checked {
                max_error_fraction: 0.0,
                n_checked: 8,
            },
            energy_j: None,
        };
        let text = [line(&head).unwrap(), line(&one).unwrap(), line(&one).unwrap()].concat();
        assert_eq!(read(&text).unwrap(), (head.clone(), vec![one.clone(), one.clone()]));
        // Cut at every byte: never an error once the head stands, never half a measurement.
        let first = line(&head).unwrap().len();
        for cut in 0..text.len() {
            match read(&text[..cut]) {
                Ok((_, list)) => assert!(cut >= first && list.len() <= 1 && list.iter().all(|m| *m == one)),
                Err(_) => assert!(cut < first, "{cut}"),
            }
        }
        let broken = text.replacen("\"n_threads\":2", "\"n_threads\":x", 1);
        assert!(read(&broken).unwrap_err().to_string().contains("line 2"));
        assert!(read("{}\n").is_err());
        assert!(same_machine(&head, "cpu", &head.environment).is_ok());
        let other = Environment {
            device: "other".into(),
            ..head.environment.clone()
        };
        let told = same_machine(&head, "cpu", &other).unwrap_err().to_string();
        assert!(told.contains("device") && told.contains("box"), "{told}");
    }
}
