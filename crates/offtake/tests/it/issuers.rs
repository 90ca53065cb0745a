//! Tokens of identity providers, and the installation's own secret replaced by another.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use offtake_testkit::{AppBuilder, Client, Ran, Role, SpanSketch, TestApp, eventually};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{OFFTAKE, send};

/// A key of an identity provider.
struct Signer {
    kid: String,
    algorithm: Algorithm,
    key: EncodingKey,
}

impl Signer {
    fn new(kid: &str, algorithm: Algorithm) -> Self {
        let rng = SystemRandom::new();
        let key = if algorithm == Algorithm::ES256 {
            let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &rng).expect("a key");
            EncodingKey::from_ec_der(pair.as_ref())
        } else if algorithm == Algorithm::EdDSA {
            EncodingKey::from_ed_der(Ed25519KeyPair::generate_pkcs8v1(&rng).expect("a key").as_ref())
        } else {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
            // The key itself begins after the 26 bytes with which PKCS #8 says that it is one of RSA.
            EncodingKey::from_rsa_der(&pair.as_der().expect("a key").as_ref()[26..])
        };
        Self { kid: kid.to_owned(), algorithm, key }
    }

    fn jwk(&self) -> Json {
        let mut jwk = Jwk::from_encoding_key(&self.key, self.algorithm).expect("a public key");
        jwk.common.key_id = Some(self.kid.clone());
        serde_json::to_value(jwk).expect("JSON")
    }

    /// A token about this user of this organization.
    fn token(&self, issuer: &str, org: &str, user: &str) -> String {
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(self.algorithm) };
        let claims = json!({"iss": issuer, "aud": ["offtake", "other"], "sub": user, "org_id": org,
            "permissions": "all operator", "exp": 4_000_000_000_u64});
        encode(&header, &claims, &self.key).expect("a token")
    }
}

/// Answers every request with these keys.
async fn publish(keys: Arc<Mutex<Json>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/keys", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 2048];
            let read = stream.read(&mut head).await;
            let body = keys.lock().expect("no panic while locked").to_string();
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            let written = stream.write_all(answer.as_bytes()).await;
            assert!(read.is_ok() && written.is_ok(), "whoever asks for keys takes them");
        }
    });
    url
}

fn issuer(name: &str, algorithm: &str, keys: &str) -> String {
    format!(
        "[issuers.{name}]\nissuer = \"https://{name}.example\"\naudience = \"offtake\"\nalgorithms = [\"{algorithm}\"]\n{keys}\n"
    )
}

async fn count(client: &Client) -> Json {
    client.post("/api/v1/datasets/spans/count", &json!({})).await.expect(200).json()["count"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_identity_providers_open_their_organization_and_no_other() {
    let (rsa, ec, ed) =
        (Signer::new("r", Algorithm::RS256), Signer::new("e", Algorithm::ES256), Signer::new("d", Algorithm::EdDSA));
    let rsa_keys = Arc::new(Mutex::new(json!({"keys": [rsa.jwk()]})));
    let rsa_url = publish(Arc::clone(&rsa_keys)).await;
    let ed_url = publish(Arc::new(Mutex::new(json!({"keys": [ed.jwk()]})))).await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keys.json");
    std::fs::write(&file, json!({"keys": [ec.jwk()]}).to_string()).expect("a file");
    let app = AppBuilder::new(OFFTAKE)
        .with_tables(&issuer("rsa", "RS256", &format!("jwks_url = \"{rsa_url}\"\nrefetch_after = \"1s\"")))
        .with_tables(&issuer("ec", "ES256", &format!("jwks_file = \"{}\"", file.display())))
        .with_tables(&issuer("ed", "EdDSA", &format!("jwks_url = \"{ed_url}\"\norg = \"acme\"")))
        .start()
        .await;
    let mine = app.client("acme").await;
    send(&mine, &[SpanSketch::new(1), SpanSketch::new(2)]).await;
    for (signer, name) in [(&rsa, "rsa"), (&ec, "ec")] {
        let iss = format!("https://{name}.example");
        let client = |org: &str| app.client_with_token(&signer.token(&iss, org, "alice"));
        assert_eq!(count(&client("acme")).await, 2, "{name}");
        assert_eq!(count(&client("other")).await, 0, "{name}");
        client("acme").get("/metrics").await.expect(403);
    }
    let theirs = app.client_with_token(&ed.token("https://ed.example", "other", "alice"));
    assert_eq!(count(&theirs).await, 2, "an issuer with an organization of its own speaks for that one alone");
    for (signer, iss) in [(&rsa, "https://ec.example"), (&ec, "https://rsa.example"), (&ed, "https://nobody.example")] {
        let client = app.client_with_token(&signer.token(iss, "acme", "alice"));
        let refused = client.get("/api/v1/datasets").await.expect(401);
        assert_eq!(refused.problem().0, "unauthenticated");
    }

    let next = Signer::new("r2", Algorithm::RS256);
    *rsa_keys.lock().expect("no panic while locked") = json!({"keys": [next.jwk()]});
    let token = next.token("https://rsa.example", "acme", "alice");
    eventually("the new key is found", Duration::from_secs(20), || async {
        let answer = app.client_with_token(&token).get("/api/v1/datasets").await;
        (answer.status == 200).then_some(())
    })
    .await;
    let old = app.client_with_token(&rsa.token("https://rsa.example", "acme", "alice"));
    old.get("/api/v1/datasets").await.expect(401);
}

/// What the doctor found about this.
fn finding(ran: &Ran, about: &str) -> (String, String) {
    let told: Json = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
    let all = told["findings"].as_array().expect("findings");
    let one = all.iter().find(|one| one["about"] == about).unwrap_or_else(|| panic!("nothing about {about}: {told}"));
    let text = |key: &str| one[key].as_str().expect("a text").to_owned();
    (text("result"), text("detail"))
}

#[tokio::test(flavor = "multi_thread")]
async fn check_and_doctor_look_at_the_keys() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("keys.json");
    let signer = Signer::new("the-key", Algorithm::ES256);
    std::fs::write(&file, json!({"keys": [signer.jwk(), {"kty": "RSA", "kid": "small"}]}).to_string()).expect("a file");
    let app = AppBuilder::new(OFFTAKE)
        .embedded()
        .with_tables(&issuer("file", "ES256", &format!("jwks_file = \"{}\"", file.display())))
        .with_tables(&issuer("away", "ES256", "jwks_url = \"http://127.0.0.1:9/keys\""))
        .start()
        .await;
    let ran = app.cli(&["config", "check"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("warning: issuers.away"), "{ran:?}");
    let ran = app.cli(&["doctor", "--json"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let (result, detail) = finding(&ran, "issuer file");
    assert!(result == "ok" && detail.contains("the-key (ES256)") && detail.contains("\"small\""), "{detail}");
    let (result, detail) = finding(&ran, "issuer away");
    assert!(result == "warning" && detail.contains("cannot be reached"), "{detail}");
    let waiting = app.client_with_token(&signer.token("https://away.example", "acme", "alice"));
    assert_eq!(waiting.get("/api/v1/datasets").await.expect(503).problem().0, "unavailable");

    for (text, word) in
        [("{\"keys\": []}", "no keys"), ("{", "no JSON"), ("{\"keys\": [{\"kty\": \"oct\"}]}", "secret")]
    {
        std::fs::write(&file, text).expect("a file");
        let ran = app.cli(&["config", "check"]).await;
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.stderr.contains("issuers.file") && ran.stderr.contains(word), "{word}: {ran:?}");
        let ran = app.cli(&["doctor", "--json"]).await;
        assert_eq!((ran.code, finding(&ran, "issuer file").0.as_str()), (Some(1), "failed"), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_replaced_without_locking_anybody_out() {
    // Links of our own and a secret that Offtake made: both are in the data directory.
    let mut app = AppBuilder::new(OFFTAKE).embedded().start().await;
    let before = app.token("acme", "tester", "all").await;
    let client = app.client_with_token(&before);
    send(&client, &[SpanSketch::new(1)]).await;
    let job = client.export("spans", &json!({"format": "csv"})).await;
    let download = format!("/api/v1/export/jobs/{}/download", job["job_id"].as_str().expect("an id"));
    let link = client.get(&download).await.expect(302).header("location").to_owned();

    let (secret, old) = (app.data_dir().join("token.secret"), app.folder().join("old.secret"));
    app.terminate(Role::Serve, Duration::from_secs(30)).await;
    std::fs::rename(&secret, &old).expect("it is there");
    let settings = std::fs::read_to_string(app.config()).expect("a configuration");
    let rotated = |until: &str| {
        format!("token.previous_secret_files = [\"{}\"]\ntoken.previous_until = \"{until}\"\n{settings}", old.display())
    };
    std::fs::write(app.config(), rotated("2100-01-01T00:00:00Z")).expect("a configuration");
    app.start_role(Role::Serve).await;
    client.get("/api/v1/datasets").await.expect(200);
    app.anonymous().get(&link).await.expect(200);
    let told = finding(&app.cli(&["doctor", "--json"]).await, "previous secrets");
    assert_eq!(told.0, "ok", "{}", told.1);
    let after = fresh_token(&app).await;
    assert_ne!(before.split('.').next(), after.split('.').next(), "another key signs");

    app.terminate(Role::Serve, Duration::from_secs(30)).await;
    std::fs::write(app.config(), rotated("2020-01-01T00:00:00Z")).expect("a configuration");
    app.start_role(Role::Serve).await;
    client.get("/api/v1/datasets").await.expect(401);
    app.anonymous().get(&link).await.expect(403);
    app.client_with_token(&after).get("/api/v1/datasets").await.expect(200);
    let told = finding(&app.cli(&["doctor", "--json"]).await, "previous secrets");
    assert_eq!(told.0, "warning", "{}", told.1);
}

/// A token of now, not one that was kept.
async fn fresh_token(app: &TestApp) -> String {
    let ran = app.cli(&["token", "--org", "acme", "--sub", "tester"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.stdout.trim().to_owned()
}
