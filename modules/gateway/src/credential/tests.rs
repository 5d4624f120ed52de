use super::*;

const PASSWORD: &str = "a walrus plays the banjo";

fn fresh() -> (tempfile::TempDir, Credential) {
    let folder = tempfile::tempdir().unwrap();
    let credential = Credential::at(folder.path());
    (folder, credential)
}

#[test]
fn a_password_is_verified_exactly_as_typed() {
    let (_folder, credential) = fresh();
    let long: String = ('\u{4e00}'..).take(CHARS_MAX).collect();
    credential.set(&long).unwrap();
    let mut near: Vec<char> = long.chars().collect();
    near[CHARS_MAX - 1] = 'x';
    let near: String = near.into_iter().collect();

    assert!(credential.verify(&long));
    assert!(!credential.verify(&near));
    assert!(!credential.verify(&format!("{long} ")));
    assert!(!credential.verify(""));
}

#[test]
fn only_a_costly_hash_is_kept_and_only_for_its_owner() {
    let (folder, credential) = fresh();
    credential.set(PASSWORD).unwrap();
    credential.set("velvet ocean kettle").unwrap();

    let text = std::fs::read_to_string(folder.path().join("credential")).unwrap();

    assert!(text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{text}");
    assert_eq!(text.split('$').nth(4).unwrap().len(), 22);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(folder.path().join("credential"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_cheap_hash_is_renewed_by_the_right_password() {
    // Made by another program: 8 MiB, one pass, the password "a walrus plays the banjo".
    let (folder, credential) = fresh();
    let path = folder.path().join("credential");
    let cheap = cheap_hash(PASSWORD);
    std::fs::write(&path, &cheap).unwrap();

    assert!(!credential.verify("velvet ocean kettle"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), cheap);
    assert!(credential.verify(PASSWORD));
    assert!(
        std::fs::read_to_string(&path)
            .unwrap()
            .contains("m=19456,t=2,p=1")
    );
    assert!(credential.verify(PASSWORD));
}

#[test]
fn renewing_a_hash_does_not_bring_an_old_password_back() {
    let (folder, credential) = fresh();
    let path = folder.path().join("credential");
    std::fs::write(&path, cheap_hash(PASSWORD)).unwrap();
    let Stored::Set(verified) = credential.read() else {
        panic!("the hash is understood");
    };
    credential.set("velvet ocean kettle").unwrap();
    let set = std::fs::read_to_string(&path).unwrap();

    credential.renew(&verified, PASSWORD).unwrap();

    assert_eq!(std::fs::read_to_string(&path).unwrap(), set);
    std::fs::remove_file(&path).unwrap();
    credential.renew(&verified, PASSWORD).unwrap();
    assert!(!credential.is_set());
}

fn cheap_hash(password: &str) -> String {
    use argon2::{Algorithm, Argon2, Params, Version};
    use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
    let salt = b"0123456789abcdef";
    let mut hash = [0; 32];
    let params = Params::new(8192, 1, 1, Some(32)).unwrap();
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(password.as_bytes(), salt, &mut hash)
        .unwrap();
    format!(
        "$argon2id$v=19$m=8192,t=1,p=1${}${}",
        STANDARD_NO_PAD.encode(salt),
        STANDARD_NO_PAD.encode(hash)
    )
}

#[test]
fn a_file_nobody_understands_closes_the_door() {
    let (folder, credential) = fresh();
    credential.set(PASSWORD).unwrap();
    let path = folder.path().join("credential");
    let whole = std::fs::read_to_string(&path).unwrap();

    let mut broken: Vec<String> = (0..whole.len() - 1)
        .step_by(10)
        .map(|end| whole[..end].to_owned())
        .collect();
    broken.push(whole.replace("m=19456", "m=4000000000"));
    broken.push(whole.replace("t=2", "t=4000000000"));
    broken.push(whole.replace("argon2id", "argon2i"));
    broken.push(whole.replace("p=1", "p=0"));
    broken.push("x".repeat(5000));
    for text in broken {
        std::fs::write(&path, &text).unwrap();
        assert!(matches!(credential.read(), Stored::Broken), "{text}");
        assert!(credential.is_set());
    }
    assert!(!credential.verify(PASSWORD));
    assert!(!credential.verify(""));
}

#[test]
fn a_weak_password_changes_nothing() {
    let (_folder, credential) = fresh();
    credential.set(PASSWORD).unwrap();

    assert!(matches!(
        credential.set("opencode-nexus-123"),
        Err(SetError::Weak(Weak::Common))
    ));
    assert!(credential.verify(PASSWORD));
}
