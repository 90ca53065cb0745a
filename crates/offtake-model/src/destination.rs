//! Destinations: buckets of an organization's own, and the delivery of files to them.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{DestinationId, JobId, OrgId};
use crate::{Error, ErrorKind, Result};

/// Destinations that an organization may have.
pub const MOST_DESTINATIONS: u32 = 50;
/// The longest key of an object, in bytes, as far as we make them.
const LONGEST_KEY: usize = 512;
/// What stands for something in a template, in every export.
const NAMES: [&str; 4] = ["dataset", "date", "job", "extension"];
/// The key of a delivered file where nothing is said of it.
pub const USUAL_KEY: &str = "{dataset}/{job}.{extension}";
/// The same for runs of schedules.
pub const USUAL_KEY_OF_RUNS: &str = "{dataset}/{schedule}/{from}_{to}_{job}.{extension}";

/// A bucket as somebody describes it, without the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DestinationContent {
    /// Its name, for people.
    pub name: String,
    /// Where the store is reached; `None`: Amazon's own for the region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The region.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// What every key begins with, without a slash at its ends; may be empty.
    #[serde(default)]
    pub prefix: String,
    /// The id of the access key.
    pub access_key: String,
    /// Whether the bucket is named in the path rather than in the host's name.
    #[serde(default)]
    pub path_style: bool,
}

/// A bucket that was probed and kept. Its secret is not in here.
#[derive(Debug, Clone, PartialEq)]
pub struct Destination {
    /// Its id.
    pub id: DestinationId,
    /// Whose it is.
    pub org: OrgId,
    /// How it is reached.
    pub content: DestinationContent,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last took what we tried.
    pub probed_at: Timestamp,
    /// Grows by one with every change.
    pub version: u64,
}

impl Destination {
    /// That it is still at `version`.
    ///
    /// # Errors
    /// `precondition_failed` if it was changed since.
    pub fn require(&self, version: u64) -> Result<()> {
        if version == self.version {
            return Ok(());
        }
        let detail = "the destination was changed in the meantime; get it again and decide anew";
        Err(Error::new(ErrorKind::PreconditionFailed, detail))
    }
}

impl DestinationContent {
    /// Whether files, and with them what is signed with the secret, go to the same store and bucket by the same key.
    pub fn same_place(&self, other: &Self) -> bool {
        let place = |of: &Self| (of.endpoint.clone(), of.region.clone(), of.bucket.clone(), of.path_style);
        place(self) == place(other) && self.access_key == other.access_key
    }
}

/// What an export says of where its file is delivered to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeliverTo {
    /// The destination.
    pub id: DestinationId,
    /// The key of the object below the destination's prefix, with names in braces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// What the names in a template stand for.
#[derive(Debug, Clone, Copy)]
pub struct KeyParts<'a> {
    /// The dataset.
    pub dataset: &'a str,
    /// The job, without which two files could have one key.
    pub job: JobId,
    /// When the job was asked for.
    pub asked_at: Timestamp,
    /// The extension, without a dot before it.
    pub extension: &'a str,
}

impl DeliverTo {
    /// What is wrong with the template, if anything is.
    pub fn wrong(&self) -> Option<String> {
        let template = self.key.as_deref()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '=' | '/' | '-' | '{' | '}');
        if template.is_empty() || template.len() > LONGEST_KEY || !template.chars().all(plain) {
            return Some("is 1 to 512 letters, digits, _ . = - and slashes, with names in braces".to_owned());
        }
        let mut rest = template.to_owned();
        for name in NAMES {
            rest = rest.replace(&format!("{{{name}}}"), "x");
        }
        if rest.contains(['{', '}']) {
            return Some(format!("has a name in braces that stands for nothing; there are: {}", NAMES.join(", ")));
        }
        if rest.split('/').any(|segment| matches!(segment, "" | "." | "..")) {
            return Some("has an empty step between two slashes, or one of dots alone".to_owned());
        }
        (!template.contains("{job}")).then(|| "needs {job}: without it two files could have one key".to_owned())
    }

    /// The key of the file of this job.
    pub fn key_of(&self, parts: KeyParts<'_>) -> String {
        let template = self.key.as_deref().unwrap_or(USUAL_KEY);
        template
            .replace("{dataset}", parts.dataset)
            .replace("{date}", &parts.asked_at.strftime("%Y-%m-%d").to_string())
            .replace("{job}", &parts.job.to_string())
            .replace("{extension}", parts.extension)
    }
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is owed, as soon as there is a file.
    Pending,
    /// The file is there, whole.
    Delivered,
    /// It was given up.
    Failed,
}

impl DeliveryState {
    /// Its name in API and database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }

    /// The one of this name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Pending, Self::Delivered, Self::Failed].into_iter().find(|state| state.name() == name)
    }
}

impl fmt::Display for DeliveryState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The delivery of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The job that makes the file.
    pub job: JobId,
    /// Where it goes.
    pub destination: DestinationId,
    /// Under which key, below the destination's prefix.
    pub key: String,
    /// How it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub tries: u32,
    /// What the last try came to.
    pub error: Option<String>,
    /// When it arrived.
    pub delivered_at: Option<Timestamp>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(key: &str) -> DeliverTo {
        DeliverTo { id: DestinationId::new(Timestamp::UNIX_EPOCH), key: Some(key.to_owned()) }
    }

    #[test]
    fn a_key_carries_its_job() {
        let job = JobId::new("2026-10-25T01:00:00Z".parse().unwrap());
        let parts =
            KeyParts { dataset: "spans", job, asked_at: "2026-10-25T01:00:00Z".parse().unwrap(), extension: "csv.gz" };
        assert_eq!(to("a/dt={date}/{job}.{extension}").key_of(parts), format!("a/dt=2026-10-25/{job}.csv.gz"));
        assert_eq!(DeliverTo { key: None, ..to("") }.key_of(parts), format!("spans/{job}.csv.gz"));
    }

    #[test]
    fn templates_that_lead_astray_are_refused() {
        for good in ["{job}", "a/{dataset}/{date}/{job}.{extension}", "x_{job}"] {
            assert_eq!(to(good).wrong(), None, "{good}");
        }
        for bad in ["", "/{job}", "a//{job}", "../{job}", "{job}/.", "{jobs}", "{job", "{date}", "a b/{job}", "ü{job}"]
        {
            assert!(to(bad).wrong().is_some(), "{bad}");
        }
    }
}
