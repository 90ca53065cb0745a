//! What a store outside answered, as one of a few sentences of ours.
//!
//! Nothing that was answered is passed on: anything could be listening at the endpoint. Of S3's own codes a few are known, so that
//! somebody who mistyped the bucket is not told to look at the key.

use std::error::Error as _;

use offtake_model::{Error, ErrorKind};

/// What is wrong, and where somebody would put it right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Why {
    /// The member of the request.
    pub(super) pointer: &'static str,
    pub(super) says: &'static str,
    kind: ErrorKind,
}

const BUCKET: Why = why("/bucket", ErrorKind::StorageDenied, "there is no such bucket");
const REGION: Why = why(
    "/region",
    ErrorKind::StorageDenied,
    "the bucket is in another region, or requests for it are signed for another one",
);
const ACCESS_KEY: Why = why("/access_key", ErrorKind::StorageDenied, "the store does not know the access key");
const SECRET: Why = why("/secret_key", ErrorKind::StorageDenied, "the secret is not that of the access key");
const ALLOWED: Why = why("", ErrorKind::StorageDenied, "the access key is not allowed to");
const CLOCK: Why = why("", ErrorKind::StorageDenied, "the store's clock and this machine's differ by too much");
const REFUSED: Why = why(
    "",
    ErrorKind::StorageDenied,
    "the store refuses; check the access key, its secret, the region and what the key allows",
);
const THERE: Why = why("", ErrorKind::Conflict, "something lies there already");
const AWAY: Why = why(
    "",
    ErrorKind::StorageUnavailable,
    "the store cannot be reached or does not understand; check endpoint, region and bucket. It must be reached by an \
     address on the public network, or one that destinations.allow names",
);

impl Why {
    /// What to do about it, where `grant` is what the key must be allowed. What is mistyped is corrected.
    pub(super) fn advice(self, grant: &str) -> String {
        match self {
            ALLOWED | REFUSED => format!("; {grant}"),
            _ if self.pointer.is_empty() => String::new(),
            _ => "; correct it".to_owned(),
        }
    }
}

/// S3's codes that say more than the status does.
const CODES: [(&str, Why); 10] = [
    ("NoSuchBucket", BUCKET),
    ("AuthorizationHeaderMalformed", REGION),
    ("PermanentRedirect", REGION),
    ("TemporaryRedirect", REGION),
    ("IllegalLocationConstraintException", REGION),
    ("InvalidAccessKeyId", ACCESS_KEY),
    ("SignatureDoesNotMatch", SECRET),
    ("AccessDenied", ALLOWED),
    ("AllAccessDisabled", ALLOWED),
    ("RequestTimeTooSkewed", CLOCK),
];

const fn why(pointer: &'static str, kind: ErrorKind, says: &'static str) -> Why {
    Why { pointer, says, kind }
}

/// What an error of the library means.
#[expect(clippy::wildcard_enum_match_arm, reason = "the library adds kinds, and all others are one thing to us")]
pub(super) fn why_of(error: &object_store::Error) -> Why {
    use object_store::Error as E;
    if let Some((_, known)) = CODES.iter().find(|(code, _)| says_code(error, code)) {
        return *known;
    }
    match error {
        E::NotFound { .. } => BUCKET,
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => REFUSED,
        E::AlreadyExists { .. } | E::Precondition { .. } => THERE,
        _ => AWAY,
    }
}

/// Whether this is the code in the answer. The library has the answer's body nowhere but in the text of its error.
fn says_code(error: &object_store::Error, code: &str) -> bool {
    let element = format!("<Code>{code}</Code>");
    let mut cause = error.source();
    while let Some(present) = cause {
        if present.to_string().contains(&element) {
            return true;
        }
        cause = present.source();
    }
    false
}

/// The same for a delivery.
pub(super) fn trouble(error: object_store::Error) -> Error {
    let why = why_of(&error);
    Error::new(why.kind, why.says).openly().caused_by(error)
}
