use std::net::SocketAddr;

use prometheus_client::metrics::counter::Counter;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::*;

async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn metrics_and_readiness_are_served_until_the_end() {
    let mut registry = metrics::registry("test");
    let counter = Counter::<u64>::default();
    registry.register("probes", "Probes", counter.clone());
    counter.inc_by(7);
    let readiness = Readiness::default();
    readiness.missing("fleet", "no Fleet seen yet");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let served = tokio::spawn(serve(listener, router(Arc::new(registry), readiness.clone()), stop.clone()));

    let text = get(address, "/metrics").await;
    assert!(text.contains("\nlifeboat_probes_total 7\n"), "{text}");
    assert!(text.contains(r#"component="test""#), "{text}");
    assert!(get(address, "/healthz").await.starts_with("HTTP/1.1 200"));
    let answer = get(address, "/readyz").await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.ends_with("fleet: no Fleet seen yet\n"), "{answer}");
    readiness.ready("fleet");
    assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));

    stop.cancel();
    served.await.unwrap().unwrap();
}
