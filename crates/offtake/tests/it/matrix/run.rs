//! Sending every probe, and what came of it.

use std::time::Duration;

use futures::future::join_all;
use offtake_testkit::{Answer, Client, eventually};

use super::actors::Actor;
use super::document::Operation;
use super::estate::{ALPHA, Estate};
use super::judge::{Seen, Standing, judge};
use super::places::Sort;
use super::probe::{Probe, Request, probes};

/// An export that somebody of bravo's asked for with things of alpha's in the request.
type Made = (String, Client);

/// What came of the probes.
#[derive(Debug, Default)]
pub(super) struct Run {
    probes: usize,
    leaks: Vec<String>,
    made: Vec<Made>,
}

impl Run {
    /// Calls that change nothing: everybody asks at once.
    pub(super) async fn all_at_once(&mut self, actors: &[Actor], operations: &[&Operation], estate: &Estate) {
        let runs = join_all(actors.iter().map(|actor| async move {
            let mut run = Self::default();
            for operation in operations {
                run.operation(actor, operation, estate).await;
            }
            run
        }));
        for run in runs.await {
            self.probes += run.probes;
            self.leaks.extend(run.leaks);
            self.made.extend(run.made);
        }
    }

    /// Calls that change something: one after the other, spans last, because they change what is read.
    pub(super) async fn one_by_one(&mut self, actors: &[Actor], operations: &[&Operation], estate: &Estate) {
        let mut operations = operations.to_vec();
        operations.sort_by_key(|operation| operation.path == "/v1/traces");
        for operation in operations {
            for actor in actors {
                self.operation(actor, operation, estate).await;
            }
        }
    }

    async fn operation(&mut self, actor: &Actor, operation: &Operation, estate: &Estate) {
        let refusal = actor.standing.refusal(&operation.access);
        for Probe { place, sort, request, twin } in probes(operation, estate) {
            let present = self.ask(actor, operation, &request, true).await;
            let absent = match &twin {
                Some(twin) => Some(self.ask(actor, operation, twin, false).await),
                None => None,
            };
            // Whoever may read a dataset may know that it is there.
            let knows = sort == Some(Sort::Dataset) && matches!(actor.standing, Standing::Trusted);
            let absent = absent.filter(|_| !knows && sort.is_none_or(|sort| sort.has_twin()));
            self.probes += 1;
            if let Some(leak) = judge(refusal, &present, absent.as_ref(), &estate.marks) {
                self.leaks.push(format!("{}: {operation}, {place}: {leak}", actor.name));
            }
        }
    }

    /// Asks, and takes back what was made by it, but for exports whose files are looked at in the end.
    async fn ask(&mut self, actor: &Actor, operation: &Operation, request: &Request, keep: bool) -> Seen {
        let answer = request.send(operation, &actor.client).await;
        match (answer.status, answer.header("location")) {
            (202, made) if keep && actor.name == "other organization" => {
                self.made.push((made.to_owned(), actor.client.clone()));
            }
            (201 | 202, made) if !made.is_empty() => {
                let undone = actor.client.delete(made).await;
                assert!(matches!(undone.status, 200 | 204 | 409), "what a probe made cannot be taken back: {undone}");
            }
            _ => {}
        }
        // One may be told who one is.
        let names: Vec<String> = request.names.iter().chain(&actor.own).cloned().collect();
        Seen::of(&answer, &names)
    }

    /// The files of exports that were asked for with things of alpha's hold nothing of alpha's.
    pub(super) async fn files_are_their_own(&mut self) {
        let made = std::mem::take(&mut self.made);
        assert!(!made.is_empty(), "no export was asked for");
        for (path, client) in made {
            let job = rested(&client, &path).await;
            self.probes += 1;
            let job = job.json();
            if job["status"] != "completed" {
                // A moment that cannot be asked for again, say. It has no file.
                if job["error"]["code"] == "internal" {
                    self.leaks.push(format!("broken by what was asked for: {job}"));
                }
                continue;
            }
            let link = client.get(&format!("{path}/download")).await.expect(302).header("location").to_owned();
            let file = client.without_token().get(&link).await.expect(200);
            if String::from_utf8_lossy(&file.body).contains(ALPHA) {
                self.leaks.push(format!("the file of {path}, asked for as {}", job["spec"]));
            }
        }
    }

    pub(super) const fn probes(&self) -> usize {
        self.probes
    }

    pub(super) const fn leaks(&self) -> usize {
        self.leaks.len()
    }

    pub(super) fn print(&self) {
        println!("probes={} leaks={}", self.probes, self.leaks.len());
    }

    #[track_caller]
    pub(super) fn assert_no_leaks(&self) {
        let shown: Vec<&str> = self.leaks.iter().take(20).map(String::as_str).collect();
        assert!(self.leaks.is_empty(), "{} leaks, among them:\n{}", self.leaks.len(), shown.join("\n"));
    }
}

async fn rested(client: &Client, path: &str) -> Answer {
    eventually(path, Duration::from_secs(120), || async {
        let answer = client.get(path).await.expect(200);
        let status = answer.json()["status"].clone();
        (status != "pending" && status != "processing").then_some(answer)
    })
    .await
}
