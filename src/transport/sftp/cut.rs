//! A stream that can be cut from outside: after the cut, whoever waits on it gets an error at once. Without it
//! a writer that waits for the peer's window is woken by nothing, not even by the end of the connection
//! (russh-sftp 3.0), and its task, its socket and its queue stay behind. Start with [`Cuttable`].

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::task_tracker::TaskTrackerToken;

/// A stream that ends when its token is cancelled, and that cancels the token when it ends: by the peer, by
/// an error, or because its owner (which may have panicked) dropped it.
pub(super) struct Cuttable<S> {
    inner: S,
    cut: CancellationToken,
    // Two, because the halves of a split stream are polled by different tasks, and each must be woken.
    reader_cut: Pin<Box<WaitForCancellationFutureOwned>>,
    writer_cut: Pin<Box<WaitForCancellationFutureOwned>>,
    after_cut: Leftover,
    _alive: TaskTrackerToken,
}

/// What a reader gets of the bytes that are already here when the stream is cut.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Leftover {
    /// Nothing. For a socket, whose peer could go on sending for ever.
    Dropped,
    /// All. For a channel, whose buffer is bounded: an answer that has arrived shall not be lost.
    Read,
}

impl<S> Cuttable<S> {
    /// `alive` is held until the stream is dropped.
    pub(super) fn new(inner: S, cut: &CancellationToken, after_cut: Leftover, alive: TaskTrackerToken) -> Self {
        Self {
            inner,
            cut: cut.clone(),
            reader_cut: Box::pin(cut.clone().cancelled_owned()),
            writer_cut: Box::pin(cut.clone().cancelled_owned()),
            after_cut,
            _alive: alive,
        }
    }
}

impl<S> Drop for Cuttable<S> {
    fn drop(&mut self) {
        self.cut.cancel();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Cuttable<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.after_cut == Leftover::Dropped && this.reader_cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(aborted()));
        }
        let before = buffer.filled().len();
        match Pin::new(&mut this.inner).poll_read(cx, buffer) {
            Poll::Pending if this.reader_cut.as_mut().poll(cx).is_ready() => Poll::Ready(Err(aborted())),
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(())) if buffer.filled().len() > before || buffer.remaining() == 0 => Poll::Ready(Ok(())),
            end => {
                this.cut.cancel();
                end
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Cuttable<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.writer_cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(aborted()));
        }
        let written = Pin::new(&mut this.inner).poll_write(cx, bytes);
        if matches!(written, Poll::Ready(Err(_))) {
            this.cut.cancel();
        }
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.writer_cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(aborted()));
        }
        Pin::new(&mut this.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.writer_cut.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(aborted()));
        }
        Pin::new(&mut this.inner).poll_shutdown(cx)
    }
}

fn aborted() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "the session was cut")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_util::task::TaskTracker;

    use super::*;

    fn cuttable<S>(stream: S, after_cut: Leftover) -> (Cuttable<S>, CancellationToken) {
        let cut = CancellationToken::new();
        (Cuttable::new(stream, &cut, after_cut, TaskTracker::new().token()), cut)
    }

    #[tokio::test]
    async fn a_cut_wakes_a_reader_and_a_writer_that_are_stuck() {
        let (near, _far) = tokio::io::duplex(4);
        let (stream, cut) = cuttable(near, Leftover::Dropped);
        let (mut reader, mut writer) = tokio::io::split(stream);
        let reading = tokio::spawn(async move { reader.read_u8().await });
        let writing = tokio::spawn(async move { writer.write_all(b"more than four bytes").await });

        tokio::task::yield_now().await;
        cut.cancel();

        let both = async { (reading.await.unwrap().map(drop), writing.await.unwrap()) };
        let (read, written) = tokio::time::timeout(Duration::from_secs(10), both).await.expect("nobody is stuck");
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn an_answer_that_has_arrived_is_read_after_the_cut_only_where_asked_for() {
        for (after_cut, expected) in [(Leftover::Read, Some(b'x')), (Leftover::Dropped, None)] {
            let (near, mut far) = tokio::io::duplex(4);
            let (mut stream, cut) = cuttable(near, after_cut);
            far.write_all(b"x").await.unwrap();

            cut.cancel();

            assert_eq!(stream.read_u8().await.ok(), expected);
            assert!(stream.read_u8().await.is_err());
        }
    }

    #[tokio::test]
    async fn the_peers_end_and_a_dropped_stream_cut_everything_else() {
        let (near, far) = tokio::io::duplex(4);
        let (mut stream, cut) = cuttable(near, Leftover::Read);
        drop(far);
        assert!(stream.read_u8().await.is_err());
        assert!(cut.is_cancelled());

        let (stream, cut) = cuttable(tokio::io::empty(), Leftover::Read);
        drop(stream);
        assert!(cut.is_cancelled());
    }
}
