//! Scaling laws: refits of published points, known points, the machine behind a budget, the commands.

#[cfg(feature = "cli")]
mod commands;
#[cfg(feature = "cli")]
mod concepts;
mod dclm;
mod known;
mod machine;
mod refits;
