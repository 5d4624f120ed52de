//! Whoever has no cloudflared gets one.

use std::fs;

use fakes::Release;

use super::{set_password, wait_for_state};
use crate::harness::{Agent, Cloudflare, Home, block_on};

#[test]
fn without_cloudflared_one_is_downloaded_when_its_owner_asks_and_remote_access_goes_on() {
    let mut home = Home::new();
    let cloudflare = Cloudflare::new(&home, "");
    let program = home.path().join("cloudflared/cloudflared");
    let release = block_on(Release::start("2026.8.2", fs::read(&program).unwrap())).unwrap();
    let authority = home.path().join("authority.pem");
    fs::write(&authority, release.authority().pem()).unwrap();
    home.env("SSL_CERT_FILE", &authority);
    let hosts = [release.host(), release.assets()].map(|host| format!("https://{}", host.https));
    home.env("NEXUS_TEST_RELEASES", hosts.join(","));
    let agent = cloudflare.used_by(Agent::options().home(home).idle()).start();
    set_password(&agent);
    agent.ask(&["settings", "set", "tunnel.path", ""]);
    // Its behaviour stands beside the program.
    let cache = agent.home().nexus().join("cache");
    fs::create_dir_all(&cache).unwrap();
    fs::copy(
        program.with_file_name("cloudflared.script"),
        cache.join("cloudflared-2026.8.2.script"),
    )
    .unwrap();

    let refused = agent.nexus(&["tunnel", "start"]);
    assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("`nexus tunnel download`"), "{said}");
    let page = agent.enter().get("/dashboard").body;
    assert!(page.contains("Download cloudflared from GitHub"), "{page}");

    let got = agent.nexus(&["tunnel", "download"]);

    let (said, beside) = (
        String::from_utf8_lossy(&got.stdout),
        String::from_utf8_lossy(&got.stderr),
    );
    assert!(said.contains("is what was published"), "{got:?}");
    let whole = format!(
        " of {:.1} MB",
        (fs::metadata(&program).unwrap().len() / 100_000) as f64 / 10.0
    );
    assert!(
        beside.starts_with("Download: ") && beside.contains(&whole),
        "{got:?}"
    );
    // What was wished for before goes on.
    assert!(wait_for_state(&agent, "connected")["public_url"].is_string());
    assert_eq!(cloudflare.starts().len(), 1);
    agent.quit();
}
