//! Measured kernels: what is held out of the points is predicted from the rest.

mod held_out;
mod limits;
