//! Dates of a bill, in UTC: months, and seconds since 1970.

/// A month of a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    /// 1970 to 9999.
    pub year: i64,
    /// 1 to 12.
    pub month: i64,
}

/// Seconds of a day.
const DAY_S: i64 = 86_400;

impl Month {
    /// `2027-03`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Month> {
        let (year, month) = text.trim().split_once('-')?;
        let digits = |t: &str, n: usize| t.len() == n && t.bytes().all(|b| b.is_ascii_digit());
        if !digits(year, 4) || !digits(month, 2) {
            return None;
        }
        let out = Month {
            year: year.parse().ok()?,
            month: month.parse().ok()?,
        };
        ((1970..=9999).contains(&out.year) && (1..=12).contains(&out.month)).then_some(out)
    }

    /// The month in which a second lies.
    #[must_use]
    pub fn of(epoch_s: i64) -> Month {
        let (year, month, _) = civil(epoch_s.div_euclid(DAY_S));
        Month { year, month }
    }

    /// The one after it.
    #[must_use]
    pub fn next(self) -> Month {
        if self.month == 12 {
            Month {
                year: self.year + 1,
                month: 1,
            }
        } else {
            Month {
                month: self.month + 1,
                ..self
            }
        }
    }

    /// Its first second.
    #[must_use]
    pub fn start_s(self) -> i64 {
        days(self.year, self.month, 1) * DAY_S
    }
}

/// `2027-03-01T00:00:00Z`.
#[must_use]
pub fn text(epoch_s: i64) -> String {
    let (year, month, day) = civil(epoch_s.div_euclid(DAY_S));
    let s = epoch_s.rem_euclid(DAY_S);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", s / 3600, s / 60 % 60, s % 60)
}

/// The second that `2027-03-01T00:00:00Z` names; nothing where it names none.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let shape = bytes.len() == 20
        && bytes.iter().enumerate().all(|(i, b)| match i {
            4 | 7 => *b == b'-',
            10 => *b == b'T',
            13 | 16 => *b == b':',
            19 => *b == b'Z',
            _ => b.is_ascii_digit(),
        });
    if !shape {
        return None;
    }
    let at = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (at(0, 4)?, at(5, 7)?, at(8, 10)?);
    let (hour, minute, second) = (at(11, 13)?, at(14, 16)?, at(17, 19)?);
    if !(1..=12).contains(&month) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let number = days(year, month, day);
    // A day that the month has not comes back as another one.
    (civil(number) == (year, month, day)).then_some(number * DAY_S + hour * 3600 + minute * 60 + second)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar: H. Hinnant, "chrono-compatible low-level date
/// algorithms" (2021), `days_from_civil`.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The reverse, `civil_from_days` of the same source.
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let of_era = z.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let m = (5 * of_year + 2) / 153;
    let month = if m < 10 { m + 3 } else { m - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, of_year - (153 * m + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_days() {
        for (s, want) in [
            (0, "1970-01-01T00:00:00Z"),
            (946_684_800, "2000-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_799_999_999, "2027-01-15T07:59:59Z"),
        ] {
            assert_eq!(text(s), want);
            assert_eq!(parse(want), Some(s));
        }
        for wrong in [
            "2027-02-29T00:00:00Z",
            "2027-13-01T00:00:00Z",
            "2027-01-01T24:00:00Z",
            "2027-01-01 00:00:00Z",
            "2027-01-01T00:00:00",
            "2027-1-1T00:00:00Z",
            "+027-01-01T00:00:00Z",
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
        assert_eq!(Month::parse("2027-12").map(Month::next), Month::parse("2028-01"));
        for wrong in ["2027-00", "2027-13", "27-01", "2027", "2027-1", "1969-12"] {
            assert_eq!(Month::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_second_has_one_text(s in 0i64..253_402_300_800) {
            prop_assert_eq!(parse(&text(s)), Some(s));
            let month = Month::of(s);
            prop_assert!(month.start_s() <= s && s < month.next().start_s());
        }
    }
}
