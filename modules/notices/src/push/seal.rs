//! What is told to a device is sealed for its browser (RFC 8291): the push service in between carries it unread.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    aead, agreement, hkdf,
    rand::{SecureRandom, SystemRandom},
};

/// Longest text. Push services carry 4096 bytes (RFC 8030), of which the wrapping takes its part.
pub(crate) const TEXT_BYTES_MAX: usize = RECORD_BYTES - HEAD_BYTES - TAG_BYTES - 1;

const RECORD_BYTES: usize = 4096;
const SALT_BYTES: usize = 16;
/// An uncompressed point of P-256.
const POINT_BYTES: usize = 65;
/// Salt, size of a record, length of the key, the key.
const HEAD_BYTES: usize = SALT_BYTES + 4 + 1 + POINT_BYTES;
const TAG_BYTES: usize = 16;
const AUTH_BYTES: usize = 16;
/// Ends the last record's text (RFC 8188).
const LAST: u8 = 2;

/// For whom something is sealed: what a browser gives away of its subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recipient {
    point: Vec<u8>,
    auth: Vec<u8>,
}

/// What came is no subscription's key, or there is no randomness here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the key is none that anything could be sealed for")]
pub(crate) struct NotSealed;

impl Recipient {
    /// From the texts `p256dh` and `auth` of a subscription. Only what can be sealed for is taken.
    pub(crate) fn parse(p256dh: &str, auth: &str) -> Option<Self> {
        let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
        let recipient = Self::kept(decode(p256dh)?, decode(auth)?)?;
        recipient.seal(b"").is_ok().then_some(recipient)
    }

    /// One that was taken before.
    pub(crate) fn kept(point: Vec<u8>, auth: Vec<u8>) -> Option<Self> {
        let is_shaped = point.len() == POINT_BYTES && auth.len() == AUTH_BYTES;
        is_shaped.then_some(Self { point, auth })
    }

    pub(crate) fn point(&self) -> &[u8] {
        &self.point
    }

    pub(crate) fn auth(&self) -> &[u8] {
        &self.auth
    }

    /// A message of one record, for [`TEXT_BYTES_MAX`] bytes at most.
    pub(crate) fn seal(&self, text: &[u8]) -> Result<Vec<u8>, NotSealed> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(NotSealed);
        }
        let random = SystemRandom::new();
        let private = agreement::EphemeralPrivateKey::generate(&agreement::ECDH_P256, &random)
            .map_err(|_| NotSealed)?;
        let public = private.compute_public_key().map_err(|_| NotSealed)?;
        let mut salt = [0; SALT_BYTES];
        random.fill(&mut salt).map_err(|_| NotSealed)?;
        let peer = agreement::UnparsedPublicKey::new(&agreement::ECDH_P256, &self.point);
        agreement::agree_ephemeral(private, &peer, |shared| {
            self.wrap(shared, public.as_ref(), salt, text)
        })
        .map_err(|_| NotSealed)?
    }

    fn wrap(
        &self,
        shared: &[u8],
        public: &[u8],
        salt: [u8; SALT_BYTES],
        text: &[u8],
    ) -> Result<Vec<u8>, NotSealed> {
        let both: &[&[u8]] = &[b"WebPush: info\0", &self.point, public];
        let material: [u8; 32] = derive(&self.auth, shared, both)?;
        let key: [u8; 16] = derive(&salt, &material, &[b"Content-Encoding: aes128gcm\0"])?;
        let nonce: [u8; 12] = derive(&salt, &material, &[b"Content-Encoding: nonce\0"])?;
        let key = aead::UnboundKey::new(&aead::AES_128_GCM, &key).map_err(|_| NotSealed)?;
        let mut record = [text, &[LAST]].concat();
        aead::LessSafeKey::new(key)
            .seal_in_place_append_tag(
                aead::Nonce::assume_unique_for_key(nonce),
                aead::Aad::empty(),
                &mut record,
            )
            .map_err(|_| NotSealed)?;
        let size = u32::try_from(RECORD_BYTES).map_err(|_| NotSealed)?.to_be_bytes();
        let length = u8::try_from(public.len()).map_err(|_| NotSealed)?;
        Ok([&salt[..], &size, &[length], public, &record].concat())
    }
}

fn derive<const LENGTH: usize>(
    salt: &[u8],
    secret: &[u8],
    about: &[&[u8]],
) -> Result<[u8; LENGTH], NotSealed> {
    let mut derived = [0; LENGTH];
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret)
        .expand(about, Length(LENGTH))
        .and_then(|expanded| expanded.fill(&mut derived))
        .map_err(|_| NotSealed)?;
    Ok(derived)
}

struct Length(usize);

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
    }

    const POINT: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";

    #[test]
    fn the_example_of_the_standard_comes_out() {
        let recipient = Recipient::parse(POINT, AUTH).unwrap();
        let sealed = recipient
            .wrap(
                &bytes("kyrL1jIIOHEzg3sM2ZWRHDRB62YACZhhSlknJ672kSs"),
                &bytes(
                    "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8",
                ),
                bytes("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap(),
                b"When I grow up, I want to be a watermelon",
            )
            .unwrap();

        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS\
                        6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qu\
                        lcy4a-fN";
        assert_eq!(BASE64_URL_SAFE_NO_PAD.encode(sealed), expected);
    }

    #[test]
    fn the_same_text_is_never_sealed_the_same_and_fits() {
        let recipient = Recipient::parse(POINT, AUTH).unwrap();
        let longest = vec![b'x'; TEXT_BYTES_MAX];

        let (one, other) = (
            recipient.seal(&longest).unwrap(),
            recipient.seal(&longest).unwrap(),
        );

        assert_ne!(one, other);
        assert_eq!(one.len(), RECORD_BYTES);
        assert_eq!(recipient.seal(&[longest, vec![b'x']].concat()), Err(NotSealed));
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let off_the_curve = BASE64_URL_SAFE_NO_PAD.encode([4; POINT_BYTES]);
        let at_nothing = BASE64_URL_SAFE_NO_PAD.encode([0; POINT_BYTES]);

        for (point, auth) in [
            ("", AUTH),
            (POINT, ""),
            (POINT, "BTBZMqHH6r4Tts7J_aSI"),
            (&POINT[..80], AUTH),
            (off_the_curve.as_str(), AUTH),
            (at_nothing.as_str(), AUTH),
            ("!", AUTH),
        ] {
            assert_eq!(Recipient::parse(point, auth), None, "{point} {auth}");
        }
        assert!(Recipient::parse(&format!("{POINT}="), &format!("{AUTH}==")).is_some());
    }
}
