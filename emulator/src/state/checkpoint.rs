//! [`Checkpoint`]: the saved position of a channel.

use super::StateError;

/// The saved position of a channel.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoint {
    pub(crate) token: String,
    pub(crate) sequence_number: i64,
    /// The position of the token; `None` at the end.
    pub(crate) position: Option<TokenPosition>,
}

/// The position of a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TokenPosition {
    /// How many records (of base data) or positions (of a log) lie before it.
    pub(crate) position: u64,
    /// The time of the record before it, in microseconds; 0 if it is unknown, as
    /// for base data and at the beginning.
    pub(crate) timestamp: i64,
}

impl Checkpoint {
    pub(crate) fn new(token: String, position: TokenPosition) -> Checkpoint {
        Checkpoint {
            token,
            sequence_number: 0,
            position: Some(position),
        }
    }

    /// Saves a token.
    ///
    /// A save with number 0 is not checked and keeps the stored number, because
    /// the service's Spark connector always sends 0.
    pub(super) fn save(
        &mut self,
        token: &str,
        position: Option<TokenPosition>,
        number: i64,
    ) -> Result<(), StateError> {
        if number != 0 {
            if Some(number) != self.sequence_number.checked_add(1) {
                return Err(StateError::SequenceNumber {
                    stored: self.sequence_number,
                    sent: number,
                });
            }
            self.sequence_number = number;
        }
        token.clone_into(&mut self.token);
        self.position = position;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_follows_the_stored_one_and_0_is_not_checked() {
        let mut checkpoint = Checkpoint::new("t".into(), TokenPosition::default());
        let steps = [
            (2, false, 0),
            (1, true, 1),
            (1, false, 1),
            (3, false, 1),
            (0, true, 1),
            (-1, false, 1),
            (i64::MAX, false, 1),
            (i64::MIN, false, 1),
            (2, true, 2),
        ];
        for (step, (number, fine, stored)) in steps.into_iter().enumerate() {
            let token = format!("t{step}");
            let saved = checkpoint.save(&token, None, number);
            assert_eq!(saved.is_ok(), fine, "{number}");
            assert_eq!(checkpoint.sequence_number, stored);
            assert_eq!(
                checkpoint.token == token,
                fine,
                "saved completely or not at all"
            );
        }
    }
}
