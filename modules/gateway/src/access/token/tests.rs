use ring::{
    rand::SystemRandom,
    rsa::{KeyPair, PublicKeyComponents},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use serde_json::{Value, json};

use super::*;

const ISSUER: &str = "https://team.cloudflareaccess.com";
const AUDIENCE: &str = "4714c1358e65fe4b408ad6d432a5f878";
const NOW_S: u64 = 1_800_000_000;

fn pair() -> KeyPair {
    KeyPair::from_pkcs8(include_bytes!("../../../tests/door/house/team.pk8")).unwrap()
}

fn key() -> Key {
    let public = PublicKeyComponents::<Vec<u8>>::from(pair().public_key());
    Key {
        modulus: public.n,
        exponent: public.e,
    }
}

fn encoded(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

fn signed(head: &Value, claims: &Value) -> String {
    let pair = pair();
    let text = format!("{}.{}", encoded(head), encoded(claims));
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

fn head() -> Value {
    json!({"alg": "RS256", "kid": "k1", "typ": "JWT"})
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": [AUDIENCE], "exp": NOW_S + 60, "nbf": NOW_S - 60, "iat": NOW_S - 60,
        "email": "ada@example.com", "type": "app"
    })
}

fn with(changes: &Value) -> Value {
    let mut claims = claims();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
    claims
}

fn holds(token: &str) -> bool {
    let expected = Expected {
        issuer: ISSUER,
        audience: AUDIENCE,
    };
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW_S);
    Token::parse(token).is_some_and(|token| token.holds(&key(), &expected, now).is_some())
}

#[test]
fn a_token_for_this_application_holds() {
    assert!(holds(&signed(&head(), &claims())));
    assert!(holds(&signed(
        &head(),
        &with(&json!({"aud": AUDIENCE, "nbf": null}))
    )));
}

#[test]
fn a_token_for_another_time_place_or_person_does_not() {
    for changes in [
        json!({"aud": ["another"]}),
        json!({"aud": []}),
        json!({"aud": null}),
        json!({"iss": "https://other.cloudflareaccess.com"}),
        json!({"iss": format!("{ISSUER}/")}),
        json!({"iss": null}),
        json!({"exp": NOW_S}),
        json!({"exp": NOW_S - 1}),
        json!({"exp": null}),
        json!({"exp": "99999999999"}),
        json!({"exp": -1}),
        json!({"exp": 1.8e12}),
        json!({"nbf": NOW_S + 61}),
        json!({"nbf": "0"}),
    ] {
        assert!(!holds(&signed(&head(), &with(&changes))), "{changes}");
    }
}

#[test]
fn whoever_names_another_algorithm_is_not_followed() {
    let none = format!(
        "{}.{}.",
        encoded(&json!({"alg": "none", "kid": "k1"})),
        encoded(&claims())
    );
    assert!(!holds(&none));
    for algorithm in ["none", "None", "HS256", "RS384", "PS256", "ES256", "rs256", ""] {
        let head = json!({"alg": algorithm, "kid": "k1"});
        assert!(!holds(&signed(&head, &claims())), "{algorithm}");
    }
    // The public key as the secret of a symmetric algorithm.
    let text = format!(
        "{}.{}",
        encoded(&json!({"alg": "HS256", "kid": "k1"})),
        encoded(&claims())
    );
    let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key().modulus);
    let signature = ring::hmac::sign(&secret, text.as_bytes());
    assert!(!holds(&format!(
        "{text}.{}",
        BASE64_URL_SAFE_NO_PAD.encode(signature)
    )));
    let text = format!("{}.{}", encoded(&head()), encoded(&claims()));
    let signature = ring::hmac::sign(&secret, text.as_bytes());
    assert!(!holds(&format!(
        "{text}.{}",
        BASE64_URL_SAFE_NO_PAD.encode(signature)
    )));
}

#[test]
fn what_was_changed_after_it_was_signed_does_not_hold() {
    let token = signed(&head(), &claims());
    let (text, signature) = token.rsplit_once('.').unwrap();
    let other = format!(
        "{}.{}",
        encoded(&head()),
        encoded(&with(&json!({"exp": NOW_S + 600})))
    );
    assert!(!holds(&format!("{other}.{signature}")));
    for bad in [
        String::new(),
        ".".to_owned(),
        "..".to_owned(),
        text.to_owned(),
        format!("{text}."),
        format!("{token}."),
        format!("{token}="),
        format!("x{token}"),
        token.replace('.', ""),
        format!("{text}.{}", "A".repeat(signature.len())),
        "A".repeat(TOKEN_BYTES_MAX + 1),
    ] {
        assert!(!holds(&bad), "{bad}");
    }
}
