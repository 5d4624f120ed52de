//! A second reading of RFC 9112, written for comparison: whole requests out of a whole buffer, and nothing lenient.

/// Method and target of each complete request at the beginning of `bytes`, up to the first that is not beyond doubt.
pub(crate) fn requests(mut bytes: &[u8]) -> Vec<(String, String)> {
    let mut found = Vec::new();
    while let Some((request, rest)) = request(bytes) {
        found.push(request);
        bytes = rest;
    }
    found
}

fn request(bytes: &[u8]) -> Option<((String, String), &[u8])> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = (&bytes[..end], &bytes[end + 4..]);
    // One character per byte: what is beyond ASCII is text, in whatever encoding.
    let head: String = head.iter().copied().map(char::from).collect();
    // After the split by CR LF neither character may be left: no bare line feeds, no folded lines.
    let text: Vec<&str> = head.split("\r\n").collect();
    if text.iter().any(|line| line.contains(['\r', '\n', '\0'])) {
        return None;
    }
    let words: Vec<&str> = text[0].split(' ').collect();
    let [method, target, version] = words[..] else {
        return None;
    };
    let is_1_1 = match version {
        "HTTP/1.1" => true,
        "HTTP/1.0" => false,
        _ => return None,
    };
    let is_token = |word: &str| {
        !word.is_empty()
            && word
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c))
    };
    if !is_token(method) || !target.starts_with('/') {
        return None;
    }
    let mut fields = Vec::new();
    for line in &text[1..] {
        let (name, value) = line.split_once(':')?;
        if !is_token(name) {
            return None;
        }
        fields.push((name.to_ascii_lowercase(), value.trim_matches([' ', '\t'])));
    }
    let all = |name: &str| {
        fields
            .iter()
            .filter(|(known, _)| known == name)
            .map(|(_, value)| *value)
            .collect::<Vec<_>>()
    };
    let rest = match (&all("content-length")[..], &all("transfer-encoding")[..]) {
        ([], []) => body,
        ([length], []) if !length.is_empty() && length.bytes().all(|byte| byte.is_ascii_digit()) => {
            body.get(length.parse().ok()?..)?
        }
        ([], [coding]) if is_1_1 && coding.eq_ignore_ascii_case("chunked") => after_chunks(body)?,
        _ => return None,
    };
    Some(((method.to_owned(), target.to_owned()), rest))
}

/// What follows a complete chunked body; extensions and trailers are allowed, as the standard has it.
fn after_chunks(mut bytes: &[u8]) -> Option<&[u8]> {
    loop {
        let end = bytes.windows(2).position(|window| window == b"\r\n")?;
        let line = std::str::from_utf8(&bytes[..end]).ok()?;
        let digits = line.split(';').next()?;
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let size = usize::from_str_radix(digits, 16).ok()?;
        bytes = &bytes[end + 2..];
        if size == 0 {
            loop {
                let end = bytes.windows(2).position(|window| window == b"\r\n")?;
                let is_last = end == 0;
                bytes = &bytes[end + 2..];
                if is_last {
                    return Some(bytes);
                }
            }
        }
        if bytes.get(size..size.checked_add(2)?)? != b"\r\n" {
            return None;
        }
        bytes = &bytes[size + 2..];
    }
}
