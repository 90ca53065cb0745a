//! Bodies that were compressed on their way.

use std::io::Read;

use bytes::Bytes;
use offtake_model::{Error, ErrorKind, Result};

/// 8 MiB: what every zstd encoder may use without asking (RFC 8878), and what a decoder here may hold.
const ZSTD_WINDOW_LOG: u32 = 23;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Gzip,
    Deflate,
    Zstd,
}

impl Packing {
    /// The packing of this name, in the one case or the other.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "identity" => Some(Self::None),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "deflate" => Some(Self::Deflate),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Unpacks a body into at most `most` bytes, whatever it claims.
///
/// # Errors
/// `malformed`, `too_large`.
pub(super) fn unpack(body: &Bytes, packing: Packing, most: usize) -> Result<Bytes> {
    let broken = |error: std::io::Error| {
        Error::new(ErrorKind::Malformed, "the body is not what its encoding says").caused_by(error)
    };
    let packed = body.as_ref();
    let reader: Box<dyn Read + '_> = match packing {
        Packing::None => return if body.len() > most { Err(too_large(most)) } else { Ok(body.clone()) },
        Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(packed)),
        Packing::Deflate => Box::new(flate2::read::ZlibDecoder::new(packed)),
        Packing::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::new(packed).map_err(broken)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG).map_err(broken)?;
            Box::new(decoder)
        }
    };
    let mut plain = Vec::with_capacity(packed.len().saturating_mul(4).min(most));
    reader.take(most as u64 + 1).read_to_end(&mut plain).map_err(broken)?;
    if plain.len() > most { Err(too_large(most)) } else { Ok(plain.into()) }
}

fn too_large(most: usize) -> Error {
    Error::new(ErrorKind::TooLarge, format!("decompressed, a body here has at most {most} bytes"))
}
