//! The machine is elsewhere by now.

use super::*;

#[tokio::test]
async fn a_new_address_is_sent_with_a_link_to_whoever_knows_a_former_one() {
    let world = World::new().await;
    let endpoint = format!("https://{}/201/ada", world.service.address());
    let former = "https://former.example.com";
    world
        .push
        .subscribe(subscription(&endpoint), "ada", former)
        .await
        .unwrap();
    world.subscribe("bob", "201").await;
    let moved = Notice {
        kind: NoticeKind::Tunnel,
        answers: Vec::new(),
        away: Some(kit::Away {
            brief: "This machine has a new address",
            folder: None,
            audience: Audience::Moved,
        }),
        ..waiting("tunnel", "/open")
    };

    world.push.offer(&moved, true);

    let pushed = world.next_is_about("tunnel").await;
    assert_eq!(pushed.path, "/201/ada");
    // The link lasts no longer, and what it carries cannot wait.
    assert_eq!(
        (pushed.headers["ttl"].as_str(), pushed.headers["urgency"].as_str()),
        ("600", "high")
    );
    assert_eq!(*world.book.linked.lock().unwrap(), ["ada"]);

    // Whoever has been logged out meanwhile is sent nothing, and while there is no address nobody is.
    world.book.end("ada");
    world.push.offer(&moved, true);
    *world.book.site.lock().unwrap() = None;
    world.push.offer(&moved, true);
    *world.book.site.lock().unwrap() = Some(SITE.to_owned());
    world.push.offer(&waiting("per_1", "/open"), true);
    world.next_is_about("per_1").await;
    assert_eq!(world.book.linked.lock().unwrap().len(), 1);
}
