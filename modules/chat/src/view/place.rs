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
}
