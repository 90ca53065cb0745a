//! That the probes mean something: with the owner's own things every call succeeds, and answers otherwise than for things
//! that never were.

use super::document::{At, Operation};
use super::estate::Estate;
use super::judge::Seen;
use super::places::Sort;
use super::probe::{probes, things};

/// Of every call with a place in its path, that the owner has success with one of their own things; of every filter of a
/// count, that it finds the owner's rows.
///
/// # Panics
/// If one does not: the matrix fills a place with what does not belong there.
pub(super) async fn owners_succeed(operations: &[Operation], estate: &Estate) {
    let mut wrong = Vec::new();
    // What takes something away comes last.
    let mut ordered: Vec<&Operation> = operations.iter().collect();
    ordered.sort_by_key(|operation| (!operation.only_reads(), operation.method == reqwest::Method::DELETE));
    for operation in ordered {
        // The place of a link is one half of it; a file is delivered where there is a bucket; a token is one of its export's.
        // Each has tests of its own.
        let elsewhere =
            ["/files/{artifact}", "/api/v1/export/jobs/{id}/deliver", "/api/v1/export/jobs/{id}/tokens/{token}"];
        if elsewhere.contains(&operation.path.as_str()) {
            continue;
        }
        let in_path = things(operation).any(|(place, _)| place.at == At::Path);
        let counts = operation.path.ends_with("/count");
        if in_path && !succeeds(operation, estate).await {
            wrong.push(format!("{operation}: no own thing is found"));
        }
        if counts {
            wrong.extend(blind_filters(operation, estate).await);
        }
    }
    assert!(wrong.is_empty(), "the matrix does not know how to fill these:\n{}", wrong.join("\n"));
}

async fn succeeds(operation: &Operation, estate: &Estate) -> bool {
    for probe in probes(operation, estate) {
        let status = probe.request.send(operation, &estate.owner).await.status;
        if status < 400 {
            return true;
        }
    }
    false
}

/// Filters that make no difference between the owner's value and one that nobody has.
async fn blind_filters(operation: &Operation, estate: &Estate) -> Vec<String> {
    let mut blind = Vec::new();
    for probe in probes(operation, estate) {
        let finds = matches!(probe.sort, Some(Sort::Column(_) | Sort::Selection));
        let Some(twin) = probe.twin.filter(|_| finds) else { continue };
        let present = probe.request.send(operation, &estate.owner).await;
        let absent = twin.send(operation, &estate.owner).await;
        let seen = (Seen::of(&present, &probe.request.names), Seen::of(&absent, &twin.names));
        if present.status != 200 || seen.0 == seen.1 {
            blind.push(format!("{operation}: {}: {present}", probe.place));
        }
    }
    blind
}
