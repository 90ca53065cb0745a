//! Known-answer tests: the vectors of Project Wycheproof for signatures and keys, by the code that bearer tokens go
//! through. `testdata/jose/README.md` tells where they come from.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value as Json, json};

use super::algorithm::Algorithm;
use super::jwk::KeySet;
use super::jws::Jws;
use super::keys::{Key, Verdict, judge};

fn vectors(name: &str) -> Json {
    let path = format!("{}/../../testdata/jose/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("the vectors are there")).expect("JSON")
}

/// The keys of a group, as an issuer with all algorithms for public keys, or one with a secret, would have them.
fn keys(group: &Json) -> Vec<Key> {
    let public: Vec<Algorithm> = Algorithm::ALL.into_iter().filter(|algorithm| !algorithm.is_secret()).collect();
    let one = group.get("public").unwrap_or(&group["private"]);
    let set = if one.get("keys").is_some() { one.clone() } else { json!({"keys": [one]}) };
    match one["kty"].as_str() {
        Some("oct") => {
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(one["k"].as_str().expect("a secret")).expect("base64url");
            vec![Key::secret(one["kid"].as_str().map(str::to_owned), &bytes)]
        }
        _ => KeySet::read(set.to_string().as_bytes(), &public).map(|set| set.keys).unwrap_or_default(),
    }
}

fn is_taken(keys: &[Key], token: &Json) -> bool {
    // Some vectors are in the JSON form of a JWS, which is none of ours.
    let text = token.as_str().map_or_else(|| token.to_string(), str::to_owned);
    Jws::parse(&text).is_ok_and(|jws| judge(keys, &jws) == Verdict::Signed)
}

/// Tests whose verdict is not ours, by number, and how many there are in all.
fn differing(vectors: &Json) -> (BTreeSet<u64>, BTreeSet<u64>, u64) {
    let (mut refused, mut taken, mut seen) = (BTreeSet::new(), BTreeSet::new(), 0);
    for group in vectors["testGroups"].as_array().expect("groups") {
        let keys = keys(group);
        for test in group["tests"].as_array().expect("tests") {
            let number = test["tcId"].as_u64().expect("a number");
            seen += 1;
            match (test["result"] == "valid", is_taken(&keys, &test["jws"])) {
                (true, false) => drop(refused.insert(number)),
                (false, true) => drop(taken.insert(number)),
                _ => {}
            }
        }
    }
    assert_eq!(json!(seen), vectors["numberOfTests"]);
    (refused, taken, seen)
}

#[test]
fn wycheproofs_verdicts_on_signatures_are_ours() {
    let vectors = vectors("json_web_signature_test.json");
    let (refused, taken, seen) = differing(&vectors);
    assert_eq!(seen, 401);
    let strict = BTreeSet::from([
        // ES512, which is not supported.
        347, 351,
        // The key says it is for PS256, the token that it is PS384 (RFC 8725 §3.1: a key is for one algorithm).
        346, 350,
        // Valid for a decoder that skips "?"; here base64url has the characters of RFC 4648 §5 and no others.
        372, 373,
    ]);
    assert_eq!(refused, strict, "refused, though valid there");
    // They are called tests of padding and have none: letter for letter they are the valid token 357 of their group.
    let without_padding = BTreeSet::from([367, 370]);
    assert_eq!(taken, without_padding, "taken, though invalid there");
    let groups = vectors["testGroups"].as_array().expect("groups");
    let group = groups.iter().find(|group| group["comment"] == "base64").expect("it is there");
    let tests = group["tests"].as_array().expect("tests");
    let token = |number: u64| tests.iter().find(|test| test["tcId"] == number).expect("a test")["jws"].clone();
    let valid = token(357);
    assert!(without_padding.into_iter().all(|number| token(number) == valid));
    let padded = valid.as_str().expect("a token").replace("VGVzdA.", "VGVzdA==.");
    assert!(!is_taken(&keys(group), &json!(padded)) && !is_taken(&keys(group), &json!(format!("{padded}="))));
}

/// The two for PS384 are good signatures: refused for what their key says alone.
#[test]
fn a_key_that_says_what_it_is_for_is_for_nothing_else() {
    let vectors = vectors("json_web_signature_test.json");
    let mut looked_at = 0;
    for group in vectors["testGroups"].as_array().expect("groups") {
        for test in group["tests"].as_array().expect("tests").iter().filter(|test| test["comment"] == "Figure20") {
            let mut group = group.clone();
            assert!(!is_taken(&keys(&group), &test["jws"]));
            group["public"]["alg"] = json!("PS384");
            assert!(is_taken(&keys(&group), &test["jws"]));
            looked_at += 1;
        }
    }
    assert_eq!(looked_at, 2);
}

/// Sets with secrets in them are no public sets: out of scope are their valid ones (HS256 and longer keys by JWK), and
/// what they say is refused like the rest.
#[test]
fn wycheproofs_verdicts_on_keys_are_ours() {
    let (refused, taken, seen) = differing(&vectors("json_web_key_test.json"));
    assert_eq!(seen, 26);
    assert_eq!(taken, BTreeSet::new());
    assert_eq!(refused, BTreeSet::from([2, 13, 14, 15]), "secrets by JWK");
}
