//! [`Checkpoint`]: how far a channel is consumed.

use super::StateError;

/// The saved state of a channel.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoint {
    pub(crate) token: String,
    pub(crate) sequence_number: i64,
    /// Where the token stands; nothing at the end.
    pub(crate) place: Option<Place>,
}

/// Where a token stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// Records (of a split) or positions (of a log) that lie before.
    pub(crate) position: u64,
    /// When the record before it was written, in microseconds; 0 if that is
    /// not known, as for base data and at the beginning.
    pub(crate) timestamp: i64,
}

impl Checkpoint {
    pub(crate) fn new(token: String, place: Place) -> Checkpoint {
        Checkpoint {
            token,
            sequence_number: 0,
            place: Some(place),
        }
    }

    /// Saves a token.
    ///
    /// Number 0 passes without a check and leaves the stored number as it is:
    /// the service's Spark connector always sends 0.
    pub(super) fn save(
        &mut self,
        token: &str,
        place: Option<Place>,
        number: i64,
    ) -> Result<(), StateError> {
        if number != 0 {
            if number != self.sequence_number + 1 {
                return Err(StateError::SequenceNumber {
                    stored: self.sequence_number,
                    sent: number,
                });
            }
            self.sequence_number = number;
        }
        token.clone_into(&mut self.token);
        self.place = place;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_one_more_than_the_stored_and_0_is_not_looked_at() {
        let mut checkpoint = Checkpoint::new("t".into(), Place::default());
        let steps = [
            (2, false, 0),
            (1, true, 1),
            (1, false, 1),
            (3, false, 1),
            (0, true, 1),
            (-1, false, 1),
            (2, true, 2),
        ];
        for (step, (number, fine, stored)) in steps.into_iter().enumerate() {
            let token = format!("t{step}");
            let saved = checkpoint.save(&token, None, number);
            assert_eq!(saved.is_ok(), fine, "{number}");
            assert_eq!(checkpoint.sequence_number, stored);
            assert_eq!(checkpoint.token == token, fine, "saved whole or not at all");
        }
    }
}
