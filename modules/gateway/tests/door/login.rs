use crate::house::{House, PASSWORD};

/// The operations of opencode 1.18.33, one `METHOD /path` per line.
pub const OPERATIONS: &str = include_str!("operations.txt");

/// A path with something in the place of every parameter.
pub fn filled(template: &str) -> String {
    let segment = |segment: &str| {
        if segment.starts_with('{') {
            "ses_1".to_owned()
        } else {
            segment.replace('*', "x")
        }
    };
    template.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn without_a_session_nothing_answers_and_nothing_reaches_opencode() {
    let house = House::open().await;
    let mut count = 0;

    for operation in OPERATIONS.lines() {
        let (method, path) = operation.split_once(' ').unwrap();
        for prefix in ["/api/opencode", ""] {
            let path = format!("{prefix}{}", filled(path));
            let answer = house.ask(method, &path).json("{}").send().await;
            assert_eq!(answer.status, 401, "{method} {path}");
        }
        count += 1;
    }

    assert_eq!(count, 188);
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/chat"),
        ("GET", "/chat/ses_1"),
        ("POST", "/chat/act"),
        ("GET", "/dashboard"),
        ("GET", "/devices"),
        ("POST", "/devices/revoke"),
        ("POST", "/password"),
        ("POST", "/logout"),
        ("GET", "/live?view=chat"),
        ("GET", "/api/status"),
        ("POST", "/api/modules/chat/greet"),
        ("GET", "/anything"),
        ("GET", "/settings"),
        ("GET", "/.git/config"),
    ] {
        assert_eq!(
            house
                .ask(method, path)
                .with("Sec-Fetch-Site", "same-origin")
                .status()
                .await,
            401,
            "{method} {path}"
        );
    }
    assert_eq!(house.recorded().len(), 0);
    assert_eq!(house.calls(), []);
}

#[tokio::test]
async fn a_person_without_a_session_is_led_to_the_login_and_back() {
    let house = House::open().await;

    let answer = house
        .ask("GET", "/chat/ses_1?x=1")
        .with("Accept", "text/html,*/*")
        .send()
        .await;

    assert_eq!(
        (answer.status, answer.header("location")),
        (303, Some("/login?next=%2Fchat%2Fses_1%3Fx%3D1"))
    );
    let page = house
        .ask("GET", "/login?next=%2Fchat%2Fses_1%3Fx%3D1")
        .send()
        .await;
    assert_eq!(page.status, 200);
    assert!(
        page.body.contains("name=\"next\" value=\"/chat/ses_1?x=1\""),
        "{}",
        page.body
    );
    let elsewhere = house.ask("GET", "/login?next=https://evil.example").send().await;
    assert!(elsewhere.body.contains("name=\"next\" value=\"/\""));
    let api = house
        .ask("GET", "/api/status")
        .with("Accept", "text/html,*/*")
        .send()
        .await;
    assert_eq!(api.status, 401);
}

#[tokio::test]
async fn the_right_password_leads_in_and_the_session_to_pages() {
    let house = House::open().await;

    let answer = house.log_in_with(PASSWORD).await;

    assert_eq!((answer.status, answer.header("location")), (303, Some("/chat")));
    let set = answer.header("set-cookie").unwrap();
    let (name, attributes) = (set.split('=').next().unwrap(), set.split_once("; ").unwrap().1);
    assert_eq!(attributes, "Path=/; Max-Age=2592000; HttpOnly; SameSite=Strict");
    assert!(
        name.starts_with("nexus-") && name.len() == "nexus-".len() + 8,
        "{name}"
    );
    for path in ["/", "/chat", "/chat/ses_1", "/devices"] {
        let page = house.ask("GET", path).page_of(&answer.cookie()).send().await;
        assert_eq!(page.status, 200, "{path}");
    }
}

#[tokio::test]
async fn every_failed_login_gets_the_same_answer() {
    let house = House::without_password().await;
    let path = house.folder.path().join("credential");

    let absent = house.log_in_with("not the password at all").await;
    std::fs::write(&path, "$argon2id$v=19$m=19456,t=2,p=1$broken").unwrap();
    let broken = house.log_in_with("not the password at all").await;
    gateway::credential::Credential::at(house.folder.path())
        .set(PASSWORD)
        .unwrap();
    let wrong = house.log_in_with("not the password at all").await;
    let nearly = house.log_in_with(&format!("{PASSWORD} ")).await;

    assert_eq!(absent.status, 401);
    let without_date = |mut answer: crate::house::Answer| {
        answer.headers.retain(|(name, _)| name != "date");
        answer
    };
    let [absent, broken, wrong, nearly] = [absent, broken, wrong, nearly].map(without_date);
    assert_eq!(absent, broken);
    assert_eq!(broken, wrong);
    assert_eq!(wrong, nearly);
}

#[tokio::test]
async fn a_failed_login_takes_the_same_time_whatever_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let credential = gateway::credential::Credential::at(folder.path());
    let median = |credential: &gateway::credential::Credential| {
        let mut times: Vec<_> = (0..15)
            .map(|_| {
                let start = std::time::Instant::now();
                assert!(!credential.verify("not the password at all"));
                start.elapsed()
            })
            .collect();
        times.sort();
        times[times.len() / 2].as_secs_f64()
    };

    // The machine may be busy with other tests: one quiet try is enough to tell that the work is the same.
    let is_even = (0..10).any(|_| {
        std::fs::remove_file(folder.path().join("credential")).ok();
        let absent = median(&credential);
        std::fs::write(folder.path().join("credential"), "broken").unwrap();
        let broken = median(&credential);
        credential.set(PASSWORD).unwrap();
        let wrong = median(&credential);
        let (least, most) = (absent.min(broken).min(wrong), absent.max(broken).max(wrong));
        most <= least * 1.2
    });

    assert!(is_even);
}

#[tokio::test]
async fn a_login_is_no_place_for_large_bodies_or_other_forms() {
    let house = House::open().await;

    let large = house
        .form("/login", &format!("password={}", "x".repeat(5000)))
        .send()
        .await;
    let json = house
        .form("/login", "{}")
        .with("Content-Type", "application/json")
        .send()
        .await;

    assert_eq!(large.status, 413);
    assert_eq!(json.status, 400);
    // Neither counted as an attempt.
    for _ in 0..5 {
        house
            .form("/login", &format!("password={}", "x".repeat(5000)))
            .send()
            .await;
    }
    assert_eq!(house.log_in_with(PASSWORD).await.status, 303);
}
