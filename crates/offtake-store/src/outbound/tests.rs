//! Every way to say an address that must not be gone to, with somebody listening there who must never be called.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http::HeaderMap;
use simple_dns::rdata::{A, RData};
use simple_dns::{CLASS, Packet, PacketFlag, ResourceRecord};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

use super::*;

/// Hosts that are this machine, spelled as addresses; each is tried at the canary's port.
const THIS_MACHINE: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "127.000.000.001",
    "2130706433",
    "017700000001",
    "0x7f000001",
    "0X7F000001",
    "0x7f.1",
    "0x7f.0x0.0x0.0x1",
    "0177.0.0.1",
    "0177.1",
    "0177.0x0.1",
    "127.0.0.1.",
    "0",
    "0x0",
    "0.0.0.0",
    "00.00.00.00",
    "%31%32%37.0.0.1",
    "127%2e0%2e0%2e1",
    "１２７.０.０.１",
    "①②⑦.⓪.⓪.①",
    "127。0。0。1",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::127.0.0.1]",
    "[2002:7f00:1::]",
    "[2002:7f00:1::1]",
    "[2001:0:7f00:1::]",
    "[2001::1]",
    "user@127.0.0.1",
    "user:word@127.0.0.1",
    "one.one.one.one@127.0.0.1",
];

/// Hosts elsewhere that are not the public network.
const INSIDE: &[&str] = &[
    "10.0.0.1",
    "10.255.255.255",
    "012.0.0.1",
    "167772161",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "0xc0a80001",
    "100.64.0.1",
    "100.127.255.255",
    "169.254.169.254",
    "2852039166",
    "0xa9fea9fe",
    "0251.0376.0251.0376",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "0.1.2.3",
    "192.0.2.1",
    "198.51.100.1",
    "203.0.113.1",
    "198.18.0.1",
    "198.19.255.255",
    "192.88.99.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "[fe80::1]",
    "[febf::1]",
    "[fec0::1]",
    "[fc00::1]",
    "[fdff::1]",
    "[ff02::1]",
    "[ff0e::1]",
    "[2001:db8::1]",
    "[3fff::1]",
    "[100::1]",
    "[5f00::1]",
    "[2001:2::1]",
    "[2001:10::1]",
    "[2001:20::1]",
    "[4000::1]",
    "[::ffff:8.8.8.8]",
    "[64:ff9b::8.8.8.8]",
    "[2002:808:808::]",
];

/// The public network, up to its edges.
const OUTSIDE: &[&str] = &[
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "[2001:200::1]",
    "[2001:4860:4860::8888]",
    "[2606:4700::1111]",
    "[2a00::1]",
    "example.org",
    "bücher.example",
];

/// Somebody who listens on loopback, answers the same to all, and counts them.
struct Listener {
    at: SocketAddr,
    calls: Arc<AtomicUsize>,
}

impl Listener {
    async fn on(address: [u8; 4], answer: impl Into<String>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::from(address), 0)).await.unwrap();
        let at = listener.local_addr().unwrap();
        let (calls, answer) = (Arc::new(AtomicUsize::new(0)), answer.into());
        let counted = Arc::clone(&calls);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let mut bytes = [0; 4096];
                // Who has gone already is no matter of this.
                drop(stream.read(&mut bytes).await);
                drop(stream.write_all(answer.as_bytes()).await);
            }
        });
        Self { at, calls }
    }

    async fn canary() -> Self {
        Self::on([127, 0, 0, 1], "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

fn outbound(allow: &[&str], resolver: Option<SocketAddr>) -> Outbound {
    let allow = allow.iter().map(|net| net.parse().unwrap()).collect();
    Outbound::new(OutboundSettings { allow, allow_http: true, resolver, ..OutboundSettings::default() }).unwrap()
}

async fn post(outbound: &Outbound, url: &str) -> Outcome {
    outbound.post(url, &HeaderMap::new(), b"{}").await
}

#[track_caller]
fn refused(outcome: &Outcome, what: &str) {
    assert!(matches!(outcome, Outcome::Refused(_)), "{what}: {outcome:?}");
}

#[tokio::test]
async fn no_spelling_of_an_inner_address_is_gone_to() {
    let canary = Listener::canary().await;
    let outbound = outbound(&[], None);
    let forms = THIS_MACHINE.len() + INSIDE.len();
    assert!(forms >= 90, "{forms} forms");
    for host in THIS_MACHINE.iter().chain(INSIDE) {
        let url = format!("http://{host}:{}/hook", canary.at.port());
        refused(&post(&outbound, &url).await, &url);
    }
    for host in ["localhost", "LOCALHOST", "localhost.", "ip6-localhost", "a.localhost"] {
        let outcome = post(&outbound, &format!("http://{host}:{}/hook", canary.at.port())).await;
        assert!(!matches!(outcome, Outcome::Answered(_)), "{host}: {outcome:?}");
    }
    assert_eq!(canary.calls(), 0, "the canary was called");
    assert!(
        matches!(
            self::outbound(&["127.0.0.0/8"], None)
                .post(&format!("http://{}/", canary.at), &HeaderMap::new(), b"")
                .await,
            Outcome::Answered(_)
        ),
        "the canary sings where it may"
    );
}

#[test]
fn the_public_network_is_gone_to() {
    let outbound = outbound(&[], None);
    for host in OUTSIDE {
        for url in [format!("https://{host}/hook"), format!("http://{host}:8443/hook?a=b")] {
            outbound.judge(&url).unwrap_or_else(|why| panic!("{url}: {why}"));
        }
    }
}

#[test]
fn what_is_no_proper_url_is_refused_at_once() {
    let long = format!("https://example.org/{}", "a".repeat(MOST_URL_BYTES));
    for url in [
        "",
        "example.org",
        "/hook",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "https://",
        "http://example.org/",
        "https://me@example.org/",
        "https://me:word@example.org/",
        "https://:word@example.org/",
        "https://example.org/#part",
        "https://example.org./",
        "https://example.org:22/",
        "https://example.org:25/",
        "https://example.org:0/",
        "https://example.org:99999/",
        "https://exa mple.org/",
        "https://example.org/\n",
        "https://[::1/",
        "https://a..example.org:/\t",
        "javascript:alert(1)",
        &long,
    ] {
        assert!(problem_with(url, false).is_some(), "{url:?}");
    }
    for url in
        ["https://example.org", "https://example.org:8443/a/b?c=d", "https://EXAMPLE.org/hook", "https://1.1.1.1/"]
    {
        assert_eq!(problem_with(url, false), None, "{url:?}");
    }
    assert_eq!(problem_with("http://example.org/", true), None);
}

/// A name server whose answers the test decides, one for each question of an address.
async fn name_server(answers: impl Fn(usize) -> Vec<[u8; 4]> + Send + 'static) -> (SocketAddr, Arc<AtomicUsize>) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    tokio::spawn(async move {
        let mut bytes = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
            let question = Packet::parse(&bytes[..length]).unwrap();
            let name = question.questions[0].qname.clone();
            let is_four = question.questions[0].qtype == simple_dns::TYPE::A.into();
            let mut answer = question.into_reply();
            answer.set_flags(PacketFlag::RESPONSE);
            for four in is_four.then(|| answers(counted.fetch_add(1, Ordering::SeqCst))).into_iter().flatten() {
                let data = RData::A(A { address: u32::from_be_bytes(four) });
                answer.answers.push(ResourceRecord::new(name.clone(), CLASS::IN, 0, data));
            }
            socket.send_to(&answer.build_bytes_vec().unwrap(), from).await.unwrap();
        }
    });
    (at, asked)
}

#[tokio::test]
async fn a_name_that_is_bound_anew_changes_nothing() {
    let canary = Listener::canary().await;
    let allowed = Listener::on([127, 0, 0, 2], "HTTP/1.1 204 No Content\r\n\r\n").await;
    // First where it may lead, then to the canary, then to both.
    let answers = |turn: usize| match turn {
        0 => vec![[127, 0, 0, 2]],
        1 => vec![[127, 0, 0, 1]],
        2 => vec![[127, 0, 0, 1], [127, 0, 0, 2]],
        _ => vec![[10, 0, 0, 1], [169, 254, 169, 254], [127, 0, 0, 1]],
    };
    let (server, asked) = name_server(answers).await;
    let outbound = outbound(&["127.0.0.2/32"], Some(server));
    let url = format!("http://rebind.example:{}/hook", allowed.at.port());
    assert!(matches!(post(&outbound, &url).await, Outcome::Answered(_)));
    assert_eq!(asked.load(Ordering::SeqCst), 1, "what was judged is what is dialled: the name is asked about once");
    let to_canary = format!("http://rebind.example:{}/hook", canary.at.port());
    refused(&post(&outbound, &to_canary).await, "bound to the canary");
    assert!(matches!(post(&outbound, &url).await, Outcome::Answered(_)), "of both, the one that passes");
    refused(&post(&outbound, &to_canary).await, "several that do not pass");
    assert_eq!((canary.calls(), allowed.calls()), (0, 2));
}

#[tokio::test]
async fn what_a_redirect_names_is_judged_as_well() {
    let canary = Listener::canary().await;
    let (server, _) = name_server(|_| vec![[127, 0, 0, 1]]).await;
    let port = canary.at.port();
    let inner = THIS_MACHINE.iter().map(|host| format!("http://{host}:{port}/"));
    let others =
        [format!("http://rebind.example:{port}/"), format!("//127.0.0.1:{port}/"), "ftp://example.org/".to_owned()];
    for to in inner.chain(others).filter(|to| to.is_ascii()) {
        for status in ["307 Temporary Redirect", "308 Permanent Redirect"] {
            let answer = format!("HTTP/1.1 {status}\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
            let first = Listener::on([127, 0, 0, 2], answer).await;
            let outbound = outbound(&["127.0.0.2/32"], Some(server));
            refused(&post(&outbound, &format!("http://{}/", first.at)).await, &to);
            assert_eq!(first.calls(), 1);
        }
    }
    for status in ["301 Moved Permanently", "302 Found", "303 See Other", "300 Multiple Choices"] {
        let answer = format!("HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:{port}/\r\ncontent-length: 0\r\n\r\n");
        let first = Listener::on([127, 0, 0, 2], answer).await;
        let outcome = post(&outbound(&["127.0.0.0/8"], None), &format!("http://{}/", first.at)).await;
        assert!(matches!(outcome, Outcome::Answered(Answer { status: 300..=303, .. })), "{status}: {outcome:?}");
    }
    assert_eq!(canary.calls(), 0, "the canary was called");
}

#[tokio::test]
async fn redirects_end() {
    let goal = Listener::canary().await;
    let to = |at: SocketAddr| {
        format!("HTTP/1.1 308 Permanent Redirect\r\nlocation: http://{at}/\r\ncontent-length: 0\r\n\r\n")
    };
    let outbound = outbound(&["127.0.0.0/8"], None);
    let mut at = goal.at;
    for _ in 0..3 {
        at = Listener::on([127, 0, 0, 1], to(at)).await.at;
    }
    assert!(matches!(post(&outbound, &format!("http://{at}/")).await, Outcome::Answered(Answer { status: 200, .. })));
    at = Listener::on([127, 0, 0, 1], to(at)).await.at;
    assert!(matches!(post(&outbound, &format!("http://{at}/")).await, Outcome::Answered(Answer { status: 308, .. })));
    assert_eq!(goal.calls(), 1);
}

#[tokio::test]
async fn an_answer_is_read_within_bounds() {
    let body = format!("a\u{1b}[31m\r\nb{}", "x".repeat(1 << 20));
    let answer = format!("HTTP/1.1 503 No\r\nretry-after: 120\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let large = Listener::on([127, 0, 0, 1], answer).await;
    let outbound = outbound(&["127.0.0.0/8"], None);
    let Outcome::Answered(answer) = post(&outbound, &format!("http://{}/", large.at)).await else { panic!() };
    assert_eq!((answer.status, answer.retry_after.as_deref()), (503, Some("120")));
    assert!(answer.body.starts_with("a [31m  bxxx") && answer.body.len() <= 1024, "{}", answer.body.len());
}

#[tokio::test]
async fn who_never_answers_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    let timeout = Duration::from_millis(200);
    let settings = OutboundSettings { allow, allow_http: true, timeout, resolver: None };
    let outbound = Outbound::new(settings).unwrap();
    let held = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&held);
    let url = format!("http://{}/", silent.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = silent.accept().await {
            keep.lock().unwrap().push(stream);
        }
    });
    let outcome = post(&outbound, &url).await;
    assert!(matches!(&outcome, Outcome::Silent(why) if why.contains("no answer within 0.2 s")), "{outcome:?}");
}
