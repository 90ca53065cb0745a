//! Hundreds of tokens that are nearly good, none of which is taken.
//!
//! Each begins with a token that is taken, and changes one thing about it: sometimes without signing it again, as a
//! thief would, sometimes with the issuer's own key, as a careless issuer would.

use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use offtake_server::identity::{Algorithm, KeySource, Secret};
use serde_json::{Value as Json, json};
use sha2::Sha256;

use crate::house::House;
use crate::issuer::{Published, Signer, base64, claims, settings};

/// Issuers whose good tokens are changed.
struct Ground {
    house: House,
    signers: Vec<(Signer, String)>,
    secret: Secret,
    _published: Vec<Published>,
}

impl Ground {
    async fn new() -> Self {
        let (mut signers, mut issuers, mut published) = (Vec::new(), Vec::new(), Vec::new());
        for (name, algorithm) in [("rsa", Algorithm::Rs256), ("ec", Algorithm::Es256), ("ed", Algorithm::EdDsa)] {
            let signer = Signer::new(&format!("{name}-1"), algorithm);
            let at = Published::start(crate::issuer::Answer::Keys(vec![signer.jwk()], 300)).await;
            issuers.push(settings(name, &[algorithm], at.source()));
            published.push(at);
            signers.push((signer, format!("https://{name}.example")));
        }
        let secret = Secret::generate();
        issuers.push(settings("hs", &[Algorithm::Hs256], KeySource::Secret(secret.clone())));
        Self { house: House::with_issuers(issuers), signers, secret, _published: published }
    }

    async fn answer(&self, token: &str) -> crate::house::Answer {
        let ask = self.house.ask(Method::GET, "/api/v1/export/jobs");
        ask.header("authorization", &format!("Bearer {token}")).answer().await
    }
}

/// A token signed with whatever bytes.
fn by_secret(key: &[u8], header: &[u8], claims: &[u8]) -> String {
    let message = format!("{}.{}", base64(header), base64(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.update(message.as_bytes());
    format!("{message}.{}", base64(mac.finalize().into_bytes()))
}

/// What was changed, and the token that came of it.
type Mutation = (String, String);

/// The three parts with one bit turned in each of many places, and characters put in, left out and exchanged.
fn damaged(token: &str) -> Vec<Mutation> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut mutations = Vec::new();
    let parts: Vec<&str> = token.split('.').collect();
    for (number, part) in parts.iter().enumerate() {
        let with = |changed: String| {
            let mut parts = parts.clone();
            parts[number] = &changed;
            parts.join(".")
        };
        let bytes = part.as_bytes();
        // Each bit of the last character too: some of them are spare, and must be zero.
        let places = (0..12).map(|n| n * (bytes.len() - 1) / 11).map(|at| (at, at % 6));
        for (at, bit) in places.chain((0..6).map(|bit| (bytes.len() - 1, bit))) {
            let value = ALPHABET.iter().position(|c| *c == bytes[at]).expect("base64url") ^ (1 << bit);
            let mut changed = bytes.to_vec();
            changed[at] = ALPHABET[value];
            let changed = String::from_utf8(changed).expect("ASCII");
            mutations.push((format!("part {number}: bit {bit} of character {at}"), with(changed)));
        }
        let half = part.len() / 2;
        for (what, changed) in [
            ("empty", String::new()),
            ("padded", format!("{part}=")),
            ("padded twice", format!("{part}==")),
            ("a character more", format!("{part}A")),
            ("a character less", part[..part.len() - 1].to_owned()),
            ("half", part[..half].to_owned()),
            ("twice", format!("{part}{part}")),
            ("a space in it", format!("{} {}", &part[..half], &part[half..])),
            ("a space before", format!(" {part}")),
            ("a tab in it", format!("{}\t{}", &part[..half], &part[half..])),
            ("a question mark in it", format!("{}?{}", &part[..half], &part[half..])),
            ("per cent", format!("{}%41{}", &part[..half], &part[half..])),
            ("the other alphabet", format!("+/{}", &part[2..])),
            ("upper case", part.to_ascii_uppercase()),
            ("in quotes", format!("\"{part}\"")),
        ] {
            // Before the first part it is the space after `Bearer`, of which there may be several.
            if (number, what) != (0, "a space before") {
                mutations.push((format!("part {number}: {what}"), with(changed)));
            }
        }
    }
    mutations
}

/// Parts that are missing, too many, or of something else.
fn reshaped(token: &str) -> Vec<Mutation> {
    let parts: Vec<&str> = token.split('.').collect();
    let [header, claims, signature] = parts[..] else { panic!("no token: {token}") };
    let json = json!({"protected": header, "payload": claims, "signature": signature});
    let shapes = [
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!(".{claims}.{signature}"),
        format!("{header}..{signature}"),
        format!("{header}.{signature}"),
        header.to_owned(),
        "..".to_owned(),
        ".".to_owned(),
        "....".to_owned(),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{header}.{header}.{claims}.{signature}"),
        format!("{header}.{claims}.{signature}.{claims}.{signature}"),
        format!("{header}..{claims}.{signature}.{signature}"),
        format!("{token},{token}"),
        format!("{token} {token}"),
        format!("Bearer {token}"),
        format!("{claims}.{header}.{signature}"),
        json.to_string(),
        base64(token),
        token.replace('.', "%2E"),
        token.replace('.', ":"),
        format!("{token}{}", "A".repeat(9000)),
        format!("{}.{claims}.{signature}", "A".repeat(9000)),
    ];
    shapes.into_iter().map(|shape| (format!("reshaped: {shape:.60}"), shape)).collect()
}

/// Headers that say something else, signed by the issuer's own key as if it meant it.
fn headed(signer: &Signer, iss: &str) -> Vec<Mutation> {
    let good = signer.header();
    let mut headers = Vec::new();
    let with = |name: &str, value: Json| {
        let mut header = good.clone();
        header[name] = value;
        header
    };
    for algorithm in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        " none",
        "",
        "HS256",
        "HS384",
        "HS512",
        "RS256",
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "PS512",
        "ES256",
        "ES384",
        "ES512",
        "ES256K",
        "EdDSA",
        "Ed25519",
        "Ed448",
        "eddsa",
        "rs256",
        "dir",
        "RSA1_5",
        "A128KW",
        "RSA-OAEP",
        "SHA256",
        "HMAC",
        "RS256\u{0}",
    ] {
        if algorithm != signer.algorithm.name() {
            headers.push(with("alg", json!(algorithm)));
        }
    }
    for value in [json!(null), json!(["RS256"]), json!({"RS256": 1}), json!(256), json!(true)] {
        headers.push(with("alg", value));
    }
    for typ in ["JWE", "at+jws", "dpop+jwt", "logout+jwt", "secevent+jwt", "id+jwt", "JOSE", "JOSE+JSON", "", "JWT "] {
        headers.push(with("typ", json!(typ)));
    }
    headers.extend([with("typ", json!(1)), with("typ", json!(["JWT"])), with("typ", json!(null))]);
    for crit in
        [json!([]), json!(["exp"]), json!(["b64"]), json!(["alg", "x"]), json!("exp"), json!(null), json!(false)]
    {
        headers.push(with("crit", crit));
    }
    for (name, value) in [
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("enc", json!("A256GCM")),
        ("kid", json!("")),
        ("kid", json!("another")),
        ("kid", json!(format!("{} ", signer.kid))),
        ("kid", json!(signer.kid.to_uppercase())),
        ("kid", json!(format!("{}\u{0}", signer.kid))),
        ("kid", json!("../../../../dev/null")),
        ("kid", json!("/dev/null")),
        ("kid", json!("x' UNION SELECT 'AA'; --")),
        ("kid", json!("https://evil.example/key")),
        ("kid", json!("k".repeat(300))),
        ("kid", json!(1)),
        ("kid", json!([signer.kid])),
        ("kid", json!(null)),
        ("kid", json!({"kid": signer.kid})),
    ] {
        headers.push(with(name, value));
    }
    let claims = claims(iss);
    let mut mutations: Vec<Mutation> =
        headers.iter().map(|header| (format!("header {header}"), signer.sign(header, &claims))).collect();
    let raw = good.to_string();
    let body = claims.to_string();
    let alg = signer.algorithm.name();
    for text in [
        raw.replacen('{', "{\"alg\":\"none\",", 1),
        raw.replacen('}', ",\"alg\":\"none\"}", 1),
        raw.replacen('{', &format!("{{\"\\u0061lg\":\"{alg}\","), 1),
        raw.replacen('}', ",\"x\":{\"a\":1,\"a\":1}}", 1),
        raw.replacen('}', &format!(",\"kid\":{}}}", json!(signer.kid)), 1),
        raw.replace("\"alg\"", "\"ALG\""),
        raw.replace("\"alg\"", "\"alg\\u0000\""),
        format!("[{raw}]"),
        format!("{raw}{raw}"),
        format!("{raw},"),
        format!("{raw}\u{0}"),
        format!("\u{feff}{raw}"),
        json!(raw).to_string(),
        "null".to_owned(),
        "{}".to_owned(),
        String::new(),
        raw.replacen('}', &format!(",\"x\":{}1{}}}", "[".repeat(300), "]".repeat(300)), 1),
        raw.replacen('}', ",\"x\":\"\\ud800\"}", 1),
        raw.replacen('}', ",\"x\":NaN}", 1),
        raw.replace('"', "'"),
    ] {
        mutations.push((format!("header {text:.80}"), signer.sign_parts(text.as_bytes(), body.as_bytes())));
    }
    let utf16: Vec<u8> = raw.encode_utf16().flat_map(u16::to_le_bytes).collect();
    mutations.push(("a header in UTF-16".to_owned(), signer.sign_parts(&utf16, body.as_bytes())));
    mutations.push(("a header in Latin 1".to_owned(), signer.sign_parts(b"{\"alg\":\"\xe9\"}", body.as_bytes())));
    mutations
}

/// Claims that are not of their shape, or not for us, signed by the issuer's own key.
fn claimed(signer: &Signer, iss: &str) -> Vec<Mutation> {
    let good = claims(iss);
    let now = good["nbf"].as_i64().expect("a number");
    let mut mutations = Vec::new();
    let long = "x".repeat(321);
    let shapeless = || {
        [
            json!(null),
            json!(true),
            json!(0),
            json!(1.5),
            json!([]),
            json!(["acme"]),
            json!({"a": "acme"}),
            json!(""),
            json!("a\u{0}b"),
            json!("a\nb"),
            json!("acme\r"),
            json!(" acme"),
            json!("acme "),
            json!("\u{a0}acme"),
            json!("ac\u{200b}me"),
            json!("\u{202e}emca"),
            json!("acme\u{feff}"),
            json!("ac\u{ad}me"),
            json!("\u{7f}acme"),
            json!("ac\u{e0061}me"),
            json!(long),
        ]
    };
    for name in ["sub", "org_id", "email", "jti"] {
        mutations.extend(shapeless().into_iter().map(|value| (name, value)));
    }
    for value in [
        json!(null),
        json!("offtake"),
        json!("OFFTAKE"),
        json!(format!("{iss}/")),
        json!(format!(" {iss}")),
        json!(iss.to_uppercase()),
        json!("https://hs.example"),
        json!([iss]),
        json!({"iss": iss}),
        json!(1),
        json!(""),
        json!(format!("{iss}\u{0}")),
        json!(iss.replace("https", "http")),
    ] {
        mutations.push(("iss", value));
    }
    for value in [
        json!(null),
        json!(""),
        json!("Offtake"),
        json!("offtake "),
        json!("offtakes"),
        json!("*"),
        json!([]),
        json!(["x"]),
        json!([["offtake"]]),
        json!(["offtake", 1]),
        json!([null, "offtake"]),
        json!({"offtake": true}),
        json!({"0": "offtake"}),
        json!(1),
        json!(true),
        json!("offtake,x"),
        json!("x offtake"),
        json!("https://offtake"),
    ] {
        mutations.push(("aud", value));
    }
    for value in [
        json!(null),
        json!((now + 60).to_string()),
        json!("soon"),
        json!("NaN"),
        json!("2026-12-01T00:00:00Z"),
        json!([now + 60]),
        json!({"exp": now + 60}),
        json!(true),
        json!(1e300),
        json!(1e18),
        json!(i64::MAX),
        json!(u64::MAX),
        json!(-1),
        json!((now + 60) * 1000),
        json!(""),
    ] {
        mutations.push(("exp", value));
    }
    for name in ["nbf", "iat"] {
        for value in [
            json!(null),
            json!(now.to_string()),
            json!("now"),
            json!([now]),
            json!({}),
            json!(false),
            json!(-1),
            json!(1e300),
            json!(now * 1000),
        ] {
            mutations.push((name, value));
        }
    }
    for value in [
        json!(null),
        json!(1),
        json!(true),
        json!({"exports:read": true}),
        json!([1]),
        json!(["exports:read", null]),
        json!([["exports:read"]]),
        json!(["exports:read", {}]),
    ] {
        mutations.push(("permissions", value));
    }
    let mut tokens: Vec<Mutation> = Vec::new();
    for (name, value) in mutations {
        let mut claims = good.clone();
        claims[name] = value;
        let shown = claims[name].to_string();
        tokens.push((format!("{name} = {shown:.60}"), signer.token(&claims)));
    }
    for name in ["iss", "aud", "sub", "org_id", "exp"] {
        let mut claims = good.clone();
        claims.as_object_mut().expect("claims").remove(name);
        tokens.push((format!("without {name}"), signer.token(&claims)));
    }
    tokens
}

/// Claims that are no object, or two at once.
fn written(signer: &Signer, iss: &str) -> Vec<Mutation> {
    let raw = claims(iss).to_string();
    let header = signer.header().to_string();
    let text = |text: String| (format!("claims {text:.80}"), signer.sign_parts(header.as_bytes(), text.as_bytes()));
    let mut mutations: Vec<Mutation> = [
        raw.replacen('{', "{\"org_id\":\"other\",", 1),
        raw.replacen('}', ",\"org_id\":\"other\"}", 1),
        raw.replacen('{', "{\"\\u0073ub\":\"bob\",", 1),
        raw.replacen('{', "{\"iss\":\"offtake\",", 1),
        raw.replacen('}', ",\"exp\":9999999999}", 1),
        raw.replacen('}', ",\"x\":[{\"a\":1,\"a\":2}]}", 1),
        raw.replacen("\"exp\":", "\"exp\":NaN,\"x\":", 1),
        raw.replacen("\"exp\":", "\"exp\":Infinity,\"x\":", 1),
        raw.replacen("\"exp\":", "\"exp\":1e999,\"x\":", 1),
        raw.replacen("\"exp\":", "\"exp\":0x7fffffff,\"x\":", 1),
        raw.replacen("\"exp\":", "\"exp\":+", 1),
        raw.replacen("\"exp\":", "\"exp\":0", 1),
        raw.replacen("\"exp\":", "\"EXP\":", 1),
        raw.replacen("\"org_id\":", "\"org_id \":", 1),
        raw.replacen("\"org_id\":", "\"org_id\\u0000\":", 1),
        raw.replacen('}', &format!(",\"x\":{}{}}}", "{\"a\":".repeat(300), "1".to_owned() + &"}".repeat(300)), 1),
        raw.replacen('}', &format!(",\"x\":{}{}}}", "[".repeat(1500), "]".repeat(1500)), 1),
        raw.replacen('}', ",}", 1),
        raw.replacen('}', "", 1),
        format!("{raw}{raw}"),
        format!("{raw}x"),
        format!("{raw}\u{0}"),
        format!("\u{feff}{raw}"),
        format!("[{raw}]"),
        json!(raw).to_string(),
        "{}".to_owned(),
        "null".to_owned(),
        String::new(),
        base64(&raw),
        raw.replace('"', "'"),
        raw.replacen('{', "{/* */", 1),
        raw.replacen("acme", "\\ud800", 1),
        raw.replacen("alice", "al\u{0}ice", 1),
        raw.replacen("alice", "al\nice", 1),
    ]
    .into_iter()
    .map(text)
    .collect();
    let latin: Vec<u8> = raw.replace("alice", "ali\u{e9}").chars().map(|c| c as u8).collect();
    mutations.push(("claims in Latin 1".to_owned(), signer.sign_parts(header.as_bytes(), &latin)));
    mutations.push((
        "a token in a token".to_owned(),
        signer.sign_parts(header.as_bytes(), signer.token(&claims(iss)).as_bytes()),
    ));
    mutations
}

/// Tokens signed by somebody else: with the public key taken for a secret, with a key that the token brings along, with
/// another issuer's.
fn forged(ground: &Ground) -> Vec<Mutation> {
    let mut mutations = Vec::new();
    for (signer, iss) in &ground.signers {
        let claims = claims(iss).to_string();
        for (number, key) in signer.as_secrets().into_iter().enumerate() {
            for (what, header) in [
                ("named", json!({"alg": "HS256", "typ": "JWT", "kid": signer.kid})),
                ("nameless", json!({"alg": "HS256"})),
                ("under its own algorithm", signer.header()),
            ] {
                let token = by_secret(&key, header.to_string().as_bytes(), claims.as_bytes());
                mutations.push((format!("{iss}: its public key as a secret, form {number}, {what}"), token));
            }
        }
        let own = ground.secret.reveal().as_bytes();
        for key in [own, ground.house.secret.reveal().as_bytes(), b"", &[0; 32]] {
            let header = json!({"alg": "HS256", "typ": "JWT"}).to_string();
            mutations
                .push((format!("{iss}: a secret of another"), by_secret(key, header.as_bytes(), claims.as_bytes())));
        }
        let thief = Signer::new(&signer.kid, signer.algorithm);
        let brought = |name: &str, value: Json| {
            let mut header = thief.header();
            header[name] = value;
            thief.sign_parts(header.to_string().as_bytes(), claims.as_bytes())
        };
        let url = json!("https://evil.example/keys");
        let chain =
            json!([base64::Engine::encode(&base64::prelude::BASE64_STANDARD, thief.as_secrets()[0].as_slice())]);
        for (name, value) in [("jwk", thief.jwk()), ("jku", url.clone()), ("x5u", url), ("x5c", chain), ("x", json!(1))]
        {
            mutations.push((format!("{iss}: a key that the token brings along as {name}"), brought(name, value)));
        }
        for (other, other_iss) in &ground.signers {
            if other_iss != iss {
                mutations.push((format!("{other_iss} speaks for {iss}"), other.token(&crate::issuer::claims(iss))));
                let header = json!({"alg": signer.algorithm.name(), "kid": signer.kid});
                let token = other.sign_parts(header.to_string().as_bytes(), claims.as_bytes());
                mutations.push((format!("{other_iss} writes like {iss}"), token));
            }
        }
        let ours = signer.token(&crate::issuer::claims("offtake"));
        mutations.push((format!("{iss} speaks for us"), ours));
        mutations
            .push((format!("{iss} speaks for nobody"), signer.token(&crate::issuer::claims("https://nobody.example"))));
        mutations.push((
            format!("{iss} speaks for the one with a secret"),
            signer.token(&crate::issuer::claims("https://hs.example")),
        ));
        // Signatures that hold for any message where nobody looks: zeros, and the lengths of others.
        let message = signer.token(&crate::issuer::claims(iss)).rsplit_once('.').expect("parts").0.to_owned();
        for length in [1, 32, 63, 64, 65, 96, 128, 255, 256, 257, 512] {
            mutations.push((
                format!("{iss}: {length} zeros for a signature"),
                format!("{message}.{}", base64(vec![0; length])),
            ));
        }
    }
    let (_, iss) = &ground.signers[0];
    let ours = ground.house.secret.reveal().as_bytes();
    for (what, key, claims) in [
        ("our secret for an issuer", ours, claims(iss)),
        ("our secret for the one with a secret", ours, claims("https://hs.example")),
        ("its secret for us", ground.secret.reveal().as_bytes(), claims("offtake")),
    ] {
        let token = by_secret(key, json!({"alg": "HS256"}).to_string().as_bytes(), claims.to_string().as_bytes());
        mutations.push((what.to_owned(), token));
    }
    mutations
}

#[tokio::test]
async fn nothing_that_was_changed_is_taken() {
    let ground = Ground::new().await;
    let mut mutations = Vec::new();
    for (signer, iss) in &ground.signers {
        let good = signer.token(&claims(iss));
        ground.answer(&good).await.expect(200);
        let named = |what: &str, of: Vec<Mutation>| {
            of.into_iter().map(move |(m, t)| (format!("{what}: {m}"), t)).collect::<Vec<_>>()
        };
        mutations.extend(named(iss, damaged(&good)));
        mutations.extend(named(iss, reshaped(&good)));
        mutations.extend(named(iss, headed(signer, iss)));
        mutations.extend(named(iss, claimed(signer, iss)));
        mutations.extend(named(iss, written(signer, iss)));
    }
    let own = ground.house.token("acme", "alice", "all");
    ground.answer(&own).await.expect(200);
    mutations.extend(damaged(&own));
    mutations.extend(reshaped(&own));
    let theirs = by_secret(
        ground.secret.reveal().as_bytes(),
        json!({"alg": "HS256"}).to_string().as_bytes(),
        claims("https://hs.example").to_string().as_bytes(),
    );
    ground.answer(&theirs).await.expect(200);
    mutations.extend(damaged(&theirs));
    mutations.extend(forged(&ground));

    let mut taken = Vec::new();
    let mut details = BTreeSet::new();
    for (what, token) in &mutations {
        let answer = ground.answer(token).await;
        let body = answer.json();
        if answer.status != 401 {
            taken.push(format!("{} {what}: {token:.200}", answer.status));
        }
        details.insert(body["detail"].as_str().expect("a text").to_owned());
    }
    assert!(taken.is_empty(), "{taken:#?}");
    let different: BTreeSet<&String> = mutations.iter().map(|(_, token)| token).collect();
    assert_eq!(mutations.len(), 1661);
    // Some changes come to the same, as of two bits of the last character.
    assert!(different.len() >= 1600, "{}", different.len());
    // Why is not said, other than that it is a matter of time.
    let told: Vec<&str> = details.iter().map(String::as_str).collect();
    assert_eq!(told, ["the bearer token is not valid here"]);
}

#[tokio::test]
async fn time_is_the_one_thing_that_is_told() {
    let ground = Ground::new().await;
    let (signer, iss) = &ground.signers[1];
    let now = claims(iss)["nbf"].as_i64().expect("a number");
    let tell = async |name: &str, value: Json| {
        let mut claims = claims(iss);
        claims[name] = value;
        let answer = ground.answer(&signer.token(&claims)).await;
        (answer.status, answer.json()["detail"].as_str().unwrap_or_default().to_owned())
    };
    for (name, value, word) in [
        ("exp", json!(now - 31), "expired"),
        ("exp", json!(0), "expired"),
        ("exp", json!(f64::from(1) + 0.5), "expired"),
        ("nbf", json!(now + 31), "not valid yet"),
        ("iat", json!(now + 31), "not valid yet"),
        ("iat", json!(now + 86_400 * 365), "not valid yet"),
    ] {
        let (status, detail) = tell(name, value.clone()).await;
        assert!(status == 401 && detail.contains(word), "{name} = {value}: {detail}");
    }
    for (name, value) in [
        ("exp", json!(now - 29)),
        ("exp", json!(now as f64 + 0.5)),
        ("nbf", json!(now + 29)),
        ("iat", json!(now + 29)),
        ("iat", json!(0)),
        ("aud", json!(["x", "offtake", "y"])),
        ("email", json!("alice@acme.example")),
        ("sub", json!("auth0|5f7c8ec7c33c6c004bbafe82")),
        ("sub", json!("Zoë Müller 王")),
        ("more", json!({"deep": [1, 2, {"er": null}]})),
    ] {
        assert_eq!(tell(name, value.clone()).await.0, 200, "{name} = {value}");
    }
    // A token whose time is over and whose signature is wrong is not told that it is over.
    let mut claims = claims(iss);
    claims["exp"] = json!(now - 3600);
    let forged = Signer::new(&signer.kid, signer.algorithm).token(&claims);
    assert_eq!(ground.answer(&forged).await.json()["detail"], "the bearer token is not valid here");
}

#[tokio::test]
async fn types_of_tokens_that_are_tokens_are_taken() {
    let ground = Ground::new().await;
    let (signer, iss) = &ground.signers[2];
    for typ in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "application/jwt"] {
        let header = json!({"alg": "EdDSA", "kid": signer.kid, "typ": typ});
        ground.answer(&signer.sign(&header, &claims(iss))).await.expect(200);
    }
    // What a token brings along does no harm where its key is the issuer's all the same.
    let header = json!({"alg": "EdDSA", "jwk": {"kty": "oct"}, "jku": "https://evil.example", "x5c": [], "cty": "x"});
    ground.answer(&signer.sign(&header, &claims(iss))).await.expect(200);
}
