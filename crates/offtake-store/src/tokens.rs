//! One-time tokens: the port.
//!
//! Responsible for which tokens there are and that each is spent once. Not responsible for their text and its
//! signature ([`crate::one_time`]): what is kept of a token is the SHA-256 of the chance in it.

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use offtake_model::audit::Act;
use offtake_model::id::{JobId, OrgId};
use offtake_model::{Error, ErrorKind, Result};

use crate::refusals::internal;

/// What a token is a right to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenPurpose {
    /// One link to the job's file, asked for through the API.
    Download,
    /// The same, written in a mail: neither takes the place of the other.
    Mail,
}

impl TokenPurpose {
    /// Its name in the database, and in what is signed.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Mail => "mail",
        }
    }

    /// The purpose of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Download, Self::Mail].into_iter().find(|purpose| purpose.name() == name)
    }
}

/// What a token is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenClaims {
    /// Whose job it is.
    pub org: OrgId,
    /// Who asked for the token.
    pub subject: String,
    /// The job.
    pub job: JobId,
    /// The right it gives.
    pub purpose: TokenPurpose,
}

/// A token about to be handed out.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// SHA-256 of its chance.
    pub sha256: [u8; 32],
    /// What it is bound to.
    pub claims: TokenClaims,
    /// The id of the key it is signed with.
    pub key_id: String,
    /// How long it holds, if the file is kept that long.
    pub ttl: SignedDuration,
    /// Who asks for it from where, for the audit trail.
    pub by: Act,
}

/// How a token stands, by the database's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenState {
    /// It can be spent.
    Live,
    /// It was.
    Spent,
    /// Its time is over.
    Expired,
}

/// A token's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is called where its text must not be: the beginning of its digest.
    pub id: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was spent.
    pub spent_at: Option<Timestamp>,
    /// What it is bound to.
    pub claims: TokenClaims,
    /// When its time is over.
    pub expires_at: Timestamp,
    /// How it stands.
    pub state: TokenState,
}

impl Token {
    /// # Errors
    /// `gone` if it was spent or its time is over; the detail says which.
    pub fn require_live(&self) -> Result<()> {
        let detail = match self.state {
            TokenState::Live => return Ok(()),
            TokenState::Spent => "this token was used already, and works once; ask for a fresh one",
            TokenState::Expired => "this token has expired; ask for a fresh one",
        };
        Err(Error::new(ErrorKind::Gone, detail))
    }
}

/// What is said of a token that was ours and that no row speaks for any more.
pub fn token_is_over() -> Error {
    Error::new(
        ErrorKind::Gone,
        "this token was replaced by a newer one or taken back, or is over for long; ask for a fresh one",
    )
}

/// One-time tokens.
///
/// Whoever shows a token is known by it alone, so `look` and `spend` go by its digest and not by an organization; what
/// the row says of organization, subject and job is checked against the token's signature by the caller.
#[async_trait]
pub trait Tokens: Send + Sync + std::fmt::Debug {
    /// Keeps a token, in the place of an earlier one for the same job, subject and purpose, spent or not. Returns when its
    /// time is over: never later than the file's.
    ///
    /// # Errors
    /// `not_found` if the organization has no such job.
    async fn issue(&self, token: NewToken) -> Result<Timestamp>;

    /// The token with this digest, if there is one.
    async fn look(&self, sha256: [u8; 32]) -> Result<Option<Token>>;

    /// Spends it. Of all who ever call this for one token, one succeeds. The actor of `by` is whom the token was made for.
    ///
    /// # Errors
    /// `gone` if it was spent, its time is over, or there is none. `store_unavailable` may mean that it was spent and the
    /// answer was lost.
    async fn spend(&self, by: Act, sha256: [u8; 32]) -> Result<()>;

    /// The tokens for a job, newest first, as far as they are kept.
    async fn of_job(&self, org: &OrgId, job: JobId) -> Result<Vec<Token>>;

    /// Takes the token of a job back that is called so ([`Token::id`]): nobody spends it any more.
    ///
    /// # Errors
    /// `not_found` if there is none.
    async fn revoke(&self, by: &Act, org: &OrgId, job: JobId, id: &str) -> Result<()>;

    /// Deletes tokens whose time has been over for longer than `retention`. Returns how many.
    async fn prune_tokens(&self, retention: SignedDuration) -> Result<u64>;
}

/// A token as a database keeps it.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) org: String,
    pub(crate) subject: String,
    pub(crate) job: String,
    pub(crate) purpose: String,
    pub(crate) sha256: String,
    pub(crate) created_at: i64,
    /// Microseconds since the epoch, as is the next.
    pub(crate) expires_at: i64,
    pub(crate) spent_at: Option<i64>,
}

impl Stored {
    /// # Errors
    /// `internal`, with the job, if it cannot be read.
    pub(crate) fn token(self, now: i64) -> Result<Token> {
        let unreadable = |what: &str| internal(format!("a token of job {} cannot be read: {what}", self.job));
        let state = match self.spent_at {
            Some(_) => TokenState::Spent,
            None if self.expires_at <= now => TokenState::Expired,
            None => TokenState::Live,
        };
        let claims = TokenClaims {
            org: OrgId::new(self.org.clone()).map_err(|_| unreadable("its organization"))?,
            job: self.job.parse().map_err(|_| unreadable("its job"))?,
            purpose: TokenPurpose::parse(&self.purpose).ok_or_else(|| unreadable("its purpose"))?,
            subject: self.subject.clone(),
        };
        let moment = |at: i64| Timestamp::from_microsecond(at).map_err(|_| unreadable("its moments"));
        Ok(Token {
            id: id_of(&self.sha256),
            created_at: moment(self.created_at)?,
            spent_at: self.spent_at.map(moment).transpose()?,
            claims,
            expires_at: moment(self.expires_at)?,
            state,
        })
    }
}

/// What the token with this digest is called, in the audit trail as well.
pub(crate) fn id_of(sha256: &str) -> String {
    sha256.chars().take(ID_CHARS).collect()
}

/// How much of a digest a token is called by.
pub(crate) const ID_CHARS: usize = 16;

/// Why there is nothing to take back.
pub(crate) fn no_token() -> Error {
    Error::new(ErrorKind::NotFound, "there is no such token of this export")
}

/// Why it could not be spent, by how it stands now.
pub(crate) fn not_spent(token: Option<Token>) -> Error {
    match token {
        Some(token) => token.require_live().err().unwrap_or_else(token_is_over),
        None => token_is_over(),
    }
}
