//! A look at a body before it is decoded: how much memory its elements would take.
//!
//! An empty element costs two or three bytes on the wire and up to some hundred in memory. A body that is made of such would
//! grow a hundredfold; a genuine one grows two- or threefold.

use offtake_model::{Error, ErrorKind, Result};
use opentelemetry_proto::tonic::common::v1::{AnyValue, EntityRef, KeyValue};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, span};

/// Memory per byte of the body that is more than any genuine request needs.
const GROWTH: usize = 24;

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
    repeated::<ResourceSpans>(body, 1, resource_spans)
}

fn resource_spans(body: &[u8]) -> usize {
    single(body, 1, resource) + repeated::<ScopeSpans>(body, 2, scope_spans)
}

fn resource(body: &[u8]) -> usize {
    attributes(body, 1) + repeated::<EntityRef>(body, 3, entity_ref)
}

fn entity_ref(body: &[u8]) -> usize {
    repeated::<String>(body, 3, |_| 0) + repeated::<String>(body, 4, |_| 0)
}

fn scope_spans(body: &[u8]) -> usize {
    single(body, 1, |scope| attributes(scope, 3)) + repeated::<Span>(body, 2, span)
}

fn span(body: &[u8]) -> usize {
    attributes(body, 9)
        + repeated::<span::Event>(body, 11, |event| attributes(event, 3))
        + repeated::<span::Link>(body, 13, |link| attributes(link, 4))
}

fn attributes(body: &[u8], field: u32) -> usize {
    repeated::<KeyValue>(body, field, |attribute| value_of(attribute, NESTING))
}

/// More than the decoder follows, so what is left unweighed is refused by it.
const NESTING: u8 = 100;

/// The values within a `KeyValue`.
fn value_of(body: &[u8], nesting: u8) -> usize {
    single(body, 2, |value| any_value(value, nesting))
}

fn any_value(body: &[u8], nesting: u8) -> usize {
    let Some(nesting) = nesting.checked_sub(1) else { return 0 };
    single(body, 5, |array| repeated::<AnyValue>(array, 1, |value| any_value(value, nesting)))
        + single(body, 6, |list| repeated::<KeyValue>(list, 1, |pair| value_of(pair, nesting)))
}

/// What is in a field that is there once; where it is sent again, the decoder adds to it.
fn single(body: &[u8], field: u32, within: impl Fn(&[u8]) -> usize) -> usize {
    Fields(body).filter(|(at, _)| *at == field).map(|(_, body)| within(body)).sum()
}

/// A field of any number of `T`, which come to lie in a vector: of four at least, and twice as many each time it is full.
fn repeated<T>(body: &[u8], field: u32, within: impl Fn(&[u8]) -> usize) -> usize {
    let elements = Fields(body).filter(|(at, _)| *at == field);
    let (count, weight) = elements.fold((0_usize, 0), |(count, weight), (_, body)| (count + 1, weight + within(body)));
    let room = if count == 0 { 0 } else { count.next_power_of_two().max(4) };
    room * size_of::<T>() + weight
}

/// The length-delimited fields of a message: number and body. Ends where the message is not well-formed. Groups are
/// passed over with all that is in them, as the decoder does: no field of ours is one.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u32, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut groups: usize = 0;
        loop {
            let tag = self.varint()?;
            let skip = match tag & 7 {
                0 => self.varint().map(|_| 0)?,
                1 => 8,
                5 => 4,
                3 => {
                    groups += 1;
                    0
                }
                4 => {
                    groups = groups.checked_sub(1)?;
                    0
                }
                2 => {
                    let length = usize::try_from(self.varint()?).ok()?;
                    let (body, rest) = self.0.split_at_checked(length)?;
                    self.0 = rest;
                    if groups > 0 {
                        continue;
                    }
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
