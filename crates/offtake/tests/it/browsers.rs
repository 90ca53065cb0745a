//! A genuine browser before the pages that the server has for people.

use offtake_testkit::{TestApp, node};
use serde_json::Value as Json;

use crate::support::OFFTAKE;

/// The documentation works under its policy, which allows nothing inline; and the browser finds nothing to complain of.
#[tokio::test(flavor = "multi_thread")]
async fn pages_work_under_their_policies() {
    let app = TestApp::start(OFFTAKE).await;
    for (page, selector) in [("/sign-in", "main h1"), ("/docs", ".swagger-ui .opblock-summary")] {
        let profile = app.folder().join("browser").to_string_lossy().into_owned();
        let ran = node("browser.mjs", &["open", &format!("{}{page}", app.url()), &profile, selector]).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let seen: Json = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        assert_eq!(seen["shown"], true, "{page}: {seen}");
        let complaints = seen["complaints"].as_array().expect("a list");
        // Browsers ask for an icon of their own accord.
        let others: Vec<&Json> = complaints.iter().filter(|one| !one.to_string().contains("404")).collect();
        assert!(others.is_empty(), "{page}: {others:?}");
    }
}
