//! Draws a menu with the system's own means and changes only what is different.

use std::{collections::HashMap, sync::PoisonError, time::Instant};

use anyhow::Context;
use kit::{Action, Entry};
use tray_icon::{
    TrayIcon, TrayIconBuilder,
    menu::{CheckMenuItem, IsMenuItem, MenuItem, PredefinedMenuItem, Submenu},
};

use super::{Actions, SETTLE};
use crate::{
    desktop::icons,
    menu::{Icon, Menu},
};

/// Names the icon to the desktop, which remembers where it was put.
const ID: &str = "opencode-nexus";

/// The icon and its menu as they are drawn now.
pub(super) struct Skin {
    tray: TrayIcon,
    shown: Menu,
    lines: Vec<Line>,
    actions: Actions,
}

/// A drawn line.
enum Line {
    Item(MenuItem),
    Check(CheckMenuItem),
    Submenu(Submenu, Vec<Line>),
    Separator(PredefinedMenuItem),
}

impl Skin {
    /// Puts the icon into the tray.
    pub(super) fn new(menu: &Menu, actions: Actions) -> anyhow::Result<Self> {
        let lines = build(&menu.entries, "");
        let tray = TrayIconBuilder::new()
            .with_id(ID)
            .with_title("OpenCode Nexus")
            .with_tooltip(&menu.tooltip)
            .with_icon(picture(menu.icon)?)
            .with_menu(Box::new(assemble(&lines)?))
            .with_menu_on_left_click(false)
            .build()
            .context("the session bus did not take it")?;
        let skin = Self {
            tray,
            shown: menu.clone(),
            lines,
            actions,
        };
        skin.remember(menu, Instant::now().checked_sub(SETTLE));
        Ok(skin)
    }

    /// Draws what differs from what is shown.
    pub(super) fn show(&mut self, menu: &Menu) -> anyhow::Result<()> {
        if menu.icon != self.shown.icon {
            self.tray.set_icon(Some(picture(menu.icon)?))?;
        }
        if menu.tooltip != self.shown.tooltip {
            self.tray.set_tooltip(Some(&menu.tooltip))?;
        }
        if same_shape(&menu.entries, &self.shown.entries) {
            update(&self.lines, &menu.entries);
        } else {
            self.lines = build(&menu.entries, "");
            self.tray.set_menu(Some(Box::new(assemble(&self.lines)?)));
        }
        self.remember(menu, Some(Instant::now()));
        self.shown = menu.clone();
        Ok(())
    }

    /// Notes what each line does; a line whose action stays keeps its age.
    fn remember(&self, menu: &Menu, now: Option<Instant>) {
        let now = now.unwrap_or_else(Instant::now);
        let mut held = self.actions.lock().unwrap_or_else(PoisonError::into_inner);
        let mut fresh = HashMap::new();
        gather(&menu.entries, "", &mut |id, action| {
            let since = match held.get(&id) {
                Some((known, since)) if *known == action => *since,
                Some(_) | None => now,
            };
            fresh.insert(id, (action, since));
        });
        *held = fresh;
    }
}

/// Calls `see` with the id and action of every line that has one.
fn gather(entries: &[Entry], above: &str, see: &mut impl FnMut(String, Action)) {
    for (index, entry) in entries.iter().enumerate() {
        let id = format!("{above}{index}");
        match entry {
            Entry::Item { action, .. } | Entry::Check { action, .. } => see(id, action.clone()),
            Entry::Submenu { entries, .. } => gather(entries, &format!("{id}."), see),
            Entry::Label(_) | Entry::Separator => {}
        }
    }
}

fn build(entries: &[Entry], above: &str) -> Vec<Line> {
    let line = |(index, entry): (usize, &Entry)| {
        let id = format!("{above}{index}");
        match entry {
            Entry::Label(text) => Line::Item(MenuItem::with_id(id, plain(text), false, None)),
            Entry::Item { text, is_enabled, .. } => {
                Line::Item(MenuItem::with_id(id, plain(text), *is_enabled, None))
            }
            Entry::Check { text, is_on, .. } => {
                Line::Check(CheckMenuItem::with_id(id, plain(text), true, *is_on, None))
            }
            Entry::Submenu { text, entries } => {
                let below = format!("{id}.");
                Line::Submenu(Submenu::with_id(id, plain(text), true), build(entries, &below))
            }
            Entry::Separator => Line::Separator(PredefinedMenuItem::separator()),
        }
    };
    entries.iter().enumerate().map(line).collect()
}

fn assemble(lines: &[Line]) -> anyhow::Result<tray_icon::menu::Menu> {
    let menu = tray_icon::menu::Menu::new();
    for line in lines {
        menu.append(as_item(line))?;
        fill(line)?;
    }
    Ok(menu)
}

fn fill(line: &Line) -> anyhow::Result<()> {
    if let Line::Submenu(submenu, below) = line {
        for line in below {
            submenu.append(as_item(line))?;
            fill(line)?;
        }
    }
    Ok(())
}

fn as_item(line: &Line) -> &dyn IsMenuItem {
    match line {
        Line::Item(item) => item,
        Line::Check(item) => item,
        Line::Submenu(item, _) => item,
        Line::Separator(item) => item,
    }
}

fn update(lines: &[Line], entries: &[Entry]) {
    for (line, entry) in lines.iter().zip(entries) {
        match (line, entry) {
            (Line::Item(item), Entry::Label(text)) => set_text(item, text),
            (Line::Item(item), Entry::Item { text, is_enabled, .. }) => {
                set_text(item, text);
                if item.is_enabled() != *is_enabled {
                    item.set_enabled(*is_enabled);
                }
            }
            (Line::Check(item), Entry::Check { text, is_on, .. }) => {
                if item.text() != plain(text) {
                    item.set_text(plain(text));
                }
                // The system flips the mark itself when the line is chosen; the state decides.
                if item.is_checked() != *is_on {
                    item.set_checked(*is_on);
                }
            }
            (Line::Submenu(item, below), Entry::Submenu { text, entries }) => {
                if item.text() != plain(text) {
                    item.set_text(plain(text));
                }
                update(below, entries);
            }
            _ => {}
        }
    }
}

fn set_text(item: &MenuItem, text: &str) {
    if item.text() != plain(text) {
        item.set_text(plain(text));
    }
}

/// Whether one menu can be turned into the other without adding or removing lines.
fn same_shape(one: &[Entry], other: &[Entry]) -> bool {
    one.len() == other.len()
        && one.iter().zip(other).all(|pair| match pair {
            (Entry::Submenu { entries: one, .. }, Entry::Submenu { entries: other, .. }) => {
                same_shape(one, other)
            }
            (one, other) => std::mem::discriminant(one) == std::mem::discriminant(other),
        })
}

/// `&` marks a key in a menu; in a text of ours it is just a letter.
fn plain(text: &str) -> String {
    text.replace('&', "&&")
}

fn picture(icon: Icon) -> anyhow::Result<tray_icon::Icon> {
    let picture = icons::compose(icon)?;
    Ok(tray_icon::Icon::from_rgba(
        picture.rgba,
        picture.width,
        picture.height,
    )?)
}
