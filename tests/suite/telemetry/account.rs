//! The account adds up whatever the collector does, and the job is not held up by it.

use super::collector::{Behaviour, Collector};
use super::{assert_adds_up, listen, queue, settings, start};
use chrono::Utc;
use opentelemetry_sdk::trace::SpanData;
use payment_monitor::domain::account::Account;
use payment_monitor::domain::run::RunId;
use payment_monitor::telemetry::{Handle, LiveSpan, Settings, spans};
use std::time::{Duration, Instant};
use uuid::Uuid;

const SPANS: u64 = 500;
const TIMEOUT: Duration = Duration::from_secs(5);

/// Makes spans as the job does: one after the other, each admitted.
async fn make_spans(handle: &Handle) {
    let run = RunId(Uuid::now_v7());
    for _ in 0..SPANS {
        let _room = handle.admit().await;
        handle.record(spans::phase::<SpanData>(run, "perform", Utc::now()));
    }
}

/// The account of a job that makes spans, and how long its end took.
async fn account(settings: &Settings, timeout: Duration) -> (Account, Duration) {
    let telemetry = start(settings);
    make_spans(&telemetry.handle()).await;
    let began = Instant::now();
    let account = telemetry.shutdown(timeout).await.unwrap();
    assert_adds_up(&account);
    assert_eq!(account.traces.made, SPANS);
    (account, began.elapsed())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_collector_gets_every_span_through_a_queue_of_one() {
    let collector = Collector::start(Behaviour::Healthy).await;
    let settings = Settings { spans_queue: queue(1), ..settings(&collector.url()) };
    let (account, _) = account(&settings, TIMEOUT).await;
    assert_eq!(account.traces.acknowledged, SPANS, "{account:?}");
    assert_eq!(collector.spans().len() as u64, SPANS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_collector_is_waited_for_and_gets_every_span() {
    let collector = Collector::start(Behaviour::Slow(Duration::from_millis(20))).await;
    let settings = Settings { spans_queue: queue(64), ..settings(&collector.url()) };
    let (account, _) = account(&settings, TIMEOUT).await;
    assert_eq!(account.traces.acknowledged, SPANS, "{account:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_collector_refuses_is_counted_with_its_reason() {
    let collector = Collector::start(Behaviour::Refusing).await;
    let (account, _) = account(&settings(&collector.url()), TIMEOUT).await;
    assert_eq!(account.traces.refused, SPANS, "{account:?}");
    let reason = account.traces.why.keys().next().unwrap();
    assert!(reason.contains("not from here"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_half_accepting_collector_leaves_out_is_counted_as_refused() {
    let collector = Collector::start(Behaviour::HalfAccepting).await;
    let settings = Settings { spans_queue: queue(100), ..settings(&collector.url()) };
    let (account, _) = account(&settings, TIMEOUT).await;
    assert!(account.traces.refused >= SPANS / 100, "{account:?}");
    assert_eq!(account.traces.acknowledged, collector.spans().len() as u64);
    let reason = account.traces.why.keys().next().unwrap();
    assert!(reason.contains("one is too many"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_holds_up_neither_the_job_nor_its_end() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = Settings { spans_queue: queue(10), ..settings(&format!("http://{free}")) };
    let telemetry = start(&settings);
    let began = Instant::now();
    make_spans(&telemetry.handle()).await;
    let account = telemetry.shutdown(TIMEOUT).await.unwrap();
    assert_adds_up(&account);
    assert_eq!(account.traces.dropped, SPANS, "{account:?}");
    assert!(began.elapsed() < 4 * TIMEOUT, "it took {:?}", began.elapsed());
    let told = account.traces.why.keys().cloned().collect::<Vec<_>>().join(", ");
    assert!(told.to_lowercase().contains("connection refused"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_ends_the_program_at_the_deadline() {
    let collector = Collector::start(Behaviour::Hanging).await;
    let timeout = Duration::from_millis(800);
    let (account, took) = account(&settings(&collector.url()), timeout).await;
    assert_eq!(account.traces.dropped, SPANS, "{account:?}");
    assert!(took < timeout + TIMEOUT, "it took {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_comes_back_gets_what_the_queue_held() {
    let collector = Collector::start(Behaviour::Unavailable).await;
    let telemetry = start(&settings(&collector.url()));
    make_spans(&telemetry.handle()).await;
    collector.behave(Behaviour::Healthy);
    let account = telemetry.shutdown(TIMEOUT).await.unwrap();
    assert_adds_up(&account);
    assert_eq!(account.traces.acknowledged, SPANS, "{account:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_is_probed_during_a_run_and_delivered_to_once_it_is_back() {
    const ROOM: usize = 10;
    let collector = Collector::start(Behaviour::Unavailable).await;
    let telemetry = start(&Settings { spans_queue: queue(ROOM), ..settings(&collector.url()) });
    let handle = telemetry.handle();
    let record = |spans: usize| {
        let run = RunId(Uuid::now_v7());
        (0..spans)
            .for_each(|_| handle.record(spans::phase::<SpanData>(run, "perform", Utc::now())));
    };
    record(1);
    collector.until_asked(3).await;
    record(ROOM);
    // Where there is no room, this is waited for until the collector is taken for away.
    drop(handle.admit().await);
    record(ROOM);
    collector.behave(Behaviour::Healthy);
    collector.until_taken(1 + ROOM).await;
    // The worker takes this batch only after it has noted that the last one was taken.
    record(ROOM);
    collector.until_taken(1 + 2 * ROOM).await;
    make_spans(&handle).await;
    let account = telemetry.shutdown(TIMEOUT).await.unwrap();
    assert_adds_up(&account);
    assert_eq!(account.traces.acknowledged, SPANS + 1 + 2 * ROOM as u64, "{account:?}");
    assert_eq!(account.traces.dropped, ROOM as u64);
    let told = account.traces.why.keys().cloned().collect::<String>();
    assert_eq!(told, "the queue was full and the collector away");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_endpoint_there_is_no_account_and_nothing_is_made() {
    let telemetry = start(&Settings::default());
    make_spans(&telemetry.handle()).await;
    assert!(!telemetry.handle().is_enabled());
    assert_eq!(telemetry.shutdown(TIMEOUT).await, None);
}

#[tokio::test]
async fn the_span_of_work_that_panics_is_delivered_too() {
    let collector = Collector::start(Behaviour::Healthy).await;
    let telemetry = start(&settings(&collector.url()));
    let _listening = listen(&telemetry);
    let handle = telemetry.handle();
    let run = RunId(Uuid::now_v7());
    let work = tokio::spawn(async move {
        let _span = LiveSpan::begin(&handle, || spans::phase(run, "perform", Utc::now()));
        panic!("broken");
    });
    assert!(work.await.unwrap_err().is_panic());
    let account = telemetry.shutdown(TIMEOUT).await.unwrap();
    assert_adds_up(&account);
    assert_eq!((account.traces.acknowledged, collector.spans().len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn at_full_speed_and_with_the_default_queue_no_span_is_lost() {
    let collector = Collector::start(Behaviour::Healthy).await;
    let telemetry = start(&settings(&collector.url()));
    for _ in 0..40 {
        make_spans(&telemetry.handle()).await;
    }
    let account = telemetry.shutdown(12 * TIMEOUT).await.unwrap();
    assert_adds_up(&account);
    assert_eq!(account.traces.acknowledged, 40 * SPANS, "{account:?}");
}
