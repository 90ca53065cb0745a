//! What a file shows of sensitive columns, when its owner may see less than when it was asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use offtake_datasets::Catalog;
use offtake_model::ErrorKind;
use offtake_model::dataset::RowsMode;
use offtake_model::export::ExportSpec;
use offtake_model::format::{Compression, Format};
use offtake_model::job::JobStatus;
use offtake_model::permission::Permission;
use offtake_model::principal::PrincipalChange;
use offtake_model::sensitive::{Disclosure, Sight, Treatment};
use offtake_store::JobLimits;

use crate::house::{House, act, export, org, scope};
use crate::rows::{Fault, Gate};

/// A house with the same rows, of which the text is sensitive.
fn house(count: u64) -> House {
    let mut house = House::with_rows(count);
    let mut catalog = Catalog::default();
    let mut private = house.rows.dataset("private", RowsMode::AppendOnly);
    Arc::make_mut(&mut private.schema).columns[1].sensitive = Some(Treatment::Mask);
    catalog.insert(private);
    house.catalog = Arc::new(catalog);
    house
}

/// Asked for by somebody with this sight.
fn asked(house: &House, sight: Sight) -> ExportSpec {
    let mut spec = export("private", Format::Csv, Compression::None);
    let schema = &house.catalog.get("private").unwrap().schema;
    spec.disclosure = Disclosure::decide(schema, None, &spec.rows, sight);
    spec
}

async fn withhold(house: &House, withheld: &[Permission]) {
    let change = PrincipalChange { disabled: None, withheld: Some(withheld.iter().cloned().collect()) };
    house.store.principals.change(&crate::house::act(), &org(), "ada", &change).await.unwrap();
}

#[tokio::test]
async fn what_was_withheld_before_a_job_begins_is_not_in_its_file() {
    let house = house(300);
    let (clear, veiled) = (asked(&house, Sight::Clear), asked(&house, Sight::Veiled));
    let running = house.start(house.worker("one"));
    let shown = house.enqueue(clear.clone()).await;
    house.at_rest(shown).await;
    let text = String::from_utf8(house.file(shown).await.1.to_vec()).unwrap();
    assert!(text.contains("quoted") && !text.contains("***"), "{text:.200}");

    withhold(&house, &[Permission::PiiRead]).await;
    let narrowed = house.enqueue(clear.clone()).await;
    let job = house.at_rest(narrowed).await;
    assert_eq!(job.status, JobStatus::Completed, "{:?}", job.error);
    let (artifact, bytes) = house.file(narrowed).await;
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(text.starts_with("id,text\n0,***\n") && !text.contains("quoted"), "{text:.200}");
    let receipt = artifact.receipt.unwrap();
    assert_eq!(receipt.masked, BTreeMap::from([("text".to_owned(), 300)]));
    assert!(!receipt.spec.tells_sensitive(None) && job.spec == clear, "the file's own words count");
    assert_eq!((receipt.spec_sha256, receipt.spec), (veiled.sha256(), veiled.clone()));

    // What was decided to be veiled stays so, once everything may be seen again.
    withhold(&house, &[]).await;
    let still = house.enqueue(veiled).await;
    house.at_rest(still).await;
    running.stop().await;
    assert_eq!(house.file(still).await.1, bytes);
}

/// Long before it would be published: the source gives no row any more, and still the job ends.
#[tokio::test]
async fn a_running_job_ends_when_its_owner_may_not_read_what_it_shows() {
    let house = house(3000);
    let running = house.start(house.worker("one"));
    let mut jobs = Vec::new();
    for (sight, withheld) in [(Sight::Clear, true), (Sight::Veiled, false)] {
        let gate = Gate::closed();
        house.rows.fault(40, Fault::Wait(gate.clone()), 1);
        let id = house.enqueue(asked(&house, sight)).await;
        gate.reached().await;
        jobs.push((id, gate, withheld));
        if withheld {
            withhold(&house, &[Permission::PiiRead]).await;
            let began = std::time::Instant::now();
            let job = house.at_rest(id).await;
            assert_eq!((job.status, job.error.unwrap().code), (JobStatus::Failed, ErrorKind::Revoked));
            assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
        }
    }
    jobs.iter().for_each(|(_, gate, _)| gate.open());
    let (veiled, ..) = jobs[1];
    let job = house.at_rest(veiled).await;
    assert_eq!(job.status, JobStatus::Completed, "it shows nothing: {:?}", job.error);
    running.stop().await;
}

#[tokio::test]
async fn what_is_withheld_while_a_job_runs_is_not_published_and_the_next_try_is_veiled() {
    let house = house(3000);
    let gate = Gate::closed();
    house.rows.fault(40, Fault::Wait(gate.clone()), 1);
    let running = house.start(house.worker("one"));
    let id = house.enqueue(asked(&house, Sight::Clear)).await;
    gate.reached().await;
    withhold(&house, &[Permission::PiiRead]).await;
    gate.open();
    let job = house.at_rest(id).await;
    assert_eq!((job.status, job.error.unwrap().code), (JobStatus::Failed, ErrorKind::Revoked));
    assert!(house.store.artifacts.ready(&scope(), id).await.is_err());

    house.store.jobs.retry(&act(), &scope(), id, JobLimits::NONE).await.unwrap();
    let job = house.at_rest(id).await;
    running.stop().await;
    assert_eq!(job.status, JobStatus::Completed, "{:?}", job.error);
    let text = String::from_utf8(house.file(id).await.1.to_vec()).unwrap();
    assert!(text.lines().count() == 3001 && !text.contains("quoted"), "no byte of the first try: {text:.200}");
}
