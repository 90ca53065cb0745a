//! Who gets a mail when an export is done: people of the organization who may have the file, and nobody else.
//!
//! An address that nobody here has, one of another organization and one of somebody who may not see the export are
//! refused in the same words. What was accepted is looked at again when the mail is sent.

use offtake_datasets::Dataset;
use offtake_model::export::{ExportSpec, Recipients};
use offtake_model::permission::Permission;
use offtake_model::{Error, Result, Violation};
use offtake_store::reader_at;

use crate::auth::Caller;
use crate::state::App;

/// The address of the caller, once it is sure that everybody whom the spec names may be told.
///
/// # Errors
/// `invalid_request` with a pointer to each address that will not do; `store_unavailable`.
pub(crate) async fn check(app: &App, caller: &Caller, dataset: &Dataset, spec: &ExportSpec) -> Result<Option<String>> {
    let principal = &caller.0;
    let known = async || Ok::<_, Error>(app.store.principals.standing(&principal.org, &principal.sub).await?.email);
    let own = match &principal.email {
        Some(email) => Some(email.clone()),
        None if spec.notify.is_some() => known().await?,
        None => None,
    };
    let recipients = spec.notify.as_ref().map(|notify| &notify.email);
    let refuse = |detail: &str| Err(Error::invalid(vec![Violation::at("/notify/email", detail)]));
    match recipients {
        None | Some(Recipients::Requester(false)) => return Ok(own),
        Some(_) if !app.settings.sends_mail => return refuse("no mail is sent here: mail.host is not configured"),
        Some(Recipients::Requester(true)) if own.is_none() => {
            return refuse("your account has no e-mail address here: none is in your token; name one, or leave it out");
        }
        Some(Recipients::Requester(true)) => return Ok(own),
        Some(Recipients::These(_)) => {}
    }
    let Some(Recipients::These(addresses)) = recipients else { return Ok(own) };
    let sight = spec.tells_sensitive(Some(&dataset.schema)).then_some(Permission::PiiRead);
    let needed: Vec<Permission> =
        [Permission::ExportsDownload, dataset.schema.permission.clone()].into_iter().chain(sight).collect();
    let mut violations = Vec::new();
    for (index, address) in addresses.iter().enumerate() {
        let requester = (principal.sub.as_str(), own.as_deref());
        let reader = reader_at(app.store.principals.as_ref(), &principal.org, address, requester, &needed).await?;
        if reader.is_none() {
            let detail = "is no address of somebody in your organization who may have this file";
            violations.push(Violation::at(format!("/notify/email/{index}"), detail));
        }
    }
    if violations.is_empty() { Ok(own) } else { Err(Error::invalid(violations)) }
}
