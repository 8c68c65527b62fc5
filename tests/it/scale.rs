//! Scaling laws: refits of published points, known points, answers of the commands.

mod refits;
