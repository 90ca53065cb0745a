//! Tokens, keys and one-time tokens: nobody is let in by what we did not sign, however it is put together.
//!
//! The secrets are known here, so that whatever is signed with them must come from this file: a token that is taken is
//! one that was made here, to the letter. Claims that *are* signed may be anything, as another issuer's are.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::{SignedDuration, Timestamp};
use offtake_model::ErrorKind;
use offtake_model::clock::{SharedClock, SystemClock};
use offtake_model::id::{ApiKeyId, JobId, OrgId};
use offtake_model::permission::{Permission, Permissions};
use offtake_model::principal::Principal;
use offtake_server::identity::{
    Algorithm, ClaimNames, Freshness, IssuerSettings, Issuers, KeySource, OFFTAKE, Secret, Secrets, Verifier, mint,
};
use offtake_server::{api_key, identity};
use offtake_store::{OneTimeKeys, Seed, TokenClaims, TokenPurpose};
use serde_json::{Map, Value as Json};
use sha2::Sha256;
use tokio::runtime::Runtime;

const OURS: &str = "q8Zr2vXw5Lk7Tn4bHs9Jd3Fg6Mp1Yc0Ae";
const THEIRS: &str = "W7yu3Rb9Kx2Nq5Vh8Tz4Gm6Lc1Pd0Sj-fA";
const ISSUER: &str = "https://id.example";
const NOW: Timestamp = Timestamp::constant(1_794_000_000, 0);
const SOON: Timestamp = Timestamp::constant(1_794_000_600, 0);

/// What somebody sends.
#[derive(Debug, Arbitrary)]
enum Sent<'a> {
    /// Any text.
    Text(&'a str),
    /// A good token of ours, changed somewhere.
    Changed { kind: Kind, edits: Vec<Edit<'a>> },
    /// Any header and claims, with any signature.
    Unsigned { header: &'a [u8], claims: &'a [u8], signature: &'a [u8] },
    /// Any header and claims, signed with a secret that counts.
    Signed { by: By, header: Header<'a>, claims: &'a [u8] },
    /// Claims that are right but for these members, signed.
    Claims { by: By, members: Vec<(&'a str, &'a str)> },
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Kind {
    Jwt,
    ApiKey,
    OneTime,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum By {
    Us,
    Them,
}

#[derive(Debug, Arbitrary)]
enum Header<'a> {
    Usual,
    Any(&'a [u8]),
}

#[derive(Debug, Arbitrary)]
struct Edit<'a> {
    at: u16,
    length: u8,
    text: &'a str,
}

struct House {
    runtime: Runtime,
    verifier: Verifier,
    one_time: OneTimeKeys,
    bound_to: TokenClaims,
    jwt: String,
    api_key: String,
    one_time_token: String,
}

static HOUSE: LazyLock<House> = LazyLock::new(|| match house() {
    Ok(house) => house,
    Err(error) => panic!("the house does not stand: {error}"),
});

fn house() -> offtake_model::Result<House> {
    let ours = Secret::new(OURS)?;
    let issuer = IssuerSettings {
        name: "theirs".to_owned(),
        issuer: ISSUER.to_owned(),
        audiences: vec![OFFTAKE.to_owned()],
        algorithms: vec![Algorithm::Hs256],
        keys: KeySource::Secret(Secret::new(THEIRS)?),
        names: ClaimNames { roles: Some("/realm/roles".to_owned()), ..ClaimNames::default() },
        sub_prefix: "them:".to_owned(),
        org: None,
        may_grant: Permissions::from_words(["exports:read"]),
        freshness: Freshness { timeout: Duration::from_secs(1), ..Freshness::default() },
    };
    let clock: SharedClock = Arc::new(SystemClock);
    let issuers = Arc::new(Issuers::new(vec![issuer], &clock)?);
    let principal = Principal {
        org: OrgId::new("acme")?,
        sub: "ada".to_owned(),
        email: None,
        permissions: Permissions::from_words(["exports:read", "spans:read"]),
    };
    let bound_to = bound_to()?;
    let one_time = Secrets::from(ours.clone()).one_time_keys();
    let api_key::Once(api_key) = api_key::new(ApiKeyId::new(NOW));
    let failed = |error| offtake_model::Error::new(ErrorKind::Internal, "no runtime").caused_by(error);
    Ok(House {
        runtime: tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?,
        jwt: mint(&ours, &principal, SignedDuration::from_mins(10), NOW)?,
        one_time_token: one_time.sign(&Seed::draw(), &bound_to, SOON),
        api_key,
        one_time,
        bound_to,
        verifier: Verifier::new(&ours.into(), issuers),
    })
}

fn bound_to() -> offtake_model::Result<TokenClaims> {
    let (org, subject) = (OrgId::new("acme")?, "ada".to_owned());
    Ok(TokenClaims { org, subject, job: JobId::new(NOW), purpose: TokenPurpose::Download })
}

/// Shows the bytes as whatever may be shown.
pub fn tokens(data: &[u8]) {
    // A token as it stands in a header, or a recipe for one.
    if let Ok(text) = std::str::from_utf8(data)
        && (text.starts_with("ey") || text.starts_with("ot") || text.starts_with("key:"))
    {
        return show_all(text);
    }
    match Sent::arbitrary_take_rest(Unstructured::new(data)) {
        Ok(Sent::Text(text)) => show_all(text),
        Ok(Sent::Changed { kind, edits }) => show_all(&changed(good(kind), &edits)),
        Ok(Sent::Unsigned { header, claims, signature }) => {
            let [header, claims, signature] = [header, claims, signature].map(part);
            show_all(&format!("{header}.{claims}.{signature}"));
        }
        Ok(Sent::Signed { by, header: Header::Usual, claims }) => taken_or_not(&signed(by, USUAL, claims), by, claims),
        Ok(Sent::Signed { by, header: Header::Any(header), claims }) => {
            taken_or_not(&signed(by, header, claims), by, claims);
        }
        Ok(Sent::Claims { by, members }) => {
            let claims = usual_but_for(by, &members).to_string();
            taken_or_not(&signed(by, USUAL, claims.as_bytes()), by, claims.as_bytes());
        }
        Err(_) => {}
    }
}

const USUAL: &[u8] = br#"{"alg":"HS256"}"#;

fn good(kind: Kind) -> &'static str {
    match kind {
        Kind::Jwt => &HOUSE.jwt,
        Kind::ApiKey => &HOUSE.api_key,
        Kind::OneTime => &HOUSE.one_time_token,
    }
}

fn changed(token: &str, edits: &[Edit<'_>]) -> String {
    let mut text = token.to_owned();
    for edit in edits.iter().take(8) {
        let at = usize::from(edit.at) % (text.len() + 1);
        let end = (at + usize::from(edit.length % 8)).min(text.len());
        if text.is_char_boundary(at) && text.is_char_boundary(end) {
            text.replace_range(at..end, edit.text);
        }
    }
    text
}

/// Nothing but the three good ones, to the letter, is taken for anything.
fn show_all(text: &str) {
    if let Some(principal) = verified(text) {
        assert_eq!(text, HOUSE.jwt, "{principal:?} came in by what was not signed");
    }
    if let Some(shown) = HOUSE.one_time.read(text, NOW) {
        assert_eq!(text, HOUSE.one_time_token, "never handed out");
        assert!(shown.is_bound_to(&HOUSE.bound_to, SOON) && !shown.is_bound_to(&HOUSE.bound_to, NOW));
    }
    if let Some(id) = api_key::id_in(text) {
        assert!(api_key::is_one(text) && text.is_ascii());
        // The checksum keeps no forger out; a key that is taken apart still says its id in one way.
        let digits = id.to_string().replacen(ApiKeyId::PREFIX, "otk_", 1);
        assert!(text.starts_with(&digits), "{text} does not say {id}");
    }
}

fn verified(token: &str) -> Option<Principal> {
    match HOUSE.runtime.block_on(HOUSE.verifier.verify(token, NOW)) {
        Ok((principal, _)) => Some(principal),
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error}");
            None
        }
    }
}

/// What a signed token must say to be taken, looked at once more, and what may be made of it.
fn taken_or_not(token: &str, by: By, claims: &[u8]) {
    let Some(principal) = verified(token) else { return };
    let Ok(Json::Object(said)) = serde_json::from_slice(claims) else { panic!("taken without claims") };
    let (issuer, prefix) = match by {
        By::Us => (identity::OFFTAKE, ""),
        By::Them => (ISSUER, "them:"),
    };
    assert_eq!(said["iss"], issuer, "signed by another than it names");
    assert_eq!(principal.org.as_str(), said["org_id"], "another organization than is said");
    assert_eq!(principal.sub, format!("{prefix}{}", said["sub"].as_str().unwrap_or("?")));
    let now = NOW.as_second() as f64;
    assert!(said["exp"].as_f64().is_some_and(|exp| exp > now - 31.0), "over: {}", said["exp"]);
    if let By::Them = by {
        for permission in [Permission::Admin, Permission::PiiRead, Permission::ExportsCreate] {
            assert!(!principal.permissions.allow(&permission), "more than its issuer may grant: {permission}");
        }
    }
}

fn usual_but_for(by: By, members: &[(&str, &str)]) -> Json {
    let iss = match by {
        By::Us => identity::OFFTAKE,
        By::Them => ISSUER,
    };
    let mut claims = Map::new();
    for (name, text) in [("iss", iss), ("aud", OFFTAKE), ("sub", "ada"), ("org_id", "acme")] {
        claims.insert(name.to_owned(), text.into());
    }
    claims.insert("exp".to_owned(), (NOW.as_second() + 60).into());
    for (name, json) in members.iter().take(8) {
        // What is no JSON is meant as text.
        claims.insert((*name).to_owned(), serde_json::from_str(json).unwrap_or_else(|_| (*json).into()));
    }
    Json::Object(claims)
}

fn part(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

fn signed(by: By, header: &[u8], claims: &[u8]) -> String {
    let secret = match by {
        By::Us => OURS,
        By::Them => THEIRS,
    };
    let message = format!("{}.{}", part(header), part(claims));
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { unreachable!("any length will do") };
    mac.update(message.as_bytes());
    format!("{message}.{}", part(&mac.finalize().into_bytes()))
}
