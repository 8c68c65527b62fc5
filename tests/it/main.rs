//! Everything that runs the program as a user does.

mod cli;
