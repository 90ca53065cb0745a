//! Which bucket, how it is reached, and by whose right.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey, AwsCredentialProvider, S3ConditionalPut};
use object_store::client::HttpConnector;
use object_store::{BackoffConfig, ClientOptions, RetryConfig};
use offtake_model::{Error, ErrorKind, Result};
use reqwest::Url;

/// Whose right it is.
#[derive(Clone)]
pub enum S3Credentials {
    /// A key of its own.
    Key {
        /// The access key's id.
        id: String,
        /// The access key's secret.
        secret: String,
        /// The token of a key that is only lent.
        session_token: Option<String>,
    },
    /// What the machine lends: a web identity, a container's role, an instance's. These are the standard `AWS_…`
    /// variables that say how, as pairs.
    Ambient(Vec<(String, String)>),
}

impl fmt::Debug for S3Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { id, .. } => f.debug_struct("Key").field("id", id).finish_non_exhaustive(),
            Self::Ambient(_) => f.write_str("Ambient"),
        }
    }
}

/// The settings of [`S3Objects`](super::S3Objects).
#[derive(Debug, Clone)]
pub struct S3Settings {
    /// The bucket.
    pub bucket: String,
    /// What every key begins with, without a slash at its ends; may be empty.
    pub prefix: String,
    /// The region.
    pub region: String,
    /// Where the store is reached; `None`: Amazon's own for the region.
    pub endpoint: Option<String>,
    /// Where whoever follows a link reaches it, if not there.
    pub public_endpoint: Option<String>,
    /// Whether the bucket is named in the path rather than in the host's name.
    pub path_style: bool,
    /// Whether endpoints without TLS are taken.
    pub allow_http: bool,
    /// Whose right it is.
    pub credentials: S3Credentials,
    /// Bytes of the first parts; less than 5 MiB counts as 5 MiB.
    pub part_bytes: usize,
    /// Whether the store is asked to refuse what would replace an object.
    pub conditional_writes: bool,
    /// How long the store may be silent in the middle of a request.
    pub timeout: Duration,
    /// How long a request is tried again before it counts as failed.
    pub retry_for: Duration,
}

impl S3Settings {
    /// A client that talks to the store.
    pub(super) fn client(&self) -> Result<AmazonS3> {
        self.authorised(self.builder(self.endpoint.as_deref())?)
    }

    /// The same by a way of its own.
    pub(super) fn client_by(&self, connector: impl HttpConnector) -> Result<AmazonS3> {
        // Objects are deleted one by one: not every store knows how to delete many, nor answers that alike.
        let builder = self.builder(self.endpoint.as_deref())?.with_disable_bulk_delete(true);
        self.authorised(builder.with_http_connector(connector))
    }

    fn authorised(&self, builder: AmazonS3Builder) -> Result<AmazonS3> {
        let builder = match &self.credentials {
            S3Credentials::Key { id, secret, session_token } => {
                let builder = builder.with_access_key_id(id).with_secret_access_key(secret);
                session_token.iter().fold(builder, |builder, token| builder.with_token(token))
            }
            S3Credentials::Ambient(variables) => variables.iter().fold(builder, |builder, (name, value)| {
                // What the library does not know is none of its business.
                match name.to_ascii_lowercase().parse::<AmazonS3ConfigKey>() {
                    Ok(key) => builder.with_config(key, value),
                    Err(_) => builder,
                }
            }),
        };
        builder.build().map_err(unusable)
    }

    /// A client that only signs links for those outside, by the same right.
    pub(super) fn signer(&self, credentials: &AwsCredentialProvider) -> Result<AmazonS3> {
        let endpoint = self.public_endpoint.as_deref().or(self.endpoint.as_deref());
        self.builder(endpoint)?.with_credentials(Arc::clone(credentials)).build().map_err(unusable)
    }

    fn builder(&self, endpoint: Option<&str>) -> Result<AmazonS3Builder> {
        let retry = RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(5),
                base: 2.0,
            },
            max_retries: super::signed::RETRIES,
            retry_timeout: self.retry_for,
        };
        let options = ClientOptions::new()
            .with_allow_http(self.allow_http)
            .with_timeout_disabled()
            .with_connect_timeout(self.timeout.min(Duration::from_secs(10)))
            .with_read_timeout(self.timeout);
        let builder = AmazonS3Builder::new()
            .with_bucket_name(&self.bucket)
            .with_region(&self.region)
            .with_virtual_hosted_style_request(!self.path_style)
            .with_conditional_put(S3ConditionalPut::ETagMatch)
            .with_retry(retry)
            .with_client_options(options);
        match endpoint {
            Some(endpoint) if self.path_style => Ok(builder.with_endpoint(endpoint.trim_end_matches('/'))),
            Some(endpoint) => Ok(builder.with_endpoint(self.hosted(endpoint)?)),
            None => Ok(builder),
        }
    }

    /// The endpoint with the bucket in the host's name.
    fn hosted(&self, endpoint: &str) -> Result<String> {
        let wrong = || Error::new(ErrorKind::InvalidRequest, format!("\"{endpoint}\" is no URL of an endpoint"));
        let mut url = Url::parse(endpoint).map_err(|_| wrong())?;
        let host = format!("{}.{}", self.bucket, url.host_str().ok_or_else(wrong)?);
        url.set_host(Some(&host)).map_err(|_| wrong())?;
        Ok(url.as_str().trim_end_matches('/').to_owned())
    }
}

fn unusable(error: object_store::Error) -> Error {
    Error::new(ErrorKind::InvalidRequest, "the object store cannot be set up as configured").caused_by(error)
}
