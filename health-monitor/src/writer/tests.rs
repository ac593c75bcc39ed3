use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
    routing::any,
};
use kube::{Client, Config};
use serde_json::{Value, json};
use stamps::verdict::Sight;
use stamps::{
    fixtures,
    verdict::{list_hash, unpack},
};
use tokio::{net::TcpListener, time::timeout};

use super::*;
use crate::{board::Stamps, probe::Outcome};

/// Holds reports as an API server does: a replace needs the newest resourceVersion.
#[derive(Clone, Default)]
struct Hub(Arc<Mutex<HubState>>);

#[derive(Default)]
struct HubState {
    reports: HashMap<String, Value>,
    version: u64,
    writes: u32,
    /// Applies the next write and then says nothing.
    lose_next_answer: bool,
}

impl Hub {
    fn state(&self) -> MutexGuard<'_, HubState> {
        self.0.lock().unwrap()
    }

    fn report(&self) -> HealthReport {
        serde_json::from_value(self.state().reports["weu-a"].clone()).unwrap()
    }

    async fn client(&self) -> Client {
        shell::tls::install_provider();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let path = "/apis/state.lifeboat.dev/v1alpha1/namespaces/test/healthreports";
        let router = Router::new()
            .route(path, any(create))
            .route(&format!("{path}/{{name}}"), any(one))
            .with_state(self.clone());
        tokio::spawn(async { axum::serve(listener, router).await });
        let mut config = Config::new(url.parse().unwrap());
        config.default_retry = false;
        Client::try_from(config).unwrap()
    }

    async fn store(&self, name: String, mut report: Value) -> Response {
        let lose = {
            let mut state = self.state();
            state.version += 1;
            state.writes += 1;
            report["metadata"]["resourceVersion"] = json!(state.version.to_string());
            state.reports.insert(name, report.clone());
            std::mem::take(&mut state.lose_next_answer)
        };
        if lose {
            std::future::pending::<()>().await;
        }
        Json(report).into_response()
    }
}

fn refusal(code: StatusCode) -> Response {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code.as_u16(),
        "reason": code.canonical_reason().unwrap().replace(' ', ""), "message": "refused",
    });
    (code, Json(status)).into_response()
}

async fn create(State(hub): State<Hub>, body: Bytes) -> Response {
    let report: Value = serde_json::from_slice(&body).unwrap();
    let name = report["metadata"]["name"].as_str().unwrap().to_owned();
    if hub.state().reports.contains_key(&name) {
        return refusal(StatusCode::CONFLICT);
    }
    hub.store(name, report).await
}

async fn one(method: Method, Path(name): Path<String>, State(hub): State<Hub>, body: Bytes) -> Response {
    let stored = hub.state().reports.get(&name).cloned();
    let Some(stored) = stored else { return refusal(StatusCode::NOT_FOUND) };
    if method == Method::GET {
        return Json(stored).into_response();
    }
    let report: Value = serde_json::from_slice(&body).unwrap();
    if report["metadata"]["resourceVersion"] != stored["metadata"]["resourceVersion"] {
        return refusal(StatusCode::CONFLICT);
    }
    hub.store(name, report).await
}

fn stamps() -> Stamps {
    fixtures::fleet(2, 1).stamps
}

/// A board on which both stamps were good `ticks` times.
fn board(ticks: usize) -> Arc<Board> {
    let board = Arc::new(Board::default());
    let changes = board.adopt(&stamps());
    board.set_sight(Sight::Sighted);
    for target in changes.started {
        (0..ticks).for_each(|_| board.record(&target, Outcome::Good));
    }
    board
}

async fn writer(hub: &Hub, board: &Arc<Board>) -> Writer {
    let identity = Identity { vantage: "weu-a".into(), region: "weu".into() };
    let api = Api::namespaced(hub.client().await, "test");
    Writer::new(api, identity, Arc::clone(board), Metrics::default())
}

#[tokio::test]
async fn what_is_on_the_board_stands_in_the_report() {
    let (hub, board) = (Hub::default(), board(6));
    let mut writer = writer(&hub, &board).await;
    writer.write().await.unwrap();
    writer.write().await.unwrap();
    let report = hub.report().spec;
    assert_eq!((report.vantage.as_str(), report.region.as_str(), report.sequence), ("weu-a", "weu", 2));
    assert_eq!((report.sight, &report.stamps_hash), (Sight::Sighted, &list_hash(&stamps())));
    let samples = unpack(&report.body, &report.stamps_hash, &stamps()).unwrap();
    assert_eq!(samples[&"weu-1".into()], board.sample("weu-1"));
    assert!(samples.values().all(|sample| sample.ever_passed && sample.strip.good == 0b11_1111));
}

#[tokio::test]
async fn a_restart_goes_on_with_the_report_that_stands_there() {
    let hub = Hub::default();
    writer(&hub, &board(6)).await.write().await.unwrap();
    let fresh = board(0);
    writer(&hub, &fresh).await.write().await.unwrap();
    assert_eq!(hub.report().spec.sequence, 2);
    assert!(fresh.sample("weu-1").ever_passed);
    assert_eq!(fresh.sample("weu-1").strip.known, 0);
}

#[tokio::test]
async fn a_twin_is_noticed_by_both() {
    let hub = Hub::default();
    let (mut one, mut two) = (writer(&hub, &board(1)).await, writer(&hub, &board(2)).await);
    one.write().await.unwrap();
    two.write().await.unwrap();
    two.write().await.unwrap();
    assert!(matches!(one.write().await, Err(WriteError::Conflict)));
    one.write().await.unwrap();
    assert_eq!(one.metrics.twin_reports.get(), 1);
    one.write().await.unwrap();
    assert!(matches!(two.write().await, Err(WriteError::Conflict)));
    two.write().await.unwrap();
    assert_eq!(two.metrics.twin_reports.get(), 1);
}

#[tokio::test]
async fn a_lost_answer_is_looked_up_and_is_no_twin() {
    let (hub, board) = (Hub::default(), board(1));
    let mut writer = writer(&hub, &board).await;
    writer.write().await.unwrap();
    hub.state().lose_next_answer = true;
    // Given up from outside, as the call's own bound would later.
    let lost = timeout(Duration::from_millis(200), writer.write()).await;
    assert!(lost.is_err());
    writer.write().await.unwrap();
    assert_eq!((hub.report().spec.sequence, writer.metrics.twin_reports.get()), (3, 0));
}

#[tokio::test]
async fn a_deleted_report_is_made_again() {
    let (hub, board) = (Hub::default(), board(1));
    let mut writer = writer(&hub, &board).await;
    writer.write().await.unwrap();
    hub.state().reports.clear();
    assert!(writer.write().await.is_err());
    writer.write().await.unwrap();
    assert!(hub.report().spec.sequence > 1, "the sequence goes on");
}

#[tokio::test]
async fn news_are_written_soon_and_not_more_often_than_every_half_second() {
    let (hub, board) = (Hub::default(), Arc::new(Board::default()));
    let writer = writer(&hub, &board).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(writer.run(stop.clone()));
    let target = board.adopt(&stamps()).started.remove(0);
    board.set_sight(Sight::Sighted);
    // A tick every 10 ms, for well over one spacing.
    let began = Instant::now();
    while began.elapsed() < WRITE_SPACING * 3 {
        board.record(&target, Outcome::Good);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let writes = hub.state().writes;
    assert!((2..=4).contains(&writes), "{writes} writes in {:?}", began.elapsed());
    stop.cancel();
    running.await.unwrap();
}
