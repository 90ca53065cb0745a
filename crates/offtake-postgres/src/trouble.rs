//! What an error of Postgres means: by SQLSTATE and by the kind of the I/O error, never by its words.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use offtake_model::{Error, ErrorKind};
use tokio_postgres::error::SqlState;

use crate::session::Session;

/// What it is that went wrong, as far as anybody decides on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// Nobody answers there, or the connection broke.
    Unreachable,
    /// The server stops, starts or recovers.
    Restarting,
    /// It has as many clients as it may have.
    TooManyClients,
    /// Two transactions were in each other's way, or a standby's replay was in this one's; the same again may do.
    Conflict,
    /// `statement_timeout` ran out, or an operator cancelled the statement: Postgres tells the two by words only.
    StatementTimeout,
    /// `lock_timeout` ran out.
    LockTimeout,
    /// The session was ended for sitting in a transaction or idle too long.
    IdleTimeout,
    /// A table, column, function or type is not there, or not what it was.
    SchemaDrift,
    /// User, password, certificate, database or privilege is refused.
    Denied,
    /// It takes no writes: a standby.
    ReadOnly,
    /// Its disk is full.
    DiskFull,
    /// It is short of something else: memory, temporary space, a configured limit; or its disk fails.
    OutOfResources,
    /// A unique index has the value already.
    Duplicate,
    /// The statement or the data is wrong, or something nobody foresaw.
    Other,
}

impl Trouble {
    /// What `error` is about.
    pub fn of(error: &tokio_postgres::Error) -> Self {
        if let Some(code) = error.code() {
            return Self::of_state(code);
        }
        if error.is_closed() {
            return Self::Unreachable;
        }
        let mut cause = error.source();
        while let Some(at) = cause {
            // A handshake that fails is an I/O error around one of TLS.
            if at.downcast_ref::<rustls::Error>().is_some() {
                return Self::Denied;
            }
            if let Some(io) = at.downcast_ref::<io::Error>() {
                if io.get_ref().is_some_and(|inner| inner.downcast_ref::<rustls::Error>().is_some()) {
                    return Self::Denied;
                }
                // How tokio-postgres says that every host lacks the `target_session_attrs` asked for.
                if io.kind() == io::ErrorKind::PermissionDenied {
                    return Self::ReadOnly;
                }
                // What it says when the bytes are not those of a Postgres.
                return if io.kind() == io::ErrorKind::InvalidData { Self::Other } else { Self::Unreachable };
            }
            cause = at.source();
        }
        Self::Other
    }

    /// What a SQLSTATE is about.
    pub fn of_state(code: &SqlState) -> Self {
        match code.code() {
            "57P01" | "57P02" | "57P03" => Self::Restarting,
            "53300" => Self::TooManyClients,
            "53100" => Self::DiskFull,
            "40001" | "40P01" | "55006" => Self::Conflict,
            "57014" => Self::StatementTimeout,
            "55P03" => Self::LockTimeout,
            "25P03" | "25P04" | "57P05" => Self::IdleTimeout,
            "42P01" | "42703" | "42704" | "42804" | "42883" | "42P10" | "3F000" => Self::SchemaDrift,
            "42501" | "3D000" | "57P04" => Self::Denied,
            "25006" => Self::ReadOnly,
            "23505" => Self::Duplicate,
            other => match other.get(..2) {
                Some("08") => Self::Unreachable,
                Some("28") => Self::Denied,
                Some("53" | "58") => Self::OutOfResources,
                _ => Self::Other,
            },
        }
    }

    /// Whether the connection it happened on is of no more use.
    pub const fn ends_session(self) -> bool {
        matches!(self, Self::Unreachable | Self::Restarting | Self::IdleTimeout | Self::TooManyClients)
    }
}

/// Whose database it is, which decides between `store_…` and `source_…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Offtake's own.
    Store,
    /// The source of this name.
    Source(String),
}

/// Turns errors of one database into Offtake's, with the names and values a reader needs.
#[derive(Debug, Clone)]
pub struct Faults {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    role: Role,
    place: String,
    session: Session,
}

impl Faults {
    /// For the database at `place`.
    pub fn new(role: Role, place: impl Into<String>, session: Session) -> Self {
        Self { inner: Arc::new(Inner { role, place: place.into(), session }) }
    }

    /// What an error of the server or of the way there comes to.
    pub fn of(&self, cause: tokio_postgres::Error) -> Error {
        let trouble = Trouble::of(&cause);
        let said = cause.as_db_error().map(|error| format!(" ({})", error.message())).unwrap_or_default();
        let error = Error::new(self.kind(trouble), self.detail(trouble, &said));
        let error = if self.tells(trouble) { error.openly() } else { error };
        error.caused_by(cause)
    }

    /// Whether whoever asked for rows is told the detail: where it names settings, and nothing of the server's.
    fn tells(&self, trouble: Trouble) -> bool {
        let harmless = match trouble {
            Trouble::Unreachable
            | Trouble::Restarting
            | Trouble::TooManyClients
            | Trouble::Conflict
            | Trouble::StatementTimeout
            | Trouble::LockTimeout
            | Trouble::IdleTimeout => true,
            // What the server says here names users, hosts, files or values.
            Trouble::SchemaDrift
            | Trouble::Denied
            | Trouble::ReadOnly
            | Trouble::DiskFull
            | Trouble::OutOfResources
            | Trouble::Duplicate
            | Trouble::Other => false,
        };
        harmless && !self.is_store()
    }

    /// An error about a source that cannot be used at the moment.
    fn openly(&self, detail: String) -> Error {
        let error = Error::new(self.unavailable(), detail);
        if self.is_store() { error } else { error.openly() }
    }

    /// That it did not answer within `limit`.
    pub fn silent(&self, limit: Duration) -> Error {
        self.openly(format!("{} did not answer within {}", self.whose(), seconds(limit)))
    }

    /// That no connection became free within `limit`.
    pub fn crowded(&self, limit: Duration) -> Error {
        let detail = format!(
            "no connection to {} became free within {}; raise the number of connections, or look for slow statements",
            self.whose(),
            seconds(limit)
        );
        self.openly(detail)
    }

    /// The kind for a database that cannot be used at the moment.
    pub fn unavailable(&self) -> ErrorKind {
        match self.inner.role {
            Role::Store => ErrorKind::StoreUnavailable,
            Role::Source(_) => ErrorKind::SourceUnavailable,
        }
    }

    fn is_store(&self) -> bool {
        self.inner.role == Role::Store
    }

    /// Where a source is stays out of it: some details reach whoever owns the job.
    fn whose(&self) -> String {
        match &self.inner.role {
            Role::Store => format!("Offtake's own database at {}", self.inner.place),
            Role::Source(name) => format!("source {name}"),
        }
    }

    fn kind(&self, trouble: Trouble) -> ErrorKind {
        match trouble {
            Trouble::StatementTimeout | Trouble::LockTimeout | Trouble::IdleTimeout if !self.is_store() => {
                ErrorKind::Timeout
            }
            Trouble::Unreachable
            | Trouble::Restarting
            | Trouble::TooManyClients
            | Trouble::Conflict
            | Trouble::ReadOnly
            | Trouble::OutOfResources
            // Whatever the job store does is short: what runs into a limit there meets an overloaded server.
            | Trouble::StatementTimeout
            | Trouble::LockTimeout
            | Trouble::IdleTimeout => self.unavailable(),
            Trouble::DiskFull if self.is_store() => ErrorKind::StorageFull,
            Trouble::DiskFull => ErrorKind::SourceUnavailable,
            Trouble::Denied if self.is_store() => ErrorKind::StoreUnavailable,
            Trouble::Denied => ErrorKind::SourceDenied,
            Trouble::SchemaDrift if self.is_store() => ErrorKind::Internal,
            Trouble::SchemaDrift => ErrorKind::SchemaDrift,
            Trouble::Duplicate | Trouble::Other => ErrorKind::Internal,
        }
    }

    /// Where a setting is raised: in the configuration where it is set there, else in the database.
    fn remedy(&self, setting: &str, configured: Option<Duration>) -> String {
        match (&self.inner.role, configured) {
            (Role::Source(name), Some(_)) => format!("raise sources.{name}.{setting}"),
            (Role::Source(_) | Role::Store, _) => "raise it for this role".to_owned(),
        }
    }

    fn detail(&self, trouble: Trouble, said: &str) -> String {
        let whose = self.whose();
        let session = &self.inner.session;
        match trouble {
            Trouble::Unreachable => {
                format!("{whose} cannot be reached; check that it runs and that nothing is between")
            }
            Trouble::Restarting => format!("{whose} is stopping or starting{said}"),
            Trouble::TooManyClients => {
                format!("{whose} has as many clients as it may; raise its max_connections, or take fewer connections")
            }
            Trouble::Conflict => format!(
                "{whose} broke off what was in the way of something else{said}; if it is a standby, raise \
                 max_standby_streaming_delay or turn on hot_standby_feedback there"
            ),
            Trouble::StatementTimeout => format!(
                "{whose} broke a statement off: statement_timeout{} ran out, or an operator cancelled it; {}",
                value(session.statement_timeout),
                self.remedy("statement_timeout", session.statement_timeout)
            ),
            Trouble::LockTimeout => {
                format!("{whose} waited for a lock for longer than lock_timeout{}", value(session.lock_timeout))
            }
            Trouble::IdleTimeout => format!(
                "{whose} ended the session: idle_in_transaction_session_timeout{}, transaction_timeout or \
                 idle_session_timeout ran out; raise it for this role",
                value(session.idle_in_transaction_timeout)
            ),
            Trouble::SchemaDrift => format!("{whose} has not what is asked for{said}"),
            Trouble::Denied => {
                format!("{whose} refuses access{said}; check user, password, database, privileges and sslmode")
            }
            Trouble::ReadOnly => format!(
                "{whose} takes no writes now: a standby; name all hosts, with target_session_attrs=read-write{said}"
            ),
            Trouble::DiskFull => format!("no space is left on the disk of {whose}{said}"),
            Trouble::OutOfResources => format!("{whose} is short of resources{said}"),
            // What the server says here may quote values of rows: it is for the log.
            Trouble::Duplicate | Trouble::Other => format!("a statement failed on {whose}"),
        }
    }
}

fn value(limit: Option<Duration>) -> String {
    limit.map(|limit| format!(" ({})", seconds(limit))).unwrap_or_default()
}

fn seconds(limit: Duration) -> String {
    if limit.subsec_millis() == 0 { format!("{} s", limit.as_secs()) } else { format!("{} ms", limit.as_millis()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(role: Role, code: &str) -> ErrorKind {
        let faults = Faults::new(role, "h:1/d", Session::default());
        faults.kind(Trouble::of_state(&SqlState::from_code(code)))
    }

    #[test]
    fn states_become_kinds() {
        use ErrorKind as K;
        for (code, store, source) in [
            ("57P01", K::StoreUnavailable, K::SourceUnavailable),
            ("57P02", K::StoreUnavailable, K::SourceUnavailable),
            ("57P03", K::StoreUnavailable, K::SourceUnavailable),
            ("08006", K::StoreUnavailable, K::SourceUnavailable),
            ("53300", K::StoreUnavailable, K::SourceUnavailable),
            ("40001", K::StoreUnavailable, K::SourceUnavailable),
            ("40P01", K::StoreUnavailable, K::SourceUnavailable),
            ("25006", K::StoreUnavailable, K::SourceUnavailable),
            ("53200", K::StoreUnavailable, K::SourceUnavailable),
            ("57014", K::StoreUnavailable, K::Timeout),
            ("25P03", K::StoreUnavailable, K::Timeout),
            ("28P01", K::StoreUnavailable, K::SourceDenied),
            ("42501", K::StoreUnavailable, K::SourceDenied),
            ("42P01", K::Internal, K::SchemaDrift),
            ("42703", K::Internal, K::SchemaDrift),
            ("42804", K::Internal, K::SchemaDrift),
            ("53100", K::StorageFull, K::SourceUnavailable),
            ("22012", K::Internal, K::Internal),
        ] {
            assert_eq!(kind(Role::Store, code), store, "{code}");
            assert_eq!(kind(Role::Source("s".into()), code), source, "{code}");
        }
    }

    #[test]
    fn a_timeout_names_its_setting_and_value() {
        let session = Session { statement_timeout: Some(Duration::from_millis(1500)), ..Session::default() };
        let faults = Faults::new(Role::Source("journal".into()), "db:5432/j", session);
        let detail = faults.detail(Trouble::StatementTimeout, "");
        assert!(detail.contains("source journal") && !detail.contains("5432"), "{detail}");
        assert!(detail.contains("statement_timeout (1500 ms)"), "{detail}");
        assert!(faults.detail(Trouble::IdleTimeout, "").contains("idle_in_transaction_session_timeout"));
    }
}
