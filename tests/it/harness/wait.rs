//! Waiting for a condition, never for time.

use std::time::{Duration, Instant};

/// How long anything may take that is not itself measured. Generous: machines that run tests are busy.
pub const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Looks until there is something, and says what was waited for when there is nothing in time.
#[track_caller]
pub fn until<T>(what: &str, patience: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            began.elapsed() < patience,
            "waited {} s in vain: {what}",
            patience.as_secs()
        );
        pause();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the pause between two looks at a condition; stories run on threads of their own"
)]
/// Waits a moment before the next look.
pub fn pause() {
    std::thread::sleep(LOOK_EVERY);
}
