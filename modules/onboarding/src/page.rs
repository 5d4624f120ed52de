//! The page's markup.

use maud::{Markup, html};
use web::{
    form::{self, Input, Line},
    icon,
    parts::{self, Tone},
};

use crate::answers::{Answers, Choice, Problems};

/// What the search for opencode came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It can be used.
    Usable {
        /// Where it is.
        path: String,
        /// E.g. `"1.18.33"`.
        version: String,
    },
    /// It is missing or cannot be used.
    Unusable {
        /// What is wrong, a sentence.
        reason: String,
        /// A command that mends it.
        command: String,
    },
}

pub(crate) struct View {
    pub(crate) opencode: Found,
    /// A phrase to offer, while no password is set.
    pub(crate) passphrase: Option<String>,
    pub(crate) answers: Answers,
    pub(crate) problems: Problems,
}

pub(crate) fn content(view: &View) -> Markup {
    html! {
        div.setup {
            header.setup-head {
                h1 { "Set up OpenCode Nexus" }
                p { "Three answers, and opencode is ready whenever you are. All of them can be changed later." }
            }
            (opencode(&view.opencode))
            form.setup-form method="post" action="/onboarding" {
                (password(view))
                (ask(view))
                (folders(view))
                div.setup-end {
                    button.button.primary type="submit" { "Save and open the chat" }
                }
            }
        }
    }
}

fn opencode(found: &Found) -> Markup {
    html! {
        section.card.setup-part aria-labelledby="setup-opencode" {
            h2 #setup-opencode { "opencode" }
            @match found {
                Found::Usable { path, version } => {
                    (parts::mark(Tone::Good, &format!("Version {version} found")))
                    p.help.mono { (path) }
                }
                Found::Unusable { reason, command } => {
                    (parts::message(Tone::Bad, reason))
                    p { "Run this in a terminal. The agent notices within a minute." }
                    (parts::command(command))
                }
            }
        }
    }
}

fn password(view: &View) -> Markup {
    html! {
        section.card.setup-part aria-labelledby="setup-password" {
            h2 #setup-password { "Password" }
            @if let Some(passphrase) = &view.passphrase {
                p { "Whoever reaches opencode can run commands on this machine. A password keeps others out, in every browser and from everywhere." }
                @if let Some(problem) = &view.problems.password { (problem_line("password-error", problem)) }
                fieldset.field.choice {
                    legend.unseen { "Password" }
                    input type="hidden" name="passphrase" value=(passphrase);
                    label {
                        (radio("passphrase", view.answers.choice == Choice::Passphrase))
                        span {
                            span.choice-title { "Use this passphrase" }
                            span.help { "Made just now for you. Keep it in your password manager; it is not shown again." }
                            (parts::command(passphrase))
                        }
                    }
                    label {
                        (radio("own", view.answers.choice == Choice::Own))
                        span {
                            span.choice-title { "Use my own" }
                            span.help { "15 characters or more. Any characters, spaces too." }
                        }
                    }
                    (form::line(&Line {
                        name: "password", label: "Your own password", help: "", value: "", error: None,
                        input: Input::Password("new-password"),
                    }))
                    label {
                        (radio("later", view.answers.choice == Choice::Later))
                        span {
                            span.choice-title { "Later" }
                            span.help { "The chat works in windows opened from the tray or with " code { "nexus open" } ", nowhere else." }
                        }
                    }
                }
            } @else {
                (parts::mark(Tone::Good, "A password is set"))
                p.help { "Change it with " code { "nexus password set" } " in a terminal." }
            }
        }
    }
}

fn radio(value: &str, is_chosen: bool) -> Markup {
    html! { input type="radio" name="choice" value=(value) checked[is_chosen]; }
}

fn ask(view: &View) -> Markup {
    let options = [
        (
            "commands_and_edits",
            "Ask before commands and edits",
            "opencode waits for your word before it runs a command or changes a file. Recommended if you use it from elsewhere.",
        ),
        (
            "as_configured",
            "As opencode is configured",
            "opencode's own settings decide. Out of the box it runs commands and edits files without asking.",
        ),
    ];
    html! {
        section.card.setup-part aria-labelledby="setup-ask" {
            h2 #setup-ask { "Permission" }
            @if let Some(problem) = &view.problems.ask { (problem_line("ask-error", problem)) }
            (form::choice("ask", "What should opencode ask you for?", &options, &view.answers.ask))
        }
    }
}

fn folders(view: &View) -> Markup {
    html! {
        section.card.setup-part aria-labelledby="setup-folders" {
            h2 #setup-folders { "Projects" }
            (form::line(&Line {
                name: "folders", label: "Project folders",
                help: "One folder a line, e.g. ~/code/shop. New conversations start in the first one. Empty means your home folder.",
                value: &view.answers.folders, error: view.problems.folders.as_deref(), input: Input::Lines,
            }))
        }
    }
}

fn problem_line(id: &str, text: &str) -> Markup {
    html! { p.field-error id=(id) role="alert" { (icon("shape-alert")) span { (text) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(problems: Problems, passphrase: Option<&str>) -> String {
        let view = View {
            opencode: Found::Unusable {
                reason: "<b>no</b>".to_owned(),
                command: "npm i -g opencode-ai".to_owned(),
            },
            passphrase: passphrase.map(str::to_owned),
            answers: Answers {
                password: "typed before".to_owned(),
                folders: "</textarea><b>".to_owned(),
                ..Answers::default()
            },
            problems,
        };
        content(&view).into_string()
    }

    #[test]
    fn what_was_typed_is_text_and_a_password_is_never_sent_back() {
        let page = shown(Problems::default(), Some("amber-river"));

        assert!(!page.contains("<b>"));
        assert!(!page.contains("typed before"));
        assert!(page.contains("npm i -g opencode-ai"));
    }

    #[test]
    fn a_password_is_asked_for_only_while_there_is_none() {
        assert!(shown(Problems::default(), Some("amber-river")).contains("name=\"password\""));
        assert!(!shown(Problems::default(), None).contains("name=\"password\""));
    }

    #[test]
    fn a_problem_stands_beside_its_question() {
        let problems = Problems {
            folders: Some("There is no folder `x`.".to_owned()),
            ..Problems::default()
        };

        assert!(shown(problems, None).contains("There is no folder `x`."));
    }
}
