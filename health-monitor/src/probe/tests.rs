use std::{net::Ipv4Addr, time::Duration};

use rustls::RootCertStore;
use stamps::fleet::{HttpCheck, ProbeTimeouts};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

use super::*;

const BOUND: Duration = Duration::from_millis(150);

fn prober_trusting(roots: RootCertStore) -> Prober {
    shell::tls::install_provider();
    let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Prober::new(Egress::new(vec!["127.0.0.0/8".parse().unwrap()], Vec::new()), Arc::new(tls))
}

fn probe(port: u16, check: Check) -> Probe {
    Probe {
        name: "web".into(),
        host: Ipv4Addr::LOCALHOST.to_string(),
        port,
        check,
        interval: Duration::from_secs(1),
        timeouts: ProbeTimeouts { connect: BOUND, tls: BOUND, first_byte: BOUND, total: BOUND * 2 },
    }
}

fn http() -> HttpCheck {
    HttpCheck {
        tls: false,
        path: "/healthz".into(),
        host_header: None,
        statuses: vec![(200, 299)],
        body_contains: Some("well".into()),
    }
}

async fn sample(port: u16, check: Check) -> Outcome {
    prober_trusting(RootCertStore::empty()).sample(&probe(port, check), 0).await
}

/// A server that hands its first connection to `serve`.
async fn server<F: Future<Output = ()> + Send + 'static>(
    serve: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { serve(listener.accept().await.unwrap().0).await });
    port
}

/// Reads the request's head, then sends `answer` and keeps the connection for `open`.
async fn answering(answer: String, open: Duration) -> u16 {
    server(async move |mut stream| {
        let mut head = vec![0; 4096];
        let _ = stream.read(&mut head).await;
        let _ = stream.write_all(answer.as_bytes()).await;
        tokio::time::sleep(open).await;
    })
    .await
}

fn answer(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

async fn http_outcome(answer: String) -> Outcome {
    sample(answering(answer, Duration::ZERO).await, Check::Http(http())).await
}

#[tokio::test]
async fn a_good_answer_is_good() {
    assert_eq!(http_outcome(answer("200 OK", "all is well")).await, Outcome::Good);
}

#[tokio::test]
async fn a_connection_is_enough_for_tcp() {
    let port = server(async |_| {}).await;
    assert_eq!(sample(port, Check::Tcp).await, Outcome::Good);
}

#[tokio::test]
async fn a_closed_port_refuses() {
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    for check in [Check::Tcp, Check::Http(http())] {
        assert_eq!(sample(port, check).await, Outcome::bad(FailureClass::Refused, Phase::Connect));
    }
}

#[tokio::test]
async fn a_silent_server_times_out_at_the_first_byte() {
    let port = answering(String::new(), BOUND * 10).await;
    let outcome = sample(port, Check::Http(http())).await;
    assert_eq!(outcome, Outcome::bad(FailureClass::Timeout, Phase::FirstByte));
}

#[tokio::test]
async fn wrong_answers_are_told_from_no_answers() {
    let wrong = Outcome::bad(FailureClass::WrongAnswer, Phase::Condition);
    assert_eq!(http_outcome(answer("500 Oh", "well")).await, wrong);
    assert_eq!(http_outcome(answer("200 OK", "ill")).await, wrong);
    assert_eq!(http_outcome(answer("302 Found", "well")).await, wrong, "redirects are not followed");
    let garbage = Outcome::bad(FailureClass::WrongAnswer, Phase::FirstByte);
    assert_eq!(http_outcome("SSH-2.0-x\r\n".into()).await, garbage);
}

#[tokio::test]
async fn a_body_that_does_not_end_is_too_slow() {
    let port = answering("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nwell".into(), BOUND * 10).await;
    let outcome = sample(port, Check::Http(http())).await;
    assert_eq!(outcome, Outcome::bad(FailureClass::TooSlow, Phase::Body));
}

#[tokio::test]
async fn only_the_beginning_of_a_body_counts() {
    let flood = "x".repeat(super::http::BODY_BYTES_MAX);
    assert_eq!(
        http_outcome(answer("200 OK", &format!("{flood}well"))).await,
        Outcome::bad(FailureClass::WrongAnswer, Phase::Condition)
    );
    assert_eq!(http_outcome(answer("200 OK", &format!("well{flood}"))).await, Outcome::Good);
}

#[tokio::test]
async fn a_broken_connection_is_a_reset() {
    let reset = server(async |stream| {
        // Closing with unread data in the buffer, and no lingering, sends a RST.
        stream.set_zero_linger().unwrap();
    })
    .await;
    let outcome = sample(reset, Check::Http(http())).await;
    assert_eq!(outcome, Outcome::bad(FailureClass::Reset, Phase::FirstByte));
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nwe".to_owned();
    assert_eq!(http_outcome(half).await, Outcome::bad(FailureClass::Reset, Phase::Body));
}

#[tokio::test]
async fn what_is_denied_is_never_connected_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut prober = prober_trusting(RootCertStore::empty());
    prober.egress = Egress::default();
    let outcome = prober.sample(&probe(port, Check::Tcp), 0).await;
    assert_eq!(outcome, Outcome::prober_error(Phase::Connect));
    let nobody = tokio::time::timeout(BOUND, listener.accept()).await;
    assert!(nobody.is_err(), "no socket was opened");
}

#[test]
fn our_own_trouble_is_not_the_stamps() {
    // EMFILE, ENFILE, EADDRNOTAVAIL, EPERM.
    for ours in [24, 23, 99, 1] {
        let outcome = blame(&io::Error::from_raw_os_error(ours), Phase::Connect);
        assert_eq!(outcome, Outcome::prober_error(Phase::Connect), "errno {ours}");
    }
    // ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ECONNRESET, ETIMEDOUT.
    for theirs in [111, 113, 101, 104, 110] {
        let outcome = blame(&io::Error::from_raw_os_error(theirs), Phase::Connect);
        assert!(matches!(outcome, Outcome::Bad(_)), "errno {theirs}");
    }
}

#[test]
fn the_worst_outcome_is_the_ticks() {
    let bad = Outcome::bad(FailureClass::Refused, Phase::Connect);
    let ours = Outcome::prober_error(Phase::Condition);
    assert_eq!([Outcome::Good, bad, ours].into_iter().max(), Some(bad));
    assert_eq!([Outcome::Good, ours].into_iter().max(), Some(ours));
}

mod tls {
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::{ServerConfig, pki_types::PrivateKeyDer};

    use super::*;

    const NAME: &str = "stamp.lifeboat.test";

    fn https() -> Check {
        Check::Http(HttpCheck { tls: true, host_header: Some(NAME.into()), ..http() })
    }

    /// A server with a certificate for `NAME`, and the roots that trust it.
    async fn tls_server() -> (u16, RootCertStore) {
        shell::tls::install_provider();
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([NAME.to_owned()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        let key = PrivateKeyDer::Pkcs8(signing_key.serialize_der().into());
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let port = server(async move |stream| {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let mut head = vec![0; 4096];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(answer("200 OK", "well").as_bytes()).await;
            let _ = stream.shutdown().await;
        })
        .await;
        (port, roots)
    }

    #[tokio::test]
    async fn a_trusted_certificate_is_good() {
        let (port, roots) = tls_server().await;
        assert_eq!(prober_trusting(roots).sample(&probe(port, https()), 0).await, Outcome::Good);
    }

    #[tokio::test]
    async fn a_foreign_certificate_and_garbage_are_tls_failures() {
        let failure = Outcome::bad(FailureClass::Tls, Phase::Tls);
        let (port, _) = tls_server().await;
        assert_eq!(sample(port, https()).await, failure);
        let garbage = answering("HTTP/1.1 400 Bad Request\r\n\r\n".into(), BOUND).await;
        assert_eq!(sample(garbage, https()).await, failure);
    }

    #[tokio::test]
    async fn a_handshake_that_hangs_times_out() {
        let port = answering(String::new(), BOUND * 10).await;
        assert_eq!(sample(port, https()).await, Outcome::bad(FailureClass::Timeout, Phase::Tls));
    }
}
