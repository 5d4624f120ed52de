//! Ids that sort with the server's own.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

use rand::RngExt;

use super::Millis;

/// How many ids the server can tell apart within one millisecond.
const PER_MILLISECOND: u64 = 0x1000;
/// Characters of chance at the end of an id.
const CHANCE_CHARS: usize = 14;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A message id for a prompt sent now, e.g. `msg_1fbe067ac0012rdx4uho87ebda`. Each call gives a later one.
///
/// A client may choose the id itself; the same prompt sent twice then stays one message. Ids must sort like the
/// server's: 48 bits of (milliseconds × 4096 + counter) in hex, then chance.
pub fn message_id() -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = Millis::from_time(SystemTime::now())
        .0
        .saturating_mul(PER_MILLISECOND);
    let last = LAST
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
            Some(now.max(last + 1))
        })
        .unwrap_or_default();
    let mut rng = rand::rng();
    message_id_at(now.max(last + 1), || rng.random_range(0..62))
}

/// The id of the moment `stamp` (milliseconds × 4096 + counter); `chance` gives numbers below 62.
pub fn message_id_at(stamp: u64, mut chance: impl FnMut() -> usize) -> String {
    let mut id = format!("msg_{:012x}", stamp & 0xffff_ffff_ffff);
    for _ in 0..CHANCE_CHARS {
        let letter = BASE62.get(chance()).copied().unwrap_or(b'0');
        id.push(char::from(letter));
    }
    id
}
