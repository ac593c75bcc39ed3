use std::net::Ipv4Addr;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{RootCertStore, ServerConfig, pki_types::PrivateKeyDer};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::*;

fn loopback(port: u16) -> WebAddress {
    WebAddress { tls: false, host: "127.0.0.1".into(), port, path: "/hook?token=secret".into() }
}

/// A server of one connection: hands the request's text over and answers.
async fn server(answer: &'static str) -> (u16, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut read = vec![0; 4096];
        let mut text = String::new();
        while !text.ends_with("{}") {
            let length = stream.read(&mut read).await.unwrap();
            text.push_str(std::str::from_utf8(&read[..length]).unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        text
    });
    (port, task)
}

#[tokio::test]
async fn a_message_is_one_plain_post() {
    let (port, task) = server("HTTP/1.1 204 No Content\r\n\r\n").await;
    Poster::new().post(&loopback(port), b"{}".to_vec()).await.unwrap();
    let request = task.await.unwrap();
    for line in [
        "POST /hook?token=secret HTTP/1.1\r\n",
        &format!("host: 127.0.0.1:{port}\r\n"),
        "content-type: application/json\r\n",
        "connection: close\r\n",
        "content-length: 2\r\n",
    ] {
        assert!(request.contains(line), "{line:?} is missing in {request:?}");
    }
}

#[tokio::test]
async fn each_answer_is_judged() {
    for (answer, word, passing) in [
        (
            "HTTP/1.1 301 Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
            "refused",
            false,
        ),
        ("HTTP/1.1 400 Bad\r\ncontent-length: 0\r\n\r\n", "refused", false),
        ("HTTP/1.1 429 Slow\r\ncontent-length: 0\r\n\r\n", "busy", true),
        ("HTTP/1.1 503 Later\r\ncontent-length: 0\r\n\r\n", "busy", true),
        ("not HTTP at all\r\n\r\n", "exchange", true),
    ] {
        let (port, _task) = server(answer).await;
        let error = Poster::new().post(&loopback(port), b"{}".to_vec()).await.unwrap_err();
        assert_eq!((error.word(), error.is_passing()), (word, passing), "{answer}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn a_body_that_never_ends_is_not_waited_for() {
    let (port, task) = server("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n").await;
    Poster::new().post(&loopback(port), b"{}".to_vec()).await.unwrap();
    task.await.unwrap();
}

#[tokio::test]
async fn nobody_there_is_said() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let error = Poster::new().post(&loopback(port), b"{}".to_vec()).await.unwrap_err();
    assert_eq!((error.word(), error.is_passing()), ("connect", true), "{error}");
}

#[tokio::test(start_paused = true)]
async fn silence_has_a_bound() {
    // A listener that nobody accepts from: the kernel connects, and no answer ever comes.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let error = Poster::new().post(&loopback(port), b"{}".to_vec()).await.unwrap_err();
    assert_eq!((error.word(), error.is_passing()), ("timeout", true), "{error}");
}

/// A server with a certificate for `localhost`, and the roots that trust it.
async fn tls_server() -> (u16, RootCertStore) {
    shell::tls::install_provider();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = vec![0; 4096];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await;
            let _ = stream.shutdown().await;
        }
    });
    (port, roots)
}

#[tokio::test]
async fn only_a_trusted_receiver_is_told_by_https() {
    let (port, roots) = tls_server().await;
    let at = |host: &str| WebAddress { tls: true, host: host.into(), ..loopback(port) };
    let poster = Poster::trusting(roots);
    poster.post(&at("localhost"), b"{}".to_vec()).await.unwrap();
    let other_name = poster.post(&at("127.0.0.1"), b"{}".to_vec()).await.unwrap_err();
    let untrusted = Poster::trusting(RootCertStore::empty());
    let unknown = untrusted.post(&at("localhost"), b"{}".to_vec()).await.unwrap_err();
    let no_roots = Poster { tls: None }.post(&at("localhost"), b"{}".to_vec()).await.unwrap_err();
    for (error, passing) in [(other_name, true), (unknown, true), (no_roots, false)] {
        assert_eq!((error.word(), error.is_passing()), ("tls", passing), "{error}");
    }
}
