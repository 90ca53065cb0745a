//! What was done, to what, and how it went.

use serde_json::{Map, Value as Json};

use super::plain;

/// The longest text in the details of an entry, in bytes.
const DETAIL_BYTES: usize = 256;

macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// Its name in an entry.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The one of this name.
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }
        }
    };
}

names! {
    /// What can be done that is written down: a closed list.
    Action {
        /// An export was asked for.
        ExportCreate "export.create",
        /// An export was called off.
        ExportCancel "export.cancel",
        /// A failed export was begun again.
        ExportRetry "export.retry",
        /// A link to a file was given, or the file itself.
        ExportDownload "export.download",
        /// A file began to be sent to whoever held such a link.
        ExportFetch "export.fetch",
        /// A file was deleted before its time.
        ExportDelete "export.delete",
        /// A one-time token for a file was made.
        ExportToken "export.token",
        /// A one-time token was taken back.
        ExportTokenRevoke "export.token_revoke",
        /// A one-time token was spent.
        ExportRedeem "export.redeem",
        /// A preset was saved.
        PresetCreate "preset.create",
        /// A preset was changed.
        PresetChange "preset.change",
        /// A preset was forgotten.
        PresetDelete "preset.delete",
        /// An alert rule was made.
        AlertCreate "alert.create",
        /// An alert rule was changed.
        AlertChange "alert.change",
        /// An alert rule was forgotten.
        AlertDelete "alert.delete",
        /// What a principal may do was changed.
        PrincipalChange "principal.change",
        /// An API key was made.
        ApiKeyCreate "api_key.create",
        /// An API key was revoked.
        ApiKeyRevoke "api_key.revoke",
        /// A webhook endpoint was made.
        WebhookCreate "webhook.create",
        /// A webhook endpoint was changed.
        WebhookChange "webhook.change",
        /// A webhook endpoint was given another key to sign with.
        WebhookRotate "webhook.rotate",
        /// A webhook endpoint was forgotten.
        WebhookDelete "webhook.delete",
        /// A test of a webhook endpoint was asked for.
        WebhookTest "webhook.test",
        /// A link was made by which somebody can sign in.
        SessionOffer "session.offer",
        /// A session began.
        SessionBegin "session.begin",
        /// A session ended.
        SessionEnd "session.end",
        /// A notification that was over is owed once more.
        NotificationReplay "notification.replay",
        /// A token was minted by whoever runs the installation.
        TokenMint "token.mint",
        /// Something else was asked for; there are entries of what was refused alone.
        Request "request",
        /// A schedule was made.
        ScheduleCreate "schedule.create",
        /// A schedule was changed.
        ScheduleChange "schedule.change",
        /// A schedule was paused.
        SchedulePause "schedule.pause",
        /// A schedule was resumed.
        ScheduleResume "schedule.resume",
        /// A schedule was forgotten.
        ScheduleDelete "schedule.delete",
        /// A destination was made.
        DestinationCreate "destination.create",
        /// A destination was changed.
        DestinationChange "destination.change",
        /// A destination was forgotten.
        DestinationDelete "destination.delete",
        /// The oldest entries went; the chain begins anew where this one says.
        AuditPrune "audit.prune",
    }
}

names! {
    /// What something was done to.
    ObjectKind {
        /// An export, by its job.
        Job "job",
        /// A preset, by its name.
        Preset "preset",
        /// An alert rule, by its id.
        Alert "alert",
        /// A schedule.
        Schedule "schedule",
        /// A destination.
        Destination "destination",
        /// A principal.
        Principal "principal",
        /// An API key.
        ApiKey "api_key",
        /// A webhook endpoint.
        Webhook "webhook",
        /// A session.
        Session "session",
        /// A notification.
        Notification "notification",
        /// A route, by its method and path.
        Route "route",
        /// An entry of this trail, by its number.
        Entry "entry",
    }
}

names! {
    /// How it went.
    Outcome {
        /// It was done.
        Done "done",
        /// It was asked for and refused.
        Refused "refused",
    }
}

/// Something done.
#[derive(Debug, Clone, PartialEq)]
pub struct Deed {
    pub(super) action: Action,
    pub(super) kind: ObjectKind,
    pub(super) id: String,
    pub(super) outcome: Outcome,
    pub(super) detail: Map<String, Json>,
}

impl Deed {
    /// `action` was done to the object of this kind and id.
    pub fn done(action: Action, kind: ObjectKind, id: impl ToString) -> Self {
        let id = plain(&id.to_string(), DETAIL_BYTES);
        Self { action, kind, id, outcome: Outcome::Done, detail: Map::new() }
    }

    /// It was not done: it was refused.
    #[must_use]
    pub fn refused(mut self) -> Self {
        self.outcome = Outcome::Refused;
        self
    }

    /// With a detail. Texts are cut; nothing secret belongs here.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Json>) -> Self {
        let value = match value.into() {
            Json::String(text) => Json::String(plain(&text, DETAIL_BYTES)),
            other @ (Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_)) => other,
        };
        self.detail.insert(name.to_owned(), value);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for action in Action::ALL {
            assert_eq!(Action::parse(action.name()), Some(*action));
        }
        assert_eq!(Action::parse("export.fly"), None);
    }
}
