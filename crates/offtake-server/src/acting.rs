//! Who acts, and from where, for the audit trail.
//!
//! The address is that of the socket. Where that belongs to a proxy that the configuration trusts, it is what the proxy
//! says, and so on from right to left until somebody speaks who is not trusted: what stands left of that is what anybody
//! may have made up.

use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use http::request::Parts;
use http::{Extensions, HeaderMap, header};
use ipnet::IpNet;
use offtake_model::audit::{Act, Via};
use offtake_model::principal::Principal;

use crate::auth;
use crate::edge::RequestId;
use crate::error::Problem;
use crate::state::App;

/// Proxies in a row that are believed, at most.
const MOST_HOPS: usize = 32;

/// Which header proxies say in for whom they ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, as most proxies write it.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// Whom the server believes about where a request comes from.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    /// Their addresses.
    pub networks: Vec<IpNet>,
    /// The header they write. The other one is never read: a proxy that does not write it passes on what the client
    /// made up.
    pub header: ForwardedHeader,
}

impl TrustedProxies {
    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Where a request comes from that `peer` sent with these headers.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        if !self.trusts(client) {
            return client;
        }
        for said in self.said(headers).into_iter().rev().take(MOST_HOPS) {
            // What cannot be read ends what can be believed.
            let Some(address) = said else { return client };
            client = address;
            if !self.trusts(client) {
                return client;
            }
        }
        client
    }

    /// What the header says, from the client on; `None` for what is no address.
    fn said(&self, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
        let (name, of): (&str, fn(&str) -> Option<IpAddr>) = match self.header {
            ForwardedHeader::XForwardedFor => ("x-forwarded-for", address),
            ForwardedHeader::Forwarded => ("forwarded", forwarded_for),
        };
        let values = headers.get_all(name).iter();
        values.flat_map(|value| value.to_str().unwrap_or("?").split(',').map(of).collect::<Vec<_>>()).collect()
    }
}

/// `for=` of one element of a `Forwarded` header.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    let mut pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.trim().eq_ignore_ascii_case("for"))?;
    address(value.trim().trim_matches('"'))
}

/// An address, with or without a port, in brackets or not.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse::<IpAddr>().ok().or_else(with_port).or_else(bare).map(|address| address.to_canonical())
}

/// Where a request comes from; `None` if there is no socket, in tests.
pub(crate) fn client_address(app: &App, extensions: &Extensions, headers: &HeaderMap) -> Option<IpAddr> {
    let ConnectInfo(peer) = extensions.get::<ConnectInfo<SocketAddr>>()?;
    Some(app.settings.trusted_proxies.client(peer.ip(), headers))
}

/// The act of a request: of its principal. Where the route is public the handler says who acts, once it knows.
#[derive(Debug, Clone)]
pub(crate) struct Acting(pub(crate) Act);

impl FromRequestParts<App> for Acting {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let request = RequestId::from_request_parts(parts, app).await?;
        let act = match parts.extensions.get::<Principal>() {
            Some(principal) => Act::by(&principal.sub, via(parts)),
            None => Act::by("", Via::Link),
        };
        let agent = parts.headers.get(header::USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()));
        let act = act
            .from_address(client_address(app, &parts.extensions, &parts.headers))
            .with_agent(agent.as_deref())
            .with_request(request.id);
        Ok(Self(act))
    }
}

/// How the principal came.
fn via(parts: &Parts) -> Via {
    parts.extensions.get::<auth::Via>().map_or(Via::Token, auth::Via::in_audit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(proxies: &TrustedProxies, peer: &str, name: &'static str, values: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, value.parse().expect("a header value"));
        }
        proxies.client(peer.parse().expect("an address"), &headers).to_string()
    }

    fn proxies(header: ForwardedHeader) -> TrustedProxies {
        let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().expect("a network"));
        TrustedProxies { networks: networks.to_vec(), header }
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_what_they_saw() {
        let x = "x-forwarded-for";
        let trusting = proxies(ForwardedHeader::XForwardedFor);
        let none = TrustedProxies::default();
        assert_eq!(client(&none, "10.0.0.1", x, &["192.0.2.1"]), "10.0.0.1");
        assert_eq!(client(&trusting, "203.0.113.9", x, &["192.0.2.1"]), "203.0.113.9", "no proxy of ours");
        assert_eq!(client(&trusting, "10.0.0.1", x, &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(client(&trusting, "::ffff:10.0.0.1", x, &["192.0.2.1"]), "192.0.2.1");
        assert_eq!(client(&trusting, "10.0.0.1", x, &["1.1.1.1, 192.0.2.1"]), "192.0.2.1", "the left is made up");
        assert_eq!(client(&trusting, "10.0.0.1", x, &["1.1.1.1", "192.0.2.1 , 10.0.0.2"]), "192.0.2.1");
        assert_eq!(client(&trusting, "10.0.0.1", x, &["10.0.0.3, 10.0.0.2"]), "10.0.0.3", "from inside");
        assert_eq!(client(&trusting, "10.0.0.1", x, &["192.0.2.1, nonsense, 10.0.0.2"]), "10.0.0.2");
        assert_eq!(client(&trusting, "10.0.0.1", x, &["192.0.2.1:4711"]), "192.0.2.1");
        assert_eq!(client(&trusting, "fd00::1", x, &["[2001:db8::7]:443"]), "2001:db8::7");
        assert_eq!(client(&trusting, "10.0.0.1", x, &[]), "10.0.0.1");
        assert_eq!(client(&trusting, "10.0.0.1", "forwarded", &["for=192.0.2.1"]), "10.0.0.1", "not our header");
    }

    #[test]
    fn the_standard_header_is_read_where_it_is_configured() {
        let trusting = proxies(ForwardedHeader::Forwarded);
        let of = |values: &[&str]| client(&trusting, "10.0.0.1", "forwarded", values);
        assert_eq!(of(&["for=192.0.2.1;proto=https;by=10.0.0.1"]), "192.0.2.1");
        assert_eq!(of(&["For=1.1.1.1, for=\"[2001:db8::7]:4711\";proto=https"]), "2001:db8::7");
        assert_eq!(of(&["for=_hidden", "for=10.0.0.2"]), "10.0.0.2");
        assert_eq!(of(&["proto=https"]), "10.0.0.1");
        assert_eq!(client(&trusting, "10.0.0.1", "x-forwarded-for", &["192.0.2.1"]), "10.0.0.1");
    }
}
