//! The gate, against servers that are not what they should be.

use std::path::Path;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;

/// A server that answers every request by what `answer` makes of its head.
async fn server(answer: impl Fn(&str) -> (u16, String) + Send + 'static) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = vec![0; 4096];
            let count = stream.read(&mut head).await.unwrap();
            let (status, body) = answer(&String::from_utf8_lossy(&head[..count]).to_lowercase());
            let response = format!(
                "HTTP/1.1 {status} x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(response.as_bytes()).await.unwrap();
        }
    });
    (address, task)
}

async fn verdict(answer: impl Fn(&str) -> (u16, String) + Send + 'static) -> (Probe, Result<(), Refusal>) {
    let (address, task) = server(answer).await;
    let folder = tempfile::tempdir().unwrap();
    let settings = OpencodeSettings::default();
    let program = Serve::new(
        Setting::fixed(settings.clone()),
        folder.path().to_owned(),
        folder.path().join("versions"),
        Variables::new(),
    )
    .unwrap();
    let run = Run {
        upstream: Upstream {
            address,
            authorization: authorization(&Secret::new("right".to_owned())),
        },
        path: Path::new("/bin/opencode").to_owned(),
        version: crate::find::FLOOR,
        settings,
        seen: None,
    };
    let gate = Gate {
        pid: 1,
        listening: vec![address],
    };
    let found = (program.probe(&run).await, program.verify(&run, &gate).await);
    task.abort();
    found
}

/// As opencode answers: 401 without the right password.
fn guarded(head: &str, body: &str) -> (u16, String) {
    let right = authorization(&Secret::new("right".to_owned()))
        .expose()
        .to_lowercase();
    if head.contains(&format!("authorization: {right}")) {
        (200, body.to_owned())
    } else {
        (401, String::new())
    }
}

fn reason(verdict: Result<(), Refusal>) -> String {
    match verdict {
        Err(Refusal::Permanent {
            reason,
            recheck: None,
        }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_asks_for_its_password_passes() {
    let found = verdict(|head| guarded(head, r#"{"healthy":true,"version":"1.18.33"}"#)).await;

    assert_eq!(found, (Probe::Good, Ok(())));
}

#[tokio::test]
async fn a_server_that_ignores_its_password_is_refused_for_good() {
    let (_, found) = verdict(|_| (200, r#"{"healthy":true,"version":"1.18.33"}"#.to_owned())).await;

    let reason = reason(found);
    assert!(
        reason.contains("answers without a password (status 200), so it was stopped"),
        "{reason}"
    );
}

#[tokio::test]
async fn an_old_version_is_refused_for_good_and_so_is_garbage() {
    let (_, found) = verdict(|head| guarded(head, r#"{"healthy":true,"version":"1.1.9"}"#)).await;
    assert!(reason(found).contains("1.1.10 is the oldest that is safe"));
    let (_, found) = verdict(|head| guarded(head, r#"{"healthy":true,"version":"yes"}"#)).await;
    assert!(reason(found).contains("so it is not opencode"));
}

#[tokio::test]
async fn a_request_that_came_too_early_is_not_waited_for() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let upstream = Upstream {
        address: listener.local_addr().unwrap(),
        authorization: Secret::new("Basic x".to_owned()),
    };
    let task = tokio::spawn(async move {
        let (_never_answered, _) = listener.accept().await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        let body = r#"{"healthy":true,"version":"1.18.33"}"#;
        let head = "HTTP/1.1 200 x\r\ncontent-type: application/json\r\ncontent-length:";
        let answer = format!("{head} {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
    });

    let answer = Health::new().unwrap().ask_starting(&upstream).await;

    assert!(answer.is_some_and(|answer| answer.is_healthy));
    task.abort();
}

#[tokio::test]
async fn what_does_not_say_healthy_is_not() {
    for body in [
        r#"{"healthy":false,"version":"1.18.33"}"#,
        "<!doctype html>",
        "{}",
    ] {
        let (probe, _) = verdict(move |head| guarded(head, body)).await;
        assert_eq!(probe, Probe::Bad, "{body}");
    }
    let (probe, _) = verdict(|_| (503, r#"{"healthy":true,"version":"1.18.33"}"#.to_owned())).await;
    assert_eq!(probe, Probe::Bad);
}

#[test]
fn address_and_port_are_said_explicitly_and_last() {
    let found = arguments(4711, &["--log-level=DEBUG".to_owned()]);

    let expected = [
        "serve",
        "--log-level=DEBUG",
        "--hostname",
        "127.0.0.1",
        "--port",
        "4711",
    ];
    assert_eq!(found, expected.map(OsString::from));
}

#[test]
fn each_password_is_new_and_long() {
    let (one, two) = (password(), password());

    assert_eq!(one.expose().len(), 64);
    assert_ne!(one.expose(), two.expose());
    assert_eq!(
        authorization(&Secret::new("p:w".to_owned())).expose(),
        "Basic b3BlbmNvZGU6cDp3"
    );
}

#[test]
fn both_forms_of_a_password_are_named_to_be_hidden() {
    let folder = tempfile::tempdir().unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    let program = Serve::new(
        Setting::fixed(OpencodeSettings::default()),
        folder.path().to_owned(),
        folder.path().join("versions"),
        Variables::new(),
    )
    .unwrap()
    .hiding(Box::new(move |secret| tell.send(secret).unwrap()));

    program.hide_all(&Secret::new("p:w".to_owned()));

    let named: Vec<String> = told.try_iter().map(|secret| secret.expose().to_owned()).collect();
    assert_eq!(named, ["p:w", "b3BlbmNvZGU6cDp3"]);
}
