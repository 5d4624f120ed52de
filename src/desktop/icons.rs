//! The tray's icon, composed of layers.

use std::io::Cursor;

use anyhow::{Context, ensure};

use crate::menu::{Icon, Shape};

/// Pixels as red, green, blue, alpha.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) rgba: Vec<u8>,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// Puts the layers of `icon` on top of each other.
pub(super) fn compose(icon: Icon) -> anyhow::Result<Picture> {
    let base: &[u8] = match icon.shape {
        Shape::Running | Shape::Warning => include_bytes!("../../icons/tray/running.png"),
        Shape::Starting => include_bytes!("../../icons/tray/hollow.png"),
        Shape::Stopped => include_bytes!("../../icons/tray/stopped.png"),
    };
    let over: Option<&[u8]> = match icon.shape {
        Shape::Running | Shape::Starting => None,
        Shape::Stopped => Some(include_bytes!("../../icons/tray/slash.png")),
        Shape::Warning => Some(include_bytes!("../../icons/tray/warning.png")),
    };
    let remote: Option<&[u8]> = icon
        .is_remote
        .then_some(include_bytes!("../../icons/tray/remote.png"));
    let mut picture = decode(base)?;
    for layer in [over, remote].into_iter().flatten() {
        lay(&mut picture, &decode(layer)?)?;
    }
    Ok(picture)
}

fn decode(png: &[u8]) -> anyhow::Result<Picture> {
    let mut reader = png::Decoder::new(Cursor::new(png)).read_info()?;
    let mut rgba = vec![0; reader.output_buffer_size().context("the icon is too large")?];
    let frame = reader.next_frame(&mut rgba)?;
    ensure!(
        frame.color_type == png::ColorType::Rgba && frame.bit_depth == png::BitDepth::Eight,
        "the icon is not in 8-bit RGBA"
    );
    rgba.truncate(frame.buffer_size());
    Ok(Picture {
        rgba,
        width: frame.width,
        height: frame.height,
    })
}

/// Lays `top` over `below`: each channel is mixed by the upper one's alpha.
fn lay(below: &mut Picture, top: &Picture) -> anyhow::Result<()> {
    ensure!(
        (below.width, below.height) == (top.width, top.height),
        "the icon's layers differ in size"
    );
    for (under, over) in below.rgba.chunks_exact_mut(4).zip(top.rgba.chunks_exact(4)) {
        let (over_alpha, under_alpha) = (f32::from(over[3]) / 255.0, f32::from(under[3]) / 255.0);
        let alpha = over_alpha + under_alpha * (1.0 - over_alpha);
        if alpha <= 0.0 {
            continue;
        }
        for channel in 0..3 {
            let mixed = f32::from(over[channel]) * over_alpha
                + f32::from(under[channel]) * under_alpha * (1.0 - over_alpha);
            under[channel] = to_byte(mixed / alpha);
        }
        under[3] = to_byte(alpha * 255.0);
    }
    Ok(())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what a byte holds"
)]
fn to_byte(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_apart_without_colour() {
        let shapes = [Shape::Running, Shape::Starting, Shape::Stopped, Shape::Warning];
        let mut pictures = Vec::new();
        for shape in shapes {
            for is_remote in [false, true] {
                let picture = compose(Icon { shape, is_remote }).unwrap();
                let grey: Vec<u8> = picture
                    .rgba
                    .chunks_exact(4)
                    .map(|pixel| {
                        let light = u32::from(pixel[0]) * 3 + u32::from(pixel[1]) * 6 + u32::from(pixel[2]);
                        u8::try_from(light / 10 * u32::from(pixel[3]) / 255).unwrap()
                    })
                    .collect();
                pictures.push(((shape, is_remote), grey));
            }
        }

        for (first, one) in &pictures {
            for (second, other) in &pictures {
                let different = one
                    .iter()
                    .zip(other)
                    .filter(|(a, b)| a.abs_diff(**b) > 40)
                    .count();
                // A tenth of 48 × 48 pixels, clearly lighter or darker.
                assert!(
                    first == second || different > 100,
                    "{first:?} {second:?}: {different}"
                );
            }
        }
    }
}
