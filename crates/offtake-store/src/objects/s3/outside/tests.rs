use async_trait::async_trait;
use futures::stream::{self, StreamExt as _};
use offtake_testkit::S3Server;

use super::*;
use crate::outbound::OutboundSettings;

fn loopback() -> Outbound {
    let allow = vec!["127.0.0.0/8".parse().unwrap()];
    Outbound::new(OutboundSettings { allow, allow_http: true, ..OutboundSettings::default() }).unwrap()
}

fn content(server: &S3Server) -> DestinationContent {
    DestinationContent {
        name: "ours".to_owned(),
        endpoint: Some(server.endpoint().to_owned()),
        region: "us-east-1".to_owned(),
        bucket: server.bucket().to_owned(),
        prefix: server.prefix().to_owned(),
        access_key: server.key().0.to_owned(),
        path_style: true,
    }
}

fn bucket(content: &DestinationContent, secret: &str) -> OutsideBucket {
    OutsideBucket::new(content, secret, &loopback(), Duration::from_secs(2)).unwrap()
}

/// Notes in memory; the place fails once, when so many parts are there.
#[derive(Debug, Default)]
struct Notes {
    last: Option<BegunUpload>,
    /// Parts that were noted.
    noted: usize,
    dies_at: Option<usize>,
    /// How often it does not take that an end is tried: nothing but that has as many parts as before.
    deaf: usize,
}

#[async_trait]
impl UploadNotes for Notes {
    async fn note(&mut self, upload: Option<&BegunUpload>) -> Result<()> {
        let is_end = self.last.as_ref().map(BegunUpload::parts) == upload.map(BegunUpload::parts);
        if is_end && self.deaf > 0 {
            self.deaf -= 1;
            return Err(Error::new(ErrorKind::StoreUnavailable, "it hears nothing"));
        }
        self.last = upload.cloned();
        self.noted += usize::from(upload.is_some());
        if upload.is_some_and(|upload| Some(upload.parts()) == self.dies_at) {
            self.dies_at = None;
            return Err(Error::new(ErrorKind::StoreUnavailable, "it dies here"));
        }
        Ok(())
    }
}

fn pieces(bytes: &[u8]) -> BoxStream<'static, Result<Bytes>> {
    let pieces: Vec<_> = bytes.chunks(256 << 10).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    stream::iter(pieces).boxed()
}

#[tokio::test]
async fn a_probe_leaves_nothing_and_says_what_is_missing() {
    let server = S3Server::seaweed().await;
    let (content, secret) = (content(&server), server.key().1.to_owned());
    bucket(&content, &secret).probe("1").await.unwrap();
    assert!(server.objects().await.is_empty() && server.uploads().await.is_empty());
    let wrong = |content: DestinationContent, secret: &str| {
        let bucket = bucket(&content, secret);
        async move { bucket.probe("1").await.unwrap_err() }
    };
    let denied = wrong(content.clone(), "not the secret").await;
    assert_eq!(denied.kind(), ErrorKind::InvalidRequest);
    assert_eq!(denied.violations()[0].pointer, "/secret_key", "{denied}");
    let (reader, of_reader) = server.reading_key();
    let reading = wrong(DestinationContent { access_key: reader.to_owned(), ..content.clone() }, of_reader).await;
    assert_eq!(reading.violations()[0].pointer, "", "{reading}");
    assert!(reading.detail().contains("s3:PutObject"), "{reading}");
    assert!(server.objects().await.is_empty() && server.uploads().await.is_empty(), "what was refused left nothing");
    assert!(!format!("{denied}").contains(&secret));
    let down = DestinationContent { endpoint: Some("http://127.0.0.1:1025".to_owned()), ..content.clone() };
    let down = wrong(down, &secret).await;
    assert!(down.detail().contains("cannot be reached"), "{down}");
    for inside in ["http://10.0.0.1:9000", "https://169.254.169.254", "http://[::1]:9000", "http://0x7f.1:22"] {
        let content = DestinationContent { endpoint: Some(inside.to_owned()), ..content.clone() };
        let refused = OutsideBucket::new(&content, &secret, &loopback(), Duration::ZERO).map(drop);
        assert_eq!(refused.unwrap_err().violations()[0].pointer, "/endpoint", "{inside}");
    }
    let by_name = DestinationContent { endpoint: Some("http://localhost:9".to_owned()), ..content };
    let strict = Outbound::new(OutboundSettings { allow_http: true, ..OutboundSettings::default() }).unwrap();
    let by_name = OutsideBucket::new(&by_name, &secret, &strict, Duration::ZERO);
    assert!(by_name.is_err(), "below 1024");
}

/// SeaweedFS makes buckets that are written to, and takes a signature for any region; this server does not.
#[tokio::test]
async fn a_probe_says_what_is_mistyped() {
    let server = S3Server::juice().await;
    let (content, secret) = (content(&server), server.key().1.to_owned());
    bucket(&content, &secret).probe("1").await.unwrap();
    let elsewhere = DestinationContent { bucket: "no-such-bucket".to_owned(), ..content.clone() };
    let abroad = DestinationContent { region: "eu-south-9".to_owned(), ..content };
    for (content, pointer) in [(elsewhere, "/bucket"), (abroad, "/region")] {
        let wrong = bucket(&content, &secret).probe("1").await.unwrap_err();
        assert_eq!(wrong.violations()[0].pointer, pointer, "{wrong:?}");
        assert!(wrong.violations()[0].detail.contains("correct it"), "{wrong}");
    }
}

#[tokio::test]
async fn a_file_arrives_once_whole_and_replaces_nothing() {
    let server = S3Server::seaweed().await;
    let (content, secret) = (content(&server), server.key().1.to_owned());
    let data: Vec<u8> = (0..12_000_000_u32).map(|n| (n % 251) as u8).collect();
    for (key, part) in [("a/small.csv", 16 << 20), ("a/large.csv", 5 << 20)] {
        let bucket = bucket(&content, &secret).in_parts_of(part);
        let sha256 = hex::encode(Sha256::digest(&data));
        let file = OutsideFile { bytes: data.len() as u64, sha256: &sha256, media_type: "text/csv" };
        assert_eq!(
            bucket.put_file(key, file, pieces(&data), None, &mut Notes::default()).await.unwrap(),
            Arrived::Now,
            "{key}"
        );
        assert_eq!(
            bucket.put_file(key, file, pieces(&data), None, &mut Notes::default()).await.unwrap(),
            Arrived::Before,
            "{key}"
        );
        let path = bucket.path(key).unwrap();
        assert_eq!(bucket.store.get(&path).await.unwrap().bytes().await.unwrap(), data);
        let other = OutsideFile { sha256: "00", ..file };
        let refused = bucket.put_file(key, other, pieces(&data), None, &mut Notes::default()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Conflict, "{key}");
        let damaged =
            bucket.put_file(&format!("{key}.2"), other, pieces(&data), None, &mut Notes::default()).await.unwrap_err();
        assert_eq!(damaged.kind(), ErrorKind::Internal, "{key}");
    }
    assert_eq!(server.objects().await.len(), 2, "what is not the file never showed");
    assert!(server.uploads().await.is_empty(), "and nothing is left open");
    let bucket = bucket(&content, &secret);
    bucket.put_beside("a/small.csv.receipt.json", Bytes::from_static(b"{}")).await.unwrap();
    bucket.put_beside("a/small.csv.receipt.json", Bytes::from_static(b"{1}")).await.unwrap();
    let path = bucket.path("a/small.csv.receipt.json").unwrap();
    assert_eq!(bucket.store.get(&path).await.unwrap().bytes().await.unwrap(), Bytes::from_static(b"{}"));
}

#[tokio::test]
async fn an_upload_that_was_cut_off_goes_on() {
    let server = S3Server::seaweed().await;
    let (content, secret) = (content(&server), server.key().1.to_owned());
    let data: Vec<u8> = (0..27_000_000_u32).map(|n| (n % 241) as u8).collect();
    let sha256 = hex::encode(Sha256::digest(&data));
    let file = OutsideFile { bytes: data.len() as u64, sha256: &sha256, media_type: "text/csv" };
    let bucket = || bucket(&content, &secret).in_parts_of(5 << 20);
    // Killed when three of six parts are there.
    let mut notes = Notes { dies_at: Some(3), ..Notes::default() };
    bucket().put_file("a", file, pieces(&data), None, &mut notes).await.unwrap_err();
    assert!(server.objects().await.is_empty() && server.uploads().await.len() == 1, "nothing shows of it yet");
    let before = notes.last.take();
    notes.noted = 0;
    assert_eq!(bucket().put_file("a", file, pieces(&data), before, &mut notes).await.unwrap(), Arrived::Now);
    assert_eq!((notes.noted, &notes.last), (4, &None), "three parts that were left, and the end");
    let path = bucket().path("a").unwrap();
    assert_eq!(bucket().store.get(&path).await.unwrap().bytes().await.unwrap(), data);
    assert!(server.uploads().await.is_empty());

    // That its end is tried cannot be noted, again and again: nothing that is there is thrown away.
    let mut notes = Notes { deaf: 3, ..Notes::default() };
    for _ in 0..3 {
        let before = notes.last.clone();
        bucket().put_file("e", file, pieces(&data), before, &mut notes).await.unwrap_err();
        assert_eq!(notes.last.as_ref().map(BegunUpload::parts), Some(6));
    }
    notes.noted = 0;
    let before = notes.last.take();
    assert_eq!(bucket().put_file("e", file, pieces(&data), before, &mut notes).await.unwrap(), Arrived::Now);
    assert_eq!((notes.noted, &notes.last), (1, &None), "nothing was sent again");

    // Meanwhile the store, or its rule, has thrown it away: that try fails, the next one begins anew.
    let mut notes = Notes { dies_at: Some(2), ..Notes::default() };
    bucket().put_file("b", file, pieces(&data), None, &mut notes).await.unwrap_err();
    let before = notes.last.take();
    bucket().abandon(before.as_ref().unwrap(), &mut notes).await;
    let lost = bucket().put_file("b", file, pieces(&data), before, &mut notes).await.unwrap_err();
    assert_eq!(lost.kind(), ErrorKind::StorageUnavailable, "{lost}");
    let before = notes.last.take();
    assert_eq!(bucket().put_file("b", file, pieces(&data), before, &mut notes).await.unwrap(), Arrived::Now);

    // The file is another one by now, or goes elsewhere: what was begun is thrown away.
    let mut notes = Notes { dies_at: Some(2), ..Notes::default() };
    bucket().put_file("c", file, pieces(&data), None, &mut notes).await.unwrap_err();
    let before = notes.last.take();
    assert_eq!(bucket().put_file("d", file, pieces(&data), before, &mut notes).await.unwrap(), Arrived::Now);
    assert!(server.uploads().await.is_empty());
    let names: Vec<String> = server.objects().await.into_iter().map(|(key, _)| key).collect();
    assert_eq!(names.len(), 4, "{names:?}");
}
