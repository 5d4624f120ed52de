//! Texts a test can know in advance.

use std::fmt::Write as _;

use super::script::beside_markers;

/// `count` plain words with blanks between them: `word0 word1 …`.
pub fn words(count: usize) -> String {
    (0..count)
        .map(|number| format!("word{number}"))
        .collect::<Vec<_>>()
        .join(" ")
}

/// The last words after `calls` tool calls.
pub fn closing(calls: usize) -> String {
    match calls {
        1 => "Done: 1 tool call has answered.".to_owned(),
        calls => format!("Done: {calls} tool calls have answered."),
    }
}

/// A name for a conversation: the first words beside the markers.
pub fn title(prompt: &str) -> String {
    let words = beside_markers(prompt);
    let title = words.split(' ').take(6).collect::<Vec<_>>().join(" ");
    if title.is_empty() {
        "Scripted conversation".to_owned()
    } else {
        title
    }
}

/// One paragraph of exactly `bytes` bytes (ASCII).
pub fn paragraph(bytes: usize) -> String {
    let mut text = words(bytes / 5 + 2);
    text.truncate(bytes);
    text
}

/// `words` over and over, `bytes` bytes at most.
pub fn bulk(bytes: usize, words: &str) -> String {
    words.repeat(bytes.checked_div(words.len()).unwrap_or_default())
}

/// Cuts a text into pieces of some thousand characters.
pub(super) fn lumps(text: &str) -> Vec<String> {
    const LUMP_CHARS: usize = 4096;
    let letters: Vec<char> = text.chars().collect();
    letters
        .chunks(LUMP_CHARS)
        .map(|lump| lump.iter().collect())
        .collect()
}

/// Markdown of at least `count` tokens, ending at the end of a block: headings, prose with inline marks, lists, a
/// table, quotes and code in several languages.
pub fn markdown(count: usize) -> String {
    let mut text = String::new();
    let mut section = 0;
    while pieces(&text).count() < count {
        section += 1;
        push_section(&mut text, section);
    }
    text.truncate(text.trim_end().len());
    text
}

fn push_section(text: &mut String, number: usize) {
    // Writing to a string cannot fail.
    let mut write = |part: std::fmt::Arguments<'_>| text.write_fmt(part).expect("a string takes any text");
    write(format_args!(
        "## Part {number}\n\nThe **{number}. part** says `value = {number}` and "
    ));
    write(format_args!(
        "goes on: {}. See [the manual](https://example.com/{number}).\n\n",
        words(18 + number % 7)
    ));
    match number % 4 {
        1 => write(format_args!(
            "- first *thing*\n- second ~~thing~~\n  - below it\n- [x] done\n\n"
        )),
        2 => write(format_args!(
            "| name | value |\n|---|---:|\n| a{number} | {number} |\n| b & c | <tag> |\n\n"
        )),
        3 => write(format_args!("> {}\n\n1. one\n2. two\n\n", words(9))),
        _ => write(format_args!("---\n\n{}.\n\n", words(12))),
    }
    let (language, code) = CODE[number % CODE.len()];
    write(format_args!("```{language}\n{code}// part {number}\n```\n\n"));
}

const CODE: [(&str, &str); 4] = [
    (
        "rust",
        "fn main() {\n    let total: u64 = (1..=10).map(|n| n * n).sum();\n    println!(\"{total}\");\n}\n",
    ),
    (
        "typescript",
        "export async function load(id: string): Promise<Item> {\n  return await fetch(`/items/${id}`).then(r => r.json());\n}\n",
    ),
    (
        "go",
        "func Sum(values []int) (total int) {\n\tfor _, v := range values {\n\t\ttotal += v\n\t}\n\treturn\n}\n",
    ),
    (
        "c",
        "int main(void) {\n    for (int i = 0; i < 10; i++) puts(\"<&>\");\n    return 0;\n}\n",
    ),
];

/// What an answer without a script says.
pub fn demo(prompt: &str) -> String {
    let topic = if prompt.is_empty() { "that" } else { prompt };
    format!(
        "Good question: *{}*. I am the **scripted model** of the demo, so I know nothing, but I can show what an \
         answer looks like.\n\n\
         1. Text streams in as it is made.\n\
         2. Code is highlighted:\n\n\
         ```rust\n/// Greets whoever runs it.\nfn main() {{\n    println!(\"hello from the demo\");\n}}\n```\n\n\
         Try these words in your next message: **list files** runs a command (and asks you first), **write a note** \
         changes a file, **plan** makes a list of steps, **ask me a question** waits for your choice, **a long \
         answer** keeps going for a while.\n\n\
         | you write | you get |\n|---|---|\n| list files | a command and its output |\n| write a note | a diff to approve |\n",
        topic.chars().take(120).collect::<String>()
    )
}

/// Cuts a text into what a model would send one by one: a word with the blank before it, at most eight characters.
pub fn tokens(text: &str) -> Vec<&str> {
    pieces(text).collect()
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let end = rest
            .char_indices()
            .enumerate()
            .find(|(count, (at, c))| *count >= 8 || *at > 0 && c.is_whitespace())
            .map_or(rest.len(), |(_, (at, _))| at);
        let (piece, tail) = rest.split_at(end);
        rest = tail;
        (!piece.is_empty()).then_some(piece)
    })
}
