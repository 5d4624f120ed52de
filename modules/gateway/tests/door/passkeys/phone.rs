//! A device with an authenticator in it, as a browser hands its answers on.

use std::cell::{Cell, RefCell};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Somebody is there, and is its owner.
const PRESENT_AND_KNOWN: u8 = 0b101;
/// A new key follows.
const HAS_KEY: u8 = 0b0100_0000;

pub struct Phone {
    key: EcdsaKeyPair,
    credential: [u8; 16],
    /// Whose key it is, as it was told when it made one.
    owner: RefCell<String>,
    counter: Cell<u32>,
    /// What it says of who is there.
    pub flags: Cell<u8>,
    /// The page it is asked by, e.g. `"https://nexus.example.com"`.
    pub origin: RefCell<String>,
}

impl Phone {
    pub fn at(host: &str) -> Self {
        let rng = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &rng).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8.as_ref(), &rng).unwrap();
        Self {
            key,
            credential: rand::random(),
            owner: RefCell::default(),
            counter: Cell::new(1),
            flags: Cell::new(PRESENT_AND_KNOWN),
            origin: RefCell::new(format!("https://{host}")),
        }
    }

    /// Makes a key for what is asked.
    pub fn makes(&self, asked: &str) -> String {
        let asked: Value = serde_json::from_str(asked).unwrap();
        asked["user"]["id"]
            .as_str()
            .unwrap()
            .clone_into(&mut self.owner.borrow_mut());
        let public = self.key.public_key().as_ref();
        let (x, y) = (&public[1..33], &public[33..]);
        let mut data = self.data(asked["rp"]["id"].as_str().unwrap(), HAS_KEY);
        data.extend_from_slice(&[0; 16]);
        data.extend_from_slice(&[0, 16]);
        data.extend_from_slice(&self.credential);
        data.extend_from_slice(b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20");
        data.extend_from_slice(x);
        data.extend_from_slice(b"\x22\x58\x20");
        data.extend_from_slice(y);
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".to_vec();
        object.push(u8::try_from(data.len()).unwrap());
        object.extend_from_slice(&data);
        let client = self.client("webauthn.create", &asked);
        self.answer(json!({
            "clientDataJSON": encoded(client.as_bytes()),
            "attestationObject": encoded(&object),
            "transports": ["internal"],
        }))
    }

    /// Proves its key for what is asked.
    pub fn proves(&self, asked: &str) -> String {
        let asked: Value = serde_json::from_str(asked).unwrap();
        self.counter.set(self.counter.get() + 1);
        self.signs(&asked, asked["rpId"].as_str().unwrap())
    }

    /// A copy of it that did not hear how often the other was used.
    pub fn proves_as_a_copy(&self, asked: &str) -> String {
        let asked: Value = serde_json::from_str(asked).unwrap();
        self.signs(&asked, asked["rpId"].as_str().unwrap())
    }

    fn signs(&self, asked: &Value, party: &str) -> String {
        let data = self.data(party, 0);
        let client = self.client("webauthn.get", asked);
        let mut signed = data.clone();
        signed.extend_from_slice(&Sha256::digest(client.as_bytes()));
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        self.answer(json!({
            "clientDataJSON": encoded(client.as_bytes()),
            "authenticatorData": encoded(&data),
            "signature": encoded(signature.as_ref()),
            "userHandle": *self.owner.borrow(),
        }))
    }

    fn data(&self, party: &str, flags: u8) -> Vec<u8> {
        let mut data = Sha256::digest(party.as_bytes()).to_vec();
        data.push(self.flags.get() | flags);
        data.extend_from_slice(&self.counter.get().to_be_bytes());
        data
    }

    fn client(&self, kind: &str, asked: &Value) -> String {
        json!({
            "type": kind,
            "challenge": asked["challenge"],
            "origin": *self.origin.borrow(),
            "crossOrigin": false,
        })
        .to_string()
    }

    fn answer(&self, response: Value) -> String {
        json!({
            "id": encoded(&self.credential),
            "rawId": encoded(&self.credential),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        })
        .to_string()
    }
}

fn encoded(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
