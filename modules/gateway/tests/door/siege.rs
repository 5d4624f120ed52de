//! Ten thousand guesses from everywhere at once.

use std::time::{Duration, Instant};

use crate::house::{House, PASSWORD};

const HOST: &str = "nexus.example.com";
const WRONG: &str = "not the password at all";
const GUESSES: u32 = 10_000;

/// No two alike: each a household of its own, in both kinds of addresses.
fn address(number: u32) -> String {
    match number % 2 {
        0 => format!(
            "198.{}.{}.{}",
            18 + number / 65_536,
            number / 256 % 256,
            number % 256
        ),
        _ => format!("2001:db8:{:x}:{:x}::1", number / 65_536, number % 65_536),
    }
}

#[tokio::test]
async fn ten_thousand_guesses_from_as_many_addresses_are_a_hundred_and_the_owner_notices_nothing() {
    let house = House::open().await;
    let outside = house.open_outside(HOST).await;
    let phone = outside.log_in().await;
    let (mut judged, mut turned_away, mut slowest) = (0, 0, Duration::ZERO);
    for number in 0..GUESSES {
        // Half an hour in all: of the time between two tries that is asked for, a good part of them is too early.
        if number % 50 == 0 {
            house.turn_clock(Duration::from_secs(10));
        }
        match outside.log_in_from(&address(number), WRONG).await.status {
            401 => judged += 1,
            429 => turned_away += 1,
            other => panic!("{number}: {other}"),
        }
        if number % 500 == 0 {
            let began = Instant::now();
            assert_eq!(house.log_in_with(PASSWORD).await.status, 303, "{number}");
            slowest = slowest.max(began.elapsed());
            assert_eq!(
                outside.ask("GET", "/chat").page_of(&phone).status().await,
                200,
                "{number}"
            );
        }
    }

    // Thirty in an hour, then one in ten seconds, and a hundred in a row are the end.
    assert_eq!((judged, turned_away), (100, GUESSES - 100));
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");
    println!("the owner waited {slowest:?} at most");
    let right = outside.log_in_from("203.0.113.9", PASSWORD).await;
    assert_eq!(right.status, 429);
    assert!(right.body.contains("nexus devices unlock"), "{}", right.body);
    assert_eq!(house.log_in_with(PASSWORD).await.status, 303);
}
