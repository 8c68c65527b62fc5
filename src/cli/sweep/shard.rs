//! Which shard this process is: told by a flag, a Slurm array or an indexed job of Kubernetes.

use crate::error::{Diagnostic, Result};
use crate::study::sweep::Shard;

/// Flags of a process that may be one of several.
#[derive(Debug, Clone, clap::Args)]
pub struct ShardArgs {
    /// Work on shard I of N, counted from 0 [default: the task of the Slurm array; all cases elsewhere]
    #[arg(long, value_name = "I/N", value_parser = parse, conflicts_with = "shards")]
    shard: Option<Shard>,
    /// There are N shards; which one, SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX tells, from 0
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MAX_SHARDS))]
    shards: Option<u32>,
}

/// More shards than any scheduler takes in an array.
const MAX_SHARDS: i64 = 1_000_000;

fn parse(text: &str) -> std::result::Result<Shard, String> {
    let numbers = text
        .split_once('/')
        .and_then(|(i, n)| Some((i.trim().parse().ok()?, n.trim().parse().ok()?)));
    let (index, count) = numbers.ok_or_else(|| "write I/N, for example 0/4".to_string())?;
    if index < count && i64::from(count) <= MAX_SHARDS {
        Ok(Shard { index, count })
    } else {
        Err(format!("shards of {count} are 0 to {}", i64::from(count) - 1))
    }
}

impl ShardArgs {
    /// The shard of this process.
    ///
    /// # Errors
    /// When the environment contradicts the flags or itself.
    pub fn shard(&self) -> Result<Shard> {
        self.shard_in(&|name| std::env::var(name).ok().filter(|v| !v.is_empty()))
    }

    fn shard_in(&self, environment: &dyn Fn(&str) -> Option<String>) -> Result<Shard> {
        if let Some(shard) = self.shard {
            return Ok(shard);
        }
        let number = |name: &str| -> Result<Option<u32>> {
            let read = |text: String| {
                text.trim().parse().map_err(|_| {
                    let help = "unset it, or give --shard I/N";
                    Diagnostic::new(format!("{name} is `{text}`, not a number")).help(help)
                })
            };
            Ok(environment(name).map(read).transpose()?)
        };
        let (task, pod) = (number("SLURM_ARRAY_TASK_ID")?, number("JOB_COMPLETION_INDEX")?);
        let shard = match (self.shards, task, pod) {
            // As many as were said, so that some of them can be submitted again by their numbers.
            (Some(count), Some(index), _) | (Some(count), None, Some(index)) => Shard { index, count },
            (Some(1), None, None) | (None, None, None) => Shard::WHOLE,
            (Some(count), None, None) => {
                let help = "give --shard I/N, or run it in an array of jobs (`exaplan sweep submit`)";
                return Err(Diagnostic::new(format!("nothing tells which of {count} shards this is"))
                    .help(help)
                    .into());
            }
            (None, Some(id), _) => {
                let first = number("SLURM_ARRAY_TASK_MIN")?.unwrap_or(0);
                let step = number("SLURM_ARRAY_TASK_STEP")?.unwrap_or(1).max(1);
                let Some(count) = number("SLURM_ARRAY_TASK_COUNT")? else {
                    let help = "give --shards N";
                    return Err(Diagnostic::new("SLURM_ARRAY_TASK_ID without SLURM_ARRAY_TASK_COUNT")
                        .help(help)
                        .into());
                };
                Shard {
                    index: id.saturating_sub(first) / step,
                    count,
                }
            }
            (None, None, Some(_)) => {
                let help = "give --shards N: the completions of the job";
                return Err(Diagnostic::new("JOB_COMPLETION_INDEX does not tell how many shards there are")
                    .help(help)
                    .into());
            }
        };
        if shard.index < shard.count {
            return Ok(shard);
        }
        let text = format!(
            "this is shard {} of {}, but they count from 0 to {}",
            shard.index,
            shard.count,
            shard.count.saturating_sub(1)
        );
        Err(Diagnostic::new(text)
            .help("number the tasks from 0: --array=0-7 for 8 shards")
            .into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shard(shards: Option<u32>, environment: &[(&str, &str)]) -> Result<Shard> {
        let args = ShardArgs { shard: None, shards };
        args.shard_in(&|name| environment.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_string()))
    }

    fn of(index: u32, count: u32) -> Shard {
        Shard { index, count }
    }

    #[test]
    fn flags_and_schedulers_tell_the_shard() {
        assert_eq!(parse("2/3"), Ok(of(2, 3)));
        assert!(parse("3/3").is_err() && parse("1").is_err() && parse("-1/2").is_err());
        assert_eq!(shard(None, &[]).unwrap(), Shard::WHOLE);
        let array = |id, min, step, count| {
            let names = [
                "SLURM_ARRAY_TASK_ID",
                "SLURM_ARRAY_TASK_MIN",
                "SLURM_ARRAY_TASK_STEP",
                "SLURM_ARRAY_TASK_COUNT",
            ];
            names.into_iter().zip([id, min, step, count]).collect::<Vec<_>>()
        };
        assert_eq!(shard(None, &array("5", "1", "2", "4")).unwrap(), of(2, 4));
        // Tasks 3 and 5 of 8 submitted again: their numbers still mean the same shards.
        assert_eq!(shard(Some(8), &array("5", "3", "2", "2")).unwrap(), of(5, 8));
        assert_eq!(shard(Some(4), &[("JOB_COMPLETION_INDEX", "3")]).unwrap(), of(3, 4));
    }

    #[test]
    fn what_does_not_tell_it_is_refused() {
        assert!(shard(Some(4), &[]).is_err());
        assert!(shard(None, &[("JOB_COMPLETION_INDEX", "3")]).is_err());
        assert!(shard(Some(8), &[("SLURM_ARRAY_TASK_ID", "8")]).is_err());
        assert!(shard(None, &[("SLURM_ARRAY_TASK_ID", "8")]).is_err());
        assert!(shard(None, &[("SLURM_ARRAY_TASK_ID", "x")]).is_err());
    }
}
