//! A token of Access (a JWT, RFC 7519), and whether it holds. Pure.
//!
//! There is one algorithm. What a token says of its own algorithm is compared with it and never followed.

use std::time::{Duration, SystemTime};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Deserialize;

/// Of RS256, the one algorithm that Access uses.
const ALGORITHM: &str = "RS256";
/// Longest token; those of Access have about one thousand.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// By how much our clock may be behind theirs.
const SKEW: Duration = Duration::from_secs(60);

/// A key of Access.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) modulus: Vec<u8>,
    pub(super) exponent: Vec<u8>,
}

/// Whose token, for whom.
pub(super) struct Expected<'e> {
    /// E.g. `https://team.cloudflareaccess.com`.
    pub(super) issuer: &'e str,
    /// The application's tag.
    pub(super) audience: &'e str,
}

/// One that has the shape of a token. Nothing in it is to be believed yet.
pub(super) struct Token<'t> {
    /// The name of the key it says it is signed with.
    pub(super) key: String,
    signed: &'t str,
    claims: &'t str,
    signature: Vec<u8>,
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: u64,
    nbf: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

impl<'t> Token<'t> {
    pub(super) fn parse(text: &'t str) -> Option<Self> {
        if text.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, signature) = text.rsplit_once('.')?;
        let (head, claims) = signed.split_once('.')?;
        let head: Head = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(head).ok()?).ok()?;
        (head.alg == ALGORITHM).then_some(Self {
            key: head.kid,
            signed,
            claims,
            signature: BASE64_URL_SAFE_NO_PAD.decode(signature).ok()?,
        })
    }

    /// Until when it holds, if it is signed with `key`, by and for whom it should be, and valid at `now`.
    pub(super) fn holds(&self, key: &Key, expected: &Expected<'_>, now: SystemTime) -> Option<SystemTime> {
        let public = RsaPublicKeyComponents {
            n: &key.modulus,
            e: &key.exponent,
        };
        let verified = public.verify(
            &RSA_PKCS1_2048_8192_SHA256,
            self.signed.as_bytes(),
            &self.signature,
        );
        verified.ok()?;
        self.says(expected, now)
    }

    fn says(&self, expected: &Expected<'_>, now: SystemTime) -> Option<SystemTime> {
        let claims = BASE64_URL_SAFE_NO_PAD.decode(self.claims).ok()?;
        let claims: Claims = serde_json::from_slice(&claims).ok()?;
        let seconds = |time: SystemTime| {
            let since = time.duration_since(SystemTime::UNIX_EPOCH);
            since.map(|since| since.as_secs()).ok()
        };
        let is_meant = match &claims.aud {
            Audience::One(audience) => audience == expected.audience,
            Audience::Many(audiences) => audiences.iter().any(|audience| audience == expected.audience),
        };
        let until = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(claims.exp))?;
        let is_early = claims.nbf.is_some_and(|from| Some(from) > seconds(now + SKEW));
        (claims.iss == expected.issuer && is_meant && until > now && !is_early).then_some(until)
    }
}

#[cfg(test)]
mod tests;
