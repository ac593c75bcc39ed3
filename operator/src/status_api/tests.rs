use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_body_util::BodyExt;
use serde_json::Value;
use sha2::{Digest, Sha256};
use stamps::view::{
    Scores, Views,
    fixtures::{Moment, noon, picture, scores},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::*;

fn snapshot(moment: Moment, ready: Result<(), Vec<String>>) -> Arc<Snapshot> {
    let views = Views::of(&picture(moment), &scores());
    Arc::new(Snapshot { views, ready, generated_at: noon() })
}

/// An API that shows a moment, and the sender that keeps it alive.
fn api(moment: Moment) -> (watch::Sender<Arc<Snapshot>>, Router) {
    let (sender, receiver) = watch::channel(snapshot(moment, Ok(())));
    let registry = Arc::new(shell::metrics::registry("operator"));
    (sender, router(StatusApi::new(receiver, registry)))
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

async fn ask(router: &Router, method: Method, path: &str) -> Answer {
    let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap();
    Answer { status: parts.status, headers: parts.headers, body }
}

async fn get(router: &Router, path: &str) -> Answer {
    ask(router, Method::GET, path).await
}

#[tokio::test]
async fn every_route_of_the_table_answers_get_and_head() {
    let (_keep, router) = api(Moment::Run);
    for route in ROUTES {
        let name = if route.path.contains("failovers") { "auto-geode-weu-1795262000-4" } else { "weu-1" };
        let path = route.path.replace("{name}", name);
        let answer = get(&router, &path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        assert!(!answer.body.is_empty(), "{path}");
        let head = ask(&router, Method::HEAD, &path).await;
        assert_eq!((head.status, head.body.as_str()), (StatusCode::OK, ""), "{path}");
    }
}

#[tokio::test]
async fn the_index_is_the_table() {
    let (_keep, router) = api(Moment::Well);
    let index = get(&router, "/v1").await.json();
    let paths: Vec<&str> =
        index["routes"].as_array().unwrap().iter().map(|route| route["path"].as_str().unwrap()).collect();
    assert_eq!(paths, ROUTES.map(|route| route.path));
}

#[tokio::test]
async fn the_fleet_says_the_first_line_the_leader_and_the_zones() {
    let (_keep, router) = api(Moment::Doubt);
    let fleet = get(&router, "/v1/fleet").await.json();
    assert_eq!(fleet["generatedAt"], "2026-11-21T12:00:00Z");
    assert_eq!(fleet["headline"]["kind"], "doubt");
    assert_eq!(fleet["headline"]["startsInMs"], 1_000);
    assert_eq!(fleet["leader"]["replica"], "lifeboat-operator-0");
    assert_eq!(fleet["gate"]["automation"], "Automatic");
    assert_eq!(fleet["zones"][0]["servers"][0]["answered"], false);
}

#[tokio::test]
async fn lists_and_single_things_are_the_same_views() {
    let (_keep, router) = api(Moment::Run);
    for (list, count) in [("/v1/stamps", 6), ("/v1/geodes", 3), ("/v1/failovers", 1)] {
        assert_eq!(get(&router, list).await.json()["items"].as_array().unwrap().len(), count, "{list}");
    }
    let mut one = get(&router, "/v1/stamps/neu-1").await.json();
    assert_eq!(one["score"]["nines"], "3.9");
    assert_eq!(one.as_object_mut().unwrap().remove("generatedAt").unwrap(), "2026-11-21T12:00:00Z");
    let all = get(&router, "/v1/stamps").await.json();
    assert!(all["items"].as_array().unwrap().contains(&one));
    let run = get(&router, "/v1/failovers/auto-geode-weu-1795262000-4").await.json();
    assert_eq!(run["plan"]["buckets"], 8);
    assert_eq!(run["steps"][2]["state"], "Processing");
    assert_eq!(run["times"]["detectedToDecidedMs"], 2_100);
}

#[tokio::test]
async fn what_does_not_exist_says_what_does() {
    let (_keep, router) = api(Moment::Run);
    let stamp = get(&router, "/v1/stamps/%3Cb%3E").await;
    assert_eq!(stamp.status, StatusCode::NOT_FOUND);
    assert_eq!(stamp.header(header::CONTENT_TYPE), "application/problem+json");
    let problem = stamp.json();
    assert_eq!(problem["status"], 404);
    assert_eq!(problem["detail"], "there is no stamp `<b>`; there are 6, see known");
    assert_eq!(problem["known"].as_array().unwrap().len(), 6);
    let run = get(&router, "/v1/failovers/nope").await.json();
    assert_eq!(run["known"], serde_json::json!(["auto-geode-weu-1795262000-4"]));
    let route = get(&router, "/v2/../etc").await;
    assert_eq!(route.status, StatusCode::NOT_FOUND);
    assert_eq!(route.json()["known"].as_array().unwrap().len(), ROUTES.len());
    let long = get(&router, &format!("/v1/stamps/{}", "x".repeat(5_000))).await;
    assert!(long.body.len() < 1_000, "{}", long.body.len());
}

#[tokio::test]
async fn nothing_can_be_written() {
    let (_keep, router) = api(Moment::Well);
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS] {
        for path in ["/", "/v1/fleet", "/v1/stamps/weu-1", "/metrics"] {
            let answer = ask(&router, method.clone(), path).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert_eq!(answer.header(header::ALLOW), "GET,HEAD", "{method} {path}");
            assert_eq!(answer.header(header::CONTENT_TYPE), "application/problem+json");
        }
    }
}

#[tokio::test]
async fn readiness_has_its_reasons() {
    let (sender, router) = api(Moment::Well);
    assert_eq!(get(&router, "/readyz").await.json(), serde_json::json!({"ready": true, "reasons": []}));
    sender.send(snapshot(Moment::Start, Err(vec!["the register has not been read".into()]))).unwrap();
    let answer = get(&router, "/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.json()["reasons"][0], "the register has not been read");
    assert_eq!(get(&router, "/healthz").await.status, StatusCode::OK, "alive all the same");
    assert!(get(&router, "/").await.body.contains("NOT READY"));
    sender.send(snapshot(Moment::Well, Ok(()))).unwrap();
    drop(sender);
    let answer = get(&router, "/readyz").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.json()["reasons"][0].as_str().unwrap().contains("the last one"));
}

#[tokio::test]
async fn metrics_are_open_metrics() {
    let (_keep, router) = api(Moment::Well);
    let answer = get(&router, "/metrics").await;
    assert_eq!(answer.header(header::CONTENT_TYPE), shell::metrics::CONTENT_TYPE);
    assert!(answer.body.contains("lifeboat_build_info") && answer.body.ends_with("# EOF\n"));
}

#[tokio::test]
async fn a_browser_is_allowed_the_style_and_nothing_else() {
    let (_keep, router) = api(Moment::Run);
    for path in ["/", "/v1/fleet", "/nowhere"] {
        let answer = get(&router, path).await;
        let policy = answer.header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
    }
    let page = get(&router, "/").await.body;
    let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    let hash = STANDARD.encode(Sha256::digest(style));
    assert!(get(&router, "/").await.header(header::CONTENT_SECURITY_POLICY).contains(&hash));
    for forbidden in ["<script", "style=\"", "http://", "https://", "<img", "<b>"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
}

#[tokio::test]
async fn the_page_of_each_moment() {
    for (name, moment) in [
        ("page_start", Moment::Start),
        ("page_well", Moment::Well),
        ("page_run", Moment::Run),
        ("page_recovered", Moment::Recovered),
    ] {
        let (_keep, router) = api(moment);
        let answer = get(&router, "/").await;
        assert_eq!(answer.header(header::CONTENT_TYPE), "text/html; charset=utf-8");
        let (before, rest) = answer.body.split_once("<style>").unwrap();
        let (_, after) = rest.split_once("</style>").unwrap();
        insta::assert_snapshot!(name, format!("{before}{after}"));
    }
}

#[tokio::test]
async fn the_page_reloads_unless_asked_not_to() {
    let (_keep, router) = api(Moment::Well);
    assert!(get(&router, "/").await.body.contains("http-equiv=\"refresh\" content=\"2\""));
    assert!(!get(&router, "/?refresh=off").await.body.contains("http-equiv"));
}

#[tokio::test]
async fn a_page_of_very_many_stamps_is_cut_and_says_so() {
    let mut views = Views::of(&picture(Moment::Well), &Scores::new());
    let stamp = views.stamps[0].clone();
    views.stamps = vec![stamp; 700];
    let many = Snapshot { views, ready: Ok(()), generated_at: noon() };
    let html = page::render(&many, true).unwrap();
    assert!(html.contains("and 200 more"));
    assert_eq!(html.matches("/v1/stamps/eus-1").count(), 500);
}

/// A real listener, and what it answers to bytes.
struct Real {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<Result<(), ServeError>>,
    _keep: watch::Sender<Arc<Snapshot>>,
}

impl Real {
    async fn start() -> Self {
        let (keep, router) = api(Moment::Well);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(serve(listener, router, stop.clone()));
        Self { address, stop, task, _keep: keep }
    }

    async fn say(&self, text: &str) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

#[tokio::test]
async fn it_serves_on_a_socket_and_ends_when_told() {
    let real = Real::start().await;
    let answer = real.say("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("ok\n"), "{answer}");
    // A client that keeps its connection open does not keep the process alive.
    let mut idle = TcpStream::connect(real.address).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    idle.read_exact(&mut first).await.unwrap();
    real.stop.cancel();
    real.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn too_long_a_head_is_refused() {
    let real = Real::start().await;
    let head = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(20_000));
    let answer = real.say(&head).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_ends_its_request_is_let_go() {
    let real = Real::start().await;
    // Paused time jumps ahead once nobody has anything to do: the read below ends by the server's own clock.
    let answer = real.say("GET /healthz HTTP/1.1\r\nhost: ").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
}
