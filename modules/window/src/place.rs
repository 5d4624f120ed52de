//! Where a window goes and where it was.

use kit::window::Place;

/// A window nobody has placed yet.
const FIRST: Place = Place {
    x: None,
    y: None,
    width: 460,
    height: 720,
};
/// Pages with tables want more room.
const FIRST_WIDE: Place = Place {
    x: None,
    y: None,
    width: 980,
    height: 720,
};
/// Smaller than this nothing can be read.
pub(crate) const WIDTH_MIN: u32 = 320;
pub(crate) const HEIGHT_MIN: u32 = 320;
/// So much of a window has to be on a screen that it can be dragged back.
const GRIP: i32 = 48;

/// A screen in logical pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Screen {
    pub(crate) x: i32,
    pub(crate) y: i32,
    pub(crate) width: i32,
    pub(crate) height: i32,
}

/// Where the window `name` is to be: where it was, unless that is on a screen that is no longer there.
pub(crate) fn choose(name: &str, last: Option<Place>, screens: &[Screen]) -> Place {
    let first = if name == "chat" { FIRST } else { FIRST_WIDE };
    let wanted = last.unwrap_or(first);
    let (x, y) = match (wanted.x, wanted.y) {
        (Some(x), Some(y))
            if screens
                .iter()
                .any(|screen| can_be_gripped(x, y, wanted.width, screen)) =>
        {
            (Some(x), Some(y))
        }
        _ => (None, None),
    };
    let widest = screens
        .iter()
        .map(|screen| screen.width)
        .max()
        .unwrap_or(i32::MAX);
    let highest = screens
        .iter()
        .map(|screen| screen.height)
        .max()
        .unwrap_or(i32::MAX);
    Place {
        x,
        y,
        width: within(wanted.width, WIDTH_MIN, widest),
        height: within(wanted.height, HEIGHT_MIN, highest),
    }
}

fn within(value: u32, min: u32, max: i32) -> u32 {
    value.clamp(min, u32::try_from(max).unwrap_or(min).max(min))
}

/// Whether the upper edge, where windows are dragged by, shows on the screen.
fn can_be_gripped(x: i32, y: i32, width: u32, screen: &Screen) -> bool {
    let right = x.saturating_add(i32::try_from(width).unwrap_or(i32::MAX));
    x < screen.x + screen.width - GRIP
        && right > screen.x + GRIP
        && y >= screen.y
        && y < screen.y + screen.height - GRIP
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCREEN: Screen = Screen {
        x: 0,
        y: 0,
        width: 1280,
        height: 800,
    };

    fn placed(x: i32, y: i32) -> Place {
        Place {
            x: Some(x),
            y: Some(y),
            width: 460,
            height: 720,
        }
    }

    #[test]
    fn a_window_returns_to_where_it_was() {
        assert_eq!(choose("chat", Some(placed(100, 40)), &[SCREEN]), placed(100, 40));
        assert_eq!(
            choose("chat", Some(placed(-400, 40)), &[SCREEN]),
            placed(-400, 40)
        );
    }

    #[test]
    fn a_window_on_a_screen_that_is_gone_is_placed_anew() {
        let gone = [
            placed(1300, 40),
            placed(-440, 40),
            placed(10, 790),
            placed(10, -200),
        ];
        for last in gone {
            let chosen = choose("chat", Some(last), &[SCREEN]);

            assert_eq!((chosen.x, chosen.y), (None, None), "{last:?}");
        }
    }

    #[test]
    fn a_window_is_never_larger_than_the_screen_or_too_small_to_read() {
        let huge = Place {
            width: 9_000,
            height: 9_000,
            ..placed(0, 0)
        };
        let tiny = Place {
            width: 1,
            height: 1,
            ..placed(0, 0)
        };

        let sizes = [huge, tiny].map(|last| {
            let chosen = choose("chat", Some(last), &[SCREEN]);
            (chosen.width, chosen.height)
        });

        assert_eq!(sizes, [(1280, 800), (320, 320)]);
    }
}
