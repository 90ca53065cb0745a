//! Principals: the port, and how a standing is read wherever one is needed.

use std::collections::BTreeSet;

use async_trait::async_trait;
use jiff::Timestamp;
use offtake_model::api_key::is_reserved;
use offtake_model::audit::Act;
use offtake_model::id::OrgId;
use offtake_model::permission::{Permission, Permissions};
use offtake_model::principal::{Barred, KnownPrincipal, PrincipalChange, Standing};
use offtake_model::{Error, ErrorKind, Result};

use crate::refusals::internal;
use crate::rows::Record;

/// A principal that was seen less long ago is not noted again, unless something changed. In microseconds.
pub(crate) const NOTED_FOR: i64 = 60 * 1_000_000;

/// The most principals that are told of one e-mail address.
pub const ONE_ADDRESS: u32 = 20;

/// Who asks. Every verb is scoped by organization: another one's principal is absent.
#[async_trait]
pub trait Principals: Send + Sync + std::fmt::Debug {
    /// How the principal stands at this moment: a look-up by primary key, cheap enough for every request. Of an API
    /// key's principal it also says how the key and its maker stand.
    async fn standing(&self, org: &OrgId, sub: &str) -> Result<Stand>;

    /// Notes that the principal was here, unless that was noted a moment ago.
    async fn note(&self, org: &OrgId, sub: &str, email: Option<&str>) -> Result<()>;

    /// One of them.
    ///
    /// # Errors
    /// `not_found`.
    async fn get(&self, org: &OrgId, sub: &str) -> Result<KnownPrincipal>;

    /// At most `limit` of those after `after`, by `sub`, and whether more follow.
    async fn list(&self, org: &OrgId, after: Option<&str>, limit: u32) -> Result<(Vec<KnownPrincipal>, bool)>;

    /// Those of the organization who came with this e-mail address, in any case of its letters, by `sub`; at most
    /// [`ONE_ADDRESS`].
    async fn of_address(&self, org: &OrgId, email: &str) -> Result<Vec<KnownPrincipal>>;

    /// Decides about a principal anew; one that was never seen is remembered from now on. The audit trail says who did.
    async fn change(&self, by: &Act, org: &OrgId, sub: &str, change: &PrincipalChange) -> Result<KnownPrincipal>;
}

/// What one look-up tells about a principal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stand {
    /// How it stands.
    pub standing: Standing,
    /// The address it was last noted with.
    pub email: Option<String>,
    /// Whether it was noted a moment ago.
    pub noted: bool,
}

/// Who of the organization reads mail at `address` and may have what needs these permissions: the requester (by `sub`
/// and address), else somebody who may see the exports of others. `None` if nobody may, for whatever reason.
///
/// # Errors
/// `store_unavailable`.
pub async fn reader_at(
    principals: &dyn Principals,
    org: &OrgId,
    address: &str,
    requester: (&str, Option<&str>),
    needed: &[Permission],
) -> Result<Option<String>> {
    let (requester, own) = requester;
    if own.is_some_and(|own| own.eq_ignore_ascii_case(address)) {
        let stand = principals.standing(org, requester).await?;
        return Ok(stand.standing.require(needed).is_ok().then(|| requester.to_owned()));
    }
    for known in principals.of_address(org, address).await? {
        let standing = principals.standing(org, &known.sub).await?.standing;
        let of_others = (known.sub != requester).then_some(&Permission::ExportsReadAll);
        if standing.require(needed.iter().chain(of_others)).is_ok() {
            return Ok(Some(known.sub));
        }
    }
    Ok(None)
}

// What every backend shares.

/// What a standing is read from, beside the joins of [`standing_joins`].
pub(crate) const STANDING: &str = "own.disabled_at AS own_disabled, own.withheld AS own_withheld, \
     own.email AS own_email, own.last_seen AS own_last_seen, keys.id AS key_id, keys.revoked_at AS key_revoked, \
     maker.disabled_at AS maker_disabled, maker.withheld AS maker_withheld";

/// Joins the principal that the expressions `org` and `sub` name, the key if it is one's, and the key's maker.
pub(crate) fn standing_joins(org: &str, sub: &str) -> String {
    // What follows the prefix of a key's principal is the key's id.
    format!(
        "LEFT JOIN principals own ON own.org = {org} AND own.sub = {sub}
         LEFT JOIN api_keys keys ON keys.org = {org} AND keys.id = substr({sub}, 9)
         LEFT JOIN principals maker ON maker.org = {org} AND maker.sub = keys.created_by"
    )
}

/// A row with [`STANDING`].
pub(crate) fn stand(row: &impl Record, sub: &str, now: i64) -> Result<Stand> {
    let text = |column: &str| row.text(column).map_err(|cause| unreadable(sub, column, &cause));
    let int = |column: &str| row.int(column).map_err(|cause| unreadable(sub, column, &cause));
    let withheld = |column: &str| text(column)?.map_or_else(|| Ok(BTreeSet::new()), |json| permissions(&json));
    let mut standing = Standing { barred: None, withheld: withheld("own_withheld")? };
    if is_reserved(sub) {
        if text("key_id")?.is_none() || int("key_revoked")?.is_some() {
            standing.barred = Some(Barred::KeyRevoked);
        } else if int("maker_disabled")?.is_some() {
            standing.barred = Some(Barred::MakerDisabled);
        }
        // What its maker may no longer do, a key of his must not do for him.
        standing.withheld.extend(withheld("maker_withheld")?);
    }
    if int("own_disabled")?.is_some() {
        standing.barred = Some(Barred::Disabled);
    }
    let noted = int("own_last_seen")?.is_some_and(|seen| now.saturating_sub(seen) < NOTED_FOR);
    Ok(Stand { standing, email: text("own_email")?, noted })
}

fn unreadable(sub: &str, column: &str, cause: &dyn std::fmt::Display) -> Error {
    internal(format!("the principal {sub:?}: its {column} in the job store cannot be read: {cause}"))
}

/// Permissions as a database keeps them. A word that nobody knows any more is about nothing that is there.
pub(crate) fn permissions(json: &str) -> Result<BTreeSet<Permission>> {
    Ok(words(json)?.iter().filter_map(|word| Permission::parse(word)).collect())
}

/// What a token, a key or a session grants, as a database keeps it.
pub(crate) fn granted(json: &str) -> Result<Permissions> {
    Ok(Permissions::from_words(words(json)?.iter().map(String::as_str)))
}

fn words(json: &str) -> Result<Vec<String>> {
    serde_json::from_str(json).map_err(|cause| internal("permissions in the job store cannot be read").caused_by(cause))
}

/// Permissions as a database keeps them.
pub(crate) fn to_words<'a>(permissions: impl IntoIterator<Item = &'a Permission>) -> Result<String> {
    let words: Vec<String> = permissions.into_iter().map(ToString::to_string).collect();
    crate::rows::to_json(&words)
}

pub(crate) const PRINCIPALS: &str = "SELECT sub, email, first_seen, last_seen, disabled_at, withheld FROM principals";

/// A row of [`PRINCIPALS`].
pub(crate) fn known(row: &impl Record) -> Result<KnownPrincipal> {
    let sub = row.text("sub").ok().flatten().unwrap_or_default();
    let text = |column: &str| row.text(column).map_err(|cause| unreadable(&sub, column, &cause));
    let time = |column: &str| {
        let micros = row.int(column).map_err(|cause| unreadable(&sub, column, &cause))?;
        let read = |micros| Timestamp::from_microsecond(micros).map_err(|cause| unreadable(&sub, column, &cause));
        micros.map(read).transpose()
    };
    Ok(KnownPrincipal {
        email: text("email")?,
        first_seen_at: time("first_seen")?,
        last_seen_at: time("last_seen")?,
        disabled_at: time("disabled_at")?,
        withheld: permissions(&text("withheld")?.unwrap_or_default())?,
        sub,
    })
}

pub(crate) fn no_such_principal() -> Error {
    let detail = "nobody of this name was seen here; GET /api/v1/principals lists those who were";
    Error::new(ErrorKind::NotFound, detail)
}
