use super::*;

fn end(exit: Exit, lines: &[&str]) -> Option<Refusal> {
    let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    judge(exit, &lines, &crate::TunnelSettings::default().names())
}

#[test]
fn a_rate_limit_is_met_with_patience() {
    let found = end(
        Exit::Code(1),
        &[
            "2026-11-21T02:10:21Z INF Requesting new quick Tunnel on trycloudflare.com...",
            r#"2026-11-21T02:10:21Z ERR Error unmarshaling QuickTunnel response: error code: 1015 error="invalid character 'e' looking for beginning of value" status_code="429 Too Many Requests""#,
            "failed to unmarshal quick Tunnel: invalid character 'e' looking for beginning of value",
        ],
    );

    let Some(Refusal::Throttled { first, longest, .. }) = found else {
        panic!("{found:?}");
    };
    assert_eq!((first.as_secs(), longest.as_secs()), (60, 1800));
}

#[test]
fn what_only_a_person_can_mend_is_not_tried_again() {
    let cases: &[(Exit, &[&str], &str)] = &[
        (
            Exit::Code(255),
            &[
                "Provided Tunnel token is not valid.",
                "See 'cloudflared tunnel run --help'.",
            ],
            "nexus secret set tunnel-token",
        ),
        (
            Exit::Code(0),
            &["Incorrect Usage: flag provided but not defined: -post-quantum"],
            "-post-quantum",
        ),
        (
            Exit::Code(0),
            &[
                "GLOBAL OPTIONS:",
                "--help, -h     show help",
                "--version, -v  print the version",
            ],
            "Update cloudflared",
        ),
        (
            Exit::Code(1),
            &["Tunnel credentials file '/home/u/c.json' doesn't exist or is not a file"],
            "tunnel.credentials",
        ),
        (
            Exit::Code(1),
            &["Invalid JSON when parsing tunnel credentials file"],
            "tunnel.credentials",
        ),
        (
            Exit::Code(1),
            &[
                r#"2026-11-21T02:10:21Z ERR Couldn't start tunnel error="Hostname cannot contain a port""#,
                "Hostname cannot contain a port",
            ],
            "Hostname cannot contain a port",
        ),
    ];
    for (exit, lines, words) in cases {
        let found = end(*exit, lines);
        let Some(Refusal::Permanent { reason, .. }) = &found else {
            panic!("{lines:?}: {found:?}");
        };
        assert!(reason.contains(words), "{reason}");
    }
}

#[test]
fn offline_it_is_tried_often_enough_to_be_back_within_a_minute() {
    for line in [
        r#"failed to request quick Tunnel: Post "https://api.trycloudflare.com/tunnel": dial tcp: lookup api.trycloudflare.com on 127.0.0.53:53: server misbehaving"#,
        "Could not lookup srv records on _v2-origintunneld._tcp.argotunnel.com: x",
    ] {
        let found = end(Exit::Code(1), &[line]);
        let Some(Refusal::Throttled { first, longest, .. }) = found else {
            panic!("{line}: {found:?}");
        };
        assert!(first <= Duration::from_secs(5), "{first:?}");
        // Up to a tenth is added by chance.
        assert!(longest.mul_f64(1.1) <= Duration::from_secs(50), "{longest:?}");
    }
}

#[test]
fn what_passes_by_itself_is_tried_again() {
    for lines in [
        &["failed to parse quick Tunnel ID: invalid UUID length: 0"][..],
        &["failed to unmarshal quick Tunnel: unexpected end of JSON input"],
        &[
            r#"2026-11-21T02:10:21Z ERR Initiating shutdown error="context deadline exceeded""#,
            "context deadline exceeded",
        ],
    ] {
        assert!(
            matches!(end(Exit::Code(1), lines), Some(Refusal::Transient(_))),
            "{lines:?}"
        );
    }
    assert_eq!(end(Exit::Signal(9), &[]), None);
    assert_eq!(end(Exit::Code(0), &[]), None);
    let stopped = "2026-11-21T02:10:21Z INF Tunnel server stopped";
    assert_eq!(end(Exit::Code(0), &[stopped]), None);
    assert_eq!(
        end(
            Exit::Code(1),
            &["Error opening metrics server listener: failed to bind to address (127.0.0.1:7890)"]
        ),
        None
    );
}

#[test]
fn reasons_are_read_and_noise_is_not() {
    let cases = [
        (
            "2026-11-21T02:10:21Z INF Registered tunnel connection connIndex=0 protocol=quic",
            Some(Said::Registered),
        ),
        (
            r#"2026-11-21T02:10:21Z INF Updated to new configuration config="{\"ingress\":[]}" version=1"#,
            Some(Said::NewConfig),
        ),
        (
            r#"2026-11-21T02:10:21Z ERR Register tunnel error from server side error="Unauthorized: Invalid tunnel secret" connIndex=0"#,
            Some(Said::Trouble(Trouble::Refused)),
        ),
        (
            r#"{"level":"error","error":"control stream encountered a failure while serving","message":"failed to serve tunnel connection","time":"x"}"#,
            Some(Said::Trouble(Trouble::Silent)),
        ),
        (
            r#"2026-11-21T02:10:21Z ERR Failed to dial a quic connection error="failed to dial to edge with quic: timeout: no recent network activity" connIndex=0"#,
            Some(Said::Trouble(Trouble::Blocked)),
        ),
        (
            "2026-11-21T02:10:21Z INF Lost connection with the edge connIndex=0",
            Some(Said::Lost),
        ),
        // Start-ups that go well contain these.
        (
            "2026-11-21T02:10:21Z ERR Failed to initialize DNS local resolver error=\"lookup region1.v2.argotunnel.com\"",
            None,
        ),
        (
            "2026-11-21T02:10:21Z INF Thank you for trying Cloudflare Tunnel. https://developers.cloudflare.com/x",
            None,
        ),
        (
            "2026-11-21T02:10:21Z ERR Failed to fetch features, default to disable error=\"lookup cfd-features.argotunnel.com\"",
            None,
        ),
        (
            "2026-11-21T02:10:21Z ERR edge discovery: error looking up Cloudflare edge IPs: the DNS query failed",
            None,
        ),
        (
            "2026-11-21T02:10:21Z INF precheck component=\"UDP Connectivity\" status=fail",
            None,
        ),
        // Of one visitor, not of the tunnel.
        (
            r#"2026-11-21T02:10:21Z ERR  error="Unable to reach the origin service. The service may be down or it may not be responding to traffic from cloudflared: dial tcp 127.0.0.1:9: connect: connection refused" connIndex=1 event=1 ingressRule=0 originService=http://127.0.0.1:9"#,
            None,
        ),
        (
            r#"2026-11-21T02:10:21Z ERR  error="stream 1 canceled by remote with error code 0" connIndex=0 event=1"#,
            None,
        ),
        // A visitor's words are no words of cloudflared's.
        (
            "2026-11-21T02:10:21Z DBG GET https://x/Registered tunnel connection HTTP/1.1",
            None,
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(said(line), expected, "{line}");
    }
}
