//! The server of one stamp: a listener that comes and goes, and connections that can be reset.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, sync::atomic::Ordering, time::Duration};

use http::{Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};

use super::{Behaviour, Counters, HEALTH_PATH, STAMP_HEADER};

/// The address of a listener that has just closed is free at once; anything else is retried at this pace.
const LISTEN_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// What every connection of a stamp shares.
#[derive(Clone)]
pub(super) struct Service {
    pub(super) name: Arc<str>,
    pub(super) counters: Arc<Counters>,
    pub(super) behaviour: watch::Receiver<Behaviour>,
}

/// Listens as the behaviour asks, until the stamp is dropped; `done` says which behaviour is in force.
pub(super) async fn run(mut service: Service, first: TcpListener, done: watch::Sender<Behaviour>) {
    let Ok(address) = first.local_addr() else { return };
    let mut listener = Some(first);
    loop {
        let wanted = *service.behaviour.borrow_and_update();
        listener = match listener {
            _ if !wanted.listens() => None,
            Some(open) => Some(open),
            None => Some(listen(address).await),
        };
        done.send_if_modified(|now| std::mem::replace(now, wanted) != wanted);
        tokio::select! {
            changed = service.behaviour.changed() => if changed.is_err() { return },
            stream = accept(listener.as_ref()) => {
                tokio::spawn(connection(service.clone(), stream));
            }
        }
    }
}

async fn listen(address: SocketAddr) -> TcpListener {
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return listener,
            Err(error) => tracing::warn!(%address, %error, "cannot listen yet"),
        }
        sleep(LISTEN_AGAIN_AFTER).await;
    }
}

/// The next connection; never, without a listener.
async fn accept(listener: Option<&TcpListener>) -> TcpStream {
    let Some(listener) = listener else { return std::future::pending().await };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            // The client was gone before we took it.
            Err(error) => tracing::debug!(%error, "accept"),
        }
    }
}

async fn connection(service: Service, stream: TcpStream) {
    let mut behaviour = service.behaviour.clone();
    let handler = service_fn(move |request| answer(service.clone(), request));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), handler);
    let killed = tokio::select! {
        // How a client leaves is its own affair.
        _ = &mut connection => false,
        // An error means that the stamp itself was dropped, which ends its connections likewise.
        _ = behaviour.wait_for(|now| *now == Behaviour::Dead) => true,
    };
    if killed {
        // Closing without lingering sends a reset instead of a polite end.
        if let Err(error) = connection.into_parts().io.into_inner().set_zero_linger() {
            tracing::debug!(%error, "reset");
        }
    }
}

async fn answer(service: Service, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let health = request.uri().path() == HEALTH_PATH;
    let counter = if health { &service.counters.health } else { &service.counters.other };
    counter.fetch_add(1, Ordering::Relaxed);

    let behaviour = *service.behaviour.borrow();
    let response = match behaviour {
        Behaviour::Healthy | Behaviour::Refuse => good(&service.name, &request, health),
        Behaviour::Slow(delay) => {
            sleep(delay).await;
            good(&service.name, &request, health)
        }
        // Dead connections are being reset by their own task.
        Behaviour::Hang | Behaviour::Dead => std::future::pending().await,
        Behaviour::Error500 => plain(StatusCode::INTERNAL_SERVER_ERROR, "error\n"),
        Behaviour::WrongBody => plain(StatusCode::OK, "this is another service\n"),
    };
    Ok(named(response, &service.name))
}

fn good(stamp: &str, request: &Request<Incoming>, health: bool) -> Response<Full<Bytes>> {
    if health {
        return plain(StatusCode::OK, "ok\n");
    }
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let body = serde_json::json!({ "stamp": stamp, "host": host }).to_string();
    let mut response = plain(StatusCode::OK, body);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

fn plain(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
}

fn named(mut response: Response<Full<Bytes>>, stamp: &str) -> Response<Full<Bytes>> {
    if let Ok(name) = header::HeaderValue::from_str(stamp) {
        response.headers_mut().insert(STAMP_HEADER, name);
    }
    response
}
