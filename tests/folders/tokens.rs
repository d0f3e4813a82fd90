//! The tokens of a Rust source file, without comments and literals.

/// Whether a text begins with a name.
pub(super) fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// A name, `::`, or another character of a source file.
pub(super) struct Token {
    pub(super) text: String,
    pub(super) line: usize,
}

/// The tokens of a source file, without comments and literals.
pub(super) fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while let Some(first) = rest.chars().next() {
        let length = match skipped(rest) {
            Some(length) => length,
            None if is_name(rest) => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                end.unwrap_or(rest.len())
            }
            None if rest.starts_with("::") => 2,
            None => first.len_utf8(),
        };
        let text = &rest[..length];
        if skipped(rest).is_none() && !first.is_whitespace() {
            let text = text.to_owned();
            tokens.push(Token { text, line });
        }
        line += text.matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

/// The length of a comment, a literal or a lifetime at the beginning of a text.
fn skipped(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        return Some(text.find('\n').unwrap_or(text.len()));
    }
    if text.starts_with("/*") {
        return Some(block_comment(text));
    }
    let raw = text.trim_start_matches(['b', 'c']);
    if let Some(hashed) = raw.strip_prefix('r') {
        let quoted = hashed.trim_start_matches('#');
        let hashes = hashed.len() - quoted.len();
        if quoted.starts_with('"') {
            let start = text.len() - quoted.len() + 1;
            let end = format!("\"{}", "#".repeat(hashes));
            let length = text[start..].find(&end);
            return Some(length.map_or(text.len(), |length| start + length + end.len()));
        }
    }
    if raw.starts_with('"') && text.len() - raw.len() <= 1 {
        return Some(text.len() - raw.len() + quoted(raw, '"'));
    }
    let after = text.strip_prefix('\'')?;
    let mut chars = after.chars();
    match (chars.next(), chars.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => Some(quoted(text, '\'')),
        // A lifetime.
        _ => Some(1 + after.find(|c: char| !c.is_alphanumeric() && c != '_')?),
    }
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        let (step, change) = match &text.as_bytes()[at..] {
            [b'/', b'*', ..] => (2, 1),
            [b'*', b'/', ..] => (2, -1),
            _ => (1, 0),
        };
        at += step;
        depth = depth.saturating_add_signed(change);
        if depth == 0 {
            break;
        }
    }
    at
}

/// The length of a literal with its quotes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}
