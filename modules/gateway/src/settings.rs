//! `[gateway]` of the settings file.

use kit::{Applies, Field, Kind, Section};
use serde::{Deserialize, Serialize};

use crate::{
    allowance::Limits,
    remote::{Capability, Reach},
};

/// See [`Section::FIELDS`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GatewaySettings {
    /// The local port; 0 takes a free one and keeps it.
    pub port: u16,
    /// Further ports under which this machine reaches the gateway, e.g. the near end of `ssh -L`.
    pub extra_local_ports: Vec<String>,
    /// What is shown outside beside the chat.
    pub outside: Vec<String>,
    /// Requests of one device from outside in a minute; 0 is no limit.
    pub device_requests_per_min: u32,
    /// What one device from outside sends and gets in an hour, in MiB; 0 is no limit.
    pub device_mib_per_h: u32,
}

impl Default for GatewaySettings {
    fn default() -> Self {
        Self {
            port: 0,
            extra_local_ports: Vec::new(),
            outside: Vec::new(),
            // Ten a second: a page that is used asks for some at a time and is told the rest.
            device_requests_per_min: 600,
            device_mib_per_h: 1024,
        }
    }
}

impl GatewaySettings {
    pub(crate) fn reach(&self) -> Reach {
        Reach::of(&self.outside)
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            requests_per_min: self.device_requests_per_min,
            mib_per_h: self.device_mib_per_h,
        }
    }

    pub(crate) fn extra_ports(&self) -> Vec<u16> {
        self.extra_local_ports
            .iter()
            .filter_map(|port| port.trim().parse().ok())
            .collect()
    }
}

impl Section for GatewaySettings {
    const ID: &'static str = "gateway";
    const FIELDS: &'static [Field] = &[
        Field {
            key: "port",
            label: "Local port",
            help: "Where this machine's browser finds the pages. 0 takes a free port and keeps it.",
            kind: Kind::Number {
                min: 0,
                max: 65_535,
                unit: "",
            },
            applies: Applies::Now,
        },
        Field {
            key: "extra_local_ports",
            label: "Further local ports",
            help: "Ports that lead here from elsewhere, e.g. 8080 for `ssh -L 8080:127.0.0.1:PORT`. Requests that name \
                   any other port are refused.",
            kind: Kind::List,
            applies: Applies::Now,
        },
        Field {
            key: "outside",
            label: "Shown from outside",
            help: "Beside the chat: dashboard, logs. Nothing can be changed there.",
            kind: Kind::List,
            applies: Applies::Now,
        },
        Field {
            key: "device_requests_per_min",
            label: "Requests of a device",
            help: "From outside, in a minute. 0 is no limit.",
            kind: Kind::Number {
                min: 0,
                max: 100_000,
                unit: "",
            },
            applies: Applies::Now,
        },
        Field {
            key: "device_mib_per_h",
            label: "Traffic of a device",
            help: "From outside, both ways, in an hour. 0 is no limit.",
            kind: Kind::Number {
                min: 0,
                max: 1_000_000,
                unit: "MiB",
            },
            applies: Applies::Now,
        },
    ];

    fn check(&self) -> Result<(), String> {
        let is_port = |port: &String| port.trim().parse::<u16>().is_ok_and(|port| port > 0);
        if !self.extra_local_ports.iter().all(is_port) {
            return Err("`gateway.extra_local_ports` must be a list of ports, e.g. [\"8080\"]".to_owned());
        }
        if self.outside.iter().all(|word| Capability::parse(word).is_some()) {
            return Ok(());
        }
        let words = Capability::ALL.map(Capability::word).join(", ");
        Err(format!("`gateway.outside` can hold {words}"))
    }
}
