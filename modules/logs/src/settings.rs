//! What can be set about logs.

use std::time::Duration;

use kit::{Applies, Field, Kind, Section};
use serde::{Deserialize, Serialize};

use crate::{Level, files::Keep};

/// The `[logs]` table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogSettings {
    /// What the agent writes about itself.
    pub level: Level,
    /// All files of one source together.
    pub max_mib: u32,
    /// Older files are deleted.
    pub keep_days: u32,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            level: Level::Info,
            max_mib: 50,
            keep_days: 14,
        }
    }
}

impl Section for LogSettings {
    const ID: &'static str = "logs";
    const FIELDS: &'static [Field] = &[
        Field {
            key: "level",
            label: "Level",
            help: "How much the agent writes about itself. Passwords and tokens are never written.",
            kind: Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
            applies: Applies::Now,
        },
        Field {
            key: "max_mib",
            label: "Most kept",
            help: "All log files of one source together; the oldest are deleted first.",
            kind: Kind::Number {
                min: 5,
                max: 2000,
                unit: "MiB",
            },
            applies: Applies::Now,
        },
        Field {
            key: "keep_days",
            label: "Kept for",
            help: "Log files older than this are deleted.",
            kind: Kind::Number {
                min: 1,
                max: 365,
                unit: "days",
            },
            applies: Applies::Now,
        },
    ];
}

impl LogSettings {
    pub(crate) fn keep(&self) -> Keep {
        const MIB: u64 = 1024 * 1024;
        const DAY_S: u64 = 86_400;
        Keep {
            bytes: u64::from(self.max_mib) * MIB,
            age: Duration::from_secs(u64::from(self.keep_days) * DAY_S),
        }
    }
}
