//! What a connection leaves behind: nothing of what it read.
//!
//! What it is not: a look into freed memory; `tests/memory.rs` takes an image of the process.
//!
//! What surprises: hyper is not here. Its room is a buffer of this test.

use std::future::poll_fn;

use hyper::rt::ReadBuf as Room;
use tokio::io::AsyncWriteExt as _;

use super::*;

#[test]
fn the_whole_buffer_is_overwritten_once_nobody_holds_a_part_of_it() {
    for parsed in [0, 1, 700, 900] {
        let mut buffer = BytesMut::with_capacity(1_000);
        buffer.extend_from_slice(&[7; 900]);
        let request = buffer.split_to(parsed).freeze();
        let held = request.clone();
        drop(request);
        let rest = buffer.freeze();
        assert_eq!(parsed == 0, blank(rest.clone()).is_none() && held.is_empty(), "{parsed}");
        drop(held);
        let blanked = blank(rest).unwrap();
        assert_eq!(blanked.len(), 1_000, "{parsed}");
        assert!(blanked.iter().all(|byte| *byte == 0), "{parsed}");
    }
    assert_eq!(blank(Bytes::new()).map(|buffer| buffer.len()), None);
}

/// A socket, and the other end of it.
async fn sockets() -> (Watched, TcpStream) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let watch = Rc::new(Watch::new(&Rc::new(Cell::new(0)), true));
    let (stream, _) = listener.accept().await.unwrap();
    (Watched::new(stream, watch, Rc::new(Landing::new())), other)
}

/// What one read leaves in a room that was full of sevens, and how many bytes hyper takes of it.
async fn read(watched: &mut Watched) -> (Option<usize>, Vec<u8>) {
    let mut room = [7; 64];
    let mut filled = Room::new(&mut room);
    let polled = poll_fn(|context| {
        Poll::Ready(Pin::new(&mut *watched).poll_read(context, filled.unfilled()))
    });
    let taken = polled.await.is_ready().then(|| filled.filled().len());
    (taken, room.to_vec())
}

/// A request was answered, and the answer taken.
fn answered(watched: &Watched) {
    watched.watch.begin();
    watched.watch.end();
    watched.watch.was_written();
}

#[tokio::test]
async fn what_was_read_is_overwritten_while_it_waits_for_the_next() {
    let (mut watched, mut other) = sockets().await;
    assert_eq!(read(&mut watched).await, (None, vec![7; 64]), "nothing was read yet");
    for length in [5, 40, 64] {
        other.write_all(&vec![1; length]).await.unwrap();
        watched.io.inner().readable().await.unwrap();
        let mut of_read = vec![1; length];
        of_read.resize(64, 7);
        assert_eq!(read(&mut watched).await, (Some(length), of_read));
        assert!(watched.landing.0.borrow().iter().all(|byte| *byte == 0));
        answered(&watched);
        let mut after = vec![0; length];
        after.resize(64, 7);
        assert_eq!(read(&mut watched).await, (None, after));
        assert_eq!(read(&mut watched).await, (None, vec![7; 64]), "once is enough");
    }
}

#[tokio::test]
async fn what_was_read_in_pieces_is_overwritten_as_a_whole() {
    let (mut watched, mut other) = sockets().await;
    answered(&watched);
    for _ in 0..2 {
        other.write_all(&[1; 20]).await.unwrap();
        watched.io.inner().readable().await.unwrap();
        assert_eq!(read(&mut watched).await.0, Some(20));
        assert_eq!(read(&mut watched).await, (None, vec![7; 64]), "it is not whole yet");
    }
    answered(&watched);
    let (taken, after) = read(&mut watched).await;
    assert_eq!((taken, &after[..40], after[40]), (None, &[0; 40][..], 7));
}
