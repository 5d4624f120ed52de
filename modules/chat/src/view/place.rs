//! Where a session works, and how its paths are shown.

use std::borrow::Cow;

/// A session's folder and the user's home.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    pub directory: &'a str,
    pub home: &'a str,
}

impl Place<'_> {
    /// A path as short as it can be said: below the session's folder without it, below home with `~`.
    pub fn short<'p>(&self, path: &'p str) -> Cow<'p, str> {
        if let Some(rest) = below(path, self.directory) {
            return Cow::Borrowed(if rest.is_empty() { "." } else { rest });
        }
        self.below_home(path)
    }

    /// A path with `~` for the home folder.
    pub fn below_home<'p>(&self, path: &'p str) -> Cow<'p, str> {
        match below(path, self.home) {
            Some("") => Cow::Borrowed("~"),
            Some(rest) => Cow::Owned(format!("~/{rest}")),
            None => Cow::Borrowed(path),
        }
    }

    /// A folder by its name, and then where it is: in a narrow place what is cut off is what matters less.
    pub fn named(&self, folder: &str) -> String {
        let short = self.below_home(folder);
        match short.trim_end_matches(['/', '\\']).rsplit_once(['/', '\\']) {
            Some((within, name)) if !within.is_empty() => format!("{name} · {within}"),
            Some(_) | None => short.into_owned(),
        }
    }
}

fn below<'p>(path: &'p str, folder: &str) -> Option<&'p str> {
    let folder = folder.trim_end_matches(['/', '\\']);
    if folder.is_empty() {
        return None;
    }
    let rest = path.strip_prefix(folder)?;
    if rest.is_empty() {
        return Some(rest);
    }
    rest.strip_prefix(['/', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_as_short_as_they_can_be() {
        let place = Place {
            directory: "/home/ann/code/shop",
            home: "/home/ann",
        };
        let check = |path: &str, expected: &str| assert_eq!(place.short(path), expected);

        check("/home/ann/code/shop/src/main.rs", "src/main.rs");
        check("/home/ann/code/shopping/x", "~/code/shopping/x");
        check("/home/ann/code/shop", ".");
        check("/etc/hosts", "/etc/hosts");
        check("src/lib.rs", "src/lib.rs");
    }

    #[test]
    fn a_folder_begins_with_its_name() {
        let place = Place {
            directory: "",
            home: "/home/ann",
        };

        assert_eq!(place.named("/home/ann/code/shop"), "shop · ~/code");
        assert_eq!(place.named("/srv/www/site/"), "site · /srv/www");
        assert_eq!(place.named("/home/ann"), "~");
        assert_eq!(place.named("/srv"), "/srv");
        assert_eq!(place.named("/"), "/");
    }
}
