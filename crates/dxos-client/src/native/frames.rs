//! Frames of the services protocol on a byte stream: length (4 bytes, little-endian), then the frame.

use std::io;

use dxos_base::limits::SERVICE_FRAME_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::CHANNEL_FRAMES_MAX;

/// The next frame; `None` at the end of the stream.
async fn read_frame(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match stream.read_exact(&mut length).await {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > SERVICE_FRAME_BYTES_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "a frame over the limit",
        ));
    }
    // Grows with what arrives, not with what is announced.
    let mut frame = Vec::new();
    stream.take(length as u64).read_to_end(&mut frame).await?;
    Ok((frame.len() == length).then_some(frame))
}

async fn write_frame(stream: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_le_bytes()).await?;
    stream.write_all(frame).await?;
    stream.flush().await
}

/// Turns a stream into two queues; both end when the stream does, or when its user drops one.
pub(super) fn queues<S>(stream: S) -> (mpsc::Sender<Vec<u8>>, mpsc::Receiver<Vec<u8>>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut reader, mut writer) = tokio::io::split(stream);
    let (send, mut outgoing) = mpsc::channel::<Vec<u8>>(CHANNEL_FRAMES_MAX);
    let (incoming, receive) = mpsc::channel(CHANNEL_FRAMES_MAX);
    tokio::spawn(async move {
        while let Some(frame) = outgoing.recv().await {
            if let Err(error) = write_frame(&mut writer, &frame).await {
                tracing::debug!(%error, "native.socket_write");
                return;
            }
        }
        // The other side may be gone already.
        let _ = writer.shutdown().await;
    });
    tokio::spawn(async move {
        loop {
            match read_frame(&mut reader).await {
                Ok(Some(frame)) => {
                    if incoming.send(frame).await.is_err() {
                        return;
                    }
                }
                Ok(None) => return,
                Err(error) => {
                    tracing::debug!(%error, "native.socket_read");
                    return;
                }
            }
        }
    });
    (send, receive)
}
