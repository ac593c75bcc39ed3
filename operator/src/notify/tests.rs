//! The notifier against a receiver of our own.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::any};
use crds::validate::WebAddress;
use serde_json::Value;
use stamps::{
    failover::Picture,
    routing::FenceSeen,
    view::fixtures::{Moment, picture},
};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};

use super::*;

/// Longer than any wait of a test that is well.
const SOON: Duration = Duration::from_secs(20);

fn webhook(port: u16) -> Webhook {
    let address = WebAddress { tls: false, host: "127.0.0.1".into(), port, path: "/hook?a=b".into() };
    Webhook { name: "on-call".into(), address }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let looked = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, looked).await.unwrap_or_else(|_| panic!("waited for {what}"));
}

/// A receiver: answers as it is told, then always 200, and hands every body over.
struct Receiver {
    port: u16,
    bodies: mpsc::UnboundedReceiver<Value>,
}

impl Receiver {
    async fn answering(statuses: &[u16]) -> Self {
        Self::listening(TcpListener::bind("127.0.0.1:0").await.unwrap(), statuses)
    }

    fn listening(listener: TcpListener, statuses: &[u16]) -> Self {
        let port = listener.local_addr().unwrap().port();
        let script: VecDeque<u16> = statuses.iter().copied().collect();
        let (sender, bodies) = mpsc::unbounded_channel();
        let router = Router::new().fallback(any(take)).with_state(Arc::new((Mutex::new(script), sender)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { port, bodies }
    }

    fn webhook(&self) -> Webhook {
        webhook(self.port)
    }

    async fn body(&mut self) -> Value {
        timeout(SOON, self.bodies.recv()).await.expect("a message in time").unwrap()
    }
}

type Script = Arc<(Mutex<VecDeque<u16>>, mpsc::UnboundedSender<Value>)>;

async fn take(State(script): State<Script>, body: Bytes) -> (StatusCode, [(&'static str, &'static str); 1]) {
    script.1.send(serde_json::from_slice(&body).unwrap()).unwrap();
    let status = script.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or(200);
    // A redirect that is followed would come back here.
    (StatusCode::from_u16(status).unwrap(), [("location", "/again")])
}

/// A notifier at work, and what it watches.
struct Rig {
    pictures: watch::Sender<Option<Arc<Picture>>>,
    seen: watch::Sender<Seen>,
    counts: Counts,
    stop: CancellationToken,
}

impl Rig {
    fn start(to: &Webhook) -> Self {
        let (pictures, shown) = watch::channel(None);
        let (seen, known) = watch::channel(Seen::default());
        let rig = Self { pictures, seen, counts: Counts::default(), stop: CancellationToken::new() };
        rig.tell(to);
        let notifier = Notifier::new("prod", Clock::start(), rig.counts.clone());
        tokio::spawn(notifier.run(known, shown, rig.stop.clone()));
        rig
    }

    fn tell(&self, to: &Webhook) {
        self.seen.send_modify(|seen| seen.webhook = Some(to.clone()));
    }

    fn show(&self, picture: Picture) {
        self.pictures.send_replace(Some(Arc::new(picture)));
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// `Doubt firing` and so on, in the message's order.
fn told(body: &Value) -> Vec<String> {
    let alerts = body["alerts"].as_array().unwrap().iter();
    alerts
        .map(|alert| {
            format!(
                "{} {}",
                alert["labels"]["alertname"].as_str().unwrap(),
                alert["status"].as_str().unwrap()
            )
        })
        .collect()
}

fn following(moment: Moment) -> Picture {
    Picture { leading: false, ..picture(moment) }
}

#[tokio::test]
async fn what_begins_and_what_ends_is_told_at_once() {
    let mut receiver = Receiver::answering(&[]).await;
    let rig = Rig::start(&receiver.webhook());
    rig.show(picture(Moment::Well));
    rig.show(picture(Moment::Doubt));
    let body = receiver.body().await;
    assert_eq!(told(&body), ["Doubt firing"]);
    assert_eq!((&body["version"], &body["receiver"]), (&"4".into(), &"on-call".into()));
    rig.show(picture(Moment::Run));
    assert_eq!(told(&receiver.body().await), ["RunStarted firing", "Doubt firing"]);
    rig.show(picture(Moment::Evacuated));
    assert_eq!(told(&receiver.body().await), ["RunStarted resolved", "RunEnded firing", "Doubt firing"]);
    rig.show(picture(Moment::Recovered));
    assert_eq!(told(&receiver.body().await), ["Doubt resolved", "RunEnded firing"]);
}

#[tokio::test]
async fn a_busy_receiver_is_told_again_what_is_true_by_then() {
    let mut receiver = Receiver::answering(&[503, 429]).await;
    let rig = Rig::start(&receiver.webhook());
    rig.show(picture(Moment::Doubt));
    assert_eq!(told(&receiver.body().await), ["Doubt firing"]);
    assert_eq!(told(&receiver.body().await), ["Doubt firing"]);
    assert_eq!(told(&receiver.body().await), ["Doubt firing"]);
    // Taken at the third time, so the next message is about something else.
    rig.show(picture(Moment::Run));
    assert_eq!(told(&receiver.body().await), ["RunStarted firing", "Doubt firing"]);
    assert_eq!(rig.counts.failed.get_or_create(&Reason { reason: "busy" }).get(), 2);
}

#[tokio::test]
async fn a_refusal_is_not_repeated() {
    for status in [302, 400, 404] {
        let mut receiver = Receiver::answering(&[status]).await;
        let rig = Rig::start(&receiver.webhook());
        rig.show(picture(Moment::Doubt));
        assert_eq!(told(&receiver.body().await), ["Doubt firing"]);
        let refused = rig.counts.failed.get_or_create(&Reason { reason: "refused" }).clone();
        until("the refusal to be counted", || refused.get() > 0).await;
        rig.show(picture(Moment::Run));
        assert_eq!(told(&receiver.body().await), ["RunStarted firing", "Doubt firing"], "{status}");
    }
}

#[tokio::test]
async fn a_follower_is_silent_and_knows_what_is_new_once_it_leads() {
    let mut receiver = Receiver::answering(&[]).await;
    let mut notifier = Notifier::new("prod", Clock::start(), Counts::default());
    for moment in [Moment::Doubt, Moment::Run] {
        notifier.follow(&following(moment), Some(receiver.webhook()));
        assert!(notifier.posting.is_empty(), "{moment:?}");
    }
    notifier.follow(&picture(Moment::Evacuated), Some(receiver.webhook()));
    let first = receiver.body().await;
    assert_eq!(told(&first), ["RunStarted resolved", "Doubt firing", "RunEnded firing"]);
}

#[tokio::test]
async fn what_is_not_known_ends_nothing() {
    let mut notifier = Notifier::new("prod", Clock::start(), Counts::default());
    notifier.follow(&picture(Moment::Doubt), None);
    assert_eq!(notifier.ledger.firing(), 1);
    notifier.follow(&Picture { state: None, ..picture(Moment::Doubt) }, None);
    assert_eq!(notifier.ledger.firing(), 1);
}

#[tokio::test]
async fn a_replica_that_is_fenced_out_says_so_although_it_does_not_lead() {
    let mut receiver = Receiver::answering(&[]).await;
    let rig = Rig::start(&receiver.webhook());
    let mut fenced = following(Moment::Well);
    let zones = fenced.fleet.as_ref().unwrap().zones.keys();
    fenced.fenced = zones.map(|zone| (zone.clone(), FenceSeen::Hold)).collect();
    rig.show(fenced);
    assert_eq!(told(&receiver.body().await), ["FencedOut firing"]);
}

#[tokio::test]
async fn another_receiver_is_told_everything() {
    let mut first = Receiver::answering(&[]).await;
    let rig = Rig::start(&first.webhook());
    rig.show(picture(Moment::Doubt));
    assert_eq!(told(&first.body().await), ["Doubt firing"]);
    let mut second = Receiver::answering(&[]).await;
    rig.tell(&second.webhook());
    assert_eq!(told(&second.body().await), ["Doubt firing"]);
}

#[tokio::test]
async fn a_dead_receiver_holds_up_nobody_and_loses_nothing() {
    // A port that was free a moment ago: nobody answers there.
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let rig = Rig::start(&webhook(address.port()));
    rig.show(picture(Moment::Doubt));
    let unreachable = rig.counts.failed.get_or_create(&Reason { reason: "connect" }).clone();
    until("an attempt", || unreachable.get() > 0).await;
    rig.show(picture(Moment::Run));
    until("the next picture to be taken in", || rig.counts.firing.get() == 2).await;
    rig.show(picture(Moment::Recovered));
    until("the last picture to be taken in", || rig.counts.firing.get() == 1).await;
    let mut receiver = Receiver::listening(TcpListener::bind(address).await.unwrap(), &[]);
    let body = receiver.body().await;
    assert_eq!(told(&body), ["Doubt resolved", "RunStarted resolved", "RunEnded firing"]);
}
