//! A look at a body before it is decoded: how much memory its elements would take.
//!
//! An empty element costs two or three bytes on the wire and up to some hundred in memory. A body that is made of such would
//! grow a hundredfold; a genuine one grows two- or threefold.

use offtake_model::{Error, ErrorKind, Result};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, span};

/// Memory per byte of the body that is more than any genuine request needs.
const GROWTH: usize = 16;

/// Memory that is granted to any body.
const GRANTED: usize = 1 << 20;

/// What an object of a JSON body is taken to weigh: between an attribute and a span.
const OBJECT: usize = 160;

/// Refuses a protobuf body whose elements would take many times its size. Whatever is not well-formed is left to the
/// decoder.
pub(super) fn check_protobuf(body: &[u8]) -> Result<()> {
    check(body, request(body))
}

/// The same for JSON.
pub(super) fn check_json(body: &[u8]) -> Result<()> {
    let (mut objects, mut rest) = (0, body.iter());
    while let Some(byte) = rest.next() {
        match byte {
            b'{' => objects += 1,
            b'"' => {
                while let Some(byte) = rest.next()
                    && *byte != b'"'
                {
                    if *byte == b'\\' {
                        rest.next();
                    }
                }
            }
            _ => {}
        }
    }
    check(body, objects * OBJECT)
}

fn check(body: &[u8], weight: usize) -> Result<()> {
    if weight <= GRANTED + body.len() * GROWTH {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Malformed,
        "the body is made of empty elements and would take many times its size in memory; send what is genuine",
    ))
}

fn request(body: &[u8]) -> usize {
    Fields(body)
        .filter(|(field, _)| *field == 1)
        .map(|(_, body)| size_of::<ResourceSpans>() + resource_spans(body))
        .sum()
}

fn resource_spans(body: &[u8]) -> usize {
    let weight = |(field, body)| match field {
        1 => attributes(body, 1),
        2 => size_of::<ScopeSpans>() + scope_spans(body),
        _ => 0,
    };
    Fields(body).map(weight).sum()
}

fn scope_spans(body: &[u8]) -> usize {
    let weight = |(field, body)| match field {
        1 => attributes(body, 3),
        2 => size_of::<Span>() + span(body),
        _ => 0,
    };
    Fields(body).map(weight).sum()
}

fn span(body: &[u8]) -> usize {
    let weight = |(field, body)| match field {
        9 => size_of::<KeyValue>() + value_of(body, NESTING),
        11 => size_of::<span::Event>() + attributes(body, 3),
        13 => size_of::<span::Link>() + attributes(body, 4),
        _ => 0,
    };
    Fields(body).map(weight).sum()
}

/// The attributes in `field` of a message.
fn attributes(body: &[u8], field: u32) -> usize {
    Fields(body).filter(|(at, _)| *at == field).map(|(_, body)| size_of::<KeyValue>() + value_of(body, NESTING)).sum()
}

/// More than the decoder follows, so what is left unweighed is refused by it.
const NESTING: u8 = 100;

/// The values within a `KeyValue`.
fn value_of(body: &[u8], nesting: u8) -> usize {
    Fields(body).filter(|(field, _)| *field == 2).map(|(_, body)| any_value(body, nesting)).sum()
}

fn any_value(body: &[u8], nesting: u8) -> usize {
    let Some(nesting) = nesting.checked_sub(1) else { return 0 };
    let elements = |(field, list)| -> usize {
        match field {
            5 => Fields(list).map(|(_, value)| size_of::<AnyValue>() + any_value(value, nesting)).sum(),
            6 => Fields(list).map(|(_, pair)| size_of::<KeyValue>() + value_of(pair, nesting)).sum(),
            _ => 0,
        }
    };
    Fields(body).map(elements).sum()
}

/// The length-delimited fields of a message: number and body. Ends where the message is not well-formed.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let tag = self.varint()?;
            let skip = match tag & 7 {
                0 => self.varint().map(|_| 0)?,
                1 => 8,
                5 => 4,
                2 => {
                    let length = usize::try_from(self.varint()?).ok()?;
                    let (body, rest) = self.0.split_at_checked(length)?;
                    self.0 = rest;
                    return Some((u32::try_from(tag >> 3).ok()?, body));
                }
                _ => return None,
            };
            self.0 = self.0.get(skip..)?;
        }
    }
}

impl Fields<'_> {
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..70).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}
