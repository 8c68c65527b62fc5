//! Energy, clocks and reasons for low clocks by NVML; nothing where it is missing or refuses.

use nvml_wrapper::Nvml;
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{Clock, TemperatureSensor};

/// What can be read of one device.
pub struct Power {
    nvml: Nvml,
    bus: String,
}

/// Reasons that make a measurement worth less, as people say them.
const REASONS: [(ThrottleReasons, &str); 6] = [
    (ThrottleReasons::SW_POWER_CAP, "power limit"),
    (ThrottleReasons::HW_SLOWDOWN, "hardware slowdown"),
    (ThrottleReasons::SW_THERMAL_SLOWDOWN, "heat"),
    (ThrottleReasons::HW_THERMAL_SLOWDOWN, "heat (hardware)"),
    (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "power brake"),
    (ThrottleReasons::APPLICATIONS_CLOCKS_SETTING, "clocks set by somebody"),
];

impl Power {
    /// Of the device at this address of the bus.
    ///
    /// # Errors
    /// Why NVML cannot be used.
    pub fn open(bus: &str) -> Result<Power, String> {
        let nvml = Nvml::init().map_err(|e| format!("no NVML (libnvidia-ml.so.1): {e}"))?;
        nvml.device_by_pci_bus_id(bus)
            .map_err(|e| format!("NVML does not know the device: {e}"))?;
        Ok(Power {
            nvml,
            bus: bus.to_string(),
        })
    }

    fn device(&self) -> Option<nvml_wrapper::Device<'_>> {
        self.nvml.device_by_pci_bus_id(self.bus.as_str()).ok()
    }

    /// Counter of the device since the driver was loaded.
    #[must_use]
    pub fn energy_j(&self) -> Option<f64> {
        Some(self.device()?.total_energy_consumption().ok()? as f64 / 1e3)
    }

    /// Version of the driver, as people ask for it: `570.86.15`.
    #[must_use]
    pub fn driver(&self) -> Option<String> {
        self.nvml.sys_driver_version().ok()
    }

    /// Clocks, power limit, temperature, and what holds the clocks down at this moment.
    #[must_use]
    pub fn clocks(&self) -> String {
        let Some(device) = self.device() else {
            return "not readable".to_string();
        };
        let or = |text: Option<String>| text.unwrap_or("not readable".to_string());
        let clock = |c: Clock| {
            let now = device.clock_info(c).ok()?;
            Some(format!("{now} of {} MHz", device.max_clock_info(c).ok()?))
        };
        let limit = device.enforced_power_limit().ok().map(|mw| format!("{} W", mw / 1000));
        let heat = device.temperature(TemperatureSensor::Gpu).ok().map(|c| format!("{c} °C"));
        let reasons = device.current_throttle_reasons().ok().map(held_down);
        format!(
            "SM {}, memory {}, power limit {}, {}, held down by {}",
            or(clock(Clock::SM)),
            or(clock(Clock::Memory)),
            or(limit),
            or(heat),
            or(reasons)
        )
    }

    /// What held the clocks down while something ran: nothing for nothing.
    #[must_use]
    pub fn held_down(&self) -> Option<String> {
        let reasons = held_down(self.device()?.current_throttle_reasons().ok()?);
        (reasons != "nothing").then_some(reasons)
    }
}

fn held_down(reasons: ThrottleReasons) -> String {
    let list: Vec<&str> = REASONS
        .iter()
        .filter(|(r, _)| reasons.contains(*r))
        .map(|(_, name)| *name)
        .collect();
    if list.is_empty() {
        "nothing".to_string()
    } else {
        list.join(" and ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_named_and_idling_is_none() {
        assert_eq!(held_down(ThrottleReasons::GPU_IDLE), "nothing");
        let hot = ThrottleReasons::SW_POWER_CAP | ThrottleReasons::HW_THERMAL_SLOWDOWN;
        assert_eq!(held_down(hot), "power limit and heat (hardware)");
    }

    #[test]
    fn without_nvml_there_is_a_reason() {
        if let Err(why) = Power::open("00000000:00:00.0") {
            assert!(why.contains("NVML"), "{why}");
        }
    }
}
