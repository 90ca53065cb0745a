//! Durations ("30s", "7d") and sizes ("64MiB") as people write them.

use std::time::Duration;

const DURATIONS: [(&str, u64); 8] = [
    ("ms", 1),
    ("s", 1_000),
    ("min", 60_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 604_800_000),
    ("days", 86_400_000),
];

const SIZES: [(&str, u64); 9] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// A duration: a whole number and one unit.
///
/// # Errors
/// Says what a duration looks like.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    amount(text, &DURATIONS).map(Duration::from_millis).ok_or_else(|| {
        format!("\"{text}\" is not a duration; write a whole number and a unit: 500ms, 30s, 10m, 1h, 7d")
    })
}

/// A size in bytes: a whole number and one unit.
///
/// # Errors
/// Says what a size looks like.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    amount(text, &SIZES)
        .ok_or_else(|| format!("\"{text}\" is not a size; write a whole number and a unit: 4096B, 512KiB, 64MiB, 2GiB"))
}

fn amount(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let factor = units.iter().find(|(name, _)| *name == unit.trim_start())?.1;
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_read_exactly() {
        assert_eq!(duration("30s").unwrap().as_millis(), 30_000);
        assert_eq!(duration("7 d").unwrap().as_secs(), 7 * 86_400);
        assert_eq!(duration("500ms").unwrap().as_millis(), 500);
        assert_eq!(size("64MiB").unwrap(), 64 << 20);
        assert_eq!(size("4096B").unwrap(), 4096);
    }

    #[test]
    fn what_has_no_unit_or_does_not_fit_is_refused() {
        for text in ["", "30", "s", "-1s", "1.5h", "99999999999999999999s", "999999999999999999d"] {
            assert!(duration(text).is_err(), "{text}");
        }
        for text in ["", "64", "MiB", "64 mib", "99999999999GiB"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
