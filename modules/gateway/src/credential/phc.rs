//! `$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>`.

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use zeroize::Zeroize;

/// Memory of one hash, KiB: what OWASP asks for with two passes.
const MEMORY_KIB: u32 = 19 * 1024;

/// Passes over it.
const PASSES: u32 = 2;

/// A file that asks for more is not ours; it would only be a way to keep the machine busy.
const MEMORY_KIB_MAX: u32 = 256 * 1024;
const PASSES_MAX: u32 = 16;

const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// glibc maps an allocation of its own, and gives it back whole, only above a threshold that rises to the largest one
/// freed, but never beyond 32 MiB. The hash's memory is reserved just above it and touched only as far as it is
/// used, so that nothing of it stays with the process.
const RESERVED_BLOCKS: usize = 33 * 1024;

/// A password's hash with everything needed to check one.
#[derive(Clone, PartialEq, Eq)]
pub struct Phc {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Phc {
    /// Hashes `password` at today's cost with a new salt.
    pub(super) fn of(password: &str) -> Self {
        let salt: [u8; SALT_BYTES] = rand::random();
        let mut phc = Self {
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            lanes: 1,
            salt: salt.to_vec(),
            hash: vec![0; HASH_BYTES],
        };
        phc.hash = phc.compute(password);
        phc
    }

    /// One that no password matches, at today's cost.
    pub(super) fn of_nobody() -> Self {
        Self {
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            lanes: 1,
            salt: vec![0; SALT_BYTES],
            hash: rand::random::<[u8; HASH_BYTES]>().to_vec(),
        }
    }

    /// Reads the string; `None` when it is not one, or asks for something absurd.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('$');
        if (parts.next()?, parts.next()?, parts.next()?) != ("", "argon2id", "v=19") {
            return None;
        }
        let mut costs = parts.next()?.split(',');
        let mut cost = |name: &str| {
            costs
                .next()?
                .strip_prefix(name)?
                .strip_prefix('=')?
                .parse::<u32>()
                .ok()
        };
        let (memory_kib, passes, lanes) = (cost("m")?, cost("t")?, cost("p")?);
        let mut bytes = || STANDARD_NO_PAD.decode(parts.next()?).ok();
        let (salt, hash) = (bytes()?, bytes()?);
        let is_sane = (8..=MEMORY_KIB_MAX).contains(&memory_kib)
            && (1..=PASSES_MAX).contains(&passes)
            && lanes == 1
            && (8..=64).contains(&salt.len())
            && hash.len() == HASH_BYTES
            && parts.next().is_none();
        is_sane.then_some(Self {
            memory_kib,
            passes,
            lanes,
            salt,
            hash,
        })
    }

    pub(super) fn is_as_costly_as_today(&self) -> bool {
        self.memory_kib >= MEMORY_KIB && self.passes >= PASSES
    }

    /// Whether `password` is the one, in a time that tells nothing about how near it came.
    pub(super) fn matches(&self, password: &str) -> bool {
        let computed = self.compute(password);
        let difference = computed
            .iter()
            .zip(&self.hash)
            .fold(0, |sum, (a, b)| sum | (a ^ b));
        computed.len() == self.hash.len() && std::hint::black_box(difference) == 0
    }

    fn compute(&self, password: &str) -> Vec<u8> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(self.hash.len()))
            .expect("every value was chosen by us or checked when it was read");
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let count = self.memory_kib as usize;
        let mut memory: Vec<Block> = Vec::with_capacity(count.max(RESERVED_BLOCKS));
        memory.resize(count, Block::new());
        let mut hash = vec![0; self.hash.len()];
        argon2
            .hash_password_into_with_memory(password.as_bytes(), &self.salt, &mut hash, &mut memory)
            .expect("the lengths of salt and hash were checked, and a password has at most 128 characters");
        // What is left in the memory would save a guesser the work.
        for block in &mut memory {
            block.zeroize();
        }
        hash
    }
}

impl fmt::Display for Phc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (salt, hash) = (
            STANDARD_NO_PAD.encode(&self.salt),
            STANDARD_NO_PAD.encode(&self.hash),
        );
        let (memory, passes, lanes) = (self.memory_kib, self.passes, self.lanes);
        write!(f, "$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${hash}")
    }
}

impl fmt::Debug for Phc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phc(…)")
    }
}
