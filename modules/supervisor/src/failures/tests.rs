use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn delays_double_up_to_the_cap_and_the_fifth_failure_is_a_crash_loop() {
    let policy = Policy::default();
    let mut failures = Failures::default();
    let begin = Instant::now();

    let verdicts: Vec<Verdict> = (0..6)
        .map(|n| failures.count(begin + n * SECOND, None, &policy, 1.0))
        .collect();

    assert_eq!(
        verdicts,
        [
            Verdict::After(SECOND),
            Verdict::After(2 * SECOND),
            Verdict::After(4 * SECOND),
            Verdict::After(8 * SECOND),
            Verdict::GiveUp(Some(330 * SECOND)),
            Verdict::GiveUp(Some(330 * SECOND)),
        ]
    );
}

#[test]
fn the_first_failure_after_a_healthy_minute_is_restarted_at_once_and_the_next_is_not() {
    let policy = Policy::default();
    let mut failures = Failures::default();
    let begin = Instant::now();

    assert_eq!(
        failures.count(begin, Some(60 * SECOND), &policy, 0.0),
        Verdict::AtOnce
    );
    assert_eq!(
        failures.count(begin + SECOND, None, &policy, 0.0),
        Verdict::After(SECOND)
    );
    assert_eq!(
        failures.count(begin + 90 * SECOND, Some(59 * SECOND), &policy, 0.0),
        Verdict::After(2 * SECOND)
    );
}

#[test]
fn a_crash_every_five_minutes_never_is_a_crash_loop() {
    let policy = Policy::default();
    let mut failures = Failures::default();
    let begin = Instant::now();

    for round in 1..=12 {
        assert_eq!(
            failures.count(begin + round * 300 * SECOND, Some(299 * SECOND), &policy, 0.5),
            Verdict::AtOnce
        );
    }
}

#[test]
fn a_crash_loop_is_over_only_after_a_healthy_stretch() {
    let policy = Policy::default();
    let mut failures = Failures::default();
    let mut now = Instant::now();
    for _ in 0..5 {
        failures.count(now, None, &policy, 0.0);
    }

    // The slow retries fail one by one: too few for the window, a crash loop all the same.
    now += 3_600 * SECOND;
    assert_eq!(
        failures.count(now, Some(SECOND), &policy, 0.0),
        Verdict::GiveUp(Some(270 * SECOND))
    );
    now += 3_600 * SECOND;
    assert_eq!(
        failures.count(now, Some(61 * SECOND), &policy, 0.0),
        Verdict::AtOnce
    );
}

#[test]
fn switched_off_means_no_try_at_all() {
    let policy = Policy {
        enabled: false,
        ..Policy::default()
    };

    let verdict = Failures::default().count(Instant::now(), Some(3_600 * SECOND), &policy, 0.0);

    assert_eq!(verdict, Verdict::GiveUp(None));
}

#[test]
fn kill_loops_run_without_delay() {
    let policy = Policy {
        initial_delay: Duration::ZERO,
        max_delay: SECOND,
        max_failures: 1_000,
        ..Policy::default()
    };
    let mut failures = Failures::default();

    for _ in 0..999 {
        assert_eq!(
            failures.count(Instant::now(), None, &policy, 0.9),
            Verdict::AtOnce
        );
    }
}

proptest! {
    /// For any sequence of lives: waits stay within their bounds, the verdict comes exactly with the fifth failure in
    /// ten minutes, and no minute sees more than six starts.
    #[test]
    fn the_policy_holds_for_any_sequence_of_lives(
        lives in prop::collection::vec((0_u64..900_000, prop::bool::ANY, 0.0..1.0_f64), 1..200)
    ) {
        let policy = Policy::default();
        let mut failures = Failures::default();
        let begin = Instant::now();
        let mut now = begin;
        let mut starts = vec![now];
        let mut ends: Vec<Instant> = Vec::new();
        let mut in_loop = false;
        for (life_ms, was_healthy, chance) in lives {
            let life = Duration::from_millis(life_ms);
            now += life;
            let healthy_for = was_healthy.then_some(life);
            let was_fine = was_healthy && life >= policy.healthy_after;
            if was_healthy && life >= policy.forgiven_after {
                ends.clear();
            }
            in_loop &= !was_fine;
            ends.push(now);
            let recent = ends.iter().filter(|&&end| now.duration_since(end) < policy.window).count();
            in_loop |= recent >= 5;

            let verdict = failures.count(now, healthy_for, &policy, chance);

            prop_assert_eq!(matches!(verdict, Verdict::GiveUp(_)), in_loop);
            let wait = match verdict {
                Verdict::AtOnce => {
                    prop_assert!(was_fine);
                    Duration::ZERO
                }
                Verdict::After(wait) => {
                    prop_assert!(!was_fine);
                    prop_assert!(wait >= policy.initial_delay / 2 && wait <= policy.max_delay);
                    wait
                }
                Verdict::GiveUp(wait) => {
                    let wait = wait.expect("restarting is on");
                    prop_assert!(wait >= Duration::from_secs(270) && wait <= Duration::from_secs(330));
                    wait
                }
            };
            now += wait;
            starts.push(now);
        }
        for (index, start) in starts.iter().enumerate() {
            let in_a_minute = starts[index..].iter().take_while(|&&later| later - *start < 60 * SECOND).count();
            prop_assert!(in_a_minute <= 6, "{in_a_minute} starts within a minute");
        }
    }
}
