//! Ends that a Rust program does not have by itself.

/// Ends this process by a signal's default action, e.g. `"PIPE"` or `"TERM"`.
///
/// The standard library ignores SIGPIPE, and a signal that is listened to cannot be given back. Becoming a shell resets
/// both, keeps the process id, and closes every socket.
pub(crate) fn of_signal(name: &str) -> ! {
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        // Only a failure comes back, and then there is no shell.
        let _no_shell = std::process::Command::new("/bin/sh")
            .args(["-c", "kill -s \"$0\" $$", name])
            .exec();
    }
    let _ = name;
    std::process::abort()
}
