//! Buffers that connections have while they are at work.
//!
//! A thousand idle channels have a thousand connections: with a buffer each,
//! these would be most of their memory.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use ureq::unversioned::transport::Buffers;

/// More than the head of any answer.
const INPUT: usize = 32 << 10;
/// More than the head of any request: a token of a key service is the longest
/// part of it.
const OUTPUT: usize = 16 << 10;

/// Kept for later: as many as are at work in a moment.
const MOST_SPARE: usize = 32;

/// Buffers that no connection has at the moment; the last that came is the
/// first to be taken, as it may still be in a cache.
#[derive(Default)]
pub(crate) struct Stock(Mutex<Vec<Box<[u8]>>>);

impl Stock {
    fn take(&self) -> Box<[u8]> {
        let spare = self.0.lock().pop();
        spare.unwrap_or_else(|| vec![0; INPUT + OUTPUT].into_boxed_slice())
    }

    fn put(&self, memory: Box<[u8]>) {
        let mut spare = self.0.lock();
        if spare.len() < MOST_SPARE {
            spare.push(memory);
        }
    }
}

impl fmt::Debug for Stock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Bytes of requests and answers are nobody's business.
        f.debug_tuple("Stock").field(&self.0.lock().len()).finish()
    }
}

/// A connection's two buffers: one piece of memory, from the first use until
/// [`let_go`](Lent::let_go).
pub(crate) struct Lent {
    stock: Arc<Stock>,
    /// Input, then output.
    memory: Option<Box<[u8]>>,
    /// The input that is there and not consumed: from, to.
    input: (usize, usize),
    /// The last look at the input could use some of it.
    progress: bool,
    /// So much of the output waits to be sent.
    waiting: usize,
}

impl Lent {
    pub(crate) fn new(stock: Arc<Stock>) -> Lent {
        Lent {
            stock,
            memory: None,
            input: (0, 0),
            progress: false,
            waiting: 0,
        }
    }

    /// Gives the memory back, unless something is in it.
    pub(crate) fn let_go(&mut self) {
        if self.input().is_empty() && self.waiting == 0 {
            self.input = (0, 0);
            if let Some(memory) = self.memory.take() {
                self.stock.put(memory);
            }
        }
    }

    /// Keeps so much of [`output`](Buffers::output) until it is sent; false
    /// when it should be sent now, to have room for more.
    pub(crate) fn keep(&mut self, amount: usize) -> bool {
        self.waiting += amount;
        self.waiting <= OUTPUT / 2
    }

    /// What was kept.
    pub(crate) fn waiting(&self) -> &[u8] {
        let memory = self.memory.as_deref().unwrap_or_default();
        memory.get(INPUT..INPUT + self.waiting).unwrap_or_default()
    }

    pub(crate) fn sent(&mut self) {
        self.waiting = 0;
    }

    /// Whether no more input can be taken in: none of it could be used.
    pub(crate) fn is_full(&self) -> bool {
        self.input().len() == INPUT
    }

    fn memory(&mut self) -> &mut [u8] {
        self.memory.get_or_insert_with(|| self.stock.take())
    }
}

impl Buffers for Lent {
    /// Behind what waits: never empty, and all of it at the start of a request.
    fn output(&mut self) -> &mut [u8] {
        let waiting = self.waiting;
        &mut self.memory()[INPUT + waiting..]
    }

    fn input(&self) -> &[u8] {
        let memory = self.memory.as_deref().unwrap_or_default();
        memory.get(self.input.0..self.input.1).unwrap_or_default()
    }

    fn input_append_buf(&mut self) -> &mut [u8] {
        let (from, to) = self.input;
        if from > 0 {
            self.memory().copy_within(from..to, 0);
            self.input = (0, to - from);
        }
        let end = self.input.1;
        &mut self.memory()[end..INPUT]
    }

    fn input_appended(&mut self, amount: usize) {
        self.input.1 += amount;
    }

    fn input_consume(&mut self, amount: usize) {
        self.progress = amount > 0;
        self.input.0 += amount;
    }

    fn tmp_and_output(&mut self) -> (&mut [u8], &mut [u8]) {
        let (end, waiting) = (self.input.1, self.waiting);
        let (input, output) = self.memory().split_at_mut(INPUT);
        (&mut input[end..], &mut output[waiting..])
    }

    fn can_use_input(&self) -> bool {
        self.progress && !self.input().is_empty()
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(memory) = self.memory.take() {
            self.stock.put(memory);
        }
    }
}

impl fmt::Debug for Lent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lent")
            .field("has_memory", &self.memory.is_some())
            .field("input", &self.input)
            .field("waiting", &self.waiting)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spare(stock: &Stock) -> usize {
        stock.0.lock().len()
    }

    fn fill(lent: &mut Lent, bytes: &[u8]) {
        lent.input_append_buf()[..bytes.len()].copy_from_slice(bytes);
        lent.input_appended(bytes.len());
    }

    #[test]
    fn memory_is_held_from_the_first_use_until_it_is_let_go() {
        let stock = Arc::new(Stock::default());
        let mut lent = Lent::new(stock.clone());
        assert!(lent.memory.is_none());
        fill(&mut lent, b"answer");
        lent.let_go();
        assert_eq!(lent.input(), b"answer", "it was in use");
        lent.input_consume(6);
        lent.let_go();
        assert!(lent.memory.is_none());
        assert_eq!(spare(&stock), 1);
        fill(&mut lent, b"next");
        assert_eq!((lent.input(), spare(&stock)), (b"next".as_slice(), 0));
        drop(lent);
        assert_eq!(spare(&stock), 1);
    }

    #[test]
    fn what_waits_to_be_sent_is_not_let_go() {
        let mut lent = Lent::new(Arc::default());
        lent.output()[..4].copy_from_slice(b"head");
        assert!(lent.keep(4));
        let (_, output) = lent.tmp_and_output();
        output[..4].copy_from_slice(b"body");
        assert!(lent.keep(4));
        lent.let_go();
        assert_eq!(lent.waiting(), b"headbody");
        lent.sent();
        assert!(lent.waiting().is_empty());
        lent.let_go();
        assert!(lent.memory.is_none());
    }

    #[test]
    fn there_is_always_room_for_output() {
        let mut lent = Lent::new(Arc::default());
        let mut total = 0;
        for _ in 0..100 {
            let room = lent.output().len();
            assert!(room >= OUTPUT / 2);
            total += room.min(5000);
            if !lent.keep(room.min(5000)) {
                lent.sent();
            }
        }
        assert_eq!(total, 500_000);
    }

    #[test]
    fn input_that_is_not_used_yet_moves_up() {
        let mut lent = Lent::new(Arc::default());
        fill(&mut lent, b"one, two");
        lent.input_consume(5);
        assert!(lent.can_use_input());
        lent.input_consume(0);
        assert!(!lent.can_use_input(), "more has to come first");
        assert_eq!(lent.input_append_buf().len(), INPUT - 3);
        assert_eq!(lent.input(), b"two");
        let room = lent.input_append_buf().len();
        lent.input_appended(room);
        assert!(lent.is_full());
        assert!(lent.input_append_buf().is_empty());
    }

    #[test]
    fn no_more_are_kept_than_are_at_work_in_a_moment() {
        let stock = Arc::new(Stock::default());
        let mut all: Vec<_> = (0..MOST_SPARE + 9)
            .map(|_| Lent::new(stock.clone()))
            .collect();
        all.iter_mut().for_each(|lent| fill(lent, b"answer"));
        drop(all);
        assert_eq!(spare(&stock), MOST_SPARE);
    }

    #[test]
    fn debug_shows_no_byte() {
        let stock = Arc::new(Stock::default());
        let mut lent = Lent::new(stock.clone());
        fill(&mut lent, b"secret");
        assert!(!format!("{lent:?} {stock:?}").contains("115"));
    }
}
