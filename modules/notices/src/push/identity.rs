//! Who we are to push services (VAPID, RFC 8292): a key of this installation, kept with its secrets. A browser that has
//! subscribed takes nothing that was not signed with it.

use std::time::{Duration, SystemTime};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use kit::{Secret, Secrets, SecretsError};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::json;
use url::Url;

/// Under what the key is kept.
const NAME: &str = "push-key";
/// Services take 24 hours at most; a clock may be wrong by some.
const VALID: Duration = Duration::from_secs(12 * 3600);

/// See the module.
pub(crate) struct Identity {
    key: EcdsaKeyPair,
    random: SystemRandom,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoIdentity {
    /// The key cannot be read or kept.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
    /// What is kept is no key.
    #[error(
        "what is kept as `{NAME}` is no key: delete it with `nexus secret delete {NAME}`, then switch it on again on each device"
    )]
    Spoiled,
    /// The machine gives no randomness.
    #[error("no key could be made")]
    NotMade,
}

impl Identity {
    /// The key of this installation, made now if there is none.
    pub(crate) async fn of(secrets: &dyn Secrets) -> Result<Self, NoIdentity> {
        if let Some(kept) = secrets.get(NAME).await? {
            let bytes = BASE64_STANDARD
                .decode(kept.expose())
                .map_err(|_| NoIdentity::Spoiled)?;
            return Self::parse(&bytes).ok_or(NoIdentity::Spoiled);
        }
        let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| NoIdentity::NotMade)?;
        let identity = Self::parse(made.as_ref()).ok_or(NoIdentity::NotMade)?;
        secrets
            .set(NAME, Secret::new(BASE64_STANDARD.encode(made.as_ref())))
            .await?;
        Ok(identity)
    }

    fn parse(pkcs8: &[u8]) -> Option<Self> {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8, &random).ok()?;
        Some(Self { key, random })
    }

    /// What a browser is given to subscribe with, in URL-safe base64.
    pub(crate) fn public(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.key.public_key().as_ref())
    }

    /// The value of `Authorization` for a message to `endpoint`; `site` is where whoever runs the service finds us.
    /// `None` for what is no address.
    pub(crate) fn authorization(&self, endpoint: &str, site: &str, now: SystemTime) -> Option<String> {
        let audience = Url::parse(endpoint).ok()?.origin().ascii_serialization();
        let until = (now + VALID)
            .duration_since(SystemTime::UNIX_EPOCH)
            .ok()?
            .as_secs();
        let encoded = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let head = encoded(json!({"typ": "JWT", "alg": "ES256"}));
        let claims = encoded(json!({"aud": audience, "exp": until, "sub": site}));
        let signed = format!("{head}.{claims}");
        let signature = self.key.sign(&self.random, signed.as_bytes()).ok()?;
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature.as_ref());
        Some(format!("vapid t={signed}.{signature}, k={}", self.public()))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, sync::Mutex};

    use kit::BoxFuture;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    use super::*;

    #[derive(Default)]
    struct Drawer(Mutex<BTreeMap<String, String>>);

    impl Secrets for Drawer {
        fn get<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Option<Secret>, SecretsError>> {
            let found = self.0.lock().unwrap().get(name).cloned().map(Secret::new);
            Box::pin(std::future::ready(Ok(found)))
        }

        fn set<'a>(&'a self, name: &'a str, secret: Secret) -> BoxFuture<'a, Result<(), SecretsError>> {
            let text = secret.expose().to_owned();
            self.0.lock().unwrap().insert(name.to_owned(), text);
            Box::pin(std::future::ready(Ok(())))
        }

        fn delete<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<(), SecretsError>> {
            self.0.lock().unwrap().remove(name);
            Box::pin(std::future::ready(Ok(())))
        }

        fn names(&self) -> BoxFuture<'_, Result<Vec<String>, SecretsError>> {
            let names = self.0.lock().unwrap().keys().cloned().collect();
            Box::pin(std::future::ready(Ok(names)))
        }
    }

    #[tokio::test]
    async fn one_key_is_made_and_kept_and_a_spoiled_one_is_said() {
        let drawer = Drawer::default();

        let first = Identity::of(&drawer).await.unwrap().public();
        let second = Identity::of(&drawer).await.unwrap().public();
        drawer
            .0
            .lock()
            .unwrap()
            .insert(NAME.to_owned(), "bm8=".to_owned());

        assert_eq!(first, second);
        assert!(matches!(Identity::of(&drawer).await, Err(NoIdentity::Spoiled)));
    }

    #[tokio::test]
    async fn a_message_is_signed_for_its_service_alone() {
        let identity = Identity::of(&Drawer::default()).await.unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);

        let value = identity
            .authorization(
                "https://push.example.com:8443/a/b",
                "https://nexus.example.com",
                now,
            )
            .unwrap();

        let (token, key) = value
            .strip_prefix("vapid t=")
            .unwrap()
            .split_once(", k=")
            .unwrap();
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).unwrap();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, decode(key))
            .verify(signed.as_bytes(), &decode(signature))
            .unwrap();
        let claims: serde_json::Value =
            serde_json::from_slice(&decode(signed.split_once('.').unwrap().1)).unwrap();
        assert_eq!(
            claims,
            json!({"aud": "https://push.example.com:8443", "exp": 1_043_200, "sub": "https://nexus.example.com"})
        );
        assert_eq!(identity.authorization("nowhere", "", now), None);
    }
}
