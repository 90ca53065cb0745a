//! Presets.

use offtake_model::ErrorKind;
use offtake_model::preset::{MOST_PRESETS, PresetContent};
use serde_json::json;

use super::given::{by, kind, org};
use crate::Presets;

fn content(name: &str) -> PresetContent {
    let says = json!({"fields": ["b", {"name": "a", "as": "A"}], "filters": {"model": ["m", "n"], "min_cost": 0.1}});
    PresetContent { name: name.into(), dataset: "spans".into(), says: says.as_object().cloned().unwrap() }
}

pub(crate) async fn a_preset_is_kept_as_it_is(presets: &dyn Presets) {
    let acme = org("acme");
    let made = presets.create(&by("ada"), &acme, content("Für Ada 🦀")).await.unwrap();
    assert_eq!((made.version, made.created_by.as_str(), made.created_at), (1, "ada", made.updated_at));
    assert_eq!((&made.dataset, &made.says), (&content("").dataset, &content("").says));
    assert_eq!(made.says.keys().collect::<Vec<_>>(), ["fields", "filters"], "in the order it was said");
    assert_eq!(presets.get(&acme, "Für Ada 🦀").await.unwrap(), made);
    presets.create(&by("bob"), &acme, content("B")).await.unwrap();
    let names: Vec<String> = presets.list(&acme).await.unwrap().into_iter().map(|preset| preset.name).collect();
    assert_eq!(names, ["B", "Für Ada 🦀"]);
    presets.delete(&by("ada"), &acme, "B", None).await.unwrap();
    assert_eq!(kind(presets.get(&acme, "B").await), ErrorKind::NotFound);
    assert_eq!(kind(presets.delete(&by("ada"), &acme, "B", None).await), ErrorKind::NotFound);
}

pub(crate) async fn a_name_is_taken_once_in_an_organization(presets: &dyn Presets) {
    let acme = org("acme");
    let first = presets.create(&by("ada"), &acme, content("a")).await.unwrap();
    assert_eq!(kind(presets.create(&by("bob"), &acme, content("a")).await), ErrorKind::Conflict);
    presets.create(&by("ada"), &acme, content("b")).await.unwrap();
    assert_eq!(kind(presets.replace(&by("ada"), &acme, "b", 1, content("a")).await), ErrorKind::Conflict);
    assert_eq!(presets.get(&acme, "a").await.unwrap(), first);
    let ada = by("ada");
    let all = futures::future::join_all((0..8).map(|_| presets.create(&ada, &acme, content("c")))).await;
    assert_eq!(all.iter().filter(|made| made.is_ok()).count(), 1, "at once, one of them gets it");
}

pub(crate) async fn organizations_do_not_see_each_other(presets: &dyn Presets) {
    let (acme, other) = (org("acme"), org("other"));
    let ours = presets.create(&by("ada"), &acme, content("a")).await.unwrap();
    assert_eq!(kind(presets.get(&other, "a").await), ErrorKind::NotFound);
    assert_eq!(kind(presets.replace(&by("ada"), &other, "a", 1, content("a")).await), ErrorKind::NotFound);
    assert_eq!(kind(presets.delete(&by("ada"), &other, "a", None).await), ErrorKind::NotFound);
    assert!(presets.list(&other).await.unwrap().is_empty());
    presets.create(&by("eve"), &other, content("a")).await.unwrap();
    presets.delete(&by("ada"), &other, "a", None).await.unwrap();
    assert_eq!(presets.list(&acme).await.unwrap(), [ours]);
}

pub(crate) async fn a_change_needs_the_version_it_is_made_to(presets: &dyn Presets) {
    let acme = org("acme");
    let made = presets.create(&by("ada"), &acme, content("a")).await.unwrap();
    let changed =
        presets.replace(&by("ada"), &acme, "a", 1, PresetContent { dataset: "traces".into(), ..content("b") }).await;
    let changed = changed.unwrap();
    assert_eq!((changed.version, changed.name.as_str(), changed.dataset.as_str()), (2, "b", "traces"));
    assert_eq!((changed.created_at, changed.created_by.as_str()), (made.created_at, "ada"));
    assert_eq!(kind(presets.get(&acme, "a").await), ErrorKind::NotFound);
    assert_eq!(kind(presets.replace(&by("ada"), &acme, "b", 1, content("b")).await), ErrorKind::PreconditionFailed);
    assert_eq!(kind(presets.delete(&by("ada"), &acme, "b", Some(1)).await), ErrorKind::PreconditionFailed);
    assert_eq!(presets.get(&acme, "b").await.unwrap(), changed);
    presets.delete(&by("ada"), &acme, "b", Some(2)).await.unwrap();
}

pub(crate) async fn there_are_only_so_many(presets: &dyn Presets) {
    let acme = org("acme");
    for number in 0..MOST_PRESETS {
        presets.create(&by("ada"), &acme, content(&number.to_string())).await.unwrap();
    }
    assert_eq!(kind(presets.create(&by("ada"), &acme, content("more")).await), ErrorKind::Conflict);
    presets.create(&by("eve"), &org("other"), content("more")).await.unwrap();
}
