//! Short-lived links to files, the store's or our own: made when asked for, never stored, never logged.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::Mac;
use jiff::{SignedDuration, Timestamp};
use offtake_model::id::ArtifactId;
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::{Artifact, LinkRequest};

use crate::files::disposition;
use crate::identity::{DerivedKeys, Secrets, mac};
use crate::state::{AppState, Downloads, ServerSettings};

/// Whatever the setting says, no link lives longer (law 9).
const MAX_TTL: SignedDuration = SignedDuration::from_mins(10);

/// Signs and checks links.
pub(crate) struct Links {
    keys: DerivedKeys,
    base: String,
    ttl: SignedDuration,
}

/// A link with the moment it dies.
pub(crate) struct Link {
    pub(crate) url: String,
    pub(crate) expires_at: Timestamp,
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("base", &self.base).field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

impl Links {
    pub(crate) fn new(secrets: &Secrets, settings: &ServerSettings) -> Self {
        let base = settings.public_url.as_deref().unwrap_or_default().trim_end_matches('/').to_owned();
        let ttl = settings.link_ttl.clamp(SignedDuration::from_secs(1), MAX_TTL);
        Self { keys: secrets.derive("offtake link v2"), base, ttl }
    }

    /// What every address of ours begins with; empty if they are paths.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// A link of ours to `artifact`, for nobody but `subject`: it ends with the subject's right to the file.
    fn sign(&self, artifact: ArtifactId, subject: &str, now: Timestamp) -> Link {
        let expires = now.as_second() + self.ttl.as_secs();
        let key = &self.keys.current().bytes;
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signed(key, artifact, subject, expires).finalize().into_bytes());
        let subject = BASE64_URL_SAFE_NO_PAD.encode(subject);
        let url = format!("{}/files/{artifact}?expires={expires}&for={subject}&signature={signature}", self.base);
        Link { url, expires_at: Timestamp::from_second(expires).unwrap_or(Timestamp::MAX) }
    }

    /// A fresh link to the file of `artifact`, for `subject`: the store's own, or ours where it gives none or shall not.
    ///
    /// # Errors
    /// `storage_unavailable`.
    pub(crate) async fn fresh(&self, artifact: &Artifact, subject: &str, head: bool, app: &AppState) -> Result<Link> {
        let now = app.clock.now();
        if app.settings.downloads == Downloads::Proxy {
            return Ok(self.sign(artifact.id, subject, now));
        }
        let request = LinkRequest {
            head,
            ttl: self.ttl.unsigned_abs(),
            media_type: artifact.media_type.clone(),
            disposition: disposition(&artifact.file_name),
        };
        match app.store.objects.link(&artifact.key, &request).await? {
            Some(url) => Ok(Link { url, expires_at: now.checked_add(self.ttl).unwrap_or(Timestamp::MAX) }),
            None => Ok(self.sign(artifact.id, subject, now)),
        }
    }

    /// The file and the subject of a link with these parts, if it is ours and still alive.
    ///
    /// # Errors
    /// `forbidden` if it is not ours, `gone` if it was.
    pub(crate) fn verify(
        &self,
        artifact: &str,
        [subject, expires, signature]: [&str; 3],
        now: Timestamp,
    ) -> Result<(ArtifactId, String)> {
        let tampered = || Error::new(ErrorKind::Forbidden, "this link is not valid; ask for a new one");
        let id: ArtifactId = artifact.parse().map_err(|_| tampered())?;
        let subject = BASE64_URL_SAFE_NO_PAD.decode(subject).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let subject = subject.ok_or_else(tampered)?;
        let moment: i64 = expires.parse().map_err(|_| tampered())?;
        let given = BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| tampered())?;
        // The expiry is signed as a number: it has one spelling, or "+5" and "05" would be links of their own.
        if moment.to_string() != expires {
            return Err(tampered());
        }
        let is_ours = |key: &[u8; 32]| signed(key, id, &subject, moment).verify_slice(&given).is_ok();
        if !self.keys.in_force(now).any(|key| is_ours(&key.bytes)) {
            return Err(tampered());
        }
        if now.as_second() >= moment {
            return Err(Error::new(ErrorKind::Gone, "this link has expired; ask for a new one"));
        }
        Ok((id, subject))
    }
}

fn signed(key: &[u8; 32], artifact: ArtifactId, subject: &str, expires: i64) -> hmac::Hmac<sha2::Sha256> {
    // The subject last: it is the one part whose length is not known.
    let parts = [artifact.to_string(), expires.to_string()];
    mac(key, &[parts[0].as_bytes(), b"\n", parts[1].as_bytes(), b"\n", subject.as_bytes()])
}
