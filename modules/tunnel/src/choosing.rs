//! Keeps and chooses profiles, as asked.

use kit::{ActError, Reply};
use serde::Serialize;

use crate::{
    Tunnel,
    profiles::{self, Act, Next},
    settings::token_name,
};

impl Tunnel {
    /// Does what the words after `profiles` say.
    pub(crate) async fn act_on_profiles(&self, words: &[String]) -> Result<Reply, ActError> {
        let act = Act::parse(words).map_err(ActError::Usage)?;
        let settings = self.settings.get();
        if act == Act::List {
            return Ok(Reply::Text(profiles::listed(&settings)));
        }
        let next = profiles::next(&settings, &act).map_err(ActError::NeedsUser)?;
        if let Some((from, to)) = &next.token {
            self.move_token(from, to.as_deref()).await?;
        }
        self.keep(&next, &settings.profile)?;
        Ok(Reply::Text(done(&act)))
    }

    /// Writes both down. No state in between names a profile that is not there.
    fn keep(&self, next: &Next, former: &str) -> Result<(), ActError> {
        let failed =
            |error: &dyn std::fmt::Display| ActError::Failed(kit::text::sentence(&error.to_string()));
        let write = |profiles: &profiles::Profiles| {
            let text = profiles
                .serialize(toml_edit::ser::ValueSerializer::new())
                .map_err(|error| failed(&error))?;
            self.file
                .set("tunnel.profiles", &text.to_string())
                .map_err(|error| failed(&error))
        };
        if next.chosen != former {
            let mut both = next.profiles.clone();
            if let Some(profile) = self.settings.get().profiles.get(former) {
                both.insert(former.to_owned(), profile.clone());
            }
            write(&both)?;
            let chosen = toml_edit::Value::from(next.chosen.as_str()).to_string();
            self.file
                .set("tunnel.profile", &chosen)
                .map_err(|error| failed(&error))?;
        }
        write(&next.profiles)
    }

    /// A token belongs to its profile: it goes where the profile goes.
    async fn move_token(&self, from: &str, to: Option<&str>) -> Result<(), ActError> {
        let failed = |error: kit::SecretsError| {
            ActError::NeedsUser(format!("The tunnel's token could not be moved: {error}."))
        };
        let from = token_name(from);
        if let Some(to) = to
            && let Some(token) = self.secrets.get(&from).await.map_err(failed)?
        {
            self.secrets.set(&token_name(to), token).await.map_err(failed)?;
        }
        self.secrets.delete(&from).await.map_err(failed)
    }
}

fn done(act: &Act) -> String {
    match act {
        Act::List => String::new(),
        Act::Create(name) => format!(
            "The profile `{name}` has the settings of now. Change it with `nexus settings set tunnel.profiles.{name}.mode …`, \
             use it with `nexus tunnel profiles choose {name}`."
        ),
        Act::Choose(None) => "No profile is used.".to_owned(),
        Act::Choose(Some(name)) => format!("The profile `{name}` is used."),
        Act::Rename { to, .. } => format!("It is called `{to}` now."),
        Act::Delete(name) => format!("The profile `{name}` and its token are gone."),
    }
}
