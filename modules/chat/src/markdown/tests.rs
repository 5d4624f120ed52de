use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::page_model::PageModel;

fn whole(text: &str) -> String {
    render(text, "p", &Highlighter::default())
}

fn check(text: &str, expected: &str) {
    assert_eq!(whole(text), expected);
}

#[test]
fn common_markdown() {
    check(
        "# Hi *you*\n\na `b` **c**\nd",
        "<h3 id=\"p-0\">Hi <em>you</em></h3><p id=\"p-1\">a <code>b</code> <strong>c</strong>\nd</p>",
    );
    check(
        "- a\n  - [x] b\n- c",
        "<ul id=\"p-0\"><li><span>a</span><ul><li><span><input type=\"checkbox\" disabled=\"\" checked=\"\" \
         aria-label=\"Done\">b</span></li></ul></li><li><span>c</span></li></ul>",
    );
    check(
        "|a|b|\n|-|-:|\n|1|~~2~~|",
        "<div id=\"p-0\" class=\"table\"><table><thead><tr><th>a</th><th class=\"right\">b</th></tr></thead><tbody><tr>\
         <td>1</td><td class=\"right\"><del>2</del></td></tr></tbody></table></div>",
    );
    check(
        "a[^1]\n\n[^1]: note",
        "<p id=\"p-0\">a<sup>[1]</sup></p><section id=\"p-1\" class=\"footnote\"><sup>[1]</sup><p>note</p></section>",
    );
}

#[test]
fn hostile_text_stays_text() {
    check(
        "<img src=x onerror=alert(1)> [a](javascript:alert(1))",
        "<p id=\"p-0\">&lt;img src=x onerror=alert(1)&gt; <span class=\"inert\" data-url=\"javascript:alert(1)\">a</span></p>",
    );
    check(
        "![cat](https://evil.test/x.png \"t\")",
        "<p id=\"p-0\"><a href=\"https://evil.test/x.png\" rel=\"noopener noreferrer\" target=\"_blank\" \
         data-host=\"evil.test\" data-image=\"\">Image: cat (https://evil.test/x.png)</a></p>",
    );
    check(
        "<script>\nalert(1)\n</script>",
        "<p id=\"p-0\">&lt;script&gt;\nalert(1)\n&lt;/script&gt;</p>",
    );
}

#[test]
fn reading_is_linear_in_the_text() {
    let size = 64 * 1024;
    // Generous for a debug build on a busy machine; what is quadratic takes minutes.
    let bar = Duration::from_millis(1500);
    for unit in [
        "[[[[", "> ", "- ", "*a ", "a\n", "|a|b|\n", "`a", "![](", "<a ", "~~~\n", "[a]: b\n", "1. x\n\n",
        "**a* ",
    ] {
        let text = unit.repeat(size / unit.len());
        let start = Instant::now();
        let _html = whole(&text);
        assert!(start.elapsed() < bar, "{unit:?} took {:?}", start.elapsed());
    }
}

/// Streams `text` cut into `pieces` and gives what the page shows in the end.
fn streamed(text: &str, cuts: &[usize]) -> (PageModel, Vec<kit::Patch>) {
    let highlighter = Highlighter::default();
    let mut document = Document::new("p".to_owned());
    let mut page = PageModel::new("<div id=\"p\"></div>");
    let mut all = Vec::new();
    let mut now = Instant::now();
    let mut at = 0;
    let mut bounds: Vec<usize> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
    bounds.push(text.len());
    bounds.sort_unstable();
    for bound in bounds {
        if !text.is_char_boundary(bound) {
            continue;
        }
        document.append(&text[at..bound]);
        at = bound;
        now += Duration::from_millis(50);
        let mut patches = Vec::new();
        document.advance(now, &highlighter, &mut patches);
        page.apply(&patches);
        let fresh = PageModel::new(&format!("<div id=\"p\">{}</div>", document.html()));
        assert_eq!(
            page.normalised(),
            fresh.normalised(),
            "after {:?}",
            &text[..bound]
        );
        all.append(&mut patches);
    }
    let mut patches = Vec::new();
    document.complete(now, &highlighter, &mut patches);
    page.apply(&patches);
    all.append(&mut patches);
    (page, all)
}

fn check_stream(text: &str, cuts: &[usize]) {
    let (page, _) = streamed(text, cuts);
    let whole = PageModel::new(&format!("<div id=\"p\">{}</div>", whole(text)));
    assert_eq!(page.normalised(), whole.normalised(), "{text:?} {cuts:?}");
}

#[test]
fn a_streamed_text_ends_as_the_whole_text() {
    let texts = [
        "# Title\n\nPara *em* and `code` more.\n\n1. one\n\n2. two\n   ```rust\n   let x = 1;\n   ```\n3. three\n\n```rust\nfn main() {}\n\n// c\n```\nend",
        "| a | b |\n|---|---|\n| 1 | `2` |\n| 3 | 4 |\n\nafter [link] and [^n]\n\n[link]: https://example.com\n[^n]: note",
        "- a\n- b\n\n  c\n- d\n\n> quote\n> more\n\n---\n\nx *foo **bar** `a` baz* `y` tail",
        "text\n===\n\n    indented\n\n~~~\nopen fence\nto the end",
        "\u{1b}[31m\r\nred\r\ngreen\r",
    ];
    for text in texts {
        let every: Vec<usize> = (0..text.len()).collect();
        check_stream(text, &every);
        for step in [2, 3, 5, 7, 11] {
            let cuts: Vec<usize> = (0..text.len()).step_by(step).collect();
            check_stream(text, &cuts);
        }
    }
}

fn fragment() -> impl Strategy<Value = String> {
    let pieces = [
        "word",
        " ",
        "\n",
        "\n\n",
        "*",
        "**",
        "_",
        "`",
        "```",
        "```rust\n",
        "~~~\n",
        "# ",
        "- ",
        "1. ",
        "2. ",
        "> ",
        "|",
        "|-|-|\n",
        "[a]",
        "(https://e.test)",
        "[a]: https://e.test\n",
        "[^1]",
        "[^1]: n\n",
        "<b>",
        "<div>\n",
        "&amp;",
        "\\",
        "  ",
        "    ",
        "- [ ] ",
        "---\n",
        "===\n",
        "~~",
        "é",
        "\u{a0}",
        "\t",
        "!",
        "[",
        "]",
        "(",
        ")",
        "<!--",
        "\r\n",
        "\0",
        "\u{202e}",
        "let x = 1;\n",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..60)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(if cfg!(debug_assertions) { 100 } else { 20_000 }) })]

    #[test]
    fn html_is_what_a_browser_makes_of_it_and_holds_allowed_elements_only(text in fragment()) {
        let html = whole(&text);
        let page = PageModel::new(&format!("<div id=\"p\">{html}</div>"));
        prop_assert_eq!(page.html(), format!("<div id=\"p\">{html}</div>"));
        page.assert_allowed();
    }

    #[test]
    fn any_split_of_any_text_ends_as_the_whole(text in fragment(), cuts in proptest::collection::vec(0_usize..4000, 0..40)) {
        let (page, _) = streamed(&text, &cuts);
        let whole = PageModel::new(&format!("<div id=\"p\">{}</div>", whole(&text)));
        prop_assert_eq!(page.normalised(), whole.normalised());
    }
}
