//! What a text file is wrapped in, one frame at a time.
//!
//! Each frame becomes one whole gzip member or zstd frame; they concatenate to one file. Pure: the same bytes
//! give the same bytes.

use libdeflater::{CompressionLvl, Compressor as Deflate};
use offtake_model::budget::{Held, MemoryBudget};
use offtake_model::buffer::Buffer;
use offtake_model::format::Compression;
use offtake_model::{Error, ErrorKind, Result};
use zstd::bulk::Compressor as Zstd;
use zstd::zstd_safe::CParameter;

/// What `gzip` itself uses.
const GZIP_LEVEL: i32 = 6;
/// What `zstd` itself uses.
const ZSTD_LEVEL: i32 = 3;

/// Wraps a frame. `held` covers `plain` and covers what is returned afterwards.
///
/// # Errors
/// `memory_limit` if plain and wrapped bytes do not fit into the budget together.
pub(crate) fn compress(
    compression: Compression,
    plain: Buffer,
    held: &mut Held,
    budget: &MemoryBudget,
) -> Result<Buffer> {
    let bound = match compression {
        Compression::None => return Ok(plain),
        Compression::Gzip => deflate()?.gzip_compress_bound(plain.len()),
        Compression::Zstd => zstd::zstd_safe::compress_bound(plain.len()),
    };
    let mut room = budget.buffer(bound);
    held.grow_to((plain.capacity() + room.capacity()) as u64)?;
    match compression {
        Compression::None => {}
        Compression::Gzip => gzip(&plain, &mut room, bound)?,
        Compression::Zstd => zstd(&plain, &mut room)?,
    }
    drop(plain);
    // It waits for its turn in no more than it needs.
    let mut wrapped = budget.buffer(room.len());
    wrapped.extend_from_slice(&room);
    drop(room);
    held.grow_to(wrapped.capacity() as u64)?;
    Ok(wrapped)
}

fn deflate() -> Result<Deflate> {
    CompressionLvl::new(GZIP_LEVEL).map(Deflate::new).map_err(|_| broken("gzip has no such level"))
}

/// The member's header names no time and no file name, so nothing but the bytes decides it.
fn gzip(plain: &[u8], wrapped: &mut Vec<u8>, bound: usize) -> Result<()> {
    wrapped.resize(bound, 0);
    let length =
        deflate()?.gzip_compress(plain, wrapped).map_err(|error| broken("gzip found no room").caused_by(error))?;
    wrapped.truncate(length);
    Ok(())
}

/// Carries the size and a checksum of its content.
fn zstd(plain: &[u8], wrapped: &mut Vec<u8>) -> Result<()> {
    let failed = |error| broken("zstd failed").caused_by(error);
    let mut zstd = Zstd::new(ZSTD_LEVEL).map_err(failed)?;
    zstd.set_parameter(CParameter::ChecksumFlag(true)).map_err(failed)?;
    zstd.compress_to_buffer(plain, wrapped).map_err(failed)?;
    Ok(())
}

fn broken(what: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("a frame could not be compressed: {what}"))
}
