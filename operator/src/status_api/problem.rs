//! Errors as RFC 9457 has them.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// Most names that a problem lists.
const KNOWN_MAX: usize = 100;
/// Most characters of what was asked for that are said back.
const ECHO_MAX: usize = 63;

/// What went wrong and what there is instead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Names the kind of problem; these need no further description.
    #[serde(rename = "type")]
    kind: &'static str,
    title: String,
    status: u16,
    detail: String,
    /// What could have been asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    known: Vec<String>,
}

impl Problem {
    /// A problem of this status, in one sentence.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            known: Vec::new(),
        }
    }

    /// There is no such thing, but there are others.
    pub fn no_such(what: &str, name: &str, known: impl Iterator<Item = String>) -> Self {
        let known: Vec<String> = known.collect();
        let name: String = name.chars().take(ECHO_MAX).collect();
        let detail = match known.len() {
            0 => format!("there is no {what} `{name}`, nor any other"),
            1 => format!("there is no {what} `{name}`; there is 1, see known"),
            n => format!("there is no {what} `{name}`; there are {n}, see known"),
        };
        Self::new(StatusCode::NOT_FOUND, detail).known(known)
    }

    /// Lists what could have been asked for, the first hundred.
    #[must_use]
    pub fn known(mut self, mut known: Vec<String>) -> Self {
        known.truncate(KNOWN_MAX);
        self.known = known;
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}
