use super::*;

fn check(language: &str, line: &str, expected: &str) {
    assert_eq!(Highlighter::default().whole(language, line), expected);
}

#[test]
fn words_get_classes_and_nothing_else() {
    check(
        "rust",
        "let x = \"<a>\"; // b",
        "<span class=\"k\">let</span> x = <span class=\"s\">\"&lt;a&gt;\"</span>; <span class=\"c\">// b</span>",
    );
    check("", "let <x>", "let &lt;x&gt;");
    check("no-such-language", "a & b", "a &amp; b");
}

#[test]
fn many_languages_are_known() {
    let highlighter = Highlighter::default();
    let languages = [
        "rust",
        "python",
        "javascript",
        "typescript",
        "tsx",
        "go",
        "c",
        "cpp",
        "csharp",
        "java",
        "kotlin",
        "swift",
        "ruby",
        "php",
        "perl",
        "lua",
        "haskell",
        "scala",
        "elixir",
        "erlang",
        "clojure",
        "ocaml",
        "bash",
        "fish",
        "sql",
        "html",
        "css",
        "scss",
        "json",
        "yaml",
        "toml",
        "xml",
        "markdown",
        "dockerfile",
        "makefile",
        "cmake",
        "diff",
        "nix",
        "zig",
        "dart",
        "r",
        "julia",
        "terraform",
        "graphql",
        "protobuf",
        "svelte",
        "vue",
    ];
    let unknown: Vec<_> = languages
        .into_iter()
        .filter(|language| highlighter.lines(language).state.is_none())
        .collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn a_block_read_line_by_line_is_the_block_read_whole() {
    let code = "/* a\n b */ fn main() {\n\n    let s = r#\"x\n y\"#;\n}\n";
    let highlighter = Highlighter::default();
    let mut lines = highlighter.lines("rust");
    let mut html = Vec::new();
    for line in code.split('\n') {
        let mut one = String::new();
        lines.line(line, &mut one);
        html.push(one);
    }
    assert_eq!(html.join("\n"), highlighter.whole("rust", code));
}

#[test]
fn very_long_lines_stay_plain() {
    let line = format!("let a = {};", "1".repeat(3000));
    check("rust", &line, &line);
}

#[test]
fn grammars_are_given_back_after_a_while_of_quiet() {
    let highlighter = Highlighter::default();
    assert!(!highlighter.rest(Instant::now() + IDLE * 2));
    highlighter.lines("rust");
    assert!(!highlighter.rest(Instant::now()));
    assert!(highlighter.rest(Instant::now() + IDLE * 2));
    assert!(!highlighter.rest(Instant::now() + IDLE * 2));
}
