//! Requests to addresses that somebody else chose: webhooks, and buckets of an organization's own.
//!
//! Responsible for going nowhere but to the public network and to what the operator allows: a host is resolved here, its
//! addresses are judged, and the connection is made to one that passed. A name server that answers something else the
//! next time changes nothing, and what a redirect names is judged in the same way. Proxies of the environment are not
//! asked. Not responsible for what is sent, nor for what follows from the answer.

mod address;
mod dns;
mod request;
#[cfg(test)]
mod tests;
mod url;

pub use address::is_global;
pub use request::{Answer, Outcome};
pub use url::{MOST_BYTES as MOST_URL_BYTES, problem_with};

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use offtake_model::{Error, ErrorKind, Result};
use reqwest::redirect::Policy;

use dns::Names;

/// What may be gone to, and how.
#[derive(Debug, Clone)]
pub struct OutboundSettings {
    /// Networks that are gone to although they are not public.
    pub allow: Vec<IpNet>,
    /// Whether http will do.
    pub allow_http: bool,
    /// The name server that is asked; the system's if there is none.
    pub resolver: Option<SocketAddr>,
    /// How long a request may take, with all of its redirects and the answer.
    pub timeout: Duration,
}

impl Default for OutboundSettings {
    fn default() -> Self {
        Self { allow: Vec::new(), allow_http: false, resolver: None, timeout: Duration::from_secs(15) }
    }
}

/// Makes requests to where others say.
#[derive(Debug, Clone)]
pub struct Outbound {
    guard: Arc<Guard>,
    http: reqwest::Client,
}

/// Judges addresses.
#[derive(Debug)]
struct Guard {
    settings: OutboundSettings,
    names: Names,
}

/// Why an address is not gone to. It does not say which address: what a name means inside is not for those outside.
#[derive(Debug)]
pub(crate) struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the host has no address on the public network, and its network is not allowed by configuration")
    }
}

impl std::error::Error for Refused {}

impl Outbound {
    /// Requests under these settings.
    ///
    /// # Errors
    /// `internal` if there can be no client.
    pub fn new(settings: OutboundSettings) -> Result<Self> {
        let names = Names::new(settings.resolver);
        let guard = Arc::new(Guard { settings, names });
        let http = Self::client_builder_of(&guard)
            .build()
            .map_err(|error| Error::new(ErrorKind::Internal, "no HTTP client can be made").caused_by(error))?;
        Ok(Self { guard, http })
    }

    /// A client that dials judged addresses alone, for libraries that make their own requests. Such a client does not look
    /// up hosts that are addresses already: [`judge`](Self::judge) the URL first. It follows no redirect.
    pub fn client_builder(&self) -> reqwest::ClientBuilder {
        Self::client_builder_of(&self.guard)
    }

    fn client_builder_of(guard: &Arc<Guard>) -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .user_agent(concat!("offtake/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .no_proxy()
            .https_only(!guard.settings.allow_http)
            // Each request dials what was judged for it.
            .pool_max_idle_per_host(0)
            .dns_resolver(Asked(Arc::clone(guard)))
    }

    /// Says what is wrong with a URL before anybody goes there: its form, and its host if that is an address.
    ///
    /// # Errors
    /// What is wrong, for people.
    pub fn judge(&self, url: &str) -> Result<reqwest::Url, String> {
        let parsed = url::parse(url, self.guard.settings.allow_http)?;
        match url::address(&parsed) {
            Some(address) if !self.guard.passes(address) => Err(Refused.to_string()),
            _ => Ok(parsed),
        }
    }
}

impl Guard {
    /// Whether this address is gone to.
    fn passes(&self, address: IpAddr) -> bool {
        let canonical = address.to_canonical();
        self.settings.allow.iter().any(|net| net.contains(&canonical) || net.contains(&address)) || is_global(address)
    }

    /// The addresses of `host` that are gone to.
    async fn addresses(&self, host: &str) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let found = self.names.look_up(host).await?;
        let passed: Vec<_> = found.iter().filter(|at| self.passes(**at)).map(|at| SocketAddr::new(*at, 0)).collect();
        if passed.is_empty() {
            tracing::warn!(host, ?found, "a host whose addresses are not allowed was not gone to");
            return Err(Box::new(Refused));
        }
        Ok(passed)
    }
}

/// How reqwest asks. What comes back here is what it dials.
#[derive(Debug)]
struct Asked(Arc<Guard>);

impl reqwest::dns::Resolve for Asked {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let guard = Arc::clone(&self.0);
        Box::pin(async move {
            let addresses = guard.addresses(name.as_str()).await?;
            Ok(Box::new(addresses.into_iter()) as reqwest::dns::Addrs)
        })
    }
}
