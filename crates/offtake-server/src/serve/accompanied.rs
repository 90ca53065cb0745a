//! The body of an answer, with what ends when it does.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

pub(super) struct Accompanied<V> {
    body: Body,
    _visit: V,
}

impl<V> Accompanied<V> {
    pub(super) const fn new(body: Body, visit: V) -> Self {
        Self { body, _visit: visit }
    }
}

impl<V: Unpin> HttpBody for Accompanied<V> {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
