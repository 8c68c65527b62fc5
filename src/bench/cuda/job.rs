//! A kernel made ready: checked, then run again and again.

use super::device::Device;
use crate::bench::Checked;
use crate::error::{Error, Result};

/// What was compared.
#[derive(Debug, Clone, Copy, Default)]
pub struct Check {
    max_error_fraction: f64,
    n_checked: usize,
    /// Largest error over what rounding explains; above 1 the result is wrong.
    worst: f64,
}

impl Check {
    /// A result, what it should be, the size of its terms, and the error that rounding explains.
    pub fn add(&mut self, found: f64, exact: f64, size: f64, allowed: f64) {
        let error = (found - exact).abs();
        let keep = |worst: f64, e: f64| if e > worst || e.is_nan() { e } else { worst };
        self.max_error_fraction = keep(self.max_error_fraction, error / size.max(f64::MIN_POSITIVE));
        self.worst = keep(self.worst, error / allowed.max(f64::MIN_POSITIVE));
        self.n_checked += 1;
    }

    /// # Errors
    /// [`Error::Device`] when rounding does not explain what was found, or nothing was compared.
    pub fn verdict(&self, what: &dyn std::fmt::Display) -> Result<Checked> {
        // What is no number is wrong, too.
        if self.n_checked == 0 || self.worst.is_nan() || self.worst > 1.0 {
            let what = format!(
                "{what} gave a wrong result: relative error {:.1e}, {:.1} times what rounding explains",
                self.max_error_fraction, self.worst
            );
            return Err(Error::Device { what });
        }
        Ok(Checked {
            max_error_fraction: self.max_error_fraction,
            n_checked: self.n_checked,
        })
    }
}

/// A kernel that is ready.
pub struct Job<'a> {
    /// The code that is timed.
    pub kernel: String,
    /// What the first run gave.
    pub check: Check,
    /// How often a run does what the item says.
    pub parts: usize,
    /// Seconds that so many runs take together.
    pub time_s: Box<dyn FnMut(usize) -> Result<f64> + 'a>,
}

impl<'a> Job<'a> {
    /// Of what `run` puts on the stream of the device.
    pub fn new(device: &'a Device, kernel: String, check: Check, mut run: impl FnMut() -> Result<()> + 'a) -> Job<'a> {
        Job {
            kernel,
            check,
            parts: 1,
            time_s: Box::new(move |runs| device.time_s(runs, &mut run)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_result_is_refused() {
        let mut check = Check::default();
        assert!(check.verdict(&"nothing").is_err());
        check.add(1.0 + 1e-7, 1.0, 2.0, 1e-6);
        let right = check.verdict(&"x").unwrap();
        assert!(right.n_checked == 1 && (right.max_error_fraction - 5e-8).abs() < 1e-10);
        let mut off = check;
        off.add(1.1, 1.0, 2.0, 1e-6);
        assert!(off.verdict(&"x").unwrap_err().to_string().contains("wrong result"));
        check.add(f64::NAN, 1.0, 2.0, 1e-6);
        check.add(1.0, 1.0, 2.0, 1e-6);
        assert!(check.verdict(&"x").is_err());
    }
}
