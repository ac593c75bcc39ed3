use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::http::StatusCode;
use tokio::net::TcpListener;

use super::*;

/// An API server that answers every request with `status` and counts them.
async fn api_server(status: StatusCode) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    let router = axum::Router::new().fallback(async move || {
        count.fetch_add(1, Ordering::SeqCst);
        (status, r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"later","code":503}"#)
    });
    tokio::spawn(async { axum::serve(listener, router).await });
    (address, seen)
}

fn kubeconfig(address: SocketAddr) -> tempfile::NamedTempFile {
    let text = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": format!("http://{address}")}}],
        "users": [{"name": "u", "user": {}}],
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text.to_string()).unwrap();
    file
}

async fn test_client(address: SocketAddr) -> Client {
    let file = kubeconfig(address);
    client(config(&Access::File(file.path().to_owned())).await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_refused_call_is_not_repeated() {
    let (address, seen) = api_server(StatusCode::SERVICE_UNAVAILABLE).await;
    let client = test_client(address).await;
    let answer = within(CALL_TIMEOUT, client.apiserver_version()).await;
    assert_eq!(answer.unwrap_err().code(), Some(503));
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_silent_server_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = test_client(listener.local_addr().unwrap()).await;
    let bound = Duration::from_millis(50);
    let answer = within(bound, client.apiserver_version()).await;
    assert!(matches!(answer, Err(CallError::Timeout(after)) if after == bound), "{answer:?}");
}

#[tokio::test]
async fn a_missing_kubeconfig_is_named() {
    let answer = config(&Access::File("/nowhere/kubeconfig".into())).await;
    assert!(answer.unwrap_err().to_string().contains("/nowhere/kubeconfig"));
}
