//! Ids: what is read is printed as it was spelled, and nothing else is read as the same.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use offtake_model::as_of::AsOf;
use offtake_model::id::{
    AlertId, ApiKeyId, ArtifactId, DestinationId, JobId, NotificationId, OrgId, ScheduleId, WebhookId,
};
use offtake_model::permission::Permission;
use offtake_model::{Error, ErrorKind};

/// Reads the bytes as every kind of id, as an organization, as a moment and as a permission.
pub fn ids(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let kinds = [
        one_spelling::<JobId>(text, JobId::PREFIX),
        one_spelling::<ArtifactId>(text, ArtifactId::PREFIX),
        one_spelling::<ApiKeyId>(text, ApiKeyId::PREFIX),
        one_spelling::<NotificationId>(text, NotificationId::PREFIX),
        one_spelling::<WebhookId>(text, WebhookId::PREFIX),
        one_spelling::<AlertId>(text, AlertId::PREFIX),
        one_spelling::<ScheduleId>(text, ScheduleId::PREFIX),
        one_spelling::<DestinationId>(text, DestinationId::PREFIX),
    ];
    assert!(kinds.into_iter().filter(|is_one| *is_one).count() <= 1, "{text:?} is two kinds of id");
    if let Ok(org) = OrgId::new(text) {
        assert_eq!(org.as_str(), text);
        assert!(text.len() <= OrgId::MAX_BYTES && !text.is_empty() && !text.contains('\0'));
    }
    printed_again::<AsOf>(text);
    if let Some(permission) = Permission::parse(text) {
        assert_eq!(permission.to_string(), text, "a second name");
    }
}

/// Whether the text is such an id. There is one way to write each.
fn one_spelling<T>(text: &str, prefix: &str) -> bool
where
    T: FromStr<Err = Error> + Display + Debug + PartialEq,
{
    let Ok(id) = text.parse::<T>().map_err(|error| assert_eq!(error.kind(), ErrorKind::NotFound)) else { return false };
    assert_eq!(id.to_string(), text, "a second spelling");
    assert!(text.starts_with(prefix) && text.len() == prefix.len() + 32);
    // Neither do those that look alike name it.
    for other in [text.to_uppercase(), format!(" {text}"), format!("{text}\0"), text.replacen('_', "-", 1)] {
        assert!(other.parse::<T>().is_err(), "{other:?} is read as {id}");
    }
    true
}

/// What may be written in several ways is at least the same once it has been printed.
fn printed_again<T: FromStr + Display + Debug + PartialEq>(text: &str) {
    let Ok(read) = text.parse::<T>() else { return };
    let Ok(again) = read.to_string().parse::<T>() else { panic!("{read:?} is printed as what cannot be read: {read}") };
    assert_eq!(again, read);
}
