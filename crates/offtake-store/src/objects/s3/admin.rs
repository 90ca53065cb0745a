//! What an operator asks of a bucket: whether it does all that is needed, and to look after itself.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures::TryStreamExt;
use jiff::Timestamp;
use offtake_model::{Error, ErrorKind, Result};
use reqwest::StatusCode;
use sha2::{Digest, Sha256};

use super::lifecycle::{self, LifecycleRules};
use super::{S3Objects, sizes};
use crate::objects::{LinkRequest, ObjectKey, Objects};

/// One thing that was tried on the bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What was tried.
    pub name: &'static str,
    /// What it is needed for.
    pub needed_for: &'static str,
    /// What came of it.
    pub outcome: ProbeOutcome,
}

/// What came of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeOutcome {
    /// It works; with what was found, where that says more.
    Works(String),
    /// Offtake works without it, but should not have to: what is wrong and what to do.
    Wanting(String),
    /// Offtake cannot work like this: what is wrong and what to do.
    Fails(String),
}

/// The object that probes are made on.
const TEXT: &[u8] = b"Offtake was here to see whether this bucket works.";

impl S3Objects {
    /// Tries on the bucket, below the prefix, everything that exports and downloads will need, and cleans up.
    pub async fn probe(&self) -> Vec<Probe> {
        // Where no key can be, and so no sweep of a worker looks.
        let prefix = format!("{}.check", self.bucket.below());
        let aside = super::S3Settings { prefix, ..self.bucket.settings.clone() };
        match Self::new(aside) {
            Ok(aside) => aside.probe_here().await,
            Err(error) => vec![probe("write", "every file", Err(error))],
        }
    }

    async fn probe_here(&self) -> Vec<Probe> {
        let key = ObjectKey::from_parts(["storage-check", &hex::encode(rand::random::<[u8; 8]>())]);
        let mut probes = vec![probe("write", "every small file and receipt", self.try_write(&key).await)];
        // Without that nothing else says anything new.
        if matches!(probes[0].outcome, ProbeOutcome::Works(_)) {
            probes.push(probe("read", "downloads through the server, the command line", self.try_read(&key).await));
            probes.push(probe("range", "downloads that go on where they broke off", self.try_range(&key).await));
            let conditional = self.try_conditional(&key).await;
            probes.push(probe("conditional write", "the second fence against replacing a finished file", conditional));
            probes.push(probe("multipart", "files larger than one part", self.try_multipart(&key, false).await));
            let resume = self.try_multipart(&key, true).await;
            probes.push(probe("copy into an upload", "going on with the upload of a worker that died", resume));
            probes.push(probe("list uploads", "the sweep of what dead workers left", self.try_list().await));
            probes.push(probe("signed link", "downloads straight from the store", self.try_link(&key).await));
            probes.push(probe("tampered link", "links that hold for one file alone", self.try_tampered(&key).await));
            probes.push(probe("abort rule", "a safety net under the sweep", self.try_rule().await));
        }
        probes.push(probe("delete", "expiry, and cleaning up after this check", self.clean_up(&key).await));
        probes
    }

    /// Sets the bucket's rules below the prefix; rules of others stay as they are.
    ///
    /// # Errors
    /// `storage_unavailable` if the store refuses or does not know of such rules.
    pub async fn apply_lifecycle(&self, rules: LifecycleRules) -> Result<()> {
        let signed = &self.bucket.signed;
        let present = signed.lifecycle().await?;
        let merged = lifecycle::merged(present.as_deref(), &self.bucket.below(), rules);
        let digest = BASE64_STANDARD.encode(Sha256::digest(&merged));
        signed.put_lifecycle(merged, digest).await
    }

    /// The days after which the bucket ends unfinished uploads; `None` if it never does.
    ///
    /// # Errors
    /// `storage_unavailable`.
    pub async fn aborts_uploads_after(&self) -> Result<Option<u32>> {
        let rules = self.bucket.signed.lifecycle().await?;
        Ok(rules.and_then(|rules| lifecycle::aborts_after(&rules, &self.bucket.below())))
    }

    /// The store's own time, if it tells.
    ///
    /// # Errors
    /// `storage_unavailable`.
    pub async fn time(&self) -> Result<Option<Timestamp>> {
        let date = self.bucket.signed.date().await?;
        Ok(date.and_then(|date| jiff::fmt::rfc2822::parse(&date).ok()).map(|date| date.timestamp()))
    }

    async fn try_write(&self, key: &ObjectKey) -> Result<ProbeOutcome> {
        self.put(key, Bytes::from_static(TEXT)).await?;
        works("")
    }

    async fn try_read(&self, key: &ObjectKey) -> Result<ProbeOutcome> {
        let bytes: Vec<Bytes> = self.read(key, 0..TEXT.len() as u64).await?.try_collect().await?;
        if bytes.concat() == TEXT { works("") } else { Ok(fails("other bytes come back than were written")) }
    }

    async fn try_range(&self, key: &ObjectKey) -> Result<ProbeOutcome> {
        let bytes: Vec<Bytes> = self.read(key, 8..12).await?.try_collect().await?;
        if bytes.concat() == TEXT[8..12] { works("") } else { Ok(fails("other bytes come back than were asked for")) }
    }

    async fn try_conditional(&self, key: &ObjectKey) -> Result<ProbeOutcome> {
        if !self.bucket.settings.conditional_writes {
            return Ok(wanting("switched off (store.conditional_writes); the attempt in every key is the only fence"));
        }
        let advice = "the store ignores If-None-Match; the attempt in every key remains the fence, so files are safe";
        match self.begin(key).await?.finish().await {
            Err(error) if error.kind() == ErrorKind::Conflict => works(""),
            Err(error) => Err(error),
            Ok(()) => {
                self.put(key, Bytes::from_static(TEXT)).await?;
                Ok(wanting(advice))
            }
        }
    }

    async fn try_multipart(&self, key: &ObjectKey, taken_over: bool) -> Result<ProbeOutcome> {
        let (first, second) = (key.beside("1"), key.beside("2"));
        let large =
            Bytes::from(vec![b'x'; usize::try_from(sizes::most(self.bucket.settings.part_bytes as u64)).unwrap_or(0)]);
        let mut upload = self.begin(&first).await?;
        let uploaded = upload.put_part(large.clone()).await?;
        let key = if taken_over { &second } else { &first };
        if taken_over {
            upload = self.resume(&second, &first, &uploaded).await?;
        }
        upload.put_part(Bytes::from_static(TEXT)).await?;
        upload.finish().await?;
        let expected = (large.len() + TEXT.len()) as u64;
        let found = self.size(key).await?;
        self.delete(&first).await?;
        match found {
            Some(size) if size == expected => works(""),
            other => Ok(fails(&format!("the object has {other:?} bytes where {expected} were sent"))),
        }
    }

    async fn try_list(&self) -> Result<ProbeOutcome> {
        let staged = self.staged().await?;
        works(&format!("{} under way", staged.len()))
    }

    async fn try_link(&self, key: &ObjectKey) -> Result<ProbeOutcome> {
        let (status, disposition, body) = fetch(&self.probe_link(key).await?).await?;
        let endpoint = self.bucket.settings.public_endpoint.as_deref().unwrap_or("the endpoint itself");
        if !status.is_success() || body != TEXT {
            return Ok(fails(&format!(
                "a fresh link is answered with {status} by {endpoint}; check store.public_endpoint"
            )));
        }
        if disposition.is_none_or(|value| !value.contains("storage check.txt")) {
            return Ok(wanting("the store does not give a download the file's name; browsers will name it by its key"));
        }
        works(&format!("by {endpoint}"))
    }

    async fn try_tampered(&self, key: &ObjectKey) -> Result<ProbeOutcome> {
        let link = self.probe_link(key).await?;
        let other = link.replacen("storage-check", "storage-check-", 1);
        let longer = link.replacen("X-Amz-Expires=60", "X-Amz-Expires=6000", 1);
        for link in [other, longer] {
            let (status, ..) = fetch(&link).await?;
            if status.is_success() || status == StatusCode::NOT_FOUND {
                let advice =
                    "the store does not check signatures: whoever has one link has every file; use another store";
                return Ok(fails(&format!("a link that was changed is answered with {status}; {advice}")));
            }
        }
        works("refused")
    }

    async fn try_rule(&self) -> Result<ProbeOutcome> {
        let advice = "run `offtake storage apply-lifecycle`, or set such a rule yourself";
        match self.aborts_uploads_after().await {
            Ok(Some(days)) => works(&format!("after {days} days")),
            Ok(None) => Ok(wanting(&format!("the bucket never ends unfinished uploads by itself; {advice}"))),
            Err(error) => {
                let detail = error.detail();
                Ok(wanting(&format!("the bucket's rules cannot be read ({detail}); the sweep does without them")))
            }
        }
    }

    async fn clean_up(&self, key: &ObjectKey) -> Result<ProbeOutcome> {
        self.delete(key).await?;
        match self.size(key).await? {
            None => works(""),
            Some(_) => Ok(fails("an object that was deleted is still there; is the bucket locked or replicated?")),
        }
    }

    async fn probe_link(&self, key: &ObjectKey) -> Result<String> {
        let link = LinkRequest {
            head: false,
            ttl: Duration::from_secs(60),
            media_type: "text/plain".to_owned(),
            disposition: "attachment; filename=\"storage check.txt\"".to_owned(),
        };
        let link = self.link(key, &link).await?;
        link.ok_or_else(|| Error::new(ErrorKind::Internal, "a bucket gives links"))
    }
}

async fn fetch(link: &str) -> Result<(StatusCode, Option<String>, Bytes)> {
    let failed = |error: reqwest::Error| {
        let detail = "whoever follows a link does not reach the store; check store.public_endpoint";
        Error::new(ErrorKind::StorageUnavailable, detail).caused_by(error.without_url())
    };
    let http = reqwest::Client::builder().timeout(Duration::from_secs(20)).build().map_err(failed)?;
    let response = http.get(link).send().await.map_err(failed)?;
    let disposition = response.headers().get(http::header::CONTENT_DISPOSITION);
    let disposition = disposition.and_then(|value| value.to_str().ok()).map(str::to_owned);
    let status = response.status();
    Ok((status, disposition, response.bytes().await.map_err(failed)?))
}

fn probe(name: &'static str, needed_for: &'static str, outcome: Result<ProbeOutcome>) -> Probe {
    let told = |error: Error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(" ({cause})")).unwrap_or_default();
        ProbeOutcome::Fails(format!("{}{cause}", error.detail()))
    };
    Probe { name, needed_for, outcome: outcome.unwrap_or_else(told) }
}

fn works(found: &str) -> Result<ProbeOutcome> {
    Ok(ProbeOutcome::Works(found.to_owned()))
}

fn wanting(detail: &str) -> ProbeOutcome {
    ProbeOutcome::Wanting(detail.to_owned())
}

fn fails(detail: &str) -> ProbeOutcome {
    ProbeOutcome::Fails(detail.to_owned())
}
