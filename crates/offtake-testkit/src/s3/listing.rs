//! What is in a bucket, asked by requests signed here, apart from the product and its libraries.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{ACCESS_KEY, BUCKET, SECRET_KEY};

const REGION: &str = "us-east-1";
/// How long a listing may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The answer to `ListObjectsV2`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Objects {
    contents: Vec<Object>,
    next_continuation_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Object {
    key: String,
    size: u64,
}

/// The answer to `ListMultipartUploads`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Uploads {
    upload: Vec<Upload>,
    is_truncated: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Upload {
    key: String,
}

/// The keys that begin with `prefix`, and their sizes.
pub(super) fn objects(endpoint: &str, prefix: &str) -> Vec<(String, u64)> {
    let mut found = Vec::new();
    let mut next = None;
    loop {
        let mut query = vec![("list-type", "2"), ("prefix", prefix)];
        query.extend(next.as_deref().map(|token| ("continuation-token", token)));
        let page: Objects = parsed(&get(endpoint, &query));
        found.extend(page.contents.into_iter().map(|object| (object.key, object.size)));
        next = page.next_continuation_token;
        if next.is_none() {
            found.sort();
            return found;
        }
    }
}

/// The keys that begin with `prefix` of uploads that have not ended.
pub(super) fn uploads(endpoint: &str, prefix: &str) -> Vec<String> {
    let page: Uploads = parsed(&get(endpoint, &[("uploads", ""), ("prefix", prefix)]));
    assert!(!page.is_truncated, "more uploads than any test makes");
    let mut found: Vec<String> = page.upload.into_iter().map(|upload| upload.key).collect();
    found.sort();
    found
}

#[track_caller]
fn parsed<T: serde::de::DeserializeOwned>(xml: &str) -> T {
    quick_xml::de::from_str(xml).unwrap_or_else(|error| panic!("{error}: {xml}"))
}

/// The bytes of an object.
pub(super) fn object(endpoint: &str, key: &str) -> Vec<u8> {
    fetch(endpoint, &format!("/{BUCKET}/{key}"), &[])
}

/// GET of the bucket with this query.
fn get(endpoint: &str, query: &[(&str, &str)]) -> String {
    String::from_utf8_lossy(&fetch(endpoint, &format!("/{BUCKET}"), query)).into_owned()
}

/// GET with this query. HTTP/1.0: the answer ends where the connection does.
fn fetch(endpoint: &str, path: &str, query: &[(&str, &str)]) -> Vec<u8> {
    let host = endpoint.strip_prefix("http://").unwrap_or_else(|| panic!("{endpoint} is not on loopback"));
    let asked = format!("{path}?{}", signed(host, path, query));
    let answer = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(host)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "GET {asked} HTTP/1.0\r\nHost: {host}\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Ok(answer)
    };
    let mut answer = answer().unwrap_or_else(|error| panic!("{endpoint}: {error}"));
    let head = answer.windows(4).position(|end| end == b"\r\n\r\n").unwrap_or_else(|| panic!("{asked}: no answer"));
    let body = answer.split_off(head + 4);
    let head = String::from_utf8_lossy(&answer);
    assert!(head.split(' ').nth(1) == Some("200"), "{asked}: {head}{}", String::from_utf8_lossy(&body));
    body
}

/// The query with a signature (AWS version 4) in it.
fn signed(host: &str, path: &str, query: &[(&str, &str)]) -> String {
    let at = now();
    let scope = format!("{}/{REGION}/s3/aws4_request", &at[..8]);
    let credential = format!("{ACCESS_KEY}/{scope}");
    let mut all = vec![
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", &credential),
        ("X-Amz-Date", &at),
        ("X-Amz-Expires", "300"),
        ("X-Amz-SignedHeaders", "host"),
    ];
    all.extend(query);
    all.sort_unstable();
    let pairs: Vec<String> = all.iter().map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    let query = pairs.join("&");
    let request = format!("GET\n{path}\n{query}\nhost:{host}\n\nhost\nUNSIGNED-PAYLOAD");
    let text = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", hex::encode(Sha256::digest(request)));
    let day = mac(format!("AWS4{SECRET_KEY}").as_bytes(), &at[..8]);
    let key = mac(&mac(&mac(&day, REGION), "s3"), "aws4_request");
    format!("{query}&X-Amz-Signature={}", hex::encode(mac(&key, &text)))
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length is a key");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn now() -> String {
    #[expect(clippy::disallowed_methods, reason = "a signature holds by the real time")]
    let now = jiff::Timestamp::now();
    now.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Everything but the unreserved characters, as signatures want it.
fn escaped(text: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|byte| if kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
