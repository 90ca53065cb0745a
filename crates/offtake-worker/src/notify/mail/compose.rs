//! What a mail says: who may be told, and the facts as people read them.
//!
//! Everything is looked up at the moment of the try, because a mail may wait for a day: what the job is by then, how the
//! recipient stands, and a fresh one-time token for the link. The token of an earlier try is replaced by it.

use std::sync::Arc;

use jiff::Timestamp;
use lettre::Address;
use lettre::message::Mailbox;
use offtake_datasets::Catalog;
use offtake_model::audit::Act;
use offtake_model::clock::SharedClock;
use offtake_model::event::EventType;
use offtake_model::format::{Compression, Format};
use offtake_model::human::{Human, HumanFormats};
use offtake_model::job::{Job, JobStatus};
use offtake_model::permission::Permission;
use offtake_model::{Error, ErrorKind, Result};
use offtake_pipeline::{moment_for_people, number_for_people};
use offtake_store::{Artifact, JobScope, Notification, OneTimeKeys, Store, TokenClaims, TokenPurpose, reader_at};
use serde::Serialize;

use super::letter::{Letter, letter};
use super::settings::MailSettings;
use super::templates::Templates;

/// What a mail is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The file is there.
    Ready,
    /// It will never be, unless somebody asks for a retry.
    Failed,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }

    /// What an event is told as.
    fn of(notification: &Notification) -> Option<Self> {
        let status = notification.event.data.get("status").and_then(|status| status.as_str());
        match (notification.event.kind, status.and_then(JobStatus::parse)) {
            (EventType::ExportJobStatus, Some(JobStatus::Completed)) => Some(Self::Ready),
            (EventType::ExportJobStatus, Some(JobStatus::Failed)) => Some(Self::Failed),
            _ => None,
        }
    }
}

/// What templates see.
#[derive(Debug, Clone, Serialize)]
pub(super) struct View {
    pub(super) lang: String,
    pub(super) job: JobView,
    pub(super) file: Option<FileView>,
    pub(super) link: Option<LinkView>,
    pub(super) failure: Option<FailureView>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct JobView {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) dataset: String,
    pub(super) request_id: Option<String>,
    /// The console's page of it, for who can sign in.
    pub(super) page: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct FileView {
    pub(super) name: String,
    pub(super) format: String,
    pub(super) size: String,
    pub(super) rows: String,
    pub(super) matching: String,
    pub(super) traces: Option<String>,
    pub(super) expires: Option<String>,
    /// The first digits of the SHA-256.
    pub(super) checksum: String,
    /// Where the receipt is.
    pub(super) receipt: String,
    pub(super) limited: bool,
    /// Names of columns, in one text.
    pub(super) masked: Option<String>,
    pub(super) dropped: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct LinkView {
    pub(super) url: String,
    pub(super) until: String,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct FailureView {
    pub(super) code: String,
    pub(super) message: String,
    pub(super) kept_rows: Option<String>,
    pub(super) kept_until: String,
    /// The request that asks for a retry.
    pub(super) retry: String,
}

/// A mail, or why there is none and never will be.
#[derive(Debug)]
pub(super) enum Composed {
    Letter(Letter),
    Never(String),
}

/// Writes mails.
#[derive(Debug)]
pub(super) struct Composer {
    pub(super) store: Store,
    pub(super) catalog: Arc<Catalog>,
    pub(super) clock: SharedClock,
    pub(super) keys: OneTimeKeys,
    pub(super) templates: Templates,
    pub(super) settings: MailSettings,
}

/// How one mail's recipient reads.
struct Reader {
    language: String,
    human: Human,
    bytes: String,
}

impl Composer {
    /// # Errors
    /// `store_unavailable` and other reasons to try again later.
    pub(super) async fn compose(&self, notification: &Notification) -> Result<Composed> {
        let never = |why: &str| Ok(Composed::Never(why.to_owned()));
        let (Some(kind), Some(id)) = (Kind::of(notification), notification.event.job) else {
            return never("no mail is written about this");
        };
        let Ok(to) = notification.address.parse::<Address>() else { return never("this is no e-mail address") };
        let scope = JobScope { org: notification.org.clone(), owner: None };
        let job = match self.store.jobs.get(&scope, id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return never("the job is gone"),
            job => job?,
        };
        let artifact = match kind {
            Kind::Ready => match self.store.artifacts.ready(&scope, id).await {
                Err(error) if is_gone(&error) => return never("the file is gone"),
                artifact => Some(artifact?),
            },
            Kind::Failed if job.status != JobStatus::Failed => return never("the job was tried again meanwhile"),
            Kind::Failed => None,
        };
        let owner = (job.owner.as_str(), job.owner_email.as_deref());
        let needed = self.needed(&job, artifact.as_ref());
        let principals = self.store.principals.as_ref();
        let Some(subject) = reader_at(principals, &job.org, &notification.address, owner, &needed).await? else {
            return never("nobody at this address may be told of it any more");
        };
        let view = self.view(&job, artifact.as_ref(), notification, &subject).await?;
        let said = self.templates.render(kind, &view)?;
        let from = self.settings.from.parse::<Mailbox>();
        let from = from.map_err(|error| Error::new(ErrorKind::Internal, "mail.from is no address").caused_by(error))?;
        let at = std::time::SystemTime::from(self.clock.now());
        Ok(Composed::Letter(letter(from, to, &notification.id.to_string(), at, said)?))
    }

    /// What somebody must be allowed to do to be told: what it takes to fetch the file, or to see the job.
    fn needed(&self, job: &Job, artifact: Option<&Artifact>) -> Vec<Permission> {
        let dataset = self.catalog.permission(&job.spec.dataset);
        let act = if artifact.is_some() { Permission::ExportsDownload } else { Permission::ExportsRead };
        let made = artifact.map(|artifact| artifact.receipt.as_ref().map_or(&job.spec, |receipt| &receipt.spec));
        let dataset_now = self.catalog.get(&job.spec.dataset).ok();
        let schema = dataset_now.as_ref().map(|dataset| dataset.schema.as_ref());
        let tells = made.is_some_and(|spec| spec.tells_sensitive(schema));
        [Some(act), dataset, tells.then_some(Permission::PiiRead)].into_iter().flatten().collect()
    }

    async fn view(
        &self,
        job: &Job,
        artifact: Option<&Artifact>,
        notification: &Notification,
        subject: &str,
    ) -> Result<View> {
        let reader = self.reader(job);
        let link = match artifact {
            Some(_) => self.link(job, subject, &reader).await?,
            None => None,
        };
        Ok(View {
            job: JobView {
                id: job.id.to_string(),
                name: job.name.clone(),
                dataset: job.spec.dataset.clone(),
                request_id: job.request_id.clone(),
                page: self.settings.public_url.as_deref().map(|base| format!("{base}/#/exports?job={}", job.id)),
            },
            file: artifact.map(|artifact| self.file(job, artifact, notification, &reader)),
            failure: artifact.is_none().then(|| self.failure(job, &reader)),
            link,
            lang: reader.language,
        })
    }

    /// As the export says for its cells, else as configured.
    fn reader(&self, job: &Job) -> Reader {
        let settings = &self.settings;
        let asked = job.spec.formats.clone().unwrap_or_default();
        let locale = asked.locale.clone().unwrap_or_else(|| settings.locale.clone());
        let zone = asked.time_zone.clone().unwrap_or_else(|| settings.time_zone.clone());
        let formats = |base: HumanFormats| HumanFormats {
            locale: Some(locale.clone()),
            time_zone: Some(zone.clone()),
            date: None,
            timestamp: None,
            ..base
        };
        let human =
            formats(asked).compile(Format::Csv).or_else(|_| formats(HumanFormats::default()).compile(Format::Csv));
        let plain = Human { numbers: None, date: None, timestamp: None, zone: jiff::tz::TimeZone::UTC };
        let language = self.templates.language(&locale).to_owned();
        let bytes = self.templates.word(&language, "bytes").to_owned();
        Reader { language, human: human.unwrap_or(plain), bytes }
    }

    fn file(&self, job: &Job, artifact: &Artifact, notification: &Notification, reader: &Reader) -> FileView {
        let receipt = artifact.receipt.as_ref();
        let rows = receipt.map_or(job.progress.rows, |receipt| receipt.rows_written);
        let traces = notification.event.data.get("trace_count").and_then(serde_json::Value::as_u64);
        let masked = receipt.map(|receipt| receipt.masked.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
        let dropped: Vec<String> =
            receipt.map(|receipt| receipt.spec.disclosure.dropped().map(str::to_owned).collect()).unwrap_or_default();
        FileView {
            name: artifact.file_name.clone(),
            format: format_name(artifact.format, artifact.compression),
            size: reader.size(artifact.bytes.unwrap_or_default()),
            rows: reader.number(rows),
            matching: reader.number(receipt.map_or(rows, |receipt| receipt.rows_matching)),
            traces: traces.filter(|_| job.spec.dataset == "traces").map(|traces| reader.number(traces)),
            expires: job.expires_at.map(|at| reader.moment(at)),
            checksum: artifact.sha256.as_deref().unwrap_or_default().chars().take(CHECKSUM).collect(),
            receipt: self.place(job, "receipt"),
            limited: receipt.is_some_and(|receipt| receipt.limited),
            masked: listed(masked),
            dropped: listed(dropped),
        }
    }

    fn failure(&self, job: &Job, reader: &Reader) -> FailureView {
        let error = job.error.as_ref();
        // Parquet and xlsx begin anew, whatever was written.
        let kept = job.progress.rows > 0 && job.spec.format.is_text();
        FailureView {
            code: error.map_or("internal", |error| error.code.code()).to_owned(),
            message: error.map(|error| error.message.clone()).unwrap_or_default(),
            kept_rows: kept.then(|| reader.number(job.progress.rows)),
            kept_until: job.expires_at.map(|at| reader.moment(at)).unwrap_or_default(),
            retry: format!("POST {}", self.place(job, "retry")),
        }
    }

    /// An address of the job's in the API.
    fn place(&self, job: &Job, what: &str) -> String {
        let base = self.settings.public_url.as_deref().unwrap_or_default();
        format!("{base}/api/v1/export/jobs/{}/{what}", job.id)
    }

    /// The page of a fresh one-time token. Without an address that everybody can reach, there is none to write down.
    async fn link(&self, job: &Job, subject: &str, reader: &Reader) -> Result<Option<LinkView>> {
        let Some(base) = self.settings.public_url.as_deref().filter(|_| job.require_stored().is_ok()) else {
            return Ok(None);
        };
        let claims =
            TokenClaims { org: job.org.clone(), subject: subject.to_owned(), job: job.id, purpose: TokenPurpose::Mail };
        let tokens = self.store.tokens.as_ref();
        let token = self.keys.issue(tokens, claims, self.settings.link_ttl, Act::of_system()).await?;
        Ok(Some(LinkView { url: format!("{base}/d/{}", token.text), until: reader.moment(token.expires_at) }))
    }
}

/// How much of a SHA-256 a person compares.
const CHECKSUM: usize = 16;

/// Whatever became of the job, there is no file.
fn is_gone(error: &Error) -> bool {
    use ErrorKind::{Conflict, Gone, NotFound, NotReady};
    matches!(error.kind(), NotFound | Gone | NotReady | Conflict)
}

fn listed(names: Vec<String>) -> Option<String> {
    (!names.is_empty()).then(|| names.join(", "))
}

fn format_name(format: Format, compression: Compression) -> String {
    let name = format.name().to_uppercase();
    if compression == Compression::None { name } else { format!("{name} ({})", compression.name()) }
}

impl Reader {
    fn number(&self, number: u64) -> String {
        number_for_people(&self.human, &number.to_string())
    }

    fn moment(&self, at: Timestamp) -> String {
        let zone = at.to_zoned(self.human.zone.clone()).strftime("%Z").to_string();
        format!("{} {zone}", moment_for_people(&self.human, at))
    }

    fn size(&self, bytes: u64) -> String {
        const UNITS: [(u64, &str); 4] = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match UNITS.into_iter().find(|(unit, _)| bytes >= *unit) {
            Some((unit, name)) => {
                let tenths = u128::from(bytes) * 10 / u128::from(unit);
                format!("{} {name}", number_for_people(&self.human, &format!("{}.{}", tenths / 10, tenths % 10)))
            }
            None => format!("{} {}", self.number(bytes), self.bytes),
        }
    }
}

impl View {
    /// One with everything that there can be, to check templates with.
    pub(super) fn sample(language: &str) -> Self {
        let text = |text: &str| text.to_owned();
        let some = |text: &str| Some(text.to_owned());
        Self {
            lang: text(language),
            job: JobView {
                id: text("job_0199c0ffee0070008000000000000001"),
                name: text("Spans 2026-10"),
                dataset: text("spans"),
                request_id: some("req-1"),
                page: some("https://offtake.example.org/#/exports?job=job_0199c0ffee0070008000000000000001"),
            },
            file: Some(FileView {
                name: text("spans-2026-10.csv.gz"),
                format: text("CSV (gzip)"),
                size: text("1.2 MiB"),
                rows: text("1,000"),
                matching: text("1,284,512"),
                traces: some("1,000"),
                expires: some("11/3/2026 09:00:00 UTC"),
                checksum: text("9f86d081884c7d65"),
                receipt: text("/api/v1/export/jobs/job_0199c0ffee0070008000000000000001/receipt"),
                limited: true,
                masked: some("input, output"),
                dropped: some("events"),
            }),
            link: Some(LinkView {
                url: text("https://offtake.example.org/d/ot1.x.y"),
                until: text("11/2/2026 09:00:00 UTC"),
            }),
            failure: Some(FailureView {
                code: text("source_unavailable"),
                message: text("the source does not answer"),
                kept_rows: some("12,000"),
                kept_until: text("11/3/2026 09:00:00 UTC"),
                retry: text("POST /api/v1/export/jobs/job_0199c0ffee0070008000000000000001/retry"),
            }),
        }
    }

    /// The same with as little as there can be.
    pub(super) fn least(language: &str) -> Self {
        let mut view = Self::sample(language);
        (view.job.request_id, view.job.page) = (None, None);
        view.link = None;
        if let Some(file) = &mut view.file {
            (file.traces, file.expires, file.masked, file.dropped, file.limited) = (None, None, None, None, false);
        }
        if let Some(failure) = &mut view.failure {
            failure.kept_rows = None;
        }
        view
    }
}
