//! A team of Cloudflare Access: signs for visitors, and lists its keys.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use gateway::FetchKeys;
use ring::{
    rand::SystemRandom,
    rsa::{KeyPair, PublicKeyComponents},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use serde_json::{Value, json};

pub const TEAM: &str = "walrus";
pub const AUDIENCE: &str = "4714c1358e65fe4b408ad6d432a5f878";

/// How often its keys were asked for.
#[derive(Clone, Default)]
pub struct Team(Arc<AtomicUsize>);

impl Team {
    pub fn fetch(&self) -> FetchKeys {
        let asked = Arc::clone(&self.0);
        Arc::new(move |url| {
            asked.fetch_add(1, Ordering::Relaxed);
            assert_eq!(
                url,
                format!("https://{TEAM}.cloudflareaccess.com/cdn-cgi/access/certs")
            );
            Box::pin(std::future::ready(Ok(listed().into())))
        })
    }

    pub fn asked(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn pair() -> KeyPair {
    KeyPair::from_pkcs8(include_bytes!("team.pk8")).unwrap()
}

fn listed() -> String {
    let public = PublicKeyComponents::<Vec<u8>>::from(pair().public_key());
    let encode = |bytes: Vec<u8>| BASE64_URL_SAFE_NO_PAD.encode(bytes);
    json!({"keys": [{"kid": "k1", "kty": "RSA", "alg": "RS256", "use": "sig", "n": encode(public.n), "e": encode(public.e)}]})
        .to_string()
}

/// A token that says it is signed with `key`, for `audience`, valid for `life` from now.
pub fn token(key: &str, audience: &str, life: Duration) -> String {
    let encode = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let until = (SystemTime::now() + life)
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let head = encode(&json!({"alg": "RS256", "kid": key, "typ": "JWT"}));
    let claims = encode(
        &json!({"iss": format!("https://{TEAM}.cloudflareaccess.com"), "aud": [audience], "exp": until, "email": "ada@example.com"}),
    );
    let text = format!("{head}.{claims}");
    let pair = pair();
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(
        &RSA_PKCS1_SHA256,
        &SystemRandom::new(),
        text.as_bytes(),
        &mut signature,
    )
    .unwrap();
    format!("{text}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
}
