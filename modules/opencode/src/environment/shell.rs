//! Asking the login shell.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use super::{Base, Variables, is_denied_os};
use supervisor::{Failed, printed};

/// Shell files that take longer than this are not waited for.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The kernel's own limit for an environment is 2 MiB on most systems.
const BYTES_MAX: usize = 4 * 1024 * 1024;
/// Tells shell files that nobody will see what they print.
const RESOLVING: &str = "NEXUS_RESOLVING_ENVIRONMENT";

/// The environment of the user's login shell; the agent's own, with the reason, where the shell does not tell.
///
/// `own` is the agent's environment; its `SHELL` names the shell.
pub(crate) async fn capture(own: Variables) -> Base {
    if cfg!(windows) {
        // There every program sees the user's variables, however it was started.
        return Base {
            variables: own,
            shortcoming: None,
        };
    }
    match ask(&own).await {
        Ok(variables) => Base {
            variables,
            shortcoming: None,
        },
        Err(reason) => {
            tracing::warn!(
                reason,
                "the login shell's environment could not be read; the agent's own is used"
            );
            Base {
                variables: own,
                shortcoming: Some(reason),
            }
        }
    }
}

async fn ask(own: &Variables) -> Result<Variables, String> {
    let shell = own
        .get(std::ffi::OsStr::new("SHELL"))
        .map(PathBuf::from)
        .or_else(|| named_by_system(&std::fs::read_to_string("/etc/passwd").ok()?, os::effective_uid()))
        .filter(|shell| shell.is_absolute())
        .ok_or("no login shell is known (SHELL is not set)")?;
    let mark = format!("nexus-{:032x}", rand::random::<u128>());
    let mut command = std::process::Command::new(&shell);
    // `env -0` separates by NUL, which no value can hold. Old systems lack it and separate by line.
    let script = format!("printf '%s' '{mark}'; env -0 2>/dev/null || env; printf '%s' '{mark}'");
    command.args(["-l", "-i", "-c", &script]);
    command.env_clear();
    command.envs(own.iter().filter(|(name, _)| !is_denied_os(name)));
    command.env(RESOLVING, "1");
    let said = printed(command, TIMEOUT, BYTES_MAX).await.map_err(|failed| {
        let shell = shell.display();
        match failed {
            Failed::NotStarted(error) => format!("the login shell {shell} could not be started: {error}"),
            Failed::TooLate => format!(
                "the login shell {shell} took longer than {} s; look at its start files",
                TIMEOUT.as_secs()
            ),
            Failed::TooMuch | Failed::Broke(_) => format!("the login shell {shell} gave no usable answer"),
        }
    })?;
    let found = between(&said, mark.as_bytes()).map(parse).unwrap_or_default();
    if found.is_empty() {
        return Err(format!(
            "the login shell {} gave no usable answer",
            shell.display()
        ));
    }
    Ok(found)
}

/// The shell of a user in the system's list, for agents started without `SHELL`: passwd(5).
fn named_by_system(passwd: &str, uid: u32) -> Option<PathBuf> {
    let uid = uid.to_string();
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let is_user = fields.get(2) == Some(&uid.as_str());
        fields
            .get(6)
            .filter(|shell| is_user && !shell.is_empty())
            .map(PathBuf::from)
    })
}

/// What stands between the first two marks: shell files may print before and after.
fn between<'a>(said: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    let find = |bytes: &[u8]| bytes.windows(mark.len()).position(|window| window == mark);
    let rest = said.get(find(said)? + mark.len()..)?;
    rest.get(..find(rest)?)
}

/// Reads `NAME=value` pairs.
fn parse(printed: &[u8]) -> Variables {
    let separator = if printed.contains(&0) { 0 } else { b'\n' };
    let pairs = printed.split(|byte| *byte == separator).filter_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let (name, value) = (pair.get(..at)?, pair.get(at + 1..)?);
        // Without NULs the later lines of a value look like pairs when they hold "="; names give most of them away.
        let is_name = !name.is_empty()
            && (separator == 0
                || name
                    .iter()
                    .all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_'));
        let is_ours = name == RESOLVING.as_bytes();
        (is_name && !is_ours).then(|| (text(name), text(value)))
    });
    pairs.collect()
}

#[cfg(unix)]
fn text(bytes: &[u8]) -> OsString {
    use std::os::unix::ffi::OsStringExt;
    OsString::from_vec(bytes.to_vec())
}

#[cfg(not(unix))]
fn text(bytes: &[u8]) -> OsString {
    String::from_utf8_lossy(bytes).into_owned().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> Variables {
        pairs
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect()
    }

    #[test]
    fn what_shell_files_print_is_no_variable() {
        let said = b"Welcome!\nA=B\nMARKA=1\0B=two\nlines=yes\0BASH_FUNC_f%%=() { :; }\0MARKbye\n";

        let found = parse(between(said, b"MARK").unwrap());

        let expected = variables(&[
            ("A", "1"),
            ("B", "two\nlines=yes"),
            ("BASH_FUNC_f%%", "() { :; }"),
        ]);
        assert_eq!(found, expected);
        assert_eq!(between(b"no mark at all", b"MARK"), None);
        assert_eq!(between(b"MARK only one", b"MARK"), None);
    }

    #[test]
    fn the_system_knows_each_users_shell() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\nbroken\nu:x:1000:1000:U,,,:/home/u:/usr/bin/fish\nn:x:2:2::/:\n";

        assert_eq!(named_by_system(passwd, 1000), Some("/usr/bin/fish".into()));
        assert_eq!(named_by_system(passwd, 0), Some("/bin/bash".into()));
        assert_eq!(
            (named_by_system(passwd, 2), named_by_system(passwd, 7)),
            (None, None)
        );
    }

    #[test]
    fn an_old_env_separates_by_line() {
        assert_eq!(
            parse(b"A=1\nB=2\nnot a pair\n two = x\n"),
            variables(&[("A", "1"), ("B", "2")])
        );
    }

    #[cfg(unix)]
    mod real {
        use std::{fs, os::unix::fs::PermissionsExt};

        use super::*;

        fn shell(script: &str) -> (tempfile::TempDir, Variables) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("shell");
            fs::write(&path, format!("#!/bin/sh\n{script}")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            let own = variables(&[
                ("SHELL", path.to_str().unwrap()),
                ("PATH", "/usr/bin:/bin"),
                ("OWN", "1"),
                ("NEXUS_HOME", "/n"),
            ]);
            (folder, own)
        }

        #[tokio::test]
        async fn a_login_shell_is_asked() {
            let (_folder, own) =
                shell("echo noise; FROM_RC='a b' NEW=1; export FROM_RC NEW; shift 3; eval \"$1\"");

            let base = capture(own).await;

            let get = |name: &str| base.variables.get(std::ffi::OsStr::new(name)).cloned();
            assert_eq!(base.shortcoming, None);
            assert_eq!(get("FROM_RC"), Some("a b".into()));
            assert_eq!(get("OWN"), Some("1".into()));
            assert_eq!((get("NEXUS_HOME"), get(RESOLVING)), (None, None));
        }

        #[tokio::test]
        async fn a_shell_that_says_nothing_leaves_the_agents_own_environment_with_the_reason() {
            for (script, reason) in [("exit 3", "gave no usable answer"), ("", "gave no usable answer")] {
                let (_folder, own) = shell(script);
                let base = capture(own.clone()).await;
                assert_eq!(base.variables, own);
                assert!(base.shortcoming.unwrap().contains(reason));
            }
            let own = variables(&[("SHELL", "/nonexistent/sh")]);
            assert!(
                capture(own)
                    .await
                    .shortcoming
                    .unwrap()
                    .contains("could not be started")
            );
        }
    }
}
