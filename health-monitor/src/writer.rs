//! Carries the board to the vantage's `HealthReport`: one write in flight, at most every 500 ms, on news, and every
//! 10 s in any case.

use std::{sync::Arc, time::Duration};

use chrono::Utc;
use crds::{HealthReport, HealthReportFields};
use kube::{
    Api, ResourceExt,
    api::{ObjectMeta, PostParams},
};
use shell::api::{CALL_TIMEOUT, CallError, within};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::{
    board::{Board, Content},
    metrics::{ByResult, Metrics, ResultLabel},
};

/// Between the starts of two writes.
const WRITE_SPACING: Duration = Duration::from_millis(500);
/// Without news. Readers call a report stale after 2.5 of these.
const WRITE_PERIOD: Duration = Duration::from_secs(10);
/// The longest pause after failed writes; pauses double from the spacing up to it.
const BACKOFF_MAX: Duration = Duration::from_secs(4);
/// The format of the packed body.
const FORMAT_VERSION: i64 = 1;
/// Says which probe definitions the report's history is about.
const DEFINITIONS: &str = "state.lifeboat.dev/probe-definitions";

/// Which vantage this is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its name, and that of its report.
    pub vantage: String,
    /// Where it stands.
    pub region: String,
}

/// Why a report was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    /// The API server said no, or nothing.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The object is not as we left it.
    #[error("the report was changed by somebody else since it was read")]
    Conflict,
}

/// The only writer of this vantage's report.
pub(crate) struct Writer {
    api: Api<HealthReport>,
    identity: Identity,
    board: Arc<Board>,
    metrics: Metrics,
    /// What the object is known to be; none before the first read and after every doubt.
    known: Option<Known>,
    /// The last write that was sent, acknowledged or not.
    sent: Option<Sent>,
}

#[derive(Clone, Debug)]
struct Known {
    /// None: there is no object.
    resource_version: Option<String>,
    sequence: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Sent {
    sequence: i64,
    body: String,
}

impl Writer {
    pub(crate) fn new(
        api: Api<HealthReport>,
        identity: Identity,
        board: Arc<Board>,
        metrics: Metrics,
    ) -> Self {
        Self { api, identity, board, metrics, known: None, sent: None }
    }

    /// Writes until stopped. A stopped vantage leaves its last report, which goes stale by itself.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        stop.run_until_cancelled(self.write_for_ever()).await;
    }

    async fn write_for_ever(&mut self) {
        let mut pause = WRITE_SPACING;
        loop {
            let began = Instant::now();
            pause = match self.write().await {
                Ok(()) => WRITE_SPACING,
                Err(error) => {
                    tracing::warn!(%error, "report not written");
                    (pause * 2).min(BACKOFF_MAX)
                }
            };
            sleep_until(began + pause).await;
            // What was not written is still news. News that came meanwhile left a permit on the board.
            if self.known.is_some() || self.board.content().is_none() {
                let _ = timeout_at(began + WRITE_PERIOD, self.board.news()).await;
            }
        }
    }

    /// Brings the object to what the board says now. Nothing is written before the stamps are known.
    async fn write(&mut self) -> Result<(), WriteError> {
        if self.board.content().is_none() {
            return Ok(());
        }
        let known = match self.known.take() {
            Some(known) => known,
            None => self.look().await?,
        };
        let Some(content) = self.board.content() else { return Ok(()) };
        let sequence = known.sequence + 1;
        self.sent = Some(Sent { sequence, body: content.body.clone() });
        let report = self.report(content, sequence, known.resource_version.clone());
        let params = PostParams::default();
        let answer = match known.resource_version {
            None => within(CALL_TIMEOUT, self.api.create(&params, &report)).await,
            Some(_) => within(CALL_TIMEOUT, self.api.replace(&self.identity.vantage, &params, &report)).await,
        };
        let result = match &answer {
            Ok(_) => ResultLabel::Good,
            Err(CallError::Timeout(_)) => ResultLabel::Unknown,
            Err(_) => ResultLabel::Bad,
        };
        self.metrics.report_writes.get_or_create(&ByResult { result }).inc();
        match answer {
            Ok(written) => {
                self.known = Some(Known { resource_version: written.resource_version(), sequence });
                Ok(())
            }
            Err(error) if error.code() == Some(409) => Err(WriteError::Conflict),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads what stands there: history at the start, and somebody else's hand later.
    async fn look(&mut self) -> Result<Known, WriteError> {
        let found = within(CALL_TIMEOUT, self.api.get_opt(&self.identity.vantage)).await?;
        let Some(object) = found else {
            let sequence = self.sent.as_ref().map_or(0, |sent| sent.sequence);
            return Ok(Known { resource_version: None, sequence });
        };
        let there = Sent { sequence: object.spec.sequence, body: object.spec.body.clone() };
        match &self.sent {
            None => {
                let definitions = object.annotations().get(DEFINITIONS).map_or("", String::as_str);
                let restored = self.board.restore(&object.spec.stamps_hash, &there.body, definitions);
                tracing::info!(sequence = there.sequence, restored, "found the report of an earlier run");
            }
            // What we sent last, acknowledged or not, and everything before it may stand there.
            Some(sent) if there == *sent || there.sequence < sent.sequence => {}
            Some(sent) => {
                self.metrics.twin_reports.inc();
                tracing::error!(
                    vantage = self.identity.vantage,
                    ours = sent.sequence,
                    theirs = there.sequence,
                    "another monitor reports under this vantage's name; stop one of them"
                );
            }
        }
        Ok(Known { resource_version: object.resource_version(), sequence: there.sequence })
    }

    fn report(&self, content: Content, sequence: i64, resource_version: Option<String>) -> HealthReport {
        let metadata = ObjectMeta {
            name: Some(self.identity.vantage.clone()),
            namespace: self.api.namespace().map(str::to_owned),
            resource_version,
            annotations: Some([(DEFINITIONS.to_owned(), content.definitions)].into()),
            ..ObjectMeta::default()
        };
        let spec = HealthReportFields {
            vantage: self.identity.vantage.clone(),
            region: self.identity.region.clone(),
            sequence,
            observed_at: Utc::now(),
            sight: content.sight,
            format_version: FORMAT_VERSION,
            stamps_hash: content.stamps_hash,
            body: content.body,
        };
        HealthReport { metadata, spec }
    }
}

#[cfg(test)]
mod tests;
