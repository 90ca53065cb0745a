//! What a text file is wrapped in, one frame at a time.
//!
//! Each frame becomes one whole gzip member or zstd frame; they concatenate to one file. Pure: the same bytes
//! give the same bytes.

use libdeflater::{CompressionLvl, Compressor as Deflate};
use offtake_model::budget::Held;
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
pub(crate) fn compress(compression: Compression, plain: Vec<u8>, held: &mut Held) -> Result<Vec<u8>> {
    let mut wrapped = match compression {
        Compression::None => plain,
        Compression::Gzip => gzip(plain, held)?,
        Compression::Zstd => zstd(plain, held)?,
    };
    wrapped.shrink_to_fit();
    held.grow_to(wrapped.capacity() as u64)?;
    Ok(wrapped)
}

/// The member's header names no time and no file name, so nothing but the bytes decides it.
fn gzip(plain: Vec<u8>, held: &mut Held) -> Result<Vec<u8>> {
    let level = CompressionLvl::new(GZIP_LEVEL).map_err(|_| broken("gzip has no such level"))?;
    let mut deflate = Deflate::new(level);
    let bound = deflate.gzip_compress_bound(plain.len());
    held.grow_to((plain.capacity() + bound) as u64)?;
    let mut wrapped = vec![0; bound];
    let length =
        deflate.gzip_compress(&plain, &mut wrapped).map_err(|error| broken("gzip found no room").caused_by(error))?;
    wrapped.truncate(length);
    Ok(wrapped)
}

/// Carries the size and a checksum of its content.
fn zstd(plain: Vec<u8>, held: &mut Held) -> Result<Vec<u8>> {
    let failed = |error| broken("zstd failed").caused_by(error);
    let mut zstd = Zstd::new(ZSTD_LEVEL).map_err(failed)?;
    zstd.set_parameter(CParameter::ChecksumFlag(true)).map_err(failed)?;
    let bound = zstd::zstd_safe::compress_bound(plain.len());
    held.grow_to((plain.capacity() + bound) as u64)?;
    let mut wrapped = Vec::with_capacity(bound);
    zstd.compress_to_buffer(&plain, &mut wrapped).map_err(failed)?;
    Ok(wrapped)
}

fn broken(what: &str) -> Error {
    Error::new(ErrorKind::Internal, format!("a frame could not be compressed: {what}"))
}
