//! `[gateway]` of the settings file.

use kit::{Applies, Field, Kind, Section};
use serde::{Deserialize, Serialize};

/// See [`Section::FIELDS`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GatewaySettings {
    /// The local port; 0 takes a free one and keeps it.
    pub port: u16,
    /// Further ports under which this machine reaches the gateway, e.g. the near end of `ssh -L`.
    pub extra_local_ports: Vec<String>,
}

impl GatewaySettings {
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
    ];

    fn check(&self) -> Result<(), String> {
        let is_port = |port: &String| port.trim().parse::<u16>().is_ok_and(|port| port > 0);
        if self.extra_local_ports.iter().all(is_port) {
            return Ok(());
        }
        Err("`gateway.extra_local_ports` must be a list of ports, e.g. [\"8080\"]".to_owned())
    }
}
