//! Links, and what lies behind them.

use http::Method;
use jiff::SignedDuration;
use offtake_server::ServerSettings;

use crate::house::{Ask, House};

const CONTENT: &[u8] = b"0123456789";

async fn a_link(house: &House) -> String {
    let job = house.a_file(CONTENT).await;
    house.link(&job).await
}

fn by_link<'a>(house: &'a House, link: &str) -> Ask<'a> {
    house.ask(Method::GET, link)
}

#[tokio::test]
async fn the_whole_file_comes_with_all_that_is_needed_to_trust_it() {
    let house = House::new();
    let link = a_link(&house).await;
    let answer = by_link(&house, &link).answer().await.expect(200);
    assert_eq!(answer.body, CONTENT);
    let expected = [
        ("accept-ranges", "bytes"),
        ("cache-control", "private, no-store"),
        ("content-disposition", "attachment; filename=\"Spans-2026-11-20.csv\""),
        ("content-length", "10"),
        ("content-type", "text/csv; charset=utf-8"),
        ("etag", "\"84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882\""),
        ("repr-digest", "sha-256=:hNiYd/DUBB77a/kaFvAkjy/Vc+avBcGflr7bn4gveII=:"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("content-encoding", ""),
    ];
    for (name, value) in expected {
        assert_eq!(answer.header(name), value, "{name}");
    }
    let head = house.ask(Method::HEAD, &link).answer().await.expect(200);
    assert!(head.body.is_empty());
    for (name, value) in expected {
        assert_eq!(head.header(name), value, "HEAD {name}");
    }
}

#[tokio::test]
async fn a_part_is_the_part_that_was_asked_for() {
    let house = House::new();
    let link = a_link(&house).await;
    let etag = by_link(&house, &link).answer().await.header("etag").to_owned();
    for (range, part, bytes) in [
        ("bytes=0-0", "bytes 0-0/10", "0"),
        ("bytes=3-5", "bytes 3-5/10", "345"),
        ("bytes=7-", "bytes 7-9/10", "789"),
        ("bytes=-2", "bytes 8-9/10", "89"),
        ("bytes=5-500", "bytes 5-9/10", "56789"),
    ] {
        let answer = by_link(&house, &link).header("range", range).answer().await.expect(206);
        assert_eq!((answer.header("content-range"), answer.body.as_ref()), (part, bytes.as_bytes()), "{range}");
        assert_eq!(answer.header("content-length"), bytes.len().to_string());
        assert_eq!(answer.header("etag"), etag);
        let answer = by_link(&house, &link).header("range", range).header("if-range", &etag).answer().await;
        assert_eq!(answer.status, 206);
    }
    for (range, if_range) in [
        ("bytes=0-1,3-4", etag.as_str()),
        ("lines=0-1", &etag),
        ("bytes=5-3", &etag),
        ("bytes=3-5", "\"other\""),
        ("bytes=3-5", &format!("W/{etag}")),
        ("bytes=3-5", "Fri, 20 Nov 2026 12:00:00 GMT"),
    ] {
        let answer = by_link(&house, &link).header("range", range).header("if-range", if_range).answer().await;
        assert_eq!(answer.expect(200).body, CONTENT, "{range} {if_range}");
    }
    let outside = by_link(&house, &link).header("range", "bytes=10-").answer().await;
    assert_eq!(outside.header("content-range"), "bytes */10");
    assert_eq!(outside.problem(416).0, "range_not_satisfiable");
    // Ranges are a matter of GET alone.
    let head = house.ask(Method::HEAD, &link).header("range", "bytes=3-5").answer().await.expect(200);
    assert_eq!((head.header("content-length"), head.body.len()), ("10", 0));
    for (tag, status) in [(etag.as_str(), 206), ("*", 206), ("\"x\"", 412), (&format!("W/{etag}"), 412)] {
        by_link(&house, &link).header("range", "bytes=3-5").header("if-match", tag).answer().await.expect(status);
    }
    for known in [etag.as_str(), "*", &format!("\"x\", W/{etag}")] {
        let answer = by_link(&house, &link).header("if-none-match", known).answer().await.expect(304);
        assert!(answer.body.is_empty());
        assert_eq!(answer.header("etag"), etag);
    }
    by_link(&house, &link).header("if-none-match", "\"x\"").answer().await.expect(200);
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let house = House::new();
    let job = house.a_file(b"").await;
    let link = house.link(&job).await;
    let answer = by_link(&house, &link).answer().await.expect(200);
    assert_eq!((answer.header("content-length"), answer.body.len()), ("0", 0));
    by_link(&house, &link).header("range", "bytes=0-").answer().await.expect(416);
}

#[tokio::test]
async fn a_link_is_worth_nothing_once_a_character_of_it_changed() {
    let house = House::new();
    let (mine, other) = (a_link(&house).await, a_link(&house).await);
    let (path, query) = mine.split_once('?').expect("a query");
    let (expires, signature) = query.split_once('&').expect("two parameters");
    let later = expires.replace("expires=1", "expires=9");
    let (other_path, _) = other.split_once('?').expect("a query");
    let upper = path.to_uppercase().replace("/FILES/ART_", "/files/art_");
    let cut = &signature[..signature.len() - 1];
    for forged in [
        path.to_owned(),
        format!("{path}?{expires}"),
        format!("{path}?{signature}"),
        format!("{path}?{later}&{signature}"),
        format!("{path}?{}&{signature}", expires.replace('=', "=0")),
        format!("{path}?{}&{signature}", expires.replace('=', "=%2B")),
        format!("{path}?{expires}&{cut}"),
        format!("{path}?{expires}&{signature}A"),
        format!("{path}?{expires}&signature="),
        format!("{path}?{expires}&{expires}&{signature}"),
        format!("{other_path}?{expires}&{signature}"),
        format!("{upper}?{expires}&{signature}"),
        format!("/files/x?{expires}&{signature}"),
        format!("/files/%ff?{expires}&{signature}"),
    ] {
        let answer = by_link(&house, &forged).answer().await;
        assert!(matches!(answer.status, 403 | 404), "{forged}: {answer:?}");
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!text.contains("0123456789") && !text.contains("art_"), "{text}");
    }
    by_link(&house, &mine).answer().await.expect(200);
}

#[tokio::test]
async fn a_link_dies_within_ten_minutes_whatever_is_configured() {
    let day = SignedDuration::from_hours(24);
    let house = House::with(ServerSettings { link_ttl: day, ..ServerSettings::default() });
    let job = house.a_file(CONTENT).await;
    let link = house.link(&job).await;
    house.clock.advance(SignedDuration::from_secs(599));
    by_link(&house, &link).answer().await.expect(200);
    house.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(by_link(&house, &link).answer().await.problem(410).0, "gone");
    let fresh = house.link(&job).await;
    assert_ne!(fresh, link);
    by_link(&house, &fresh).answer().await.expect(200);
}

#[tokio::test]
async fn links_of_one_secret_open_nothing_at_another() {
    let (one, two) = (House::new(), House::new());
    let link = a_link(&one).await;
    let moved = a_link(&two).await;
    let (_, query) = link.split_once('?').expect("a query");
    let (path, _) = moved.split_once('?').expect("a query");
    two.ask(Method::GET, format!("{path}?{query}")).answer().await.expect(403);
}

#[tokio::test]
async fn links_begin_with_the_public_address() {
    let settings =
        ServerSettings { public_url: Some("https://data.example.com/x/".to_owned()), ..ServerSettings::default() };
    let house = House::with(settings);
    let link = a_link(&house).await;
    assert!(link.starts_with("https://data.example.com/x/files/art_"), "{link}");
}

#[tokio::test]
async fn bytes_that_vanished_are_missed_without_saying_where() {
    let house = House::new();
    house.create(&serde_json::json!({"format": "csv"})).await;
    let (job, artifact) = house.complete_next(CONTENT).await;
    let link = house.link(&format!("/api/v1/export/jobs/{job}")).await;
    let key = house.store.artifacts.by_id(artifact).await.expect("its row").key;
    house.store.objects.delete(&key).await.expect("deleted");
    let answer = by_link(&house, &link).answer().await.expect(410);
    assert_eq!(answer.json()["detail"], "the file is no longer there");
    assert!(!String::from_utf8_lossy(&answer.body).contains("objects"), "{answer:?}");
}
