//! Fetching a file, in as many pieces as it takes.

use std::time::{Duration, Instant};

use futures::StreamExt;
use offtake_model::{Error, ErrorKind};
use reqwest::{Method, StatusCode, header};

use super::sink::Sink;
use super::{Client, PATIENCE, is_passing, segment};
use crate::exit::Failure;

const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// Fetches the file of a job into `sink`, from where it is. A broken connection is taken up again with a fresh
/// link, as long as anything still comes.
///
/// # Errors
/// The problem the server answers; `unavailable` if it stays away; what `sink` meets.
pub(crate) async fn download(
    client: &Client,
    job: &str,
    sink: &mut Sink,
    told: &mut (dyn FnMut(u64) + Send),
) -> Result<(), Failure> {
    let mut etag: Option<String> = None;
    let mut last_byte = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let before = sink.len();
        match piece(client, job, sink, &mut etag, told).await {
            Err(Failure::Error(error)) if is_passing(error.kind()) => {
                if sink.len() > before {
                    (last_byte, pause) = (Instant::now(), FIRST_PAUSE);
                }
                if last_byte.elapsed() + pause > PATIENCE {
                    return Err(error.into());
                }
                tracing::debug!(%error, at = sink.len(), "the download goes on");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(5));
            }
            outcome => return outcome,
        }
    }
}

async fn piece(
    client: &Client,
    job: &str,
    sink: &mut Sink,
    etag: &mut Option<String>,
    told: &mut (dyn FnMut(u64) + Send),
) -> Result<(), Failure> {
    let from = sink.len();
    let mut request = client.request(Method::GET, &format!("export/jobs/{}/download", segment(job)))?;
    if from > 0 {
        request = request.header(header::RANGE, format!("bytes={from}-"));
        if let Some(etag) = etag {
            request = request.header(header::IF_RANGE, etag.as_str());
        }
    }
    let response = match client.send(request).await {
        // Nothing is left to fetch: what was there is the whole file, or a wrong one, which its hash will tell.
        Err(error) if error.kind() == ErrorKind::RangeNotSatisfiable && from > 0 => return Ok(()),
        sent => sent?,
    };
    if from > 0 && response.status() != StatusCode::PARTIAL_CONTENT {
        sink.restart().await?;
    }
    *etag = response.headers().get(header::ETAG).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let mut body = response.bytes_stream();
    while let Some(bytes) = body.next().await {
        let bytes = bytes.map_err(|error| {
            Error::new(ErrorKind::Unavailable, "the download broke off").caused_by(error.without_url())
        })?;
        sink.write(bytes).await?;
        told(sink.len());
    }
    Ok(())
}
