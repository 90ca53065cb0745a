//! WebSocket as every socket here speaks it: how large things are, and what a breach of the protocol is told as.

use axum::extract::ws::WebSocketUpgrade;
use tokio_tungstenite::tungstenite::{self, error::CapacityError};

/// The largest message of a client.
const LARGEST: usize = 64 << 10;
/// Bytes each socket keeps for reading, and gathers before it writes.
const READ_BUFFER: usize = 4 << 10;
const WRITE_BUFFER: usize = 16 << 10;

/// The upgrade to a socket as every one here is.
pub fn configured(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .max_message_size(LARGEST)
        .max_frame_size(LARGEST)
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
}

/// Code and words by which a socket is closed after this error; `None` if nobody is there to hear them.
#[expect(clippy::wildcard_enum_match_arm, reason = "after all others there is nobody to be told")]
pub fn broken(error: axum::Error) -> Option<(u16, String)> {
    let cause = error.into_inner();
    match cause.downcast_ref::<tungstenite::Error>()? {
        tungstenite::Error::Capacity(CapacityError::MessageTooLong { .. }) => {
            Some((1009, "a message has at most 64 KiB".to_owned()))
        }
        tungstenite::Error::Utf8(_) => Some((1007, "a text is not UTF-8".to_owned())),
        tungstenite::Error::Protocol(error) => Some((1002, error.to_string())),
        _ => None,
    }
}
