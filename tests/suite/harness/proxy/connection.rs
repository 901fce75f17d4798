//! One connection through the proxy: two directions, and the talk between them held at a point.

use super::wire::{self, First, Flush, Frontend};
use super::{Gate, Moment, Reached, Shared};
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{oneshot, watch};

const CHUNK_BYTES: usize = 64 * 1024;

/// A flush whose answer has not come back yet.
#[derive(Default)]
struct Pending {
    held: Option<Held>,
}

/// Where the talk is held.
struct Held {
    moment: Moment,
    gate: watch::Receiver<Gate>,
    /// Taken when the point is reached.
    tell: Option<(oneshot::Sender<Reached>, Reached)>,
}

impl Held {
    fn reached(&mut self) {
        if let Some((tell, reached)) = self.tell.take() {
            let _ = tell.send(reached); // nobody listens: dropped, and so cut
        }
    }
}

/// That the talk is to end: a side has closed, or it was cut.
struct Over;

impl From<std::io::Error> for Over {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

/// Passes a connection on until a side closes it or it is cut.
pub async fn serve(shared: Arc<Shared>, mut client: TcpStream) {
    let mut cuts = shared.cuts.subscribe();
    cuts.mark_unchanged();
    let talk = async {
        client.set_nodelay(true)?;
        thawed(&shared).await;
        let port = shared.server.load(Ordering::Relaxed);
        let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
        server.set_nodelay(true)?;
        if !start(&shared, &mut client, &mut server).await? {
            return Ok::<_, Over>(());
        }
        let ((from_client, to_client), (from_server, to_server)) =
            (client.into_split(), server.into_split());
        let pending = Mutex::default();
        tokio::select! {
            over = forth(&shared, &pending, from_client, to_server) => over,
            over = back(&shared, &pending, from_server, to_client) => over,
        }
    };
    tokio::select! {
        _ = talk => {}
        _ = cuts.changed() => {}
    }
}

/// Waits until the network is not frozen.
async fn thawed(shared: &Shared) {
    let _ = shared.frozen.subscribe().wait_for(|frozen| !frozen).await;
}

/// Passes bytes on, after the delay of this direction.
async fn pass(
    shared: &Shared,
    to: &mut (impl tokio::io::AsyncWrite + Unpin),
    bytes: &[u8],
) -> Result<(), Over> {
    if bytes.is_empty() {
        return Ok(());
    }
    let delay = *shared.delay.borrow();
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    thawed(shared).await;
    Ok(to.write_all(bytes).await?)
}

/// Reads more into the buffer.
async fn more(
    from: &mut (impl tokio::io::AsyncRead + Unpin),
    buffer: &mut Vec<u8>,
) -> Result<(), Over> {
    let mut chunk = vec![0; CHUNK_BYTES];
    let read = from.read(&mut chunk).await?;
    buffer.extend_from_slice(&chunk[..read]);
    if read == 0 { Err(Over) } else { Ok(()) }
}

/// Passes the first message on; false where it was all (the cancelling of a query).
async fn start(
    shared: &Shared,
    client: &mut TcpStream,
    server: &mut TcpStream,
) -> Result<bool, Over> {
    let mut buffer = Vec::new();
    loop {
        more(client, &mut buffer).await?;
        while let Some((kind, message)) = wire::first(&mut buffer) {
            if kind == First::Encryption {
                pass(shared, client, b"N").await?;
                continue;
            }
            pass(shared, server, &message).await?;
            return Ok(kind == First::StartUp);
        }
    }
}

async fn forth(
    shared: &Shared,
    pending: &Mutex<VecDeque<Pending>>,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
) -> Result<(), Over> {
    let (mut buffer, mut frontend) = (Vec::new(), Frontend::default());
    loop {
        more(&mut from, &mut buffer).await?;
        let mut passed = Vec::new();
        while let Some(message) = wire::next(&mut buffer) {
            if let Some(flush) = frontend.push(&message) {
                let gate = count(shared, pending, &flush);
                match gate {
                    None => passed.extend(flush.bytes),
                    Some(gate) => {
                        pass(shared, &mut to, &std::mem::take(&mut passed)).await?;
                        hold(shared, pending, &mut to, gate, &flush).await?;
                    }
                }
            } else if let Some(unawaited) = frontend.take_unawaited(message[0]) {
                passed.extend(unawaited);
            }
        }
        pass(shared, &mut to, &passed).await?;
    }
}

/// Counts a flush; gives the moment and gate where it is to be held.
fn count(
    shared: &Shared,
    pending: &Mutex<VecDeque<Pending>>,
    flush: &Flush,
) -> Option<(Moment, watch::Receiver<Gate>)> {
    let (number, armed) = shared.points.lock().unwrap().count(&flush.sql, flush.executes);
    let mut told = None;
    let held = armed.map(|armed| {
        let (sender, gate) = watch::channel(Gate::Closed);
        let is_cuttable = flush.executes && flush.sync_bytes > 0;
        let moment = match armed.moment {
            Moment::Executed if !is_cuttable => Moment::Sent,
            moment => moment,
        };
        told = Some((moment, gate.clone()));
        let reached = Reached { flush: number, sql: flush.sql.clone(), gate: sender };
        Held { moment, gate, tell: Some((armed.tell, reached)) }
    });
    pending.lock().unwrap().push_back(Pending { held });
    told
}

/// Passes on as much of a flush as its moment allows, and the rest when the gate opens.
async fn hold(
    shared: &Shared,
    pending: &Mutex<VecDeque<Pending>>,
    to: &mut OwnedWriteHalf,
    (moment, mut gate): (Moment, watch::Receiver<Gate>),
    flush: &Flush,
) -> Result<(), Over> {
    let tell = || {
        if let Some(held) = pending.lock().unwrap().back_mut().and_then(|p| p.held.as_mut()) {
            held.reached();
        }
    };
    match moment {
        Moment::Before => {
            tell();
            opened(&mut gate).await?;
            pass(shared, to, &flush.bytes).await
        }
        Moment::Sent => {
            pass(shared, to, &flush.bytes).await?;
            tell();
            Ok(())
        }
        Moment::Executed => {
            let (executed, sync) = flush.bytes.split_at(flush.bytes.len() - flush.sync_bytes);
            pass(shared, to, &[executed, &wire::FLUSH].concat()).await?;
            opened(&mut gate).await?;
            pass(shared, to, sync).await
        }
        Moment::Answered => pass(shared, to, &flush.bytes).await,
    }
}

async fn opened(gate: &mut watch::Receiver<Gate>) -> Result<(), Over> {
    let gate = gate.wait_for(|gate| *gate != Gate::Closed).await.map(|gate| *gate);
    if matches!(gate, Ok(Gate::Open)) { Ok(()) } else { Err(Over) }
}

async fn back(
    shared: &Shared,
    pending: &Mutex<VecDeque<Pending>>,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
) -> Result<(), Over> {
    let (mut buffer, mut withheld) = (Vec::new(), Vec::new());
    loop {
        more(&mut from, &mut buffer).await?;
        while let Some(message) = wire::next(&mut buffer) {
            let kind = message[0];
            withheld.extend(message);
            let gate = answered(pending, kind);
            if let Some(mut gate) = gate {
                opened(&mut gate).await?;
            }
        }
        if !is_withheld(pending) {
            pass(shared, &mut to, &std::mem::take(&mut withheld)).await?;
        }
    }
}

/// Whether the answer that is coming in is not to be let through yet.
fn is_withheld(pending: &Mutex<VecDeque<Pending>>) -> bool {
    let pending = pending.lock().unwrap();
    let held = pending.front().and_then(|flush| flush.held.as_ref());
    held.is_some_and(|held| *held.gate.borrow() == Gate::Closed)
}

/// Notes a message of the backend; gives the gate that it has to wait for.
fn answered(pending: &Mutex<VecDeque<Pending>>, kind: u8) -> Option<watch::Receiver<Gate>> {
    let mut pending = pending.lock().unwrap();
    let ends = wire::ends_answer(kind);
    let held = pending.front_mut()?.held.as_mut();
    let gate = held.and_then(|held| {
        let is_here = match held.moment {
            Moment::Executed => wire::ends_execution(kind) || ends,
            _ => ends,
        };
        is_here.then(|| {
            held.reached();
            held.gate.clone()
        })
    });
    if ends {
        pending.pop_front();
    }
    gate
}
