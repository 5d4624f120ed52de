//! The page of remote access: how it is, how this machine is reached, and what to do when it is not.

mod routes;
mod steps;

use std::time::SystemTime;

use kit::{Section, State, Status};
use maud::{Markup, html};
use web::{
    form,
    parts::{self, Tone, Weight, button_form, button_link, copy_button, facts, state_mark, tone, words},
    time,
};

pub(crate) use routes::{Now, routes};

use crate::{
    profiles::Profiles,
    settings::{Mode, TunnelSettings},
    words::CLOUDFLARE_READS,
};

/// The part that is kept true while the page is open.
pub(crate) const NOW_ID: &str = "tunnel-now";

/// Fields a profile has of its own, in the order of the form.
const OF_PROFILE: &[&str] = &["mode", "public_host", "tunnel_id", "credentials", "extra_args"];
/// Fields that hold for all.
const OF_ALL: &[&str] = &["auto_off_h", "autostart", "port", "path"];
/// Fields few people change.
const RARE: &[&str] = &["extra_args", "port", "path"];

/// For which kinds of tunnels a field counts; the others do not show it.
fn kinds(key: &str) -> &'static str {
    match key {
        "public_host" => "local manual",
        "tunnel_id" | "credentials" => "local",
        "extra_args" | "path" => "quick token local",
        _ => "quick token local manual",
    }
}

/// What the page knows.
pub(crate) struct View {
    pub(crate) status: Status,
    pub(crate) settings: TunnelSettings,
    /// The port that whoever runs cloudflared leads it to.
    pub(crate) port: Option<u16>,
    /// Keys below the section with their values, as TOML or as they were posted.
    pub(crate) values: Vec<Value>,
    /// What concerns the form as a whole.
    pub(crate) problem: Option<String>,
}

/// One line of the form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) key: &'static str,
    /// As TOML.
    pub(crate) value: String,
    pub(crate) problem: Option<String>,
}

/// The key below the section of a line of the form, with the profile in use.
pub(crate) fn whole_key(settings: &TunnelSettings, key: &str) -> String {
    if OF_PROFILE.contains(&key) {
        format!("{}.{key}", settings.names().table)
    } else {
        format!("tunnel.{key}")
    }
}

/// Every key of the form.
pub(crate) fn keys() -> impl Iterator<Item = &'static str> {
    OF_PROFILE.iter().chain(OF_ALL).copied()
}

pub(crate) fn content(view: &View, now: SystemTime) -> Markup {
    html! {
        h1 { "Remote access" }
        (current(&view.status, now))
        (reached(view))
        (profiles(&view.settings.profiles, &view.settings.profile))
        section.card aria-labelledby="tunnel-steps" {
            h2 #tunnel-steps { (steps::title(view.settings.chosen().mode)) }
            (steps::steps(view.settings.chosen().mode, view.port, &view.settings.names()))
        }
        section.card aria-labelledby="tunnel-help" {
            h2 #tunnel-help { "When it does not work" }
            (steps::help(&view.settings.names()))
        }
    }
}

/// How it is, with what can be done about it.
pub(crate) fn current(status: &Status, now: SystemTime) -> Markup {
    let url = status.details.get("public_url").and_then(|url| url.as_str());
    let is_off = matches!(status.state, State::Off | State::Blocked);
    html! {
        section.card.part #(NOW_ID) aria-labelledby="tunnel-now-title" data-tone=(tone(status.state).as_str()) {
            div.part-head {
                h2 #tunnel-now-title { "Now" }
                p.part-state { (state_mark(status.state, None)) span.since { (time::lasting(status.since, now)) } }
            }
            @if let Some(reason) = &status.reason { p.part-reason { (words(reason)) } }
            @if let Some(url) = url {
                div.command { code { (url) } (copy_button(url, "Copy")) }
            }
            (facts(&status.facts))
            p.muted { (CLOUDFLARE_READS) }
            div.buttons {
                @if is_off { (button_form("/api/modules/tunnel/start", "Switch on", Weight::Primary)) }
                // A code for an address that leads nowhere helps nobody.
                @if status.state == State::Connected && url.is_some() { (button_link("/devices", "Pair a phone", Weight::Plain)) }
                @for offer in &status.offers {
                    (button_form(&format!("/api/modules/tunnel/{}", offer.verb), offer.label, Weight::Plain))
                }
                @if !is_off { (button_form("/api/modules/tunnel/stop", "Switch off", Weight::Danger)) }
            }
        }
    }
}

/// The form.
fn reached(view: &View) -> Markup {
    let line = |key: &'static str| {
        let field = TunnelSettings::FIELDS.iter().find(|field| field.key == key)?;
        let value = view.values.iter().find(|value| value.key == key)?;
        let line = form::setting(key, field, &value.value, value.problem.as_deref());
        Some(html! { div.of-kinds data-kinds=(kinds(key)) { (line) } })
    };
    let all = || OF_PROFILE.iter().chain(OF_ALL);
    let is_rare_wrong = view
        .values
        .iter()
        .any(|value| RARE.contains(&value.key) && value.problem.is_some());
    html! {
        section.card aria-labelledby="tunnel-kind" {
            h2 #tunnel-kind { "How this machine is reached" }
            @if !view.settings.profile.is_empty() {
                p.muted { "Of the profile " strong { (view.settings.profile) } "; “Off by itself”, “Start with the agent”, the port and the program, hold for all." }
            }
            @if let Some(problem) = &view.problem { (parts::message(Tone::Bad, problem)) }
            form method="post" action="/tunnel" {
                input type="hidden" name="of_profile" value=(view.settings.profile);
                @for key in all().filter(|key| !RARE.contains(key)) { @if let Some(line) = line(key) { (line) } }
                details.rare open[is_rare_wrong] {
                    summary { "Further settings" }
                    @for key in all().filter(|key| RARE.contains(key)) { @if let Some(line) = line(key) { (line) } }
                }
                button.button.primary type="submit" { "Save" }
            }
        }
    }
}

fn profiles(profiles: &Profiles, chosen: &str) -> Markup {
    let act = |label: &str, about: &str, weight: &str, words: &[&str]| {
        html! {
            form method="post" action="/api/modules/tunnel/profiles" {
                @for word in words { input type="hidden" name="arg" value=(word); }
                button class=(weight) type="submit" aria-label=(about) { (label) }
            }
        }
    };
    html! {
        section.card aria-labelledby="tunnel-profiles" {
            h2 #tunnel-profiles { "Profiles" }
            @if profiles.is_empty() {
                p.muted { "Several tunnels, say at home and at work: keep the settings of now under a name, and change over with one press." }
            } @else {
                ul.devices-list {
                    @for (name, profile) in profiles {
                        @let is_chosen = name == chosen;
                        li {
                            div {
                                strong { (name) } @if is_chosen { " (in use)" }
                                p { (kind(profile.mode)) @if !profile.public_host.is_empty() { ", " (profile.public_host) } }
                            }
                            div.actions {
                                @if is_chosen {
                                    (act("Use none", "Use no profile", "button", &["choose", "none"]))
                                } @else {
                                    (act("Use", &format!("Use {name}"), "button", &["choose", name]))
                                    (act("Delete", &format!("Delete {name}"), "button danger", &["delete", name]))
                                }
                            }
                        }
                    }
                }
            }
            form method="post" action="/api/modules/tunnel/profiles" {
                input type="hidden" name="arg" value="create";
                div.field {
                    label for="profile-name" { "Keep the settings of now as" }
                    input #profile-name name="arg" required maxlength="32" pattern="[a-z0-9_\\-]+" autocomplete="off" autocapitalize="none"
                        spellcheck="false" placeholder="work";
                }
                button.button type="submit" { "Keep" }
            }
        }
    }
}

/// A kind of tunnel in a few words.
fn kind(mode: Mode) -> &'static str {
    match mode {
        Mode::Quick => "a new address at each start",
        Mode::Token => "a tunnel made at Cloudflare",
        Mode::Local => "a tunnel with a credentials file",
        Mode::Manual => "your own cloudflared",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profiles::Profile;

    fn view(settings: TunnelSettings) -> View {
        View {
            status: Status::new(State::Off, SystemTime::UNIX_EPOCH),
            values: keys()
                .map(|key| Value {
                    key,
                    value: "\"\"".to_owned(),
                    problem: None,
                })
                .collect(),
            settings,
            port: Some(4100),
            problem: None,
        }
    }

    #[test]
    fn every_line_of_the_form_is_a_setting() {
        let page = content(&view(TunnelSettings::default()), SystemTime::UNIX_EPOCH).into_string();
        for key in keys() {
            assert!(page.contains(&format!("name=\"{key}\"")), "{key}");
        }
        for key in OF_PROFILE {
            assert!(
                crate::profiles::FIELDS.iter().any(|field| field.key == *key),
                "{key}"
            );
        }
    }

    #[test]
    fn what_is_risked_stands_before_the_switch() {
        let shown = |mode| {
            let settings = TunnelSettings {
                mode,
                ..TunnelSettings::default()
            };
            content(&view(settings), SystemTime::UNIX_EPOCH).into_string()
        };
        for mode in [Mode::Quick, Mode::Token, Mode::Local, Mode::Manual] {
            let page = shown(mode);
            let risk = page.find("so Cloudflare can read the traffic").unwrap();
            assert!(risk < page.find("Switch on").unwrap(), "{mode:?}");
            assert_eq!(
                page.contains(crate::words::QUICK_IS_FOR_TRYING),
                mode == Mode::Quick,
                "{mode:?}"
            );
        }
    }

    #[test]
    fn with_a_profile_in_use_its_own_values_are_changed() {
        let mut settings = TunnelSettings::default();
        assert_eq!(whole_key(&settings, "mode"), "tunnel.mode");
        settings.profiles.insert("work".to_owned(), Profile::default());
        settings.profile = "work".to_owned();

        assert_eq!(whole_key(&settings, "mode"), "tunnel.profiles.work.mode");
        assert_eq!(whole_key(&settings, "port"), "tunnel.port");
        let page = content(&view(settings), SystemTime::UNIX_EPOCH).into_string();
        assert!(page.contains("(in use)"));
    }
}
