//! How downloads are answered, until told otherwise.

use serde::{Deserialize, Serialize};

/// Changed in part by `POST /rules`, e.g. `{"fault":{"cut":1000},"times":1}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rules {
    /// What is wrong with a file.
    pub fault: Fault,
    /// How many more downloads the fault hits; `None`: all.
    pub times: Option<u32>,
    /// Where downloads are sent to.
    pub redirect: Redirect,
    /// Ranges are not understood: every answer is the whole file.
    pub ignores_ranges: bool,
    /// Speed of a file; `None`: as fast as it goes.
    pub bytes_per_s: Option<u64>,
}

impl Rules {
    /// One download was answered by these rules.
    pub(super) fn count_down(&mut self) {
        let Some(times) = &mut self.times else { return };
        *times = times.saturating_sub(1);
        if *times == 0 {
            self.fault = Fault::None;
            self.times = None;
        }
    }
}

/// What is wrong with a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Its last byte is another; the length is right.
    WrongBytes,
    /// No length is given, and after its last byte it goes on with zeros for ever.
    Endless,
    /// So many more bytes are promised than come; then the connection closes.
    LengthLies(u64),
    /// The connection breaks after so many bytes of this answer.
    Cut(u64),
    /// Nothing but this status.
    Status(u16),
    /// Its head, and then nothing.
    Silent,
}

/// Where downloads are sent to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Redirect {
    /// Nowhere: the file is here.
    #[default]
    None,
    /// To the host of assets, as GitHub does.
    Assets,
    /// To a host nobody should follow to.
    Stranger,
    /// To the host of assets without TLS.
    Plain,
    /// To where they come from.
    Loop,
    /// To this address.
    To(String),
}
