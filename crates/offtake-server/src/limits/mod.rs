//! How much may be asked for: requests per second in this process, and what clients are told of all limits.
//!
//! Exports are counted in the job store (`offtake_store::JobLimits`), because that must hold for all servers together
//! and across restarts. Requests are counted here, per process: they protect the process.

mod fields;
mod throttle;

use std::net::IpAddr;

use offtake_model::id::OrgId;
use offtake_model::limit::{Allowance, Policy};
use offtake_model::principal::Principal;
use offtake_model::{Error, ErrorKind, Result};
use offtake_store::JobLimits;

pub(crate) use fields::{RATELIMIT, RATELIMIT_POLICY, tell};
use throttle::Throttle;

/// How much may be asked for; 0 is as much as anybody likes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitSettings {
    /// Exports.
    pub jobs: JobLimits,
    /// Requests per second of one principal, over ten seconds.
    pub requests_per_second: u32,
    /// Requests per second of one organization that bring spans, over ten seconds.
    pub ingest_per_second: u32,
    /// Requests per minute of one address whose token does not hold.
    pub failed_per_minute: u32,
}

impl LimitSettings {
    /// Nobody is limited.
    pub const NONE: Self =
        Self { jobs: JobLimits::NONE, requests_per_second: 0, ingest_per_second: 0, failed_per_minute: 0 };
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            jobs: JobLimits { active: 5, per_hour: 1000, org_per_hour: 10_000 },
            requests_per_second: 100,
            ingest_per_second: 0,
            failed_per_minute: 60,
        }
    }
}

/// Seconds for which requests may come all at once.
const BURST_SECONDS: u32 = 10;

/// The limits that this process counts.
#[derive(Debug)]
pub(crate) struct Throttles {
    requests: Throttle<(OrgId, String)>,
    ingest: Throttle<OrgId>,
    failures: Throttle<IpAddr>,
}

impl Throttles {
    pub(crate) fn new(settings: &LimitSettings) -> Self {
        let burst = |rate: u32| rate.saturating_mul(BURST_SECONDS);
        Self {
            requests: Throttle::new(Policy::Requests, burst(settings.requests_per_second), BURST_SECONDS),
            ingest: Throttle::new(Policy::Ingest, burst(settings.ingest_per_second), BURST_SECONDS),
            failures: Throttle::new(Policy::FailedAuthentication, settings.failed_per_minute, 60),
        }
    }

    /// Counts a request of `principal`.
    ///
    /// # Errors
    /// `too_many_requests`.
    pub(crate) fn request(&self, principal: &Principal) -> Result<Option<Allowance>> {
        let key = (principal.org.clone(), principal.sub.clone());
        self.requests.count(&key, || "this caller sends more requests per second than one may".to_owned())
    }

    /// Counts a request that brings spans.
    ///
    /// # Errors
    /// `too_many_requests`.
    pub(crate) fn ingest(&self, org: &OrgId) -> Result<Option<Allowance>> {
        self.ingest.count(org, || "this organization sends spans in more requests per second than one may".to_owned())
    }

    /// What a request with a token that does not hold is told: that, or that too many of them came from its address.
    /// A token that holds is never refused for it: whoever shares an address must not be able to lock others out.
    pub(crate) fn failure(&self, address: Option<IpAddr>, error: Error) -> Error {
        let (Some(address), ErrorKind::Unauthenticated) = (address, error.kind()) else { return error };
        let said = || "too many requests from this address came with a token that does not hold".to_owned();
        self.failures.count(&network(address), said).err().unwrap_or(error)
    }
}

/// The address; of IPv6, the network that one customer has.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
    }
}

/// How the limits stand, on its way to the edge in the extensions of a response.
#[derive(Debug, Clone, Default)]
pub(crate) struct Allowances(pub(crate) Vec<Allowance>);

impl Allowances {
    /// Adds what is known to what the response tells already.
    pub(crate) fn add(response: &mut axum::response::Response, more: impl IntoIterator<Item = Allowance>) {
        response.extensions_mut().get_or_insert_default::<Self>().0.extend(more);
    }
}
