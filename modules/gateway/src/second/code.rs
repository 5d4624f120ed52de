//! Codes of an authenticator app (RFC 6238): six digits that follow from a shared secret and the time.

use std::time::SystemTime;

use kit::Secret;
use totp_rs::{Builder, Secret as Shared, Totp};

const ISSUER: &str = "OpenCode Nexus";

/// What machine and app share. Its codes have six digits and are good for half a minute, and for as long again before and
/// after: clocks differ and people type slowly.
#[derive(Clone)]
pub struct Seed(Totp);

impl Seed {
    /// A new one of 160 bits, for an app that lists this machine as `account`.
    pub fn fresh(account: &str) -> Self {
        let bytes: [u8; 20] = rand::random();
        Self(totp(bytes.into(), account).expect("160 bits and a name without a colon are what it takes"))
    }

    /// One that was kept as [`text`](Self::text); `None` when it is none.
    pub fn parse(text: &str) -> Option<Self> {
        totp(Shared::try_from_base32(text).ok()?, "").map(Self)
    }

    /// For keeping, and for whoever types it into the app: letters and digits in capitals.
    pub fn text(&self) -> Secret {
        Secret::new(self.0.secret().to_base32())
    }

    /// What an app reads from a picture: `otpauth://totp/…`. Empty for one that was kept, whose name is not.
    pub fn link(&self) -> Secret {
        Secret::new(self.0.to_url().unwrap_or_default())
    }

    /// The step of time whose code this is, if it is one of now.
    pub fn step_of(&self, code: &str, now: SystemTime) -> Option<u64> {
        let seconds = now.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_secs();
        self.0.check(code, seconds)
    }
}

/// `None` when the secret is shorter than the standard's 128 bits.
fn totp(shared: Shared, account: &str) -> Option<Totp> {
    Builder::new()
        .with_secret(shared)
        .with_issuer(Some(ISSUER))
        // A colon parts issuer and account in the link.
        .with_account_name(account.replace(':', " "))
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn standard() -> Seed {
        Seed(totp((*b"12345678901234567890").into(), "x").unwrap())
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    /// RFC 6238, appendix B, SHA-1, shortened to six digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let seed = standard();

        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(seed.step_of(code, at(seconds)), Some(seconds / 30), "{seconds}");
        }
    }

    #[test]
    fn a_code_is_good_for_a_step_before_and_after_and_no_longer() {
        let seed = standard();
        let code = "081804";

        for (seconds, is_good) in [
            (1_111_111_049, false),
            (1_111_111_050, true),
            (1_111_111_109, true),
            (1_111_111_139, true),
            (1_111_111_140, false),
        ] {
            assert_eq!(seed.step_of(code, at(seconds)).is_some(), is_good, "{seconds}");
        }
        for other in ["", "081805", "81804", "0818044", "O81804", " 081804"] {
            assert_eq!(seed.step_of(other, at(1_111_111_109)), None, "{other:?}");
        }
    }

    #[test]
    fn a_seed_is_kept_as_text_and_offered_as_a_link() {
        let seed = Seed::fresh("box: ada");

        let again = Seed::parse(seed.text().expose()).unwrap();
        assert_eq!(again.text(), seed.text());
        let link = seed.link();
        assert!(
            link.expose()
                .starts_with("otpauth://totp/OpenCode%20Nexus:box%20%20ada?secret="),
            "{}",
            link.expose()
        );
        for broken in ["", "nonsense!", "AAAA"] {
            assert!(Seed::parse(broken).is_none(), "{broken}");
        }
    }
}
