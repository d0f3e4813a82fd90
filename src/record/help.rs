//! [`Help`]: what makes checking the rows of a batch fast.

use super::heads::Heads;
use super::sums::Sums;

/// What the rows of a batch so far have shown, and what is still to be compared
/// of them.
#[derive(Debug)]
pub(super) struct Help<'a> {
    pub(super) heads: Heads<'a>,
    pub(super) sums: Sums,
}

/// Runs `check` with help. If it finds a fault, or a sum turns out to be wrong, it
/// is run once more without: then it tells the first fault, and where it is.
pub(super) fn with<'a, T, E>(
    mut check: impl FnMut(&mut Option<Help<'a>>) -> Result<T, E>,
) -> Result<T, E> {
    let mut help = Some(Help {
        heads: Heads::new(),
        sums: Sums::new(),
    });
    match check(&mut help) {
        Ok(checked) if help.is_none_or(|mut help| help.sums.are_right()) => Ok(checked),
        _ => check(&mut None),
    }
}
