//! Forms: lines with label, help and error, and the ones made from a module's [`Field`]s.

use kit::{Field, settings::Kind};
use maud::{Markup, html};

use crate::parts;

/// What one line of a form takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A line of text.
    Text,
    /// A password; `autocomplete` is `"current-password"` or `"new-password"`.
    Password(&'static str),
    /// A code of digits that was sent or shown elsewhere.
    Code,
    /// Several lines.
    Lines,
    /// A path or a command: no spelling help, monospaced.
    Path,
}

/// One line of a form.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Name and id of the input.
    pub name: &'a str,
    /// A few words.
    pub label: &'a str,
    /// One or two sentences, or empty.
    pub help: &'a str,
    /// What is in it.
    pub value: &'a str,
    /// What is wrong with it, as a sentence.
    pub error: Option<&'a str>,
    /// What it takes.
    pub input: Input,
}

/// Draws a line: label, help, error, input, each tied to the others for screen readers. The first one on a page that
/// is wrong has the focus, so that what has to be mended is read out and can be typed at once.
pub fn line(line: &Line<'_>) -> Markup {
    let described = described(line.name, line.help, line.error);
    html! {
        div.field {
            label for=(line.name) { (line.label) }
            (help(line.name, line.help))
            @if line.input == Input::Lines {
                textarea id=(line.name) name=(line.name) rows="3" spellcheck="false"
                    aria-describedby=[described.as_ref()] aria-invalid=[line.error.map(|_| "true")]
                    autofocus[line.error.is_some()] {
                    (line.value)
                }
            } @else {
                input id=(line.name) name=(line.name) type=(line.input.html_type()) value=[line.input.shown(line.value)]
                    class=[(line.input == Input::Path).then_some("mono")]
                    autocomplete=(line.input.autocomplete()) spellcheck="false" autocapitalize="none"
                    inputmode=[(line.input == Input::Code).then_some("numeric")]
                    aria-describedby=[described.as_ref()] aria-invalid=[line.error.map(|_| "true")]
                    autofocus[line.error.is_some()];
            }
            (error(line.name, line.error))
        }
    }
}

impl Input {
    fn html_type(self) -> &'static str {
        match self {
            Self::Password(_) => "password",
            Self::Text | Self::Code | Self::Lines | Self::Path => "text",
        }
    }

    fn autocomplete(self) -> &'static str {
        match self {
            Self::Password(which) => which,
            Self::Code => "one-time-code",
            Self::Text | Self::Lines | Self::Path => "off",
        }
    }

    /// A password is never sent back to the page.
    fn shown(self, value: &str) -> Option<&str> {
        match self {
            Self::Password(_) => None,
            Self::Text | Self::Code | Self::Lines | Self::Path => Some(value),
        }
    }
}

/// One of several, all visible: `options` are value, label and a sentence; `problem` is what is wrong with the choice.
pub fn choice(
    name: &str,
    label: &str,
    options: &[(&str, &str, &str)],
    value: &str,
    problem: Option<&str>,
) -> Markup {
    html! {
        fieldset.field.choice aria-describedby=[described(name, "", problem)] {
            legend { (label) }
            (error(name, problem))
            @for (option, title, text) in options {
                label {
                    input type="radio" name=(name) value=(option) checked[*option == value];
                    span { span.choice-title { (title) } @if !text.is_empty() { span.help { (text) } } }
                }
            }
        }
    }
}

/// A module's setting as a line of a form. `value` is TOML, as [`kit::settings::Entry`] gives it.
pub fn setting(key: &str, field: &Field, value: &str, problem: Option<&str>) -> Markup {
    let text = shown(field.kind, value);
    let described = described(key, field.help, problem);
    let plain = |input| {
        line(&Line {
            name: key,
            label: field.label,
            help: field.help,
            value: &text,
            error: problem,
            input,
        })
    };
    match field.kind {
        Kind::Text { .. } => plain(Input::Text),
        Kind::Path => plain(Input::Path),
        Kind::List | Kind::Table => plain(Input::Lines),
        // More than a form can show; commands and the file have it.
        Kind::Tables(_) => html! {},
        Kind::Switch => html! {
            div.field.switch {
                input type="hidden" name=(key) value="false";
                input id=(key) name=(key) type="checkbox" value="true" checked[value == "true"]
                    aria-describedby=[described.as_ref()];
                label for=(key) { (field.label) }
                (help(key, field.help)) (error(key, problem))
            }
        },
        Kind::Number { min, max, unit } => html! {
            div.field {
                label for=(key) { (field.label) @if !unit.is_empty() { " (" (unit) ")" } }
                (help(key, field.help))
                input id=(key) name=(key) type="number" min=(min) max=(max) value=(text)
                    aria-describedby=[described.as_ref()] aria-invalid=[problem.map(|_| "true")];
                (error(key, problem))
            }
        },
        Kind::Choice(words) => html! {
            div.field {
                label for=(key) { (field.label) }
                (help(key, field.help))
                select id=(key) name=(key) aria-describedby=[described.as_ref()] {
                    @for word in words { option value=(word) selected[*word == text] { (word.replace('_', " ")) } }
                }
                (error(key, problem))
            }
        },
    }
}

/// What a posted setting is as TOML, ready for [`kit::SettingsFile::set`], which judges it.
pub fn to_toml(kind: Kind, posted: &str) -> String {
    let quoted = |text: &str| toml_edit::Value::from(text).to_string();
    let lines = || posted.lines().map(str::trim).filter(|line| !line.is_empty());
    match kind {
        Kind::Switch | Kind::Number { .. } | Kind::Tables(_) => posted.trim().to_owned(),
        Kind::Text { .. } | Kind::Path | Kind::Choice(_) => quoted(posted.trim()),
        Kind::List => {
            let items: Vec<String> = lines().map(quoted).collect();
            format!("[{}]", items.join(", "))
        }
        Kind::Table => {
            let mut table = toml_edit::InlineTable::new();
            for line in lines() {
                let (name, value) = line.split_once('=').unwrap_or((line, ""));
                table.insert(name.trim(), value.trim().into());
            }
            table.to_string()
        }
    }
}

/// A TOML value as it stands in an input.
fn shown(kind: Kind, value: &str) -> String {
    let Ok(parsed) = value.parse::<toml_edit::Value>() else {
        return value.to_owned();
    };
    match (kind, &parsed) {
        (Kind::List, toml_edit::Value::Array(list)) => list
            .iter()
            .filter_map(toml_edit::Value::as_str)
            .collect::<Vec<_>>()
            .join("\n"),
        (Kind::Table, toml_edit::Value::InlineTable(table)) => {
            let pair =
                |(name, value): (&str, &toml_edit::Value)| format!("{name}={}", value.as_str().unwrap_or(""));
            table.iter().map(pair).collect::<Vec<_>>().join("\n")
        }
        (_, toml_edit::Value::String(text)) => text.value().clone(),
        _ => value.to_owned(),
    }
}

fn described(name: &str, help: &str, error: Option<&str>) -> Option<String> {
    let help = (!help.is_empty()).then(|| format!("{name}-help"));
    let error = error.map(|_| format!("{name}-error"));
    match (help, error) {
        (Some(help), Some(error)) => Some(format!("{help} {error}")),
        (help, error) => help.or(error),
    }
}

fn help(name: &str, text: &str) -> Markup {
    html! { @if !text.is_empty() { p.help id=(format!("{name}-help")) { (parts::words(text)) } } }
}

/// What is wrong with the field called `name`, under the id by which [`line`] and [`choice`] refer to it.
pub fn error(name: &str, text: Option<&str>) -> Markup {
    html! {
        @if let Some(text) = text {
            p.field-error id=(format!("{name}-error")) { (crate::icon("shape-alert")) span { (parts::words(text)) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use kit::Applies;

    use super::*;

    #[test]
    fn a_setting_survives_the_way_through_its_form() {
        let check = |kind: Kind, toml: &str, in_form: &str| {
            assert_eq!(shown(kind, toml), in_form);
            let back = to_toml(kind, in_form);
            assert_eq!(
                back.parse::<toml_edit::Value>()
                    .unwrap()
                    .to_string()
                    .replace(' ', ""),
                toml.replace(' ', "")
            );
        };

        check(Kind::Switch, "true", "true");
        check(
            Kind::Number {
                min: 0,
                max: 9,
                unit: "s",
            },
            "7",
            "7",
        );
        check(
            Kind::Path,
            r#""/opt/open code""#.replace(' ', "_").as_str(),
            "/opt/open_code",
        );
        check(Kind::Text { chars_max: 9 }, r#"'a"b'"#, "a\"b");
        check(Kind::List, r#"["/a", "/b"]"#, "/a\n/b");
        check(Kind::Table, r#"{ A = "1", B = "x=y" }"#, "A=1\nB=x=y");
    }

    #[test]
    fn an_error_is_tied_to_its_input() {
        let field = Field {
            key: "port",
            label: "Port",
            help: "0 chooses one.",
            kind: Kind::Number {
                min: 0,
                max: 65_535,
                unit: "",
            },
            applies: Applies::OnRestart,
        };

        let shown = setting(
            "gateway.port",
            &field,
            "70000",
            Some("The port must be below 65536."),
        )
        .into_string();

        assert!(shown.contains(r#"aria-describedby="gateway.port-help gateway.port-error""#));
        assert!(shown.contains(r#"aria-invalid="true""#));
        assert!(shown.contains(r#"id="gateway.port-error""#));
    }

    #[test]
    fn a_password_is_never_sent_back() {
        let shown = line(&Line {
            name: "password",
            label: "Password",
            help: "",
            value: "hunter2",
            error: None,
            input: Input::Password("new-password"),
        });

        assert!(!shown.into_string().contains("hunter2"));
    }
}
