//! Where a link may lead.

use url::Url;

use super::tree::{Element, Growth};

/// A destination as it was written, judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// May be followed; the parsed, printable form.
    Open {
        /// What goes into `href`.
        href: String,
        /// What the reader is shown beside other words, e.g. `example.com`.
        host: String,
    },
    /// Not followed: another scheme, a file, nonsense.
    Inert(String),
}

impl Target {
    /// Judges a destination. Only absolute http, https and mailto addresses are followed; everything is parsed first, so
    /// that tabs inside a scheme or other tricks of writing decide nothing.
    pub fn of(destination: &str) -> Self {
        let parsed = Url::parse(destination).ok();
        match parsed {
            Some(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Self::Open {
                host: url.host_str().unwrap_or_default().to_owned(),
                href: url.into(),
            },
            Some(url) if url.scheme() == "mailto" => Self::Open {
                host: url.path().to_owned(),
                href: url.into(),
            },
            Some(_) | None => Self::Inert(destination.to_owned()),
        }
    }

    /// The element around a link's words.
    pub fn element(self) -> Element {
        match self {
            Self::Open { href, host } => Element::new("a", Growth::Whole)
                .with("href", href)
                .with("rel", "noopener noreferrer")
                .with("target", "_blank")
                .with("data-host", host),
            Self::Inert(destination) => Element::new("span", Growth::Whole)
                .with("class", "inert")
                .with("data-url", destination),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_web_and_of_mail_are_followed() {
        for bad in [
            "javascript:alert(1)",
            "java\tscript:alert(1)",
            " javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            "data:text/html,<script>",
            "vbscript:x",
            "file:///etc/passwd",
            "/relative",
            "//example.com",
            "#here",
            "",
        ] {
            assert!(matches!(Target::of(bad), Target::Inert(_)), "{bad:?}");
        }
        assert_eq!(
            Target::of("https://Example.com/a?b=\"c\""),
            Target::Open {
                href: "https://example.com/a?b=%22c%22".to_owned(),
                host: "example.com".to_owned()
            }
        );
        assert!(matches!(Target::of("mailto:a@b.c"), Target::Open { .. }));
    }
}
