//! The settings every session begins with, so that what the server is configured to does not show in any row.

use std::time::Duration;

/// What a session is set to, beside what all of them are (UTC, ISO dates, ISO intervals, UTF-8, exact floats).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Session {
    /// `statement_timeout`; `None`: as the server, the role or the URL's `options` say.
    pub statement_timeout: Option<Duration>,
    /// `idle_in_transaction_session_timeout`; `None`: as the server, the role or the URL's `options` say.
    pub idle_in_transaction_timeout: Option<Duration>,
    /// `lock_timeout`; `None`: as the server, the role or the URL's `options` say.
    pub lock_timeout: Option<Duration>,
    /// The schema that names without one are looked up in; `None`: as the server, the role or the URL say.
    pub search_path: Option<&'static str>,
    /// Transactions are read-only unless they say otherwise.
    pub read_only: bool,
    /// More settings, by name: what tells the planner about statements that are known beforehand.
    pub more: &'static [(&'static str, &'static str)],
}

impl Session {
    /// The statements that set it, in one round trip.
    pub(crate) fn sql(&self) -> String {
        let mut sql = String::from(
            "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'iso_8601'; \
             SET client_encoding = 'UTF8'; SET extra_float_digits = 1; SET standard_conforming_strings = on; \
             SET bytea_output = 'hex'",
        );
        let mut timeout = |name: &str, limit: Option<Duration>| {
            if let Some(limit) = limit {
                // Zero would switch the timeout off, which is the opposite of a very short one.
                sql.push_str(&format!("; SET {name} = {}", limit.as_millis().max(1)));
            }
        };
        timeout("statement_timeout", self.statement_timeout);
        timeout("idle_in_transaction_session_timeout", self.idle_in_transaction_timeout);
        timeout("lock_timeout", self.lock_timeout);
        if let Some(schema) = self.search_path {
            sql.push_str(&format!("; SET search_path = {schema}"));
        }
        if self.read_only {
            sql.push_str("; SET default_transaction_read_only = on");
        }
        for (name, value) in self.more {
            sql.push_str(&format!("; SET {name} = {value}"));
        }
        sql
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_given_is_set() {
        let none = Session::default().sql();
        assert!(
            none.contains("TimeZone = 'UTC'") && !none.contains("timeout") && !none.contains("read_only"),
            "{none}"
        );
        let session = Session {
            statement_timeout: Some(Duration::from_secs(600)),
            idle_in_transaction_timeout: Some(Duration::ZERO),
            lock_timeout: None,
            search_path: Some("offtake"),
            read_only: true,
            more: &[("jit", "off")],
        };
        let sql = session.sql();
        assert!(sql.contains("SET statement_timeout = 600000"), "{sql}");
        assert!(sql.contains("SET idle_in_transaction_session_timeout = 1;"), "{sql}");
        assert!(sql.contains("SET search_path = offtake"), "{sql}");
        assert!(sql.contains("SET default_transaction_read_only = on; SET jit = off"), "{sql}");
    }
}
