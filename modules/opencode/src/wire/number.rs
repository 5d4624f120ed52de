//! Numbers that may arrive as whole or as floating point.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize};

/// A moment in milliseconds since 1970, e.g. `1795227150241`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
pub struct Millis(pub u64);

impl Millis {
    /// The moment as the standard library knows it.
    pub fn time(self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.0)
    }

    /// The moment `time`; before 1970 gives zero.
    pub fn from_time(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        whole(input).map(Self)
    }
}

/// Reads a number that the API declares as "number" and that counts something. Fractions are cut off, negative ones
/// are zero.
pub(super) fn whole<'de, D: Deserializer<'de>>(input: D) -> Result<u64, D::Error> {
    let number = serde_json::Number::deserialize(input)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a cast from floating point saturates, which is what is wanted"
    )]
    let whole = number
        .as_u64()
        .unwrap_or_else(|| number.as_f64().unwrap_or_default() as u64);
    Ok(whole)
}
