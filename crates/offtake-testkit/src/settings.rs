//! What the environment says about how much is tested. The defaults keep the suite within minutes on two cores.

use std::str::FromStr;

/// The variable's value, or `default`.
///
/// # Panics
/// If it is set to something else than a `T`.
pub fn switch<T: FromStr>(name: &str, default: T) -> T {
    #[expect(
        clippy::disallowed_methods,
        reason = "the size of a test run is the one thing the kit is told by the environment"
    )]
    let set = std::env::var(name);
    match set {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name}={text} cannot be read")),
        Err(_) => default,
    }
}

/// Spans in the data of tests that need a job to last: `OFFTAKE_TEST_SPANS`, 60,000 unless it says more.
pub fn small_spans() -> u64 {
    switch("OFFTAKE_TEST_SPANS", 60_000)
}

/// Spans in the larger of two sizes: `OFFTAKE_TEST_SPANS_BIG`, three times as many as the smaller.
pub fn big_spans() -> u64 {
    switch("OFFTAKE_TEST_SPANS_BIG", small_spans() * 3)
}

/// Jobs per format that are killed again and again: `OFFTAKE_TEST_JOBS`, 2 unless it says more.
pub fn jobs_per_format() -> u64 {
    switch("OFFTAKE_TEST_JOBS", 2)
}

/// Variables of this process that the product would take for settings of its own.
pub(crate) fn products_variables() -> Vec<String> {
    #[expect(clippy::disallowed_methods, reason = "the product must not see what the test run is told")]
    let all = std::env::vars_os();
    all.filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with("OFFTAKE_") || name.starts_with("AWS_"))
        .collect()
}
