//! Reading and writing single values inside a TOML document.

use toml_edit::{DocumentMut, Item, Table, TableLike, Value};

use super::Kind;

/// The table of one section; empty where the document has none.
pub(super) fn section_table(document: &DocumentMut, section: &str) -> Table {
    match document.get(section) {
        Some(Item::Table(table)) => table.clone(),
        Some(Item::Value(Value::InlineTable(table))) => table.clone().into_table(),
        Some(_) | None => Table::new(),
    }
}

/// The item at a dotted key below `table`.
pub(super) fn find<'a>(table: &'a dyn TableLike, key: &str) -> Option<&'a Item> {
    match key.split_once('.') {
        Some((head, rest)) => find(table.get(head)?.as_table_like()?, rest),
        None => table.get(key),
    }
}

/// Puts `item` at a dotted key, keeping the comment beside the old value; `None` takes the key away.
pub(super) fn place(document: &mut DocumentMut, key: &str, item: Option<Item>) {
    let mut table: &mut dyn TableLike = document.as_table_mut();
    let mut rest = key;
    while let Some((head, tail)) = rest.split_once('.') {
        if !table.get(head).is_some_and(Item::is_table_like) {
            table.insert(head, Item::Table(Table::new()));
        }
        let Some(next) = table.get_mut(head).and_then(Item::as_table_like_mut) else {
            return;
        };
        table = next;
        rest = tail;
    }
    match item {
        Some(mut item) => {
            let old = table
                .get(rest)
                .and_then(Item::as_value)
                .map(|value| value.decor().clone());
            if let (Some(value), Some(decor)) = (item.as_value_mut(), old) {
                *value.decor_mut() = decor;
            }
            table.insert(rest, item);
        }
        None => {
            table.remove(rest);
        }
    }
}

/// Reads a value as TOML would; what is no TOML, or not what the field takes, is taken as text.
pub(super) fn read_value(text: &str, kind: Kind) -> Item {
    let as_text = || toml_edit::value(text);
    let Ok(value) = text.trim().parse::<Value>() else {
        return as_text();
    };
    let item = Item::Value(value);
    if kind.check(&item).is_err() && kind.check(&as_text()).is_ok() {
        as_text()
    } else {
        item
    }
}

/// The item as it would stand behind `key =`.
pub(super) fn shown(item: &Item) -> String {
    match item {
        Item::Value(value) => value.clone().decorated("", "").to_string(),
        Item::Table(table) => {
            let mut inline = table.clone().into_inline_table();
            inline.fmt();
            inline.to_string()
        }
        Item::None | Item::ArrayOfTables(_) => String::new(),
    }
}
