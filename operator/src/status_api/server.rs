//! A listener whose every resource has a bound: connections, headers, time to send them, life of a connection.

use std::{io, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Connections at once; the next ones wait in the kernel's queue. Each may hold a rendering of the largest view, a
/// few hundred kilobytes, so that all of them stay below what one replica may use.
pub const CONNECTIONS_MAX: usize = 128;
/// Time for a client to send a request's headers.
const HEADERS_MAX: Duration = Duration::from_secs(5);
/// Longest life of a connection: a reader that takes its time does not keep its place for ever.
const CONNECTION_MAX: Duration = Duration::from_mins(1);
/// After that, or at the end of the process, how long an answer under way may still take.
const LAST_ANSWER_MAX: Duration = Duration::from_secs(5);
/// Bytes of a request's head. The longest path has some eighty.
const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEADERS_COUNT_MAX: usize = 64;
/// Pause after an accept that failed, as when file descriptors have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why the server ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Nobody can connect any more.
    #[error("the status API accepts no connection any more: {0}")]
    Closed(#[from] tokio::sync::AcquireError),
}

/// Serves `router` until `stop`, then lets answers under way end.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> Result<(), ServeError> {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let connections = TaskTracker::new();
    loop {
        let place = places.clone().acquire_owned().await?;
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                let (router, stop) = (router.clone(), stop.clone());
                connections.spawn(async move {
                    connection(stream, router, stop).await;
                    drop(place);
                });
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "the status API could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    connections.close();
    connections.wait().await;
    Ok(())
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn connection(stream: TcpStream, router: Router, stop: CancellationToken) {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_MAX)
        .max_headers(HEADERS_COUNT_MAX)
        .max_buf_size(HEAD_BYTES_MAX);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router)));
    let end = async {
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(CONNECTION_MAX) => {}
        }
    };
    // How a connection ends is the client's matter: nothing is lost on our side.
    tokio::select! {
        _ = serving.as_mut() => return,
        () = end => serving.as_mut().graceful_shutdown(),
    }
    let _ = tokio::time::timeout(LAST_ANSWER_MAX, serving).await;
}
