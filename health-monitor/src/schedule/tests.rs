use std::net::SocketAddr;

use rustls::{ClientConfig, RootCertStore};
use stamps::{fixtures, verdict::Sight};
use tokio::net::TcpListener;

use super::*;
use crate::probe::Egress;

fn probing(controls: Arc<Controls>) -> Probing {
    shell::tls::install_provider();
    let tls = ClientConfig::builder().with_root_certificates(RootCertStore::empty()).with_no_client_auth();
    let egress = Egress::new(vec!["127.0.0.0/8".parse().unwrap()], Vec::new());
    Probing {
        board: Arc::new(Board::default()),
        controls,
        prober: Prober::new(egress, Arc::new(tls)),
        metrics: Metrics::default(),
    }
}

/// Two stamps that are probed every 20 ms over TCP, each at its own address.
fn stamps(addresses: [SocketAddr; 2]) -> Stamps {
    let mut stamps = fixtures::fleet(2, 1).stamps;
    for (stamp, address) in stamps.values_mut().zip(addresses) {
        let probe = &mut stamp.probes[0];
        (probe.host, probe.port) = (address.ip().to_string(), address.port());
        probe.interval = Duration::from_millis(20);
    }
    stamps
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn until(what: impl Fn() -> bool) {
    let wait = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("it never came true");
}

fn bad_ticks(board: &Board, stamp: &str) -> u32 {
    let strip = board.sample(stamp).strip;
    (strip.known & !strip.good).count_ones()
}

#[tokio::test]
async fn a_stamp_that_stops_serving_is_seen_and_its_neighbour_is_not_disturbed() {
    let ((up, up_at), (down, down_at), (_control, control_at)) =
        (listener().await, listener().await, listener().await);
    let controls = Arc::new(Controls::new(vec![control_at.to_string()]));
    let probing = probing(Arc::clone(&controls));
    let (board, stop) = (Arc::clone(&probing.board), CancellationToken::new());
    let (lists, seen) = watch::channel(None);
    tokio::spawn(controls.run(Arc::clone(&board), probing.metrics.clone(), stop.clone()));
    let ended = tokio::spawn(probing.run(seen, stop.clone()));
    lists.send_replace(Some(stamps([up_at, down_at])));
    // In order of name: neu-1 stays up, weu-1 goes down.
    until(|| board.content().is_some()).await;
    until(|| board.sample("neu-1").ever_passed && board.sample("weu-1").ever_passed).await;
    drop(down);
    // Each failure waits for its self-check, which takes several of these short ticks.
    until(|| bad_ticks(&board, "weu-1") >= 3).await;
    assert_eq!(bad_ticks(&board, "neu-1"), 0);

    lists.send_replace(Some(Stamps::new()));
    until(|| board.content().is_some_and(|content| content.body.is_empty())).await;
    stop.cancel();
    ended.await.unwrap();
    drop(up);
}

#[tokio::test]
async fn when_the_controls_fail_too_the_failure_is_ours() {
    let ((first, first_at), (second, second_at), (control, control_at)) =
        (listener().await, listener().await, listener().await);
    let controls = Arc::new(Controls::new(vec![control_at.to_string()]));
    let probing = probing(Arc::clone(&controls));
    let (board, stop) = (Arc::clone(&probing.board), CancellationToken::new());
    let (lists, seen) = watch::channel(Some(stamps([first_at, second_at])));
    tokio::spawn(controls.run(Arc::clone(&board), probing.metrics.clone(), stop.clone()));
    tokio::spawn(probing.run(seen, stop.clone()));
    until(|| board.content().is_some()).await;
    until(|| board.sample("neu-1").ever_passed && board.sample("weu-1").ever_passed).await;
    // The network goes: control first, so that no failure can be confirmed by it.
    drop(control);
    drop((first, second));
    until(|| board.content().is_some_and(|content| content.sight == Sight::Blind)).await;
    until(|| board.sample("neu-1").strip.known.trailing_zeros() >= 2).await;
    for stamp in ["neu-1", "weu-1"] {
        assert_eq!(bad_ticks(&board, stamp), 0, "{stamp}");
    }
    stop.cancel();
    drop(lists);
}

#[tokio::test]
async fn a_slow_probe_keeps_its_own_rate() {
    let (_listener, address) = listener().await;
    let mut probe = stamps([address, address]).into_values().next().unwrap().probes.remove(0);
    probe.interval = Duration::from_secs(3);
    let mut standing = Standing::new(&probe, Duration::from_secs(1));
    let probing = probing(Arc::new(Controls::new(Vec::new())));
    let mut sampled = Vec::new();
    for tick in [0, 1, 2, 3, 7, 8, 9] {
        standing.last = None;
        standing.take(tick, &probing.prober, &probing.metrics).await;
        sampled.extend(standing.last.map(|_| tick));
    }
    assert_eq!(sampled, [0, 3, 7, 9]);
}
