//! The switches of the stamps over HTTP, for a person at a testbed.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, put},
};
use serde::Serialize;
use tokio::net::TcpListener;

use super::{Behaviour, Stamps};

#[derive(Serialize)]
struct StampState {
    name: String,
    region: String,
    address: String,
    behaviour: String,
    health_requests: u64,
    other_requests: u64,
}

/// Serves `GET /stamps`, `PUT /stamps/NAME` and `PUT /regions/NAME`, the last two with a behaviour as
/// their body, until the task is dropped.
pub async fn serve_control(stamps: Arc<Stamps>, listener: TcpListener) -> std::io::Result<()> {
    let router = Router::new()
        .route("/stamps", get(list))
        .route("/stamps/{name}", put(set_stamp))
        .route("/regions/{name}", put(set_region))
        .with_state(stamps);
    axum::serve(listener, router).await
}

async fn list(State(stamps): State<Arc<Stamps>>) -> Json<Vec<StampState>> {
    let states = stamps.all().iter().map(|stamp| StampState {
        name: stamp.name().to_owned(),
        region: stamp.region().to_owned(),
        address: stamp.address().to_string(),
        behaviour: stamp.behaviour().to_string(),
        health_requests: stamp.counters().health(),
        other_requests: stamp.counters().other(),
    });
    Json(states.collect())
}

type Answer = Result<String, (StatusCode, String)>;

async fn set_stamp(State(stamps): State<Arc<Stamps>>, Path(name): Path<String>, body: String) -> Answer {
    let behaviour = parse(&body)?;
    let stamp = stamps.get(&name).map_err(|error| (StatusCode::NOT_FOUND, format!("{error}\n")))?;
    stamp.set(behaviour).await.map_err(internal)?;
    Ok(format!("{name} is {behaviour}\n"))
}

async fn set_region(State(stamps): State<Arc<Stamps>>, Path(name): Path<String>, body: String) -> Answer {
    let behaviour = parse(&body)?;
    if stamps.in_region(&name).next().is_none() {
        return Err((StatusCode::NOT_FOUND, format!("there is no region {name}\n")));
    }
    stamps.set_region(&name, behaviour).await.map_err(internal)?;
    Ok(format!("the stamps of {name} are {behaviour}\n"))
}

fn parse(body: &str) -> Result<Behaviour, (StatusCode, String)> {
    body.trim().parse().map_err(|error| (StatusCode::BAD_REQUEST, format!("{error}\n")))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape map_err asks for")]
fn internal(error: anyhow::Error) -> (StatusCode, String) {
    (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n"))
}
