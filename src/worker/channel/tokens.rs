//! [`Tokens`]: the tokens of a channel, in their order (pure).

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;

/// How many tokens are remembered. Older ones are as unknown as any other.
const MOST: usize = 65_536;

/// Where a token stands among those of its channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Counted in the order in which the tokens were noted.
    pub(crate) order: u64,
    /// Records of the channel up to the token, since it was opened.
    pub(crate) records: u64,
}

/// The newest tokens of a channel, as hashes: they can be long, and there are many.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    hasher: RandomState,
    places: HashMap<u64, Place>,
    /// The hashes of `places`, oldest first. One that was noted again is in it twice.
    queue: VecDeque<(u64, u64)>,
    noted: u64,
}

impl Tokens {
    /// Notes that a token comes after all that were noted before.
    pub(crate) fn note(&mut self, token: &str, records: u64) {
        let hash = self.hasher.hash_one(token);
        self.noted += 1;
        let order = self.noted;
        self.places.insert(hash, Place { order, records });
        self.queue.push_back((hash, order));
        while self.queue.len() > MOST {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((hash, order)) = self.queue.pop_front()
            && self
                .places
                .get(&hash)
                .is_some_and(|place| place.order == order)
        {
            self.places.remove(&hash);
        }
    }

    /// Where a token stands; `None` if it was never noted, or too long ago.
    pub(crate) fn place(&self, token: &str) -> Option<Place> {
        self.places.get(&self.hasher.hash_one(token)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_keep_the_order_in_which_they_were_noted() {
        let mut tokens = Tokens::default();
        tokens.note("a", 0);
        tokens.note("b", 7);
        let order = |tokens: &Tokens, token| tokens.place(token).map(|place| place.order);
        assert!(order(&tokens, "a") < order(&tokens, "b"));
        assert_eq!(tokens.place("b").map(|place| place.records), Some(7));
        assert_eq!(tokens.place("c"), None);
        tokens.note("a", 9);
        assert!(order(&tokens, "b") < order(&tokens, "a"), "noted again");
    }

    #[test]
    fn at_most_so_many_are_remembered() {
        let mut tokens = Tokens::default();
        for number in 0..MOST + 10 {
            tokens.note(&number.to_string(), 0);
            // Noted over and over, it takes up no more than one place.
            tokens.note("again", 0);
        }
        assert!(tokens.queue.len() <= MOST && tokens.places.len() <= MOST);
        assert_eq!(tokens.place("0"), None);
        assert!(tokens.place(&(MOST + 9).to_string()).is_some());
        assert!(tokens.place("again").is_some());
    }
}
