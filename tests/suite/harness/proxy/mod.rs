//! A proxy between program and PostgreSQL that does things at an exact point of their talk:
//! holds it there until the test has done what it likes, cuts it, freezes it, slows it down.
//!
//! A *flush* is what the program sends before it waits for an answer (up to a Sync, a simple
//! Query or the end of a COPY). Flushes are counted after authentication, over all connections.
//! So the shipped program can be killed at every point of its work, with no code in it for that.

mod connection;
mod wire;

use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

/// What the SQL of every operation contains.
pub const OPERATION: &str = "INSERT INTO payment_monitor_results";

/// Which flush is meant.
#[derive(Debug, Clone, Copy)]
pub enum Point {
    /// The n-th flush, from 1.
    Flush(u64),
    /// The n-th flush, from 1, that executes a statement whose text contains this.
    Statement(&'static str, u64),
}

/// When in the course of a flush the talk is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Nothing of it has been forwarded.
    Before,
    /// It was forwarded; its answer is not let through.
    Sent,
    /// Its statement was executed, but the Sync that ends its transaction is withheld. Only
    /// where something is executed by the extended protocol; elsewhere as [`Moment::Sent`].
    Executed,
    /// Its answer has come back, and is not let through.
    Answered,
}

impl Moment {
    pub const ALL: [Self; 3] = [Self::Before, Self::Sent, Self::Answered];
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Closed,
    Open,
    Cut,
}

/// The talk held at a point. Dropping it cuts the connection.
#[derive(Debug)]
pub struct Reached {
    /// The flush's number.
    pub flush: u64,
    /// What it executes, prepares or says.
    pub sql: String,
    gate: watch::Sender<Gate>,
}

impl Reached {
    /// Lets the talk go on.
    pub fn go_on(self) {
        self.gate.send_replace(Gate::Open);
    }

    /// Cuts the connection: what was not let through is lost.
    pub fn cut(self) {
        drop(self);
    }
}

impl Drop for Reached {
    fn drop(&mut self) {
        self.gate.send_if_modified(|gate| {
            let is_closed = *gate == Gate::Closed;
            if is_closed {
                *gate = Gate::Cut;
            }
            is_closed
        });
    }
}

struct Armed {
    point: Point,
    moment: Moment,
    tell: oneshot::Sender<Reached>,
}

#[derive(Default)]
struct Points {
    flushes: u64,
    armed: Vec<Armed>,
    /// The text of each flush that executes something.
    texts: Vec<String>,
}

struct Shared {
    /// The port that connections are passed on to.
    server: AtomicU16,
    points: Mutex<Points>,
    frozen: watch::Sender<bool>,
    delay: watch::Sender<Duration>,
    /// How often everything was cut.
    cuts: watch::Sender<u64>,
}

/// The proxy; it ends when it is dropped, and so do its connections.
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    listening: JoinHandle<()>,
}

impl Proxy {
    /// Starts one in front of the server at this port of this machine.
    pub async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            server: AtomicU16::new(server),
            points: Mutex::default(),
            frozen: watch::channel(false).0,
            delay: watch::channel(Duration::ZERO).0,
            cuts: watch::channel(0).0,
        });
        let accepting = Arc::clone(&shared);
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(connection::serve(Arc::clone(&accepting), client));
            }
        });
        Self { port, shared, listening }
    }

    /// The same URL by way of the proxy.
    pub fn url(&self, url: &str) -> String {
        let server = self.shared.server.load(Ordering::Relaxed);
        let (from, to) = (format!(":{server}/"), format!(":{}/", self.port));
        assert!(url.contains(&from), "the server's port is not in the URL");
        url.replace(&from, &to)
    }

    /// Holds the talk when it comes to this point. Counting starts anew.
    pub fn hold_at(&self, point: Point, moment: Moment) -> oneshot::Receiver<Reached> {
        let mut points = self.shared.points.lock().unwrap();
        *points = Points::default();
        let (tell, told) = oneshot::channel();
        points.armed.push(Armed { point, moment, tell });
        told
    }

    /// How many flushes there were since counting started.
    pub fn flushes(&self) -> u64 {
        self.shared.points.lock().unwrap().flushes
    }

    /// The numbers, from 1, of the flushes that executed a statement with this text.
    pub fn flushes_with(&self, text: &str) -> Vec<u64> {
        let points = self.shared.points.lock().unwrap();
        let numbered = (1..).zip(&points.texts);
        numbered.filter(|(_, sql)| sql.contains(text)).map(|(number, _)| number).collect()
    }

    /// Lets nothing through any more, new connections included, and resets nothing.
    pub fn freeze(&self) {
        self.shared.frozen.send_replace(true);
    }

    /// Is frozen for so long.
    pub async fn freeze_for(&self, time: Duration) {
        self.freeze();
        tokio::time::sleep(time).await;
        self.thaw();
    }

    /// Lets everything through again, first what was sent meanwhile.
    pub fn thaw(&self) {
        self.shared.frozen.send_replace(false);
    }

    /// Passes new connections on to another port, as an address that moves with the primary.
    pub fn move_to(&self, server: u16) {
        self.shared.server.store(server, Ordering::Relaxed);
    }

    /// Takes this long in each direction from now on.
    pub fn delay(&self, each_way: Duration) {
        self.shared.delay.send_replace(each_way);
    }

    /// Cuts every connection.
    pub fn cut_all(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut_all();
    }
}

impl Points {
    /// Counts a flush; says what is to be held at it, if anything is.
    fn count(&mut self, sql: &str, executes: bool) -> (u64, Option<Armed>) {
        self.flushes += 1;
        self.texts.push(if executes { sql.to_owned() } else { String::new() });
        let (flushes, texts) = (self.flushes, &self.texts);
        let is_here = |armed: &mut Armed| match armed.point {
            Point::Flush(n) => n == flushes,
            Point::Statement(text, n) => {
                let so_far = texts.iter().filter(|sql| sql.contains(text)).count();
                executes && sql.contains(text) && so_far as u64 == n
            }
        };
        (flushes, self.armed.extract_if(.., is_here).next())
    }
}
