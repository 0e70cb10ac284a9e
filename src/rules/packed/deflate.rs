//! gzip, and the deflate of zip members.

use super::pump::{Done, Feed, Halt, Poured, Sink, each_stream};
use flate2::bufread::{DeflateDecoder, GzDecoder};
use std::io::{BufRead, Read};

/// Unpacks gzip members, one behind the other; their checksums and lengths are checked by the decoder.
pub fn gzip(feed: &mut Feed<'_>, sink: &mut Sink<'_>) -> Result<Done, Halt> {
    each_stream(feed, sink, &|next| next.starts_with(b"\x1f\x8b"), &mut |feed, sink| match sink
        .pour(&mut GzDecoder::new(&mut *feed))
    {
        Ok(_) => Ok(()),
        Err(Poured::Halt(halt)) => Err(halt),
        Err(Poured::Decoder(error)) => Err(feed.blame(error)),
    })
}

/// What a stretch of raw deflate data unpacks to; reads no byte behind its end.
pub fn inflate<'r>(read: impl BufRead + 'r) -> impl Read + 'r {
    DeflateDecoder::new(read)
}
