//! What a person does outside of this program, for each kind of tunnel, and what the troubles mean.

use maud::{Markup, html};
use web::parts::{self, Tone, command, words};

use crate::{
    settings::Mode,
    words::{Names, QUICK_IS_FOR_TRYING, Trouble},
};

/// Stands for the port while it is not open.
const PORT: &str = "PORT";

pub(crate) fn title(mode: Mode) -> &'static str {
    match mode {
        Mode::Quick => "A quick tunnel",
        Mode::Token => "A tunnel made at Cloudflare",
        Mode::Local => "A tunnel with a credentials file",
        Mode::Manual => "Your own cloudflared",
    }
}

/// What to do for a kind of tunnel, in order.
pub(crate) fn steps(mode: Mode, port: Option<u16>, names: &Names) -> Markup {
    let Names { token, table } = names;
    let port = port.map_or_else(|| PORT.to_owned(), |port| port.to_string());
    match mode {
        Mode::Quick => html! {
            p { "Nothing to prepare: switch it on, and an address is found that lasts until it is switched off." }
            (parts::message(Tone::Warn, QUICK_IS_FOR_TRYING))
            p.muted {
                "For an address that stays, for the home screen of a phone and for notifications there, choose one of the other kinds. "
                "Devices that are notified can be sent each new address: “Send new addresses” among the settings of the notices."
            }
        },
        Mode::Token => html! {
            ol {
                li { "At Cloudflare, under Zero Trust, Networks, make a tunnel of the kind Cloudflared, and copy its token." }
                li { "Store the token here; it is asked for, and never shown again:" (command(&format!("nexus secret set {token} --stdin"))) }
                li {
                    "Give the tunnel a public hostname there, with this service, and no other:"
                    (command(&format!("http://127.0.0.1:{port}")))
                    @if port == PORT { p.muted { "The port is shown here while remote access is on; a port of your own is set above." } }
                }
                li { "Switch remote access on." }
            }
        },
        Mode::Local => html! {
            ol {
                li { "Make a tunnel and lead its name to it:" (command("cloudflared tunnel create nexus")) (command("cloudflared tunnel route dns nexus nexus.example.com")) }
                li { (words(&format!("Fill in the name, the id and the credentials file above; `{table}` holds them. The configuration for cloudflared is written here."))) }
                li { "Switch remote access on." }
            }
        },
        Mode::Manual => html! {
            ol {
                li { "Fill in a port and the public name above, and switch remote access on: the port opens, and nothing else is started." }
                li { "Lead your cloudflared there, with this rule before any other:" pre tabindex="0" {
                    "ingress:\n  - hostname: nexus.example.com\n    service: http://127.0.0.1:" (port) "\n  - service: http_status:404"
                } }
                li { "Change neither the " code { "Host" } " header nor " code { "Cf-Connecting-IP" } ": whoever comes under another name, or without an address, is refused." }
            }
        },
    }
}

/// What is seen, and what it means.
pub(crate) fn help(names: &Names) -> Markup {
    let troubles = [
        Trouble::Refused,
        Trouble::Deleted,
        Trouble::Silent,
        Trouble::Blocked,
    ];
    html! {
        dl.help-list {
            dt { "The page says 1033, or 530" }
            dd { "Cloudflare knows the name and no tunnel is connected: remote access is off here, or cloudflared is not connected yet." }
            dt { "The page says 502" }
            dd { "The tunnel is connected and leads to another port than the one above." }
            dt { "The page says 429" }
            dd { "More than two hundred requests of a quick tunnel were under way at once: close pages you do not need, or use a tunnel of your own." }
            dt { "The page is empty and says 421" }
            dd { (words(&format!("It was asked for under a name that is not this tunnel's. Set `{}.public_host` to the name you use.", names.table))) }
            dt { "The name is not found" }
            dd {
                "A new name takes a while until it is known everywhere. Whoever asks too early is told for up to half an hour that \
                 there is none: wait a minute before the first visit, or try from another network."
            }
            dt { "No connection" }
            @for trouble in troubles { dd { (words(&trouble.sentence(names))) } }
            dt { "Something else" }
            dd { (words("`nexus logs --source cloudflared` has what cloudflared said; `nexus doctor` checks the rest.")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::TunnelSettings;

    #[test]
    fn whoever_runs_cloudflared_is_told_the_port_and_the_profile_s_own_names() {
        let names = Names {
            token: "tunnel-token-work".to_owned(),
            table: "tunnel.profiles.work".to_owned(),
        };

        let manual = steps(Mode::Manual, Some(4100), &names).into_string();
        let token = steps(Mode::Token, None, &names).into_string();

        assert!(manual.contains("http://127.0.0.1:4100"), "{manual}");
        assert!(
            token.contains("nexus secret set tunnel-token-work --stdin"),
            "{token}"
        );
        assert!(
            help(&TunnelSettings::default().names())
                .into_string()
                .contains("1033")
        );
    }
}
