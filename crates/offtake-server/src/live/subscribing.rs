//! What one socket asked for, and what becomes of it.

use std::sync::Arc;

use offtake_model::event::{EventType, Stream};
use offtake_model::sensitive::Sight;
use offtake_model::{Error, ErrorKind, Result};

use super::filter::Filter;
use super::hub::{Numbers, Subscriber, Subscription};
use super::message::{self, After, Asked};
use super::replay;
use super::right::May;
use crate::state::App;

/// Subscriptions of one socket at once.
const MOST: usize = 100;

/// The subscriptions of a socket. They end with it.
#[derive(Debug)]
pub(super) struct Subscriptions {
    app: App,
    may: May,
    subscriber: Arc<Subscriber>,
    open: Vec<(Arc<Subscription>, Vec<EventType>)>,
}

impl Subscriptions {
    pub(super) const fn of(app: App, may: May, subscriber: Arc<Subscriber>) -> Self {
        Self { app, may, subscriber, open: Vec::new() }
    }

    /// Does what a message asks for, and answers.
    pub(super) async fn hear(&mut self, text: &str) {
        let answered = match message::read(text) {
            Ok(Asked::Ping) => {
                self.subscriber.queue.answer(message::pong()).await;
                Ok(())
            }
            Ok(Asked::Subscribe { events, filter, after }) => self.subscribe(events, filter, after).await,
            Ok(Asked::Unsubscribe { events }) => {
                self.unsubscribe(&events);
                self.subscriber.queue.answer(message::unsubscribed(&events)).await;
                Ok(())
            }
            Err(error) => Err(error),
        };
        if let Err(error) = answered {
            self.refuse(&error).await;
        }
    }

    /// Tells of an error. The socket stays open.
    pub(super) async fn refuse(&self, error: &Error) {
        if !error.kind().is_clients() {
            tracing::warn!(%error, cause = ?error, "a message on a live socket could not be answered");
        }
        self.subscriber.queue.answer(message::error(error)).await;
    }

    async fn subscribe(&mut self, kinds: Vec<EventType>, filter: Filter, after: After) -> Result<()> {
        self.check(&kinds, &filter)?;
        let id = self.app.live.hub.next_id();
        // Read before it is answered: whatever is committed after the answer comes behind these numbers.
        let mut from = self.newest(&kinds).await?;
        let mut at = after.within(from);
        self.subscriber.queue.answer(message::subscribed(&kinds, &format!("sub_{id}"), at)).await;
        loop {
            let subscriber = Arc::clone(&self.subscriber);
            let subscription = Arc::new(Subscription { id, subscriber, filter: filter.clone(), from });
            self.replay(&subscription, &kinds, at).await?;
            // Others may have been told of more meanwhile: then it reads on first.
            if self.app.live.hub.add(&subscription, &kinds) {
                self.open.push((subscription, kinds));
                self.app.live.hub.metrics.subscriptions.inc();
                return Ok(());
            }
            (at, from) = (from, self.newest(&kinds).await?);
        }
    }

    /// Tells a subscription what happened after these numbers, up to those it begins at.
    async fn replay(&self, subscription: &Subscription, kinds: &[EventType], at: Numbers) -> Result<()> {
        let from = subscription.from;
        if let Some(traces) = &self.app.live.traces
            && at.traces < from.traces
        {
            replay::traces(&self.app.live.hub, traces, subscription, kinds, at.traces, from.traces).await?;
        }
        if at.organization < from.organization {
            let events = self.app.store.events.as_ref();
            let hub = &self.app.live.hub;
            replay::organization(hub, events, subscription, kinds, at.organization, from.organization).await?;
        }
        Ok(())
    }

    /// That whoever asks may be told of these.
    fn check(&self, kinds: &[EventType], filter: &Filter) -> Result<()> {
        if let Some(kind) = kinds.iter().find(|kind| !self.may.be_told(**kind)) {
            let detail = format!("{}: the permission {} is needed", kind.name(), kind.permission());
            return Err(Error::new(ErrorKind::Forbidden, detail));
        }
        let veil = &self.app.live.hub.veil;
        if self.may.sight == Sight::Veiled
            && let Some(name) = filter.names().find(|name| veil.covers(name))
        {
            return Err(Error::new(ErrorKind::Forbidden, Sight::refusal(&format!("the filter looks at {name}"))));
        }
        if kinds.iter().any(|kind| kind.stream() == Stream::Traces) && self.app.live.traces.is_none() {
            return Err(Error::new(ErrorKind::NotFound, "this installation does not take in spans"));
        }
        if self.open.len() >= MOST {
            let detail = format!("this socket has {MOST} subscriptions, as many as it may; unsubscribe first");
            return Err(Error::new(ErrorKind::TooManyRequests, detail));
        }
        Ok(())
    }

    /// The newest numbers of the streams of these.
    async fn newest(&self, kinds: &[EventType]) -> Result<Numbers> {
        let mut numbers = Numbers::default();
        if let Some(traces) = &self.app.live.traces
            && kinds.iter().any(|kind| kind.stream() == Stream::Traces)
        {
            numbers.traces = traces.newest().await?;
        }
        if kinds.iter().any(|kind| kind.stream() == Stream::Organization) {
            let newest = self.app.store.events.newest(std::slice::from_ref(&self.subscriber.org)).await?;
            numbers.organization = newest.first().map_or(0, |(_, newest)| *newest);
        }
        Ok(numbers)
    }

    fn unsubscribe(&mut self, kinds: &[EventType]) {
        for (subscription, open) in &mut self.open {
            let ended: Vec<EventType> = open.extract_if(.., |kind| kinds.contains(kind)).collect();
            self.app.live.hub.remove(subscription, &ended);
        }
        let subscriptions = &self.app.live.hub.metrics.subscriptions;
        self.open.retain(|(_, open)| {
            let stays = !open.is_empty();
            if !stays {
                subscriptions.dec();
            }
            stays
        });
    }
}

impl Drop for Subscriptions {
    fn drop(&mut self) {
        for (subscription, kinds) in &self.open {
            self.app.live.hub.remove(subscription, kinds);
            self.app.live.hub.metrics.subscriptions.dec();
        }
    }
}
