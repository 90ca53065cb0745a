//! A server's problem document, back to an [`Error`].

use offtake_model::{Error, ErrorKind, Violation};
use reqwest::Response;
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
struct Problem {
    #[serde(default)]
    code: String,
    #[serde(default)]
    detail: String,
    #[serde(default)]
    errors: Vec<Violation>,
    #[serde(default)]
    request_id: String,
}

/// Reads the problem out of a response that is no success.
pub(super) async fn read(response: Response) -> Error {
    let status = response.status().as_u16();
    let problem: Problem = match response.bytes().await {
        Ok(body) => serde_json::from_slice(&body).unwrap_or_default(),
        Err(_) => Problem::default(),
    };
    to_error(status, problem)
}

fn to_error(status: u16, problem: Problem) -> Error {
    let kind = ErrorKind::from_code(&problem.code).unwrap_or_else(|| of_status(status));
    if kind == ErrorKind::InvalidRequest && !problem.errors.is_empty() {
        return Error::invalid(problem.errors);
    }
    let mut detail = if problem.detail.is_empty() {
        format!("the server answered {status}: {}", kind.title())
    } else {
        problem.detail
    };
    if status >= 500 && !problem.request_id.is_empty() {
        detail.push_str(&format!(" (request {})", problem.request_id));
    }
    Error::new(kind, detail)
}

/// What a status means where a proxy answered instead of Offtake.
fn of_status(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::Unauthenticated,
        403 => ErrorKind::Forbidden,
        404 => ErrorKind::NotFound,
        409 => ErrorKind::Conflict,
        410 => ErrorKind::Gone,
        412 => ErrorKind::PreconditionFailed,
        413 => ErrorKind::TooLarge,
        416 => ErrorKind::RangeNotSatisfiable,
        429 => ErrorKind::TooManyRequests,
        502 | 503 => ErrorKind::Unavailable,
        504 => ErrorKind::Timeout,
        500.. => ErrorKind::Internal,
        _ => ErrorKind::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_decides_and_the_status_only_where_there_is_none() {
        let known = Problem { code: "not_ready".into(), detail: "wait".into(), ..Problem::default() };
        assert_eq!(to_error(409, known).kind(), ErrorKind::NotReady);
        assert_eq!(to_error(503, Problem::default()).kind(), ErrorKind::Unavailable);
        let internal = Problem { code: "internal".into(), request_id: "req-9".into(), ..Problem::default() };
        assert!(to_error(500, internal).detail().contains("req-9"));
    }
}
