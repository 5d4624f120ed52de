use std::time::Duration;

use gateway::Purpose;

use crate::house::{House, PASSWORD};

#[tokio::test]
async fn looking_at_a_link_burns_nothing_and_the_button_works_once() {
    let house = House::open().await;
    let ticket = house.door.ticket(Purpose::Link, "/chat/ses_1");
    let link = ticket.link(&house.origin());
    let path = link.expose().strip_prefix(&house.origin()).unwrap();
    let form = format!("ticket={}", ticket.secret.expose());

    for _ in 0..3 {
        let page = house.ask("GET", path).send().await;
        assert_eq!((page.status, page.header("set-cookie")), (200, None));
        assert!(page.body.contains("method=\"post\" action=\"/enter\""));
    }
    let first = house.form("/enter", &form).send().await;
    let second = house.form("/enter", &form).send().await;

    assert_eq!(
        (first.status, first.header("location")),
        (303, Some("/chat/ses_1"))
    );
    assert_eq!(
        house.ask("GET", "/chat").page_of(&first.cookie()).status().await,
        200
    );
    assert_eq!((second.status, second.header("set-cookie")), (401, None));
    assert!(second.body.contains("nexus open --print-url"));
}

#[tokio::test]
async fn a_window_enters_by_header_once() {
    let house = House::open().await;
    let ticket = house.door.ticket(Purpose::Window, "/dashboard");
    let asked = house
        .ask("GET", "/enter")
        .with("Authorization", &format!("Ticket {}", ticket.secret.expose()));

    let first = asked.send().await;
    let second = asked.send().await;

    assert_eq!(
        (first.status, first.header("location")),
        (303, Some("/dashboard"))
    );
    assert_eq!(second.status, 401);
    // Its engine would start a second process for a page that is to be apart from others, which it has none of.
    let opener = "cross-origin-opener-policy";
    assert_eq!(first.header(opener), None);
    let window = house.ask("GET", "/chat").page_of(&first.cookie()).send().await;
    assert_eq!((window.status, window.header(opener)), (200, None));
    assert!(
        window
            .header("content-security-policy")
            .is_some_and(|policy| policy.contains("trusted-types"))
    );
    let browser = house.enter(Purpose::Link).await;
    let page = house.ask("GET", "/chat").page_of(&browser).send().await;
    assert_eq!(page.header(opener), Some("same-origin"));
    let forged = house
        .ask("GET", "/enter")
        .with("Authorization", "Ticket 00")
        .status()
        .await;
    assert_eq!(forged, 401);
}

#[tokio::test]
async fn a_second_window_stays_in_the_session_of_the_first() {
    let house = House::open().await;
    let cookie = house.enter(Purpose::Window).await;
    let ticket = house.door.ticket(Purpose::Window, "/dashboard");

    let asked = house.ask("GET", "/enter").with("Cookie", &cookie);
    let answer = asked
        .with("Authorization", &format!("Ticket {}", ticket.secret.expose()))
        .send()
        .await;

    assert_eq!((answer.status, answer.header("set-cookie")), (303, None));
    assert_eq!(house.door.sessions().len(), 1);
    assert_eq!(house.ask("GET", "/chat").page_of(&cookie).status().await, 200);
}

#[tokio::test]
async fn the_first_password_is_set_at_the_machine_or_not_at_all() {
    let house = House::without_password().await;
    let form = "password=a+walrus+plays+the+banjo&repeat=a+walrus+plays+the+banjo";
    let stored = house.folder.path().join("credential");
    let used = house.door.ticket(Purpose::SetUp, "/onboarding");
    house
        .form("/enter", &format!("ticket={}", used.secret.expose()))
        .send()
        .await;
    let script = house.door.script_token("backup").await.unwrap();

    assert_eq!(house.form("/password", form).status().await, 401);
    let again = house
        .form("/enter", &format!("ticket={}", used.secret.expose()))
        .status()
        .await;
    assert_eq!(again, 401);
    let unknown = house
        .form("/enter", &format!("ticket={}", "0".repeat(64)))
        .status()
        .await;
    assert_eq!(unknown, 401);
    let by_script = house
        .form("/password", form)
        .with("Authorization", &format!("Bearer {}", script.expose()));
    assert_eq!(by_script.status().await, 401);
    assert!(!stored.exists());

    let cookie = house.enter(Purpose::SetUp).await;
    assert_eq!(
        house
            .form("/password", form)
            .with("Cookie", &cookie)
            .status()
            .await,
        303
    );
    assert!(stored.exists());
    assert_eq!(house.log_in_with(PASSWORD).await.status, 303);
}

#[tokio::test]
async fn a_new_password_needs_the_current_one_and_ends_all_other_sessions() {
    let mut house = House::open().await;
    let cookie = house.log_in().await;
    let other = house.log_in().await;
    let change = async |form: &str| {
        house
            .form("/password", form)
            .with("Cookie", &cookie)
            .status()
            .await
    };
    let before = std::fs::read(house.folder.path().join("credential")).unwrap();

    let new = "password=velvet+ocean+kettle&repeat=velvet+ocean+kettle";
    assert_eq!(change(new).await, 403);
    assert_eq!(change(&format!("current=wrong&{new}")).await, 403);
    let current = "current=a+walrus+plays+the+banjo";
    assert_eq!(
        change(&format!("{current}&password=too+short&repeat=too+short")).await,
        422
    );
    assert_eq!(
        change(&format!(
            "{current}&password=opencode-nexus-123&repeat=opencode-nexus-123"
        ))
        .await,
        422
    );
    assert_eq!(
        change(&format!("{current}&password=velvet+ocean+kettle&repeat=other")).await,
        422
    );
    assert_eq!(
        std::fs::read(house.folder.path().join("credential")).unwrap(),
        before
    );
    assert_eq!(change(&format!("{current}&{new}")).await, 303);

    assert_eq!(house.ask("GET", "/chat").page_of(&cookie).status().await, 200);
    assert_eq!(house.ask("GET", "/chat").page_of(&other).status().await, 401);
    assert_eq!(house.log_in_with(PASSWORD).await.status, 401);
    assert_eq!(house.log_in_with("velvet ocean kettle").await.status, 303);
    let told = house.notices.try_recv().unwrap();
    assert!(matches!(told, kit::Told::Notice(notice) if notice.title == "The password was changed"));
}

#[tokio::test]
async fn lengths_of_passwords_are_judged_in_characters() {
    let house = House::open().await;
    let cookie = house.log_in().await;
    let mut current = PASSWORD.to_owned();
    let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    // Letters in an order that is nobody's first guess.
    let of_length = |length: u32| -> String {
        let mut state = 1_u32;
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'a' + u8::try_from(state >> 24).unwrap() % 26)
        };
        (0..length).map(next).collect()
    };

    for (length, expected) in [(14, 422), (64, 303), (128, 303), (129, 422)] {
        let password = of_length(length);
        let body = format!(
            "current={}&password={new}&repeat={new}",
            encoded(&current),
            new = encoded(&password)
        );
        let status = house
            .form("/password", &body)
            .with("Cookie", &cookie)
            .status()
            .await;
        assert_eq!(status, expected, "{length}");
        if expected == 303 {
            current = password;
        }
    }
    let mut nearly = current.clone();
    nearly.pop();
    assert_eq!(house.log_in_with(&format!("{nearly}!")).await.status, 401);
    assert_eq!(house.log_in_with(&current).await.status, 303);
    house.turn_clock(Duration::from_secs(1));
}

#[tokio::test]
async fn no_login_with_the_old_password_outlives_its_change() {
    let house = House::open().await;
    let mut passwords = [PASSWORD, "velvet ocean kettle"];

    for round in 0..4 {
        let [old, new] = passwords;
        let mut storm = tokio::task::JoinSet::new();
        for _ in 0..4 {
            let body: String = url::form_urlencoded::byte_serialize(old.as_bytes()).collect();
            let asked = house.form("/login", &format!("password={body}"));
            storm.spawn(async move { asked.send().await });
        }
        house
            .door
            .set_password(kit::Secret::new(new.to_owned()))
            .await
            .unwrap();
        let answers = storm.join_all().await;

        assert!(
            answers.iter().all(|answer| matches!(answer.status, 303 | 401)),
            "{answers:?}"
        );
        assert_eq!(house.door.sessions(), [], "{round}");
        // A right one forgives the wrong ones.
        assert_eq!(house.log_in_with(new).await.status, 303);
        passwords.reverse();
    }
}

#[tokio::test]
async fn tickets_end_with_the_sessions() {
    let house = House::open().await;
    let own = house.log_in().await;
    let is_expired = async |ticket: gateway::Ticket| {
        let form = format!("ticket={}", ticket.secret.expose());
        let answer = house.form("/enter", &form).send().await;
        (answer.status, answer.header("set-cookie").is_some()) == (401, false)
    };
    let ticket = |purpose| house.door.ticket(purpose, "/chat");

    let waiting = ticket(Purpose::Link);
    let others = house.form("/devices/revoke", "others=1").with("Cookie", &own);
    assert_eq!(others.status().await, 303);
    assert!(is_expired(waiting).await);

    let waiting = ticket(Purpose::Window);
    house.door.revoke_all().await.unwrap();
    assert!(is_expired(waiting).await);

    let waiting = [ticket(Purpose::Link), ticket(Purpose::SetUp)];
    house
        .door
        .set_password(kit::Secret::new("velvet ocean kettle".to_owned()))
        .await
        .unwrap();
    for waiting in waiting {
        assert!(is_expired(waiting).await);
    }
    assert_eq!(house.door.sessions(), []);
    assert!(!is_expired(ticket(Purpose::Link)).await);
}

#[tokio::test]
async fn whoever_sets_the_first_password_stays_and_other_tickets_do_not() {
    let house = House::without_password().await;
    let cookie = house.enter(Purpose::SetUp).await;
    let other = house.door.ticket(Purpose::SetUp, "/onboarding");
    let form = "password=a+walrus+plays+the+banjo&repeat=a+walrus+plays+the+banjo";

    let set = house
        .form("/password", form)
        .with("Cookie", &cookie)
        .status()
        .await;

    assert_eq!(set, 303);
    assert_eq!(house.ask("GET", "/chat").page_of(&cookie).status().await, 200);
    let entering = house.form("/enter", &format!("ticket={}", other.secret.expose()));
    assert_eq!(entering.status().await, 401);
}

#[tokio::test]
async fn of_first_passwords_set_at_once_one_is_the_first() {
    let house = House::without_password().await;
    let cookie = house.enter(Purpose::SetUp).await;
    let passwords = [
        "a walrus plays the banjo",
        "velvet ocean kettle",
        "seventeen quartz mangoes",
        "lagoon tractor ninety",
    ];
    let mut storm = tokio::task::JoinSet::new();
    for password in passwords {
        let encoded: String = url::form_urlencoded::byte_serialize(password.as_bytes()).collect();
        let asked = house
            .form("/password", &format!("password={encoded}&repeat={encoded}"))
            .with("Cookie", &cookie);
        storm.spawn(async move { (password, asked.status().await) });
    }

    let outcomes = storm.join_all().await;

    let mut first = outcomes.iter().filter(|(_, status)| *status == 303);
    let (password, _) = first.next().unwrap();
    assert!(first.next().is_none(), "{outcomes:?}");
    // Those that came after it need the current one.
    assert!(
        outcomes
            .iter()
            .all(|(_, status)| matches!(status, 303 | 403 | 409)),
        "{outcomes:?}"
    );
    assert!(gateway::credential::Credential::at(house.folder.path()).verify(password));
}
