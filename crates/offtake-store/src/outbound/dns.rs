//! What a name means: asked of the system, or of a name server that the operator names.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, Question, RCODE, TYPE};
use tokio::net::UdpSocket;

/// How long one question may take, and how often it is asked.
const PATIENCE: Duration = Duration::from_secs(2);
const TRIES: usize = 2;
/// The largest answer that is read. A name server cuts what does not fit, and what is there will do.
const ANSWER_BYTES: usize = 4096;

/// Looks names up.
#[derive(Debug)]
pub(super) enum Names {
    System,
    Server(SocketAddr),
}

impl Names {
    pub(super) fn new(server: Option<SocketAddr>) -> Self {
        server.map_or(Self::System, Self::Server)
    }

    /// The addresses of a host, IPv4 first.
    ///
    /// # Errors
    /// If there are none, or nobody answers.
    pub(super) async fn look_up(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let mut found: Vec<IpAddr> = match self {
            Self::System => tokio::net::lookup_host((host, 0)).await?.map(|at| at.ip()).collect(),
            Self::Server(server) => {
                let (four, six) = tokio::join!(ask(*server, host, TYPE::A), ask(*server, host, TYPE::AAAA));
                match (four, six) {
                    (Err(error), Err(_)) => return Err(error),
                    (four, six) => four.into_iter().flatten().chain(six.into_iter().flatten()).collect(),
                }
            }
        };
        if found.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
        }
        found.sort_by_key(IpAddr::is_ipv6);
        Ok(found)
    }
}

async fn ask(server: SocketAddr, host: &str, kind: TYPE) -> io::Result<Vec<IpAddr>> {
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for _ in 0..TRIES {
        match tokio::time::timeout(PATIENCE, ask_once(server, host, kind)).await {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(error)) => last = error,
            Err(_) => last = io::Error::new(io::ErrorKind::TimedOut, "the name server does not answer"),
        }
    }
    Err(last)
}

async fn ask_once(server: SocketAddr, host: &str, kind: TYPE) -> io::Result<Vec<IpAddr>> {
    let wrong = |_| io::Error::new(io::ErrorKind::InvalidInput, "the host is no name that can be looked up");
    let id = rand::random();
    let mut question = Packet::new_query(id);
    question.set_flags(PacketFlag::RECURSION_DESIRED);
    let name = Name::new(host).map_err(wrong)?;
    question.questions.push(Question::new(name.clone(), kind.into(), CLASS::IN.into(), false));
    let any: SocketAddr =
        if server.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(server).await?;
    socket.send(&question.build_bytes_vec().map_err(wrong)?).await?;
    let mut bytes = [0; ANSWER_BYTES];
    loop {
        let length = socket.recv(&mut bytes).await?;
        // What is no answer to this question is somebody else's; the deadline ends the waiting.
        let Ok(answer) = Packet::parse(&bytes[..length]) else { continue };
        let is_ours = answer.id() == id
            && answer.has_flags(PacketFlag::RESPONSE)
            && answer.questions.first().is_some_and(|asked| asked.qname == name);
        if is_ours {
            return addresses(&answer);
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "of dozens of kinds of records two are addresses")]
fn addresses(answer: &Packet<'_>) -> io::Result<Vec<IpAddr>> {
    match answer.rcode() {
        RCODE::NoError => {}
        RCODE::NameError => return Err(io::Error::new(io::ErrorKind::NotFound, "there is no such host")),
        other => return Err(io::Error::other(format!("the name server refuses: {other:?}"))),
    }
    let of = |data: &RData<'_>| match data {
        RData::A(four) => Some(IpAddr::V4(Ipv4Addr::from(four.address))),
        RData::AAAA(six) => Some(IpAddr::V6(Ipv6Addr::from(six.address))),
        _ => None,
    };
    Ok(answer.answers.iter().filter_map(|record| of(&record.rdata)).collect())
}
