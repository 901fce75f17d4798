//! As much of PostgreSQL's protocol (version 3) as tells where a message ends and what a flush
//! executes.

use std::collections::HashMap;

/// A frontend's first messages have no type: the codes of those that are not a start-up.
const CANCEL: u32 = 80_877_102;
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

#[derive(Debug, PartialEq, Eq)]
pub enum First {
    /// Asks for encryption: refused with one byte.
    Encryption,
    Cancel,
    StartUp,
}

/// Takes the first message off the buffer, when it is there.
pub fn first(buffer: &mut Vec<u8>) -> Option<(First, Vec<u8>)> {
    let message = take(buffer, 0)?;
    let kind = match u32::from_be_bytes(message[4..8].try_into().unwrap()) {
        SSL | GSS => First::Encryption,
        CANCEL => First::Cancel,
        _ => First::StartUp,
    };
    Some((kind, message))
}

/// Takes a message with a type off the buffer, when all of it is there.
pub fn next(buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    take(buffer, 1)
}

fn take(buffer: &mut Vec<u8>, type_bytes: usize) -> Option<Vec<u8>> {
    let length = buffer.get(type_bytes..type_bytes + 4)?;
    let length = u32::from_be_bytes(length.try_into().unwrap()) as usize + type_bytes;
    (buffer.len() >= length).then(|| buffer.drain(..length).collect())
}

/// The messages of a frontend, gathered into flushes.
#[derive(Default)]
pub struct Frontend {
    statements: HashMap<Vec<u8>, String>,
    gathered: Vec<u8>,
    sql: String,
    executes: bool,
}

/// What was sent before an answer is awaited.
#[derive(Default)]
pub struct Flush {
    pub bytes: Vec<u8>,
    /// The bytes of the Sync that ends it, if one does.
    pub sync_bytes: usize,
    pub sql: String,
    pub executes: bool,
}

impl Frontend {
    /// Adds a message; gives the flush that it completes.
    pub fn push(&mut self, message: &[u8]) -> Option<Flush> {
        let body = &message[5..];
        match message[0] {
            b'P' => {
                let (name, rest) = text(body);
                let sql = String::from_utf8_lossy(text(rest).0).into_owned();
                self.sql.clone_from(&sql);
                self.statements.insert(name.to_owned(), sql);
            }
            b'B' => {
                let (_portal, rest) = text(body);
                self.sql = self.statements.get(text(rest).0).cloned().unwrap_or_default();
            }
            b'E' => self.executes = true,
            b'Q' => {
                self.sql = String::from_utf8_lossy(text(body).0).into_owned();
                self.executes = true;
            }
            b'c' => "the end of a COPY".clone_into(&mut self.sql),
            _ => {}
        }
        self.gathered.extend_from_slice(message);
        let sync_bytes = if message[0] == b'S' { message.len() } else { 0 };
        matches!(message[0], b'S' | b'Q' | b'c' | b'f').then(|| Flush {
            bytes: std::mem::take(&mut self.gathered),
            sync_bytes,
            sql: std::mem::take(&mut self.sql),
            executes: std::mem::take(&mut self.executes),
        })
    }

    /// What belongs to no flush yet and may be long (COPY's data), or is said without awaiting
    /// an answer (a farewell, a password).
    pub fn take_unawaited(&mut self, last: u8) -> Option<Vec<u8>> {
        matches!(last, b'd' | b'X' | b'p').then(|| std::mem::take(&mut self.gathered))
    }
}

/// Whether a message of the backend is the last of the answer to a flush: it is ready for a
/// query, or for COPY's data.
pub fn ends_answer(kind: u8) -> bool {
    matches!(kind, b'Z' | b'G')
}

/// Whether a message of the backend says that a statement is through, or has failed.
pub fn ends_execution(kind: u8) -> bool {
    matches!(kind, b'C' | b'E')
}

/// The Flush message: asks for the answers so far, without ending the transaction.
pub const FLUSH: [u8; 5] = [b'H', 0, 0, 0, 4];

/// A text that ends with a zero byte, and what comes after it.
fn text(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    (&bytes[..end], bytes.get(end + 1..).unwrap_or_default())
}
