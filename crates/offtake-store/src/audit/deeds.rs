//! What the verbs of the store write down, whichever database is behind them.

use jiff::Timestamp;
use offtake_model::alert::Alert;
use offtake_model::api_key::ApiKey;
use offtake_model::audit::{Act, Action, Deed, ObjectKind, Via};
use offtake_model::id::ApiKeyId;
use offtake_model::job::Job;
use offtake_model::preset::Preset;
use offtake_model::principal::{KnownPrincipal, Principal};
use offtake_model::webhook::Webhook;

use crate::artifacts::Artifact;
use crate::jobs::NewJob;
use crate::outbox::Notification;
use crate::tokens::{Token, TokenClaims};
use crate::webhooks;

/// An export was asked for. What decides its rows is told by its digest: filters may hold what not everybody may read.
pub(crate) fn asked_for(new: &NewJob) -> Deed {
    Deed::done(Action::ExportCreate, ObjectKind::Job, new.id)
        .with("dataset", new.spec.dataset.as_str())
        .with("format", new.spec.format.name())
        .with("compression", new.spec.compression.name())
        .with("spec_sha256", new.spec.sha256())
}

/// Something was done to an export.
pub(crate) fn to_job(action: Action, job: &Job) -> Deed {
    Deed::done(action, ObjectKind::Job, job.id).with("dataset", job.spec.dataset.as_str())
}

/// Something was done to the file of an export.
pub fn to_file(action: Action, artifact: &Artifact) -> Deed {
    Deed::done(action, ObjectKind::Job, artifact.job)
        .with("artifact", artifact.id.to_string())
        .with("sha256", artifact.sha256.clone())
}

/// Something was done to a preset.
pub(crate) fn to_preset(action: Action, preset: &Preset) -> Deed {
    Deed::done(action, ObjectKind::Preset, &preset.name)
        .with("dataset", preset.dataset.as_str())
        .with("version", preset.version)
}

/// Something was done to an alert rule. What it is narrowed to is not told: filters may hold what not everybody may read.
pub(crate) fn to_alert(action: Action, alert: &Alert) -> Deed {
    Deed::done(action, ObjectKind::Alert, alert.id)
        .with("name", alert.content.name.as_str())
        .with("kind", alert.content.rule.kind())
        .with("enabled", alert.content.enabled)
        .with("version", alert.version)
}

/// It was decided about a principal anew: how it stands since.
pub(crate) fn to_principal(known: &KnownPrincipal) -> Deed {
    let withheld: Vec<String> = known.withheld.iter().map(ToString::to_string).collect();
    Deed::done(Action::PrincipalChange, ObjectKind::Principal, &known.sub)
        .with("disabled", known.disabled_at.is_some())
        .with("withheld", withheld)
}

/// An API key was made.
pub(crate) fn made_key(key: &ApiKey) -> Deed {
    Deed::done(Action::ApiKeyCreate, ObjectKind::ApiKey, key.id)
        .with("name", key.name.as_str())
        .with("permissions", key.permissions.to_words())
        .with("expires_at", key.expires_at.map(|at| at.to_string()))
}

/// An API key was revoked.
pub(crate) fn revoked_key(id: ApiKeyId) -> Deed {
    Deed::done(Action::ApiKeyRevoke, ObjectKind::ApiKey, id)
}

/// Something was done to a webhook endpoint. Of its URL the host is told: the rest may be what opens it.
pub(crate) fn to_webhook(action: Action, webhook: &Webhook) -> Deed {
    let events: Vec<&str> = webhook.events.iter().map(|kind| kind.name()).collect();
    Deed::done(action, ObjectKind::Webhook, webhook.id)
        .with("host", webhooks::host_of(&webhook.url))
        .with("events", events)
        .with("enabled", webhook.enabled)
}

/// A link was made by which `principal` can sign in.
pub(crate) fn offered(principal: &Principal) -> Deed {
    Deed::done(Action::SessionOffer, ObjectKind::Principal, &principal.sub)
        .with("permissions", principal.permissions.to_words())
}

/// A token was minted for `principal`. The token itself is written down nowhere.
pub fn minted(principal: &Principal, expires_at: Option<Timestamp>) -> Deed {
    Deed::done(Action::TokenMint, ObjectKind::Principal, &principal.sub)
        .with("permissions", principal.permissions.to_words())
        .with("expires_at", expires_at.map(|at| at.to_string()))
}

/// Something was done to a session. Its name here is the beginning of its fingerprint: enough to tell which, and nothing
/// that anybody could come in with.
pub(crate) fn to_session(action: Action, fingerprint: &str) -> Deed {
    let name: String = fingerprint.chars().take(16).collect();
    Deed::done(action, ObjectKind::Session, name)
}

/// A notification is owed once more. To whom is told by the channel alone: an address is personal.
pub(crate) fn owed_again(notification: &Notification) -> Deed {
    Deed::done(Action::NotificationReplay, ObjectKind::Notification, notification.id)
        .with("channel", notification.channel.name())
        .with("event", notification.event.id())
}

/// A one-time token was made. Its name here is the beginning of its digest, as that of a session.
pub(crate) fn issued(claims: &TokenClaims, sha256: &[u8; 32], expires_at: Timestamp) -> Deed {
    Deed::done(Action::ExportToken, ObjectKind::Job, claims.job)
        .with("token", hex::encode(&sha256[..8]))
        .with("purpose", claims.purpose.name())
        .with("expires_at", expires_at.to_string())
}

/// A one-time token was taken back.
pub(crate) fn taken_back(token: &Token) -> Deed {
    Deed::done(Action::ExportTokenRevoke, ObjectKind::Job, token.claims.job)
        .with("token", token.id.clone())
        .with("purpose", token.claims.purpose.name())
        .with("made_for", token.claims.subject.clone())
}

/// A one-time token was spent, and by whom: whoever it was made for, or who was given it.
pub(crate) fn spent(by: Act, claims: &TokenClaims, sha256: &[u8; 32]) -> (Act, Deed) {
    let deed = Deed::done(Action::ExportRedeem, ObjectKind::Job, claims.job)
        .with("token", hex::encode(&sha256[..8]))
        .with("purpose", claims.purpose.name());
    (by.named(&claims.subject, Via::OneTimeToken), deed)
}
