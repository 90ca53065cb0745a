//! What a request says about a destination.

use offtake_model::destination::DestinationContent;
use offtake_model::{Error, Result, Violation};
use serde_json::{Map, Value as Json, json};

/// The longest text of a destination, in bytes.
const LONGEST: usize = 300;
const SECRET: &str = "is needed: the secret of the access key";

/// What is to be kept, and the secret.
pub(super) fn for_new(body: &Map<String, Json>) -> Result<(DestinationContent, String)> {
    let (content, secret) = checked(body, true)?;
    let secret = secret.ok_or_else(|| Error::invalid_at("/secret_key", SECRET))?;
    Ok((content, secret))
}

/// What it becomes, and another secret if one was given.
pub(super) fn for_change(
    present: &DestinationContent,
    body: Map<String, Json>,
) -> Result<(DestinationContent, Option<String>)> {
    let DestinationContent { name, endpoint, region, bucket, prefix, access_key, path_style } = present;
    let present_body = json!({"name": name, "endpoint": endpoint, "region": region, "bucket": bucket,
        "prefix": prefix, "access_key": access_key, "path_style": path_style});
    let mut whole = present_body.as_object().cloned().unwrap_or_default();
    whole.extend(body);
    let (content, secret) = checked(&whole, false)?;
    if secret.is_none() && !content.same_place(present) {
        let detail = format!(
            "is needed: the secret that is kept was given for the bucket {bucket} and its access key, and is sent nowhere else"
        );
        return Err(Error::invalid_at("/secret_key", detail));
    }
    Ok((content, secret))
}

/// What a whole body says.
fn checked(body: &Map<String, Json>, secret_needed: bool) -> Result<(DestinationContent, Option<String>)> {
    const MEMBERS: [&str; 9] =
        ["name", "kind", "endpoint", "region", "bucket", "prefix", "access_key", "secret_key", "path_style"];
    let mut wrong = Vec::new();
    for name in body.keys().filter(|name| !MEMBERS.contains(&name.as_str())) {
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        wrong.push(Violation::at(
            pointer,
            format!("is nothing that can be said here; there are: {}", MEMBERS.join(", ")),
        ));
    }
    let mut text = |name: &str, needed: bool, plain: fn(char) -> bool, form: &str| -> Option<String> {
        match body.get(name) {
            None if !needed => None,
            Some(Json::Null) if !needed => None,
            Some(Json::String(text))
                if (usize::from(needed)..=LONGEST).contains(&text.len()) && text.chars().all(plain) =>
            {
                Some(text.clone())
            }
            _ => {
                wrong.push(Violation::at(format!("/{name}"), format!("is {form}")));
                None
            }
        }
    };
    let visible = |c: char| c.is_ascii_graphic();
    let name = text("name", true, |c| !c.is_control(), "needed: a text of 1 to 100 characters");
    let kind = text("kind", false, visible, "\"s3\"");
    let endpoint = text("endpoint", false, visible, "an https URL; leave it out for Amazon's own");
    let region = text("region", true, |c| c.is_ascii_alphanumeric() || c == '-', "needed: \"eu-central-1\", say");
    let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    let bucket = text("bucket", true, in_name, "needed: the name of a bucket");
    let in_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '=' | '/');
    let prefix = text("prefix", false, in_path, "letters, digits, - . _ = and slashes").unwrap_or_default();
    let access_key = text("access_key", true, visible, "needed: the id of an access key");
    let secret = text("secret_key", secret_needed, visible, SECRET.trim_start_matches("is "));
    if kind.is_some_and(|kind| kind != "s3") {
        wrong.push(Violation::at("/kind", "is \"s3\"; there is nothing else yet"));
    }
    if name.as_ref().is_some_and(|name| name.chars().count() > 100 || name.trim() != name) {
        wrong.push(Violation::at("/name", "has 1 to 100 characters and no blanks around it"));
    }
    if prefix
        .trim_matches('/')
        .split('/')
        .any(|step| matches!(step, "." | "..") || (step.is_empty() && !prefix.is_empty()))
    {
        wrong.push(Violation::at("/prefix", "has an empty step between two slashes, or one of dots alone"));
    }
    let path_style = match body.get("path_style") {
        None => endpoint.is_some(),
        Some(Json::Bool(said)) => *said,
        Some(_) => {
            wrong.push(Violation::at("/path_style", "is true or false"));
            false
        }
    };
    match (name, region, bucket, access_key) {
        (Some(name), Some(region), Some(bucket), Some(access_key)) if wrong.is_empty() => {
            let prefix = prefix.trim_matches('/').to_owned();
            Ok((DestinationContent { name, endpoint, region, bucket, prefix, access_key, path_style }, secret))
        }
        _ => Err(Error::invalid(wrong)),
    }
}
