//! An identity provider: keys, tokens, and the place where its keys are published.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding,
    RsaKeyPair, RsaPublicKeyComponents,
};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{StatusCode, header};
use offtake_model::permission::Permissions;
use offtake_server::identity::{Algorithm, ClaimNames, Freshness, IssuerSettings, KeySource};
use serde_json::{Value as Json, json};

pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// A private key, with its name and algorithm.
pub(crate) struct Signer {
    pub(crate) kid: String,
    pub(crate) algorithm: Algorithm,
    pair: Pair,
}

enum Pair {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signer {
    pub(crate) fn new(kid: &str, algorithm: Algorithm) -> Self {
        let rng = SystemRandom::new();
        let ec = |curve| {
            let document = EcdsaKeyPair::generate_pkcs8(curve, &rng).expect("a key");
            Pair::Ec(EcdsaKeyPair::from_pkcs8(curve, document.as_ref()).expect("a key"))
        };
        let pair = match algorithm {
            Algorithm::Es256 => ec(&ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::Es384 => ec(&ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::EdDsa => {
                let document = Ed25519KeyPair::generate_pkcs8(&rng).expect("a key");
                Pair::Ed(Ed25519KeyPair::from_pkcs8(document.as_ref()).expect("a key"))
            }
            Algorithm::Hs256
            | Algorithm::Rs256
            | Algorithm::Rs384
            | Algorithm::Rs512
            | Algorithm::Ps256
            | Algorithm::Ps384
            | Algorithm::Ps512 => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("a key")),
        };
        Self { kid: kid.to_owned(), algorithm, pair }
    }

    /// The public key as it is published.
    pub(crate) fn jwk(&self) -> Json {
        let mut jwk = match &self.pair {
            Pair::Rsa(pair) => {
                let RsaPublicKeyComponents { n, e } = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                json!({"kty": "RSA", "n": base64(n), "e": base64(e)})
            }
            Pair::Ec(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let crv = if x.len() == 32 { "P-256" } else { "P-384" };
                json!({"kty": "EC", "crv": crv, "x": base64(x), "y": base64(y)})
            }
            Pair::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": base64(pair.public_key().as_ref())}),
        };
        jwk["kid"] = json!(self.kid);
        jwk["use"] = json!("sig");
        jwk
    }

    /// The bytes of the public key in each form somebody might take for a secret.
    pub(crate) fn as_secrets(&self) -> Vec<Vec<u8>> {
        let raw = match &self.pair {
            Pair::Rsa(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ec(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Ed(pair) => pair.public_key().as_ref().to_vec(),
        };
        let text = base64::prelude::BASE64_STANDARD.encode(&raw);
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("ASCII")).collect();
        let pem = |label: &str| format!("-----BEGIN {label}-----\n{}\n-----END {label}-----", lines.join("\n"));
        let jwk = self.jwk();
        let field = |name: &str| jwk[name].as_str().unwrap_or_default().to_owned();
        let mut forms = vec![raw, jwk.to_string().into_bytes(), text.clone().into_bytes()];
        for label in ["PUBLIC KEY", "RSA PUBLIC KEY", "CERTIFICATE"] {
            forms.extend([pem(label).into_bytes(), (pem(label) + "\n").into_bytes()]);
        }
        forms.extend(["n", "x", "kid"].map(|name| field(name).into_bytes()));
        forms
    }

    fn signature(&self, message: &[u8], algorithm: Algorithm) -> Vec<u8> {
        let rng = SystemRandom::new();
        match &self.pair {
            Pair::Rsa(pair) => {
                let padding: &'static dyn RsaEncoding = match algorithm {
                    Algorithm::Rs384 => &RSA_PKCS1_SHA384,
                    Algorithm::Rs512 => &RSA_PKCS1_SHA512,
                    Algorithm::Ps256 => &RSA_PSS_SHA256,
                    Algorithm::Ps384 => &RSA_PSS_SHA384,
                    Algorithm::Ps512 => &RSA_PSS_SHA512,
                    Algorithm::Hs256 | Algorithm::Rs256 | Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => {
                        &RSA_PKCS1_SHA256
                    }
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &rng, message, &mut signature).expect("signed");
                signature
            }
            Pair::Ec(pair) => pair.sign(&rng, message).expect("signed").as_ref().to_vec(),
            Pair::Ed(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }

    /// Signs whatever two parts there are, JSON or not.
    pub(crate) fn sign_parts(&self, header: &[u8], claims: &[u8]) -> String {
        self.sign_message(&format!("{}.{}", base64(header), base64(claims)))
    }

    /// Signs a message of two parts as it stands.
    pub(crate) fn sign_message(&self, message: &str) -> String {
        format!("{message}.{}", base64(self.signature(message.as_bytes(), self.algorithm)))
    }

    /// A token with this header and these claims.
    pub(crate) fn sign(&self, header: &Json, claims: &Json) -> String {
        self.sign_parts(header.to_string().as_bytes(), claims.to_string().as_bytes())
    }

    pub(crate) fn header(&self) -> Json {
        json!({"alg": self.algorithm.name(), "typ": "JWT", "kid": self.kid})
    }

    /// A token with these claims.
    pub(crate) fn token(&self, claims: &Json) -> String {
        self.sign(&self.header(), claims)
    }
}

/// What an issuer of this name says about alice of acme.
pub(crate) fn claims(issuer: &str) -> Json {
    let now = crate::house::NOW.parse::<jiff::Timestamp>().expect("a moment").as_second();
    json!({"iss": issuer, "aud": "offtake", "sub": "alice", "org_id": "acme", "permissions": ["exports:read"],
        "iat": now, "nbf": now, "exp": now + 3600})
}

/// An issuer that is called by its name everywhere.
pub(crate) fn settings(name: &str, algorithms: &[Algorithm], keys: KeySource) -> IssuerSettings {
    IssuerSettings {
        name: name.to_owned(),
        issuer: format!("https://{name}.example"),
        audiences: vec!["offtake".to_owned()],
        algorithms: algorithms.to_vec(),
        keys,
        names: ClaimNames::default(),
        sub_prefix: String::new(),
        org: None,
        may_grant: Permissions::from_words(["all"]),
        freshness: Freshness { timeout: Duration::from_millis(400), ..Freshness::default() },
    }
}

/// Where keys are published: an HTTP server on this machine that answers as it is told.
pub(crate) struct Published {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

struct Shared {
    answer: Mutex<Answer>,
    asked: Mutex<BTreeMap<String, usize>>,
    total: AtomicUsize,
}

/// How it answers.
#[derive(Debug, Clone)]
pub(crate) enum Answer {
    /// With these keys, good for so many seconds.
    Keys(Vec<Json>, u64),
    /// With this status and nothing else.
    Status(u16),
    /// With this text.
    Text(String),
    /// With a redirect to the keys.
    Elsewhere,
    /// With more than anybody wants.
    Huge,
    /// With the beginning of something.
    Slow,
}

impl Published {
    pub(crate) async fn start(answer: Answer) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (asked, total) = (Mutex::default(), AtomicUsize::new(0));
        let shared = Arc::new(Shared { answer: Mutex::new(answer), asked, total });
        let router = Router::new().fallback(respond).with_state(Arc::clone(&shared));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { address, shared, task }
    }

    pub(crate) fn source(&self) -> KeySource {
        KeySource::Url(format!("http://{}/keys", self.address))
    }

    pub(crate) fn say(&self, answer: Answer) {
        *self.shared.answer.lock().expect("no panic while locked") = answer;
    }

    /// How often it was asked for keys.
    pub(crate) fn fetches(&self) -> usize {
        self.shared.total.load(Ordering::SeqCst)
    }

    /// How often it was asked for this path.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.shared.asked.lock().expect("no panic while locked").get(path).copied().unwrap_or(0)
    }

    /// From now on nobody answers.
    pub(crate) async fn close(self) {
        self.task.abort();
        assert!(self.task.await.is_err_and(|error| error.is_cancelled()));
    }
}

async fn respond(State(shared): State<Arc<Shared>>, request: axum::extract::Request) -> Response {
    shared.total.fetch_add(1, Ordering::SeqCst);
    let path = request.uri().path().to_owned();
    *shared.asked.lock().expect("no panic while locked").entry(path).or_default() += 1;
    let answer = shared.answer.lock().expect("no panic while locked").clone();
    match answer {
        Answer::Keys(keys, seconds) => {
            let control = (header::CACHE_CONTROL, format!("public, max-age={seconds}"));
            ([control], json!({"keys": keys}).to_string()).into_response()
        }
        Answer::Status(status) => StatusCode::from_u16(status).expect("a status").into_response(),
        Answer::Text(text) => text.into_response(),
        Answer::Elsewhere => (StatusCode::FOUND, [(header::LOCATION, "/elsewhere")]).into_response(),
        Answer::Huge => {
            let chunk = Bytes::from(vec![b' '; 64 * 1024]);
            let endless = stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()));
            Body::from_stream(endless.take(1024)).into_response()
        }
        Answer::Slow => {
            let begun = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"{\"keys\": ["))]);
            Body::from_stream(begun.chain(stream::pending())).into_response()
        }
    }
}
