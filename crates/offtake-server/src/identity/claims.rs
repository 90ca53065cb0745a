//! What a token says about its bearer, and whether it says it to us and now.
//!
//! Claims come out of a token whose signature was verified, and are of the shape they must be or the token is refused.

use jiff::Timestamp;
use offtake_model::id::OrgId;
use offtake_model::permission::Permissions;
use offtake_model::principal::Principal;
use serde_json::{Map, Value as Json};

use super::shape;

/// How far clocks of issuer and server may differ, in seconds.
const SKEW_SECONDS: f64 = 30.0;
/// The year 10000: no moment is later, and no honest token tells one.
const END_OF_TIME: f64 = 253_402_300_800.0;

/// How an issuer calls its claims: the name of a member, or a JSON pointer where it begins with `/`
/// (`/realm_access/roles`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimNames {
    /// The organization.
    pub org: String,
    /// Who it is.
    pub sub: String,
    /// Where to write to.
    pub email: String,
    /// What the bearer may do.
    pub permissions: String,
    /// Roles of the bearer. `None`: they are not looked at; other people's roles may be called like ours.
    pub roles: Option<String>,
}

impl Default for ClaimNames {
    fn default() -> Self {
        let [org, sub, email, permissions] = ["org_id", "sub", "email", "permissions"].map(str::to_owned);
        Self { org, sub, email, permissions, roles: None }
    }
}

/// What an issuer's tokens must say, and what is made of it.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// One of these must be in `aud`.
    pub(super) audiences: Vec<String>,
    /// How the claims are called.
    pub(super) names: ClaimNames,
    /// The organization of all of the issuer's tokens, where no claim says it.
    pub(super) org: Option<OrgId>,
    /// What its subjects begin with here, so that those of two issuers are not taken for each other.
    pub(super) sub_prefix: String,
    /// What the issuer may grant at most; `None`: everything.
    pub(super) may_grant: Option<Permissions>,
}

/// Why claims do not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// They did.
    Expired,
    /// They will.
    NotYet,
    /// Never; why, for the log.
    Invalid(&'static str),
}

impl From<&'static str> for Refusal {
    fn from(why: &'static str) -> Self {
        Self::Invalid(why)
    }
}

impl Rules {
    /// Who the bearer of a token with these claims is, whenever it holds ([`is_now`]). `iss` chose these rules already.
    ///
    /// # Errors
    /// Why they do not hold.
    pub(super) fn read(&self, claims: &Map<String, Json>) -> Result<Principal, &'static str> {
        if !self.is_for_us(claims) {
            return Err("another audience");
        }
        // Nobody here reads the token's own name, and still it is of its shape.
        text(claims, "jti")?;
        self.principal(claims)
    }

    fn is_for_us(&self, claims: &Map<String, Json>) -> bool {
        let ours = |given: &Json| given.as_str().is_some_and(|text| self.audiences.iter().any(|our| our == text));
        match claims.get("aud") {
            Some(Json::Array(several)) => several.iter().all(Json::is_string) && several.iter().any(ours),
            Some(one) => ours(one),
            None => false,
        }
    }

    fn principal(&self, claims: &Map<String, Json>) -> Result<Principal, &'static str> {
        let org = match &self.org {
            Some(fixed) => fixed.clone(),
            None => {
                let name = text(claims, &self.names.org)?.ok_or("no organization")?;
                OrgId::new(name).map_err(|_| "no such organization can be")?
            }
        };
        let sub = text(claims, &self.names.sub)?.ok_or("no subject")?;
        let sub = format!("{}{sub}", self.sub_prefix);
        if !shape::is_sound(&sub) {
            return Err("the subject is too long");
        }
        let email = text(claims, &self.names.email)?;
        let granted = Permissions::from_words(words(find(claims, &self.names.permissions))?);
        let roles = self.names.roles.as_deref().and_then(|name| find(claims, name));
        let granted = granted.with_roles(words(roles)?);
        let permissions = self.may_grant.as_ref().map_or_else(|| granted.clone(), |most| granted.within(most));
        Ok(Principal { org, sub, email, permissions })
    }
}

/// The claim of this name or at this pointer.
fn find<'a>(claims: &'a Map<String, Json>, name: &str) -> Option<&'a Json> {
    let Some(path) = name.strip_prefix('/') else { return claims.get(name) };
    let (first, rest) = path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let found = claims.get(&first.replace("~1", "/").replace("~0", "~"))?;
    match rest {
        Some(rest) => found.pointer(&format!("/{rest}")),
        None => Some(found),
    }
}

/// A claim that is text; one of another type, or text that is no name, is refused.
fn text(claims: &Map<String, Json>, name: &str) -> Result<Option<String>, &'static str> {
    match find(claims, name) {
        None => Ok(None),
        Some(Json::String(text)) if shape::is_sound(text) => Ok(Some(text.clone())),
        Some(_) => Err("a claim is not of its shape"),
    }
}

/// A list of words, or words with spaces between.
fn words(claim: Option<&Json>) -> Result<Vec<&str>, &'static str> {
    let wrong = "permissions or roles are not of their shape";
    match claim {
        None => Ok(Vec::new()),
        Some(Json::String(words)) => Ok(words.split_ascii_whitespace().collect()),
        Some(Json::Array(list)) => list.iter().map(|word| word.as_str().ok_or(wrong)).collect(),
        Some(_) => Err(wrong),
    }
}

/// When the token ends, which holds at this moment.
///
/// # Errors
/// Why it does not.
pub(super) fn is_now(claims: &Map<String, Json>, now: Timestamp) -> Result<Timestamp, Refusal> {
    let expires_at = time(claims, "exp")?.ok_or("no expiry")?;
    let begins_at = time(claims, "nbf")?;
    let issued_at = time(claims, "iat")?;
    let seconds = now.as_second() as f64;
    if seconds >= expires_at + SKEW_SECONDS {
        return Err(Refusal::Expired);
    }
    if begins_at.into_iter().chain(issued_at).any(|moment| moment > seconds + SKEW_SECONDS) {
        return Err(Refusal::NotYet);
    }
    // `time` lets nothing through that is no moment.
    Ok(Timestamp::from_second(expires_at as i64).unwrap_or(Timestamp::MAX))
}

/// A moment between 1970 and the year 10000.
fn time(claims: &Map<String, Json>, name: &str) -> Result<Option<f64>, &'static str> {
    let Some(claim) = claims.get(name) else { return Ok(None) };
    let moment = claim.as_f64().filter(|moment| (0.0..END_OF_TIME).contains(moment));
    moment.map(Some).ok_or("a time is no time")
}
