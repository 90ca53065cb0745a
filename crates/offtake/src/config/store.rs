//! Section `store`: where files lie, with the standard `AWS_…` variables where it says nothing.

use offtake_store::objects::{S3Credentials, S3Settings};
use reqwest::Url;

use super::reader::Reader;

/// Where files lie.
#[derive(Debug, Clone)]
pub(crate) enum StoreConfig {
    /// In a folder of the data directory.
    Folder,
    /// In a bucket.
    S3(Box<S3Settings>),
}

/// How the bucket is named in requests.
#[derive(Clone, Copy)]
enum PathStyle {
    Auto,
    Always,
    Never,
}

pub(super) fn store(read: &mut Reader<'_>) -> StoreConfig {
    // Read in any case, so that whatever is wrong is found before the bucket is named.
    let allow_http = read.flag("store.allow_http");
    let aws = read.typed();
    let endpoint = endpoint(read, "store.endpoint", allow_http)
        .or_else(|| aws.aws("AWS_ENDPOINT_URL_S3").or(aws.aws("AWS_ENDPOINT_URL")).map(str::to_owned));
    let public_endpoint = self::endpoint(read, "store.public_endpoint", allow_http);
    let region = read.optional("store.region");
    let region = region.or_else(|| aws.aws("AWS_REGION").or(aws.aws("AWS_DEFAULT_REGION")).map(str::to_owned));
    let styles = [("auto", PathStyle::Auto), ("always", PathStyle::Always), ("never", PathStyle::Never)];
    let path_style = match read.choice("store.path_style", &styles) {
        PathStyle::Auto => endpoint.is_some(),
        PathStyle::Always => true,
        PathStyle::Never => false,
    };
    let credentials = credentials(read);
    let conditional_writes = read.flag("store.conditional_writes");
    let timeout = read.duration("store.timeout", "1s", "10m");
    let retry_for = read.duration("store.retry_for", "0s", "4m");
    let Some((bucket, prefix)) = bucket(read) else { return StoreConfig::Folder };
    let from_variable = read.optional("store.endpoint").is_none();
    if from_variable && endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://")) && !allow_http {
        read.refuse("store.endpoint", UNENCRYPTED);
    }
    StoreConfig::S3(Box::new(S3Settings {
        bucket,
        prefix,
        region: region.unwrap_or_else(|| "us-east-1".to_owned()),
        endpoint,
        public_endpoint,
        path_style,
        allow_http,
        credentials,
        part_bytes: 0,
        conditional_writes,
        timeout,
        retry_for,
    }))
}

const UNENCRYPTED: &str =
    "must begin with https://, or store.allow_http must say aloud that files travel without encryption";

fn endpoint(read: &mut Reader<'_>, key: &str, allow_http: bool) -> Option<String> {
    let text = read.optional(key)?;
    let plain = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.query().is_none()
            && url.username().is_empty()
            && url.path() == "/"
    };
    match Url::parse(&text) {
        Ok(url) if !plain(&url) => read.refuse(key, "must be scheme, host and port alone: https://s3.example.org"),
        Ok(url) if url.scheme() == "http" && !allow_http => read.refuse(key, UNENCRYPTED),
        Ok(_) => {}
        Err(_) => read.refuse(key, "must be a URL: https://s3.example.org"),
    }
    Some(text.trim_end_matches('/').to_owned())
}

/// Bucket and prefix; `None` for the folder.
fn bucket(read: &mut Reader<'_>) -> Option<(String, String)> {
    let url = read.optional("store.url")?;
    let wrong = "must be s3://bucket or s3://bucket/prefix, or empty for a folder in the data directory";
    let Some(rest) = url.strip_prefix("s3://") else {
        read.refuse("store.url", wrong);
        return None;
    };
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_end_matches('/');
    let of_bucket = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let of_prefix =
        |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(|b| of_bucket(b) || b == b'=');
    let sound = (3..=63).contains(&bucket.len())
        && bucket.bytes().all(of_bucket)
        && (prefix.is_empty() || prefix.split('/').all(of_prefix));
    if !sound {
        read.refuse("store.url", wrong);
    }
    Some((bucket.to_owned(), prefix.to_owned()))
}

fn credentials(read: &mut Reader<'_>) -> S3Credentials {
    let aws = read.typed();
    let own = (read.optional("store.access_key_id"), read.optional("store.secret_access_key"));
    let session_token = read.optional("store.session_token");
    let (id, secret, session_token) = match own {
        (None, None) => {
            let of = |name: &str| aws.aws(name).map(str::to_owned);
            (of("AWS_ACCESS_KEY_ID"), of("AWS_SECRET_ACCESS_KEY"), session_token.or(of("AWS_SESSION_TOKEN")))
        }
        (id, secret) => (id, secret, session_token),
    };
    match (id, secret) {
        (Some(id), Some(secret)) => S3Credentials::Key { id, secret, session_token },
        (None, None) => {
            S3Credentials::Ambient(aws.all_aws().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
        }
        (Some(_), None) => {
            read.refuse("store.secret_access_key", "is missing beside the id of the access key");
            S3Credentials::Ambient(Vec::new())
        }
        (None, Some(_)) => {
            read.refuse("store.access_key_id", "is missing beside the secret of the access key");
            S3Credentials::Ambient(Vec::new())
        }
    }
}
