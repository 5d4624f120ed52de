//! The lines of a start.

use serde_json::json;

use crate::{
    life::Life,
    log::{Level, Log},
    settings::Settings,
};

const NO_CONFIG: &str = "Cannot determine default configuration path. No file [config.yml config.yaml] in \
    [~/.cloudflared ~/.cloudflare-warp ~/cloudflare-warp /etc/cloudflared /usr/local/etc/cloudflared]";

/// Everything between the address, or the tunnel's id, and the metrics server. The errors among it are normal.
pub(crate) fn say(life: &Life, settings: &Settings) {
    let log = &life.log;
    // A token given by flag or variable needs no file, and none is missed.
    if settings.config.path.is_none() && settings.get("token").is_none() {
        log.info(NO_CONFIG);
    }
    log.info(&format!(
        "Version {} (Checksum 9a4c2f7d1e0b8a6c5d3e2f1a0b9c8d7e6f5a4b3c2d1e0f9a8b7c6d5e4f3a2b1c)",
        life.script.version
    ));
    let (system, machine) = (std::env::consts::OS, std::env::consts::ARCH);
    let machine = if machine == "x86_64" { "amd64" } else { "arm64" };
    log.info(&format!("GOOS: {system}, GOVersion: go1.26.6, GoArch: {machine}"));
    let quick: &[(&str, &str)] = if life.is_quick() {
        &[("ha-connections", "1"), ("protocol", "quic")]
    } else {
        &[]
    };
    log.info(&settings.shown(quick));
    if let Some(variables) = settings.variables_shown() {
        log.info(&variables);
    }
    if !settings.is_on("no-autoupdate") {
        let fields = json!({"autoupdateFreq": 86_400_000});
        log.line(Level::Info, "Autoupdate frequency is set", &fields);
    }
    log.info(&format!("Generated Connector ID: {}", life.connector));
    log.line(
        Level::Error,
        "Failed to fetch features, default to disable",
        &json!({"error": "lookup cfd-features.argotunnel.com on 192.0.2.53:53: read: connection refused"}),
    );
    log.info(&format!("Initial protocol {}", life.protocol.first));
    for _ in 0..2 {
        log.info("ICMP proxy will use 192.0.2.7 as source for IPv4");
        log.info("ICMP proxy will use :: in zone lo as source for IPv6");
    }
    log.line(
        Level::Warn,
        "ICMP proxy feature is disabled",
        &json!({"error": "cannot create ICMPv4 proxy"}),
    );
    log.line(
        Level::Error,
        "Failed to initialize DNS local resolver",
        &json!({"error": "lookup region1.v2.argotunnel.com: i/o timeout"}),
    );
}

/// The second box, which changes nothing.
pub(crate) fn prechecks(log: &Log) {
    log.info(&format!("+{}+", "-".repeat(60)));
    log.info(&format!("|{:^60}|", "CONNECTIVITY PRE-CHECKS"));
    log.info(&format!("+{}+", "-".repeat(60)));
    for (component, status) in [
        ("dns", "fail"),
        ("quic", "pass"),
        ("http2", "pass"),
        ("api", "pass"),
    ] {
        log.line(
            Level::Info,
            "precheck",
            &json!({"component": component, "status": status}),
        );
    }
}
