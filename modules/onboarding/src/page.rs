//! The page's markup.

use maud::{Markup, html};
use web::{
    form::{self, Input, Line},
    parts::{self, Tone},
};

use crate::{
    Login,
    answers::{Answers, Choice, Problems},
};

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
    /// Whether launch at login can be switched here.
    pub(crate) offers_login: bool,
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
                p { "A few answers, and opencode is ready whenever you are. All of them can be changed later." }
            }
            (opencode(&view.opencode))
            form.setup-form method="post" action="/onboarding" {
                (password(view))
                (ask(view))
                (folders(view))
                @if view.offers_login { (at_login(view)) }
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
    let chosen = view.answers.choice;
    let problem = view.problems.password.as_deref();
    // What is wrong with a password of one's own is said at its field; the others have none.
    let (of_field, of_choice) = match chosen {
        Choice::Own => (problem, None),
        Choice::Passphrase | Choice::Later => (None, problem),
    };
    let radio = |value: &str, choice: Choice| {
        let is_chosen = choice == chosen;
        html! {
            input type="radio" name="choice" value=(value) checked[is_chosen] autofocus[is_chosen && of_choice.is_some()];
        }
    };
    html! {
        section.card.setup-part aria-labelledby="setup-password" {
            h2 #setup-password { "Password" }
            @if let Some(passphrase) = &view.passphrase {
                p { "Whoever reaches opencode can run commands on this machine. A password keeps others out, in every browser and from everywhere." }
                fieldset.field.choice aria-describedby=[of_choice.map(|_| "password-error")] {
                    legend.unseen { "Password" }
                    (form::error("password", of_choice))
                    input type="hidden" name="passphrase" value=(passphrase);
                    label {
                        (radio("passphrase", Choice::Passphrase))
                        span {
                            span.choice-title { "Use this passphrase" }
                            span.help { "Made just now for you. Keep it in your password manager; it is not shown again." }
                            (parts::command(passphrase))
                        }
                    }
                    label {
                        (radio("own", Choice::Own))
                        span {
                            span.choice-title { "Use my own" }
                            span.help { "15 characters or more. Any characters, spaces too." }
                        }
                    }
                    (form::line(&Line {
                        name: "password", label: "Your own password", help: "", value: "", error: of_field,
                        input: Input::Password("new-password"),
                    }))
                    label {
                        (radio("later", Choice::Later))
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
            (form::choice("ask", "What should opencode ask you for?", &options, &view.answers.ask, view.problems.ask.as_deref()))
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

fn at_login(view: &View) -> Markup {
    let problem = view.problems.at_login.as_deref();
    html! {
        section.card.setup-part aria-labelledby="setup-login" {
            h2 #setup-login { "Login" }
            div.field.choice {
                label {
                    input type="checkbox" name="at_login" value="on" checked[view.answers.login() == Login::Starts]
                        aria-describedby=[problem.map(|_| "at_login-error")] autofocus[problem.is_some()];
                    span {
                        span.choice-title { "Start at login" }
                        span.help { "In the background, without a window. opencode is then running before you need it." }
                    }
                }
                (form::error("at_login", problem))
            }
        }
    }
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
            offers_login: passphrase.is_some(),
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
    fn launch_at_login_is_off_until_it_is_wished_and_asked_for_only_where_it_can_be_had() {
        let page = shown(Problems::default(), Some("amber-river"));

        assert!(page.contains(r#"name="at_login" value="on">"#), "{page}");
        assert!(!shown(Problems::default(), None).contains("at_login"));
    }

    #[test]
    fn a_problem_stands_beside_its_question() {
        let problems = Problems {
            folders: Some("There is no folder `x`.".to_owned()),
            ..Problems::default()
        };

        assert!(shown(problems, None).contains("There is no folder <code>x</code>."));
    }

    #[test]
    fn what_is_wrong_with_the_offered_passphrase_is_said_at_the_choice() {
        let problems = Problems {
            password: Some("Try again in a moment.".to_owned()),
            ..Problems::default()
        };

        let page = shown(problems, Some("amber-river"));

        assert!(
            page.contains(r#"choice" aria-describedby="password-error""#),
            "{page}"
        );
        assert!(page.contains(r#"value="passphrase" checked autofocus"#), "{page}");
        assert_eq!(page.matches("password-error").count(), 2, "{page}");
    }
}
