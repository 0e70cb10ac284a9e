//! bzip2: the only file that names its crate.

use super::pump::{Done, Feed, Halt, Poured, Sink, each_stream};
use bzip2::bufread::BzDecoder;

/// Unpacks bzip2 streams, one behind the other; their checksums are checked by the decoder.
pub fn streams(feed: &mut Feed<'_>, sink: &mut Sink<'_>) -> Result<Done, Halt> {
    each_stream(feed, sink, &|next| next.starts_with(b"BZh"), &mut |feed, sink| match sink
        .pour(&mut BzDecoder::new(&mut *feed))
    {
        Ok(_) => Ok(()),
        Err(Poured::Halt(halt)) => Err(halt),
        Err(Poured::Decoder(error)) => Err(feed.blame(error)),
    })
}

/// Compresses, for tests.
#[cfg(test)]
pub fn compress(bytes: &[u8]) -> Vec<u8> {
    use std::io::Read;
    let mut out = Vec::new();
    bzip2::read::BzEncoder::new(bytes, bzip2::Compression::fast())
        .read_to_end(&mut out)
        .expect("it is memory");
    out
}
