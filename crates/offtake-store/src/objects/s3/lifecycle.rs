//! A bucket's life-cycle rules: what is written, and whether what is there will do.

use serde::Deserialize;

/// What the bucket does by itself, below the prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LifecycleRules {
    /// Days after which uploads that nobody finished are ended.
    pub abort_uploads_days: u32,
    /// Days after which objects are deleted, whatever Offtake's own expiry did.
    pub expire_days: Option<u32>,
}

/// The names of our rules, which a later call replaces.
const ABORT: &str = "offtake-abort-unfinished-uploads";
const EXPIRE: &str = "offtake-expire";

#[derive(Debug, Default, Deserialize)]
struct Configuration {
    #[serde(default, rename = "Rule")]
    rules: Vec<Rule>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Rule {
    status: String,
    filter: Option<Filter>,
    prefix: Option<String>,
    abort_incomplete_multipart_upload: Option<Abort>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Filter {
    prefix: Option<String>,
    tag: Option<serde::de::IgnoredAny>,
    and: Option<serde::de::IgnoredAny>,
    object_size_greater_than: Option<serde::de::IgnoredAny>,
    object_size_less_than: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Abort {
    days_after_initiation: u32,
}

/// The days after which the bucket ends unfinished uploads below `below`; `None` if it never does.
pub(super) fn aborts_after(rules: &str, below: &str) -> Option<u32> {
    let configuration: Configuration = quick_xml::de::from_str(rules).unwrap_or_default();
    let covers = |rule: &&Rule| {
        let filter = rule.filter.as_ref();
        let whole = filter.is_none_or(|filter| {
            let Filter { tag, and, object_size_greater_than, object_size_less_than, .. } = filter;
            tag.is_none() && and.is_none() && object_size_greater_than.is_none() && object_size_less_than.is_none()
        });
        let prefix = filter.and_then(|filter| filter.prefix.as_deref()).or(rule.prefix.as_deref()).unwrap_or_default();
        rule.status == "Enabled" && whole && below.starts_with(prefix)
    };
    let rules = configuration.rules.iter().filter(covers);
    rules
        .filter_map(|rule| rule.abort_incomplete_multipart_upload.as_ref())
        .map(|rule| rule.days_after_initiation)
        .min()
}

/// The bucket's rules with ours in place of what ours were; the rules of others stay, letter by letter.
pub(super) fn merged(present: Option<&str>, below: &str, wanted: LifecycleRules) -> String {
    let mut rules = String::from("<LifecycleConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    for rule in present.into_iter().flat_map(each_rule) {
        let ours = [ABORT, EXPIRE].iter().any(|id| rule.contains(&format!("<ID>{id}</ID>")));
        if !ours {
            rules.push_str(rule);
        }
    }
    let prefix = quick_xml::escape::escape(below);
    let mut add = |id: &str, action: String| {
        rules.push_str(&format!(
            "<Rule><ID>{id}</ID><Filter><Prefix>{prefix}</Prefix></Filter><Status>Enabled</Status>{action}</Rule>"
        ));
    };
    let days = wanted.abort_uploads_days;
    add(
        ABORT,
        format!(
            "<AbortIncompleteMultipartUpload><DaysAfterInitiation>{days}</DaysAfterInitiation>\
             </AbortIncompleteMultipartUpload>"
        ),
    );
    if let Some(days) = wanted.expire_days {
        add(EXPIRE, format!("<Expiration><Days>{days}</Days></Expiration>"));
    }
    rules.push_str("</LifecycleConfiguration>");
    rules
}

/// The text of each rule. Rules do not nest.
fn each_rule(document: &str) -> impl Iterator<Item = &str> {
    const END: &str = "</Rule>";
    document.match_indices("<Rule>").filter_map(|(start, _)| {
        let end = document[start..].find(END)?;
        Some(&document[start..start + end + END.len()])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHERS: &str = "<Rule><ID>logs</ID><Filter><Prefix>logs/</Prefix></Filter><Status>Enabled</Status>\
        <Expiration><Days>30</Days></Expiration></Rule>";

    #[test]
    fn rules_of_others_stay_and_ours_are_replaced() {
        let wanted = LifecycleRules { abort_uploads_days: 2, expire_days: Some(30) };
        let present = format!("<LifecycleConfiguration>{OTHERS}</LifecycleConfiguration>");
        let first = merged(Some(&present), "a&b/", wanted);
        assert!(first.contains(OTHERS) && first.contains("<Prefix>a&amp;b/</Prefix>"), "{first}");
        assert_eq!(aborts_after(&first, "a&b/"), Some(2));
        assert_eq!(aborts_after(&first, "elsewhere/"), None);
        let again = merged(Some(&first), "a&b/", LifecycleRules { abort_uploads_days: 5, expire_days: None });
        assert_eq!(again.matches("<Rule>").count(), 2, "{again}");
        assert_eq!(aborts_after(&again, "a&b/x"), Some(5));
    }

    #[test]
    fn a_rule_that_is_off_or_for_a_few_does_not_count() {
        let rule = |inside: &str| {
            format!(
                "<LifecycleConfiguration><Rule>{inside}<AbortIncompleteMultipartUpload><DaysAfterInitiation>1\
                 </DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>"
            )
        };
        let off = rule("<Filter><Prefix></Prefix></Filter><Status>Disabled</Status>");
        let few = rule("<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter><Status>Enabled</Status>");
        let all = rule("<Filter><Prefix></Prefix></Filter><Status>Enabled</Status>");
        let old = rule("<Prefix>x/</Prefix><Status>Enabled</Status>");
        assert_eq!([&off, &few, &all, &old].map(|rules| aborts_after(rules, "x/")), [None, None, Some(1), Some(1)]);
        assert_eq!(aborts_after("no xml", "x/"), None);
    }
}
