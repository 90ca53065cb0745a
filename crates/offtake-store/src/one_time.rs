//! The text of one-time tokens: how one is made, and whether one is ours.
//!
//! `ot1.PAYLOAD.KEY`: the version, 96 bytes in base64 (32 of chance, the digest of what the token is bound to, an
//! HMAC-SHA-256 over all of it) and the id of the key. Forged ones are told apart here, before anybody asks the store; what
//! the digest was made of is in the token's row. It lies here because two hand tokens out: the server to who asks for one,
//! and the worker in a mail. Not responsible for where the keys come from, nor for what a token is shown for (`offtake-server`).

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac};
use jiff::{SignedDuration, Timestamp};
use offtake_model::Result;
use offtake_model::audit::Act;
use sha2::{Digest, Sha256};

use crate::tokens::{NewToken, TokenClaims, Tokens};

const VERSION: &str = "ot1";
/// The length of each of the three pieces of a payload.
const PIECE: usize = 32;
const KEY_ID_BYTES: usize = 4;

/// The chance in a token, which makes it what it is.
#[derive(Clone, Copy)]
pub struct Seed([u8; PIECE]);

impl Seed {
    /// Drawn from the system.
    pub fn draw() -> Self {
        Self(rand::random())
    }

    /// What the store knows the token by.
    fn sha256(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }

    /// The digest of everything the token is bound to. Each piece goes in with its length, so that none can pass for a
    /// part of its neighbour.
    fn bound_to(&self, claims: &TokenClaims, expires_at: Timestamp) -> [u8; PIECE] {
        let TokenClaims { org, subject, job, purpose } = claims;
        let (job, expires_at) = (job.to_string(), expires_at.as_microsecond().to_string());
        let mut digest = Sha256::new();
        for piece in [org.as_str(), subject, &job, purpose.name(), &expires_at] {
            digest.update((piece.len() as u64).to_be_bytes());
            digest.update(piece);
        }
        digest.update(self.0);
        digest.finalize().into()
    }
}

/// What one-time tokens are signed with: by the current key, and known by earlier ones too.
#[derive(Clone)]
pub struct OneTimeKeys {
    current: OneTimeKey,
    previous: Vec<OneTimeKey>,
}

/// A key for one-time tokens and nothing else.
#[derive(Clone)]
pub struct OneTimeKey {
    /// From when on it counts for nothing, if there is such a moment.
    until: Option<Timestamp>,
    /// Hexadecimal, so that a token ends in no character that a mail program would take for the end of a sentence.
    id: String,
    key: [u8; 32],
}

/// A token that was kept just now. Whoever has its text can spend it.
pub struct IssuedToken {
    /// The token.
    pub text: String,
    /// When its time is over.
    pub expires_at: Timestamp,
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

impl fmt::Debug for OneTimeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OneTimeKey").field("id", &self.id).field("until", &self.until).finish_non_exhaustive()
    }
}

impl fmt::Debug for OneTimeKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<&str> = self.all().map(|key| key.id.as_str()).collect();
        f.debug_struct("OneTimeKeys").field("ids", &ids).finish_non_exhaustive()
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(redacted)")
    }
}

/// A token that we have signed, as it was shown.
pub struct ShownToken {
    seed: Seed,
    binding: [u8; PIECE],
}

impl fmt::Debug for ShownToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShownToken(redacted)")
    }
}

impl ShownToken {
    /// What the store knows the token by.
    pub fn sha256(&self) -> [u8; 32] {
        self.seed.sha256()
    }

    /// Whether this is what was signed: a row that somebody changed gives no right to anything.
    pub fn is_bound_to(&self, claims: &TokenClaims, expires_at: Timestamp) -> bool {
        self.binding == self.seed.bound_to(claims, expires_at)
    }
}

impl OneTimeKeys {
    /// The key that signs, and those before it.
    pub const fn new(current: OneTimeKey, previous: Vec<OneTimeKey>) -> Self {
        Self { current, previous }
    }

    /// Keeps a fresh token in the place of an earlier one for the same, and hands it out.
    ///
    /// # Errors
    /// As [`Tokens::issue`].
    pub async fn issue(
        &self,
        tokens: &dyn Tokens,
        claims: TokenClaims,
        ttl: SignedDuration,
        by: Act,
    ) -> Result<IssuedToken> {
        let seed = Seed::draw();
        let key_id = self.id().to_owned();
        let new = NewToken { sha256: seed.sha256(), claims: claims.clone(), key_id, ttl, by };
        let expires_at = tokens.issue(new).await?;
        Ok(IssuedToken { text: self.sign(&seed, &claims, expires_at), expires_at })
    }

    /// The id of the key that is signed with.
    fn id(&self) -> &str {
        &self.current.id
    }

    /// The token of this chance, bound to all of this.
    pub fn sign(&self, seed: &Seed, claims: &TokenClaims, expires_at: Timestamp) -> String {
        let binding = seed.bound_to(claims, expires_at);
        let tag = self.current.mac(&seed.0, &binding).finalize().into_bytes();
        let payload = [&seed.0[..], &binding, &tag].concat();
        format!("{VERSION}.{}.{}", BASE64_URL_SAFE_NO_PAD.encode(payload), self.current.id)
    }

    /// Reads a token. `None` for whatever was not signed with a key we know, letter by letter.
    pub fn read(&self, text: &str, now: Timestamp) -> Option<ShownToken> {
        let (payload, id) = text.strip_prefix(VERSION)?.strip_prefix('.')?.split_once('.')?;
        let payload = BASE64_URL_SAFE_NO_PAD.decode(payload).ok().filter(|payload| payload.len() == 3 * PIECE)?;
        let (seed, rest) = payload.split_first_chunk::<PIECE>()?;
        let (binding, tag) = rest.split_first_chunk::<PIECE>()?;
        let in_force = |key: &&OneTimeKey| key.id == id && key.until.is_none_or(|until| now < until);
        let key = self.all().filter(in_force).find(|key| key.mac(seed, binding).verify_slice(tag).is_ok());
        key.map(|_| ShownToken { seed: Seed(*seed), binding: *binding })
    }

    fn all(&self) -> impl Iterator<Item = &OneTimeKey> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

impl OneTimeKey {
    /// A key, and what it is known by. From `until` on it counts for nothing.
    pub fn new(key: [u8; 32], id: [u8; 32], until: Option<Timestamp>) -> Self {
        Self { until, id: hex::encode(&id[..KEY_ID_BYTES]), key }
    }

    fn mac(&self, seed: &[u8; PIECE], binding: &[u8; PIECE]) -> Hmac<Sha256> {
        // HMAC takes keys of any length; the branch cannot be reached and would only weaken to an unused key.
        let keyed = Hmac::<Sha256>::new_from_slice(&self.key);
        let mut mac = keyed.unwrap_or_else(|_| Hmac::<Sha256>::new(&Default::default()));
        for part in [VERSION.as_bytes(), b".", self.id.as_bytes(), b".", seed, binding] {
            mac.update(part);
        }
        mac
    }
}

#[cfg(test)]
mod tests {
    use offtake_model::id::{JobId, OrgId};

    use super::*;
    use crate::tokens::TokenPurpose;

    fn key(byte: u8, until: Option<Timestamp>) -> OneTimeKey {
        OneTimeKey::new([byte; 32], Sha256::digest([byte]).into(), until)
    }

    fn keys(byte: u8) -> OneTimeKeys {
        OneTimeKeys::new(key(byte, None), Vec::new())
    }

    fn claims() -> TokenClaims {
        let job = JobId::new(Timestamp::UNIX_EPOCH);
        let org = OrgId::new("acme").expect("an organization");
        TokenClaims { org, subject: "ada".to_owned(), job, purpose: TokenPurpose::Download }
    }

    const NOW: Timestamp = Timestamp::constant(1_794_000_000, 0);
    const SOON: Timestamp = Timestamp::constant(1_795_000_000, 123_456_000);

    #[test]
    fn a_token_is_short_and_fit_for_a_url() {
        let ring = keys(7);
        let token = ring.sign(&Seed::draw(), &claims(), SOON);
        assert_eq!(token.len(), 141);
        assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)), "{token}");
        assert!(token.starts_with("ot1.") && token.ends_with(&format!(".{}", ring.id())), "{token}");
        assert_ne!(token, ring.sign(&Seed::draw(), &claims(), SOON));
    }

    #[test]
    fn a_token_is_bound_to_everything_it_was_made_for() {
        let ring = keys(7);
        let (seed, mine) = (Seed::draw(), claims());
        let shown = ring.read(&ring.sign(&seed, &mine, SOON), NOW).expect("it is ours");
        assert_eq!(shown.sha256(), seed.sha256());
        assert!(shown.is_bound_to(&mine, SOON));
        let later = Timestamp::from_microsecond(SOON.as_microsecond() + 1).expect("a moment");
        assert!(!shown.is_bound_to(&mine, later));
        let org = OrgId::new("acm").expect("an organization");
        for other in [
            TokenClaims { org: org.clone(), ..mine.clone() },
            TokenClaims { org, subject: "eada".to_owned(), ..mine.clone() },
            TokenClaims { subject: "bob".to_owned(), ..mine.clone() },
            TokenClaims { job: JobId::new(SOON), ..mine.clone() },
        ] {
            assert!(!shown.is_bound_to(&other, SOON), "{other:?}");
        }
    }

    #[test]
    fn no_character_of_it_can_be_changed() {
        let ring = keys(7);
        let token = ring.sign(&Seed::draw(), &claims(), SOON);
        for at in 0..token.len() {
            for other in [b'A', b'b', b'0', b'-', b'.', b'=', b'%'] {
                let mut bytes = token.clone().into_bytes();
                if std::mem::replace(&mut bytes[at], other) != other {
                    let changed = String::from_utf8(bytes).expect("ASCII");
                    assert!(ring.read(&changed, NOW).is_none(), "{changed}");
                }
            }
            assert!(ring.read(&token[..at], NOW).is_none() && ring.read(&token[at + 1..], NOW).is_none());
        }
        for more in [format!("{token}A"), format!(" {token}"), format!("{token}="), token.to_uppercase()] {
            assert!(ring.read(&more, NOW).is_none(), "{more}");
        }
    }

    #[test]
    fn tokens_of_an_earlier_secret_hold_while_it_is_known() {
        let before = keys(1);
        let token = before.sign(&Seed::draw(), &claims(), SOON);
        let after = |previous: &[u8]| {
            OneTimeKeys::new(key(2, None), previous.iter().map(|old| key(*old, Some(SOON))).collect())
        };
        let rotated = after(&[3, 1]);
        assert!(rotated.read(&token, NOW).is_some());
        assert!(rotated.read(&token, SOON).is_none(), "over");
        let fresh = rotated.sign(&Seed::draw(), &claims(), SOON);
        assert!(fresh.ends_with(rotated.id()) && rotated.id() != before.id());
        assert!(rotated.read(&fresh, NOW).is_some() && before.read(&fresh, NOW).is_none());
        assert!(after(&[3]).read(&token, NOW).is_none(), "forgotten");
        // The id alone proves nothing.
        let (start, _) = token.rsplit_once('.').expect("an id");
        assert!(rotated.read(&format!("{start}.{}", rotated.id()), NOW).is_none());
    }

    #[test]
    fn nothing_secret_is_printed() {
        let ring = keys(7);
        assert_eq!(format!("{ring:?}"), format!("OneTimeKeys {{ ids: [{:?}], .. }}", ring.id()));
    }
}
