//! Stands between a client and the primary: counts updates, and loses what it is told to lose.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What becomes of updates. Questions always pass.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Lose {
    Nothing,
    Requests,
    Replies,
}

/// A DNS message carries its kind in four bits of its third byte, which over TCP is the fifth: 5 for an update.
const UPDATE: u8 = 5;

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    updates: Arc<AtomicUsize>,
    lose: Arc<AtomicU8>,
}

impl Proxy {
    pub(crate) async fn start(primary: SocketAddr) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((primary.ip(), 0)).await?;
        let address = listener.local_addr()?;
        let updates = Arc::new(AtomicUsize::new(0));
        let lose = Arc::new(AtomicU8::new(Lose::Nothing as u8));
        let (counted, losing) = (updates.clone(), lose.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (counted, losing) = (counted.clone(), losing.clone());
                // A connection that ends with an error is one that its client gave up, or that was to be lost.
                tokio::spawn(async move { pass(client, primary, &counted, &losing).await.ok() });
            }
        });
        Ok(Self { address, updates, lose })
    }

    pub(crate) fn lose(&self, what: Lose) {
        self.lose.store(what as u8, Ordering::SeqCst);
    }

    /// Updates that came in since the last call.
    pub(crate) fn updates(&self) -> usize {
        self.updates.swap(0, Ordering::SeqCst)
    }
}

async fn pass(
    mut client: TcpStream,
    primary: SocketAddr,
    updates: &AtomicUsize,
    lose: &AtomicU8,
) -> anyhow::Result<()> {
    let mut server = TcpStream::connect(primary).await?;
    loop {
        let request = frame(&mut client).await?;
        let mut losing = Lose::Nothing as u8;
        if request.get(4).is_some_and(|byte| byte >> 3 & 0xf == UPDATE) {
            updates.fetch_add(1, Ordering::SeqCst);
            losing = lose.load(Ordering::SeqCst);
        }
        if losing == Lose::Requests as u8 {
            return Ok(());
        }
        server.write_all(&request).await?;
        let reply = frame(&mut server).await?;
        if losing == Lose::Replies as u8 {
            return Ok(());
        }
        client.write_all(&reply).await?;
    }
}

/// One message with its two bytes of length.
async fn frame(stream: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    let length = stream.read_u16().await?;
    let mut frame = vec![0; usize::from(length) + 2];
    frame[..2].copy_from_slice(&length.to_be_bytes());
    stream.read_exact(&mut frame[2..]).await?;
    Ok(frame)
}
