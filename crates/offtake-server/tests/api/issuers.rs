//! Tokens of other issuers: whose are taken, what they allow, and what becomes of them while keys come and go.

use std::time::Duration;

use futures::future::join_all;
use http::Method;
use jiff::SignedDuration;
use jsonwebtoken::{EncodingKey, Header};
use offtake_model::clock::Clock;
use offtake_model::id::OrgId;
use offtake_model::permission::Permissions;
use offtake_server::identity::{Algorithm, ClaimNames, Freshness, IssuerSettings, KeySource, Previous, Secret};
use serde_json::{Value as Json, json};

use crate::house::{Answer as Answered, House};
use crate::issuer::{Answer, Published, Signer, claims, settings};

async fn with(house: &House, token: &str) -> Answered {
    let ask = house.ask(Method::GET, "/api/v1/export/jobs").header("authorization", &format!("Bearer {token}"));
    ask.answer().await
}

async fn status(house: &House, token: &str) -> u16 {
    with(house, token).await.status
}

/// Looks until the status is this.
async fn soon(house: &House, token: &str, wanted: u16) {
    let looked = async {
        while status(house, token).await != wanted {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looked).await.unwrap_or_else(|_| panic!("never {wanted}"));
}

/// A house that takes the tokens of `corp`, whose keys are published.
async fn house(algorithms: &[Algorithm], answer: Answer) -> (House, Published) {
    let published = Published::start(answer).await;
    (House::with_issuers(vec![settings("corp", algorithms, published.source())]), published)
}

fn corp() -> Json {
    claims("https://corp.example")
}

fn keys(signers: &[&Signer]) -> Answer {
    Answer::Keys(signers.iter().map(|signer| signer.jwk()).collect(), 300)
}

#[tokio::test]
async fn every_algorithm_can_be_used_and_only_those_that_are_listed() {
    let public: Vec<Algorithm> = Algorithm::ALL.into_iter().filter(|algorithm| !algorithm.is_secret()).collect();
    let signers: Vec<Signer> = public.iter().map(|algorithm| Signer::new(algorithm.name(), *algorithm)).collect();
    let all = keys(&signers.iter().collect::<Vec<_>>());
    let (open, _published) = house(&public, all.clone()).await;
    for signer in &signers {
        assert_eq!(status(&open, &signer.token(&corp())).await, 200, "{}", signer.kid);
    }
    for listed in [Algorithm::Rs256, Algorithm::Es384] {
        let (narrow, _published) = house(&[listed], all.clone()).await;
        for signer in &signers {
            let expected = if signer.algorithm == listed { 200 } else { 401 };
            assert_eq!(status(&narrow, &signer.token(&corp())).await, expected, "{} where {listed} is", signer.kid);
        }
    }
}

#[tokio::test]
async fn tokens_that_another_library_makes_are_taken() {
    let rng = aws_lc_rs::rand::SystemRandom::new();
    let document = aws_lc_rs::signature::Ed25519KeyPair::generate_pkcs8v1(&rng).expect("a key");
    let key = EncodingKey::from_ed_der(document.as_ref());
    let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&key, jsonwebtoken::Algorithm::EdDSA).expect("a JWK");
    let jwk = serde_json::to_value(jwk).expect("JSON");
    let (house, _published) = house(&[Algorithm::EdDsa], Answer::Keys(vec![jwk], 300)).await;
    let token = jsonwebtoken::encode(&Header::new(jsonwebtoken::Algorithm::EdDSA), &corp(), &key).expect("a token");
    assert_eq!(status(&house, &token).await, 200);
    let own = json!({"iss": "offtake", "aud": "offtake", "sub": "a", "org_id": "acme", "permissions": "exports:read",
        "exp": corp()["exp"]});
    let secret = EncodingKey::from_secret(house.secret.reveal().as_bytes());
    let token = jsonwebtoken::encode(&Header::default(), &own, &secret).expect("a token");
    assert_eq!(status(&house, &token).await, 200, "ours, by somebody else");
    let mine = house.token("acme", "alice", "all");
    let key = jsonwebtoken::DecodingKey::from_secret(house.secret.reveal().as_bytes());
    let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    rules.set_audience(&["offtake"]);
    rules.validate_exp = false;
    let read = jsonwebtoken::decode::<Json>(&mine, &key, &rules).expect("others can read ours");
    assert_eq!(read.claims["sub"], "alice");
}

#[tokio::test]
async fn an_issuer_with_a_secret_of_its_own_is_one_more() {
    let secret = Secret::generate();
    let house = House::with_issuers(vec![settings("hs", &[Algorithm::Hs256], KeySource::Secret(secret.clone()))]);
    let sign = |kid: Option<&str>, secret: &Secret, claims: &Json| {
        let header = Header { kid: kid.map(str::to_owned), ..Header::default() };
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(secret.reveal().as_bytes())).expect("a token")
    };
    let theirs = claims("https://hs.example");
    assert_eq!(status(&house, &sign(None, &secret, &theirs)).await, 200);
    assert_eq!(status(&house, &sign(Some("whatever"), &secret, &theirs)).await, 200, "there is one secret");
    assert_eq!(status(&house, &sign(None, &house.secret, &theirs)).await, 401, "ours is not theirs");
    let ours = claims("offtake");
    assert_eq!(status(&house, &sign(None, &house.secret, &ours)).await, 200);
    assert_eq!(status(&house, &sign(None, &secret, &ours)).await, 401, "theirs is not ours");
}

#[tokio::test]
async fn a_new_key_is_found_and_an_old_one_forgotten() {
    let (old, new) = (Signer::new("old", Algorithm::Es256), Signer::new("new", Algorithm::Es256));
    let (house, published) = house(&[Algorithm::Es256], keys(&[&old])).await;
    assert_eq!(status(&house, &old.token(&corp())).await, 200);
    assert_eq!(published.fetches(), 1);
    published.say(keys(&[&old, &new]));
    house.clock.advance(SignedDuration::from_secs(31));
    assert_eq!(status(&house, &new.token(&corp())).await, 200, "fetched because nobody knew it");
    assert_eq!(status(&house, &old.token(&corp())).await, 200);
    assert_eq!(published.fetches(), 2);
    published.say(keys(&[&new]));
    house.clock.advance(SignedDuration::from_secs(301));
    // Older than the issuer says: it goes on meanwhile, and the keys are asked for.
    soon(&house, &old.token(&corp()), 401).await;
    assert_eq!(status(&house, &new.token(&corp())).await, 200);
    assert_eq!(published.fetches(), 3);
}

#[tokio::test]
async fn a_name_that_came_to_stand_for_another_key_is_not_the_old_one() {
    let (old, new) = (Signer::new("k", Algorithm::Es256), Signer::new("k", Algorithm::Es256));
    let (house, published) = house(&[Algorithm::Es256], keys(&[&old])).await;
    assert_eq!(status(&house, &old.token(&corp())).await, 200);
    published.say(keys(&[&new]));
    house.clock.advance(SignedDuration::from_secs(301));
    soon(&house, &new.token(&corp()), 200).await;
    assert_eq!(status(&house, &old.token(&corp())).await, 401);
}

#[tokio::test]
async fn a_storm_of_unknown_keys_is_one_fetch() {
    let signer = Signer::new("known", Algorithm::Es256);
    let (house, published) = house(&[Algorithm::Es256], keys(&[&signer])).await;
    let storm = |round: &'static str| {
        let strangers = (0..200).map(move |number| json!({"alg": "ES256", "kid": format!("{round} {number}")}));
        let tokens: Vec<String> = strangers.map(|header| signer.sign(&header, &corp())).collect();
        let house = &house;
        async move {
            let asked = tokens.iter().map(|token| status(house, token));
            for status in join_all(asked).await {
                assert_eq!(status, 401);
            }
        }
    };
    storm("first").await;
    assert_eq!(published.fetches(), 1, "the one at the start");
    storm("within the interval").await;
    assert_eq!(published.fetches(), 1);
    house.clock.advance(SignedDuration::from_secs(31));
    storm("after it").await;
    assert_eq!(published.fetches(), 2);
    assert_eq!(status(&house, &signer.token(&corp())).await, 200);
    // A key that is known and a signature that is wrong are no reason to ask.
    house.clock.advance(SignedDuration::from_secs(31));
    let other = Signer::new("known", Algorithm::Es256);
    assert_eq!(status(&house, &other.token(&corp())).await, 401);
    assert_eq!(published.fetches(), 2);
}

#[tokio::test]
async fn an_outage_is_felt_by_none_whose_key_is_known_and_not_for_ever() {
    let (known, unknown) = (Signer::new("known", Algorithm::Es256), Signer::new("unknown", Algorithm::Es256));
    let (house, published) = house(&[Algorithm::Es256], keys(&[&known])).await;
    assert_eq!(status(&house, &known.token(&corp())).await, 200);
    published.say(Answer::Slow);
    house.clock.advance(SignedDuration::from_secs(301));
    // While one waits for the keys, which takes as long as a fetch may, others are not held up.
    let token = known.token(&corp());
    let (strange, stranger) = (unknown.token(&corp()), async {
        let mut answered = 0;
        while published.fetches() < 2 {
            assert_eq!(status(&house, &token).await, 200);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        for _ in 0..50 {
            assert_eq!(status(&house, &token).await, 200);
            answered += 1;
        }
        answered
    });
    tokio::select! {
        biased;
        answered = stranger => assert_eq!(answered, 50),
        status = status(&house, &strange) => panic!("the stranger was answered first: {status}"),
    }
    let refused = with(&house, &strange).await;
    assert_eq!(refused.header("retry-after"), "5");
    let body = refused.json();
    assert_eq!(refused.problem(503).0, "unavailable");
    assert!(!body.to_string().contains("127.0.0.1"), "{body}");
    published.close().await;
    house.clock.advance(SignedDuration::from_hours(4) - SignedDuration::from_secs(60));
    assert_eq!(status(&house, &token).await, 401, "it has expired by now");
    let mut later = corp();
    later["exp"] = json!(later["exp"].as_i64().expect("a number") + 86_400);
    let long = known.token(&later);
    assert_eq!(status(&house, &long).await, 200, "the key is kept for a while");
    house.clock.advance(SignedDuration::from_secs(120));
    assert_eq!(status(&house, &long).await, 503, "and not for ever");
}

#[tokio::test]
async fn an_issuer_that_comes_late_is_found() {
    let signer = Signer::new("k", Algorithm::Es256);
    let (house, published) = house(&[Algorithm::Es256], Answer::Status(500)).await;
    assert_eq!(status(&house, &signer.token(&corp())).await, 503);
    assert_eq!(status(&house, &signer.token(&corp())).await, 503, "not asked again so soon");
    assert_eq!(published.fetches(), 1);
    published.say(keys(&[&signer]));
    house.clock.advance(SignedDuration::from_secs(31));
    assert_eq!(status(&house, &signer.token(&corp())).await, 200);
    assert_eq!(status(&house, &house.token("acme", "alice", "all")).await, 200, "ours need nobody");
}

#[tokio::test]
async fn what_is_no_set_of_keys_brings_none() {
    let signer = Signer::new("k", Algorithm::Es256);
    let jwk = signer.jwk();
    let with = |name: &str, value: Json| {
        let mut changed = jwk.clone();
        changed[name] = value;
        changed
    };
    let set = |keys: Json| Answer::Text(json!({"keys": keys}).to_string());
    for (what, answer) in [
        ("huge", Answer::Huge),
        ("slow", Answer::Slow),
        ("a redirect", Answer::Elsewhere),
        ("not found", Answer::Status(404)),
        ("created", Answer::Status(201)),
        ("a page", Answer::Text("<html></html>".to_owned())),
        ("a list", Answer::Text(json!([jwk]).to_string())),
        ("no list", set(jwk.clone())),
        ("two lists", Answer::Text(format!("{{\"keys\": [], \"keys\": [{jwk}]}}"))),
        ("two of a name", set(json!([jwk, Signer::new("k", Algorithm::Es256).jwk()]))),
        ("a private key", set(json!([jwk, with("d", json!("AQAB"))]))),
        ("a secret", set(json!([jwk, {"kty": "oct", "k": "AQAB"}]))),
        ("too many", set((0..40).map(|n| with("kid", json!(n.to_string()))).collect())),
    ] {
        let (house, published) = house(&[Algorithm::Es256], answer).await;
        assert_eq!(status(&house, &signer.token(&corp())).await, 503, "{what}");
        assert_eq!((published.fetches(), published.asked("/elsewhere")), (1, 0), "{what}");
    }
    for (what, keys) in [
        ("none", json!([])),
        ("for encryption", json!([with("use", json!("enc"))])),
        ("for signing", json!([with("key_ops", json!(["sign"]))])),
        ("for another algorithm", json!([with("alg", json!("ES384"))])),
        ("of another kind", json!([with("kty", json!("RSA"))])),
        ("of no kind", json!([with("kty", json!("XYZ"))])),
        ("on another curve", json!([with("crv", json!("secp256k1"))])),
        ("not on its curve", json!([with("y", jwk["x"].clone())])),
        ("too short", json!([with("x", json!("AQAB"))])),
        ("padded", json!([with("x", json!(format!("{}=", jwk["x"].as_str().expect("text"))))])),
        ("without a name that is one", json!([with("kid", json!(7))])),
        ("of another name", json!([with("kid", json!("K"))])),
    ] {
        let (house, _published) = house(&[Algorithm::Es256], set(keys)).await;
        assert_eq!(status(&house, &signer.token(&corp())).await, 401, "a set of keys without this one: {what}");
    }
    let (house, _published) = house(&[Algorithm::Es256], set(json!([with("use", json!("enc")), jwk]))).await;
    assert_eq!(status(&house, &signer.token(&corp())).await, 200, "the others count");
}

#[tokio::test]
async fn keys_without_names_are_tried_one_by_one() {
    let (one, other) = (Signer::new("", Algorithm::Es256), Signer::new("", Algorithm::Es256));
    let nameless = |signer: &Signer| {
        let mut jwk = signer.jwk();
        jwk.as_object_mut().expect("an object").remove("kid");
        jwk
    };
    let (house, _published) =
        house(&[Algorithm::Es256], Answer::Keys(vec![nameless(&one), nameless(&other)], 300)).await;
    for signer in [&one, &other] {
        assert_eq!(status(&house, &signer.sign(&json!({"alg": "ES256"}), &corp())).await, 200);
        assert_eq!(status(&house, &signer.sign(&json!({"alg": "ES256", "kid": "x"}), &corp())).await, 401);
    }
    let stranger = Signer::new("", Algorithm::Es256);
    assert_eq!(status(&house, &stranger.sign(&json!({"alg": "ES256"}), &corp())).await, 401);
}

#[tokio::test]
async fn keys_can_lie_in_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys.json");
    let (old, new) = (Signer::new("old", Algorithm::EdDsa), Signer::new("new", Algorithm::EdDsa));
    let write = |signer: &Signer| std::fs::write(&path, json!({"keys": [signer.jwk()]}).to_string()).expect("a file");
    write(&old);
    let house = House::with_issuers(vec![settings("corp", &[Algorithm::EdDsa], KeySource::File(path.clone()))]);
    assert_eq!(status(&house, &old.token(&corp())).await, 200);
    write(&new);
    house.clock.advance(SignedDuration::from_secs(31));
    assert_eq!(status(&house, &new.token(&corp())).await, 200);
    assert_eq!(status(&house, &old.token(&corp())).await, 401);
}

/// A house with one issuer that is set up in this way.
fn set_up(signer: &Signer, change: impl FnOnce(IssuerSettings) -> IssuerSettings) -> (House, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("keys.json");
    std::fs::write(&path, json!({"keys": [signer.jwk()]}).to_string()).expect("a file");
    let freshness = Freshness { timeout: Duration::from_secs(5), ..Freshness::default() };
    let settings = IssuerSettings { freshness, ..settings("corp", &[signer.algorithm], KeySource::File(path)) };
    (House::with_issuers(vec![change(settings)]), folder)
}

#[tokio::test]
async fn an_issuer_grants_no_more_than_it_may() {
    let signer = Signer::new("k", Algorithm::EdDsa);
    let permitted = async |words: Option<&str>, path: &str| {
        let (house, _folder) = set_up(&signer, |settings| match words {
            Some(words) => IssuerSettings { may_grant: Permissions::from_words(words.split(' ')), ..settings },
            None => settings,
        });
        let mut generous = corp();
        generous["permissions"] = json!(["all", "operator", "exports:read"]);
        let token = signer.token(&generous);
        house.ask(Method::GET, path).header("authorization", &format!("Bearer {token}")).answer().await.status
    };
    assert_eq!(permitted(None, "/metrics").await, 403, "nobody else runs this installation");
    assert_eq!(permitted(None, "/api/v1/export/jobs").await, 200);
    assert_eq!(permitted(Some("operator"), "/metrics").await, 200, "unless it was said");
    assert_eq!(permitted(Some("operator"), "/api/v1/export/jobs").await, 403);
    assert_eq!(permitted(Some("exports:read traces:read"), "/api/v1/export/statistics").await, 200);
    assert_eq!(permitted(Some("traces:read"), "/api/v1/export/jobs").await, 403);
    assert_eq!(permitted(Some("role:viewer"), "/api/v1/export/jobs").await, 200);
    let (house, _folder) = set_up(&signer, |settings| settings);
    let mut theirs = corp();
    theirs["permissions"] = json!([]);
    theirs["roles"] = json!(["admin"]);
    assert_eq!(status(&house, &signer.token(&theirs)).await, 403, "their roles are not ours");
}

#[tokio::test]
async fn claims_are_found_where_the_issuer_has_them() {
    let signer = Signer::new("k", Algorithm::EdDsa);
    let names = ClaimNames {
        org: "https://corp.example/org".to_owned(),
        sub: "oid".to_owned(),
        email: "upn".to_owned(),
        permissions: "/realm_access/roles".to_owned(),
        roles: Some("groups".to_owned()),
    };
    let change = |settings| IssuerSettings { names, sub_prefix: "corp:".to_owned(), ..settings };
    let (house, _folder) = set_up(&signer, change);
    let theirs = json!({"iss": "https://corp.example", "aud": ["x", "offtake"], "exp": corp()["exp"], "oid": "alice",
        "https://corp.example/org": "acme", "realm_access": {"roles": ["exports:read"]}, "groups": ["analyst"]});
    let ask = |method: Method, path: &str, token: &str| {
        house.ask(method, path).header("authorization", &format!("Bearer {token}")).json(&json!({"format": "csv"}))
    };
    let token = signer.token(&theirs);
    let made = ask(Method::POST, "/api/v1/export/spans", &token).answer().await.expect(202).json();
    let job = format!("/api/v1/export/jobs/{}", made["job_id"].as_str().expect("an id"));
    ask(Method::GET, &job, &token).answer().await.expect(200);
    let of = |user: &'static str| house.ask(Method::GET, &job).by("acme", user, "exports:read").answer();
    assert_eq!(of("corp:alice").await.status, 200);
    assert_eq!(of("alice").await.status, 404, "our alice is another than theirs");
    let mut usual = theirs;
    usual["org_id"] = json!("other");
    usual.as_object_mut().expect("claims").remove("https://corp.example/org");
    assert_eq!(status(&house, &signer.token(&usual)).await, 401, "the usual name means nothing here");
}

#[tokio::test]
async fn an_organization_can_be_the_issuers_own() {
    let signer = Signer::new("k", Algorithm::EdDsa);
    let (house, _folder) = set_up(&signer, |settings| IssuerSettings { org: OrgId::new("acme").ok(), ..settings });
    let mut other = corp();
    other["org_id"] = json!("other");
    other["permissions"] = json!("exports:read_all");
    let job = house.create(&json!({"format": "csv"})).await;
    let ask = house.ask(Method::GET, format!("/api/v1/export/jobs/{job}"));
    let ask = ask.header("authorization", &format!("Bearer {}", signer.token(&other)));
    ask.answer().await.expect(200);
}

#[tokio::test]
async fn a_secret_that_was_replaced_counts_for_a_while_and_signs_nothing() {
    let old = Secret::generate();
    let until = "2026-11-20T12:05:00Z".parse().expect("a moment");
    let house = House::with_previous(vec![Previous { secret: old.clone(), until }]);
    let replaced = House::new();
    let sign = |secret: &Secret| {
        let principal = offtake_model::principal::Principal {
            org: OrgId::new("acme").expect("an organization"),
            sub: "alice".to_owned(),
            email: None,
            permissions: Permissions::from_words(["all"]),
        };
        offtake_server::identity::mint(secret, &principal, SignedDuration::from_hours(1), house.clock.now())
            .expect("a token")
    };
    let (before, now) = (sign(&old), sign(&house.secret));
    assert_eq!((status(&house, &before).await, status(&house, &now).await), (200, 200));
    assert_eq!(status(&replaced, &before).await, 401);
    let key = jsonwebtoken::decode_header(house.token("acme", "alice", "all")).expect("a header").kid;
    assert_eq!(key, Some(house.secret.key_id().to_string()), "what is signed is signed with the new one");
    house.clock.advance(SignedDuration::from_secs(299));
    assert_eq!(status(&house, &before).await, 200);
    house.clock.advance(SignedDuration::from_secs(1));
    assert_eq!((status(&house, &before).await, status(&house, &now).await), (401, 200));
}
