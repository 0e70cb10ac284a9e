//! Zstandard: the only file that names its crate.
//!
//! - A frame may ask for a window of up to 128 MiB, which is what zstd itself takes unasked; that is the memory it costs.

use super::pump::{Done, Feed, Halt, Sink, each_stream};
use super::{UPLOAD, refusal};
use crate::rules::tar::grouped;
use ruzstd::decoding::errors::{FrameDecoderError, FrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io;

/// Bytes decoded before they are handed on.
const STEP: usize = 1 << 20;

/// The largest window that is taken.
const WINDOW_MAX: u64 = 128 << 20;

/// Unpacks frames, one behind the other; skippable ones are passed over.
pub fn frames(feed: &mut Feed<'_>, sink: &mut Sink<'_>) -> Result<Done, Halt> {
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(WINDOW_MAX);
    let begins = |next: &[u8]| next == b"\x28\xb5\x2f\xfd" || is_skippable(next);
    each_stream(feed, sink, &begins, &mut |feed, sink| {
        if is_skippable(feed.peek(4)?) {
            let head = feed.take_bytes(8)?;
            let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
            return feed.skip(u64::from(size));
        }
        frame(&mut decoder, feed, sink)
    })
}

fn is_skippable(next: &[u8]) -> bool {
    next.len() == 4 && next[0] & 0xf0 == 0x50 && next[1..] == *b"\x2a\x4d\x18"
}

fn frame(decoder: &mut FrameDecoder, feed: &mut Feed<'_>, sink: &mut Sink<'_>) -> Result<(), Halt> {
    let from = feed.place();
    decoder.reset(&mut *feed).map_err(|error| {
        let requested = match &error {
            FrameDecoderError::WindowSizeTooBig { requested, .. } => *requested,
            FrameDecoderError::FrameHeaderError(FrameHeaderError::WindowTooBig { got }) => *got,
            other => return feed.blame(io::Error::other(other.to_string())),
        };
        let what = format!(
            "The zstd frame at byte {} needs a window of {} bytes; at most {} are taken.",
            grouped(from),
            grouped(requested),
            grouped(WINDOW_MAX)
        );
        refusal("SER-LIMIT", b"", what, "Compress it without --long and --ultra, or send a plain tar.").into()
    })?;
    let before = sink.written();
    loop {
        if !decoder.is_finished() {
            decoder
                .decode_blocks(&mut *feed, BlockDecodingStrategy::UptoBytes(STEP))
                .map_err(|error| feed.blame(io::Error::other(error.to_string())))?;
        }
        if let Err(error) = decoder.collect_to_writer(&mut *sink) {
            return Err(sink.failed().unwrap_or(Halt::Taker(error)));
        }
        if decoder.is_finished() {
            break;
        }
    }
    let (declared, found) = (decoder.content_size(), sink.written() - before);
    // Zero stands for "not said".
    if declared != 0 && declared != found {
        let what = format!(
            "The zstd frame at byte {} says it holds {} bytes; {} came out of it.",
            grouped(from),
            grouped(declared),
            grouped(found)
        );
        return Err(refusal("SER-HEADER-DAMAGED", b"", what, UPLOAD).into());
    }
    if decoder.get_checksum_from_data().is_some_and(|sum| Some(sum) != decoder.get_calculated_checksum()) {
        let what = format!("The zstd frame at byte {} is damaged: its checksum is wrong.", grouped(from));
        return Err(refusal("SER-HEADER-DAMAGED", b"", what, UPLOAD).into());
    }
    Ok(())
}

/// Compresses, for tests.
#[cfg(test)]
pub fn compress(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}
