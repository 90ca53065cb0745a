//! The check of a chain, page by page.

use offtake_model::Result;
use offtake_model::audit::{Broken, Checker, Head, KeptHead};
use offtake_model::id::OrgId;

use super::Audit;

/// Entries read in one go.
const PAGE: u32 = 500;

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Where the chain ended when the check began.
    pub head: Head,
    /// How many entries there were, or where it is broken.
    pub outcome: std::result::Result<u64, Broken>,
}

/// Walks the chain of `org` from its oldest entry on, in memory that does not grow with it. It must contain every head
/// of `kept`.
///
/// # Errors
/// Those of the store. That the chain is broken is no error of the check.
pub async fn verify(audit: &dyn Audit, org: &OrgId, kept: &[KeptHead]) -> Result<Verified> {
    loop {
        let head = audit.head(org).await?;
        let outcome = walk(audit, &head, kept).await?;
        // Entries may have been pruned under our feet.
        if outcome.is_ok() || audit.head(org).await?.first == head.first {
            return Ok(Verified { head, outcome });
        }
    }
}

async fn walk(audit: &dyn Audit, head: &Head, kept: &[KeptHead]) -> Result<std::result::Result<u64, Broken>> {
    let mut checker = Checker::new(head.clone(), kept.to_vec());
    loop {
        let page = audit.walk(&head.org, checker.next(), PAGE).await?;
        for entry in &page {
            if let Err(broken) = checker.see(entry) {
                return Ok(Err(broken));
            }
        }
        if page.len() < PAGE as usize {
            return Ok(checker.finish());
        }
    }
}
