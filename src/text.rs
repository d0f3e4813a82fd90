//! Whether a text that a program gives can be what it is meant to be.

/// What is wrong with a key, a name or a header's value that is sent as it is, as the
/// end of a sentence; `None` if nothing is. Does not repeat the text, which may be a
/// secret.
pub(crate) fn problem(text: &str) -> Option<&'static str> {
    let (first, last) = (text.chars().next()?, text.chars().next_back()?);
    if matches!(last, '\n' | '\r') {
        Some("ends with a line end; remove it")
    } else if matches!(first, '\n' | '\r') {
        Some("begins with a line end; remove it")
    } else if last.is_whitespace() {
        Some("ends with a blank; remove it")
    } else if first.is_whitespace() {
        Some("begins with a blank; remove it")
    } else if text.chars().any(char::is_control) {
        Some("holds a control character; remove it")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_around_a_text_is_a_problem_and_within_it_is_not() {
        for (text, wrong) in [
            ("", None),
            ("a b", None),
            ("a\n", Some("ends with a line end")),
            ("a\r\n", Some("ends with a line end")),
            ("\na", Some("begins with a line end")),
            ("a ", Some("ends with a blank")),
            ("\ta", Some("begins with a blank")),
            ("a\u{a0}", Some("ends with a blank")),
            ("a\nb", Some("holds a control character")),
            ("a\0b", Some("holds a control character")),
        ] {
            let found = problem(text);
            match wrong {
                Some(wrong) => assert!(
                    found.is_some_and(|found| found.starts_with(wrong)),
                    "{text:?}"
                ),
                None => assert_eq!(found, None, "{text:?}"),
            }
        }
    }
}
