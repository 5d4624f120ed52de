//! The trial of the guard, on doors that are not ours.

use tokio::net::TcpListener;

use super::*;

const HOST: &str = "trial.invalid";

/// A door that answers each path, asked for under the name of the trial, as told; and everything under another name.
async fn trial_of(answers: [(&'static str, u16); 4], other_name: u16) -> Result<(), String> {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let door = async {
        loop {
            let (mut stream, _) = socket.accept().await.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let path = head.split(' ').nth(1).unwrap();
            let status = if head.contains(&format!("Host: {HOST}\r\n")) {
                answers.iter().find(|(known, _)| *known == path).unwrap().1
            } else {
                other_name
            };
            let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    };
    tokio::select! {
        tried = try_guard(port, HOST) => tried,
        () = door => unreachable!("a door stands for ever"),
    }
}

/// How a guarded door answers a stranger.
const GUARDED: [(&str, u16); 4] = [
    ("/api/opencode/session", 401),
    ("/api/status", 401),
    ("/chat", 401),
    ("/healthz", 200),
];

#[tokio::test]
async fn a_door_that_lets_anything_through_fails_its_trial() {
    assert_eq!(trial_of(GUARDED, 421).await, Ok(()));

    for (at, (path, expected)) in GUARDED.into_iter().enumerate() {
        for status in [200, 303, 401, 403, 500] {
            let mut answers = GUARDED;
            answers[at].1 = status;
            let found = trial_of(answers, 421).await;
            let fault = format!("{path} answered {status} instead of {expected}");
            let right = if status == expected { Ok(()) } else { Err(fault) };
            assert_eq!(found, right);
        }
    }
    for status in [200, 401] {
        let found = trial_of(GUARDED, status).await;
        assert_eq!(
            found,
            Err(format!("a name that is not ours was answered {status}"))
        );
    }
}

#[tokio::test]
async fn where_nobody_answers_the_trial_is_failed() {
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    drop(socket);

    let fault = try_guard(port, HOST).await.unwrap_err();

    assert!(fault.contains("could not be asked"), "{fault}");
}
