//! How long a stream channel pauses between reads (pure).

use std::time::Duration;

use crate::clock;
use crate::record::RawBatch;

const BASE_DELAY: Duration = Duration::from_millis(20);
/// The first delay, and the longest, before a batch is given again.
const ATTEMPT_BASE_DELAY: Duration = Duration::from_millis(100);
const ATTEMPT_MAX_DELAY: Duration = Duration::from_secs(5);
const FACTOR: u32 = 5;
const JITTER: f64 = 0.25;

/// More than this many records in an answer of a service that does not say
/// whether there is more: read on at once.
const FULL_RECORDS: usize = 500;
/// The same for the bytes of the answer.
const FULL_BYTES: usize = 900 * 1024;

/// Whether a read brought as much as it could, so that the next is worth it.
pub(crate) fn is_full(batch: &RawBatch) -> bool {
    let large = batch.record_count > FULL_RECORDS || batch.body.len() > FULL_BYTES;
    batch.may_more_record.unwrap_or(large)
}

/// A growing pause.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    base: Duration,
    next: Duration,
    max: Duration,
}

impl Backoff {
    /// Between the reads of a stream channel.
    pub(crate) fn new(max: Duration) -> Backoff {
        Backoff::from(BASE_DELAY, max)
    }

    /// Between the attempts with a batch whose callback failed.
    pub(crate) fn for_attempts() -> Backoff {
        Backoff::from(ATTEMPT_BASE_DELAY, ATTEMPT_MAX_DELAY)
    }

    fn from(base: Duration, max: Duration) -> Backoff {
        // So that jitter does not overflow.
        let max = clock::at_most_a_century(max);
        let base = base.min(max);
        Backoff {
            base,
            next: base,
            max,
        }
    }

    /// The pause now; `random` is in `[0, 1)`.
    pub(crate) fn next_delay(&mut self, random: f64) -> Duration {
        let delay = self.next;
        self.next = delay.saturating_mul(FACTOR).min(self.max);
        delay.mul_f64(1.0 - JITTER + 2.0 * JITTER * random)
    }

    pub(crate) fn reset(&mut self) {
        self.next = self.base;
    }
}

/// The pause that begins `now`, as a time since some start, and takes `about` so long,
/// ends on a multiple of a power of two of microseconds: a 64th earlier or later at most.
/// So the threads of idle channels wake some at a time. The first finds the caches cold
/// and the processor asleep, the others do not.
pub(crate) fn together(now: Duration, about: Duration) -> Duration {
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX / 2);
    let (now, about) = (micros(now), micros(about));
    let Some(step) = (about / 32).checked_ilog2().map(|bits| 1 << bits) else {
        return Duration::from_micros(about);
    };
    let end = now.saturating_add(about).saturating_add(step / 2);
    Duration::from_micros(end / step * step - now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_its_maximum_and_starts_again() {
        let mut backoff = Backoff::new(Duration::from_secs(5));
        let millis = |backoff: &mut Backoff| backoff.next_delay(0.5).as_millis();
        let delays: Vec<_> = (0..6).map(|_| millis(&mut backoff)).collect();
        assert_eq!(delays, [20, 100, 500, 2500, 5000, 5000]);
        backoff.reset();
        assert_eq!(millis(&mut backoff), 20);
    }

    #[test]
    fn jitter_is_a_quarter_both_ways() {
        let delay = |random| Backoff::new(Duration::from_secs(5)).next_delay(random);
        assert_eq!(delay(0.0), Duration::from_millis(15));
        assert_eq!(delay(1.0), Duration::from_millis(25));
        let mut small = Backoff::new(Duration::from_millis(4));
        assert_eq!(small.next_delay(0.5), Duration::from_millis(4));
    }

    #[test]
    fn the_longest_pause_does_not_overflow() {
        let mut backoff = Backoff::new(Duration::MAX);
        for _ in 0..100 {
            backoff.next_delay(0.999);
        }
        assert!(backoff.next_delay(0.5) > Duration::from_secs(3_000_000_000));
    }

    #[test]
    fn what_the_service_says_counts_before_the_size() {
        for (records, bytes, may_more, full) in [
            (0, 0, Some(true), true),
            (5000, 1 << 22, Some(false), false),
            (500, 900 * 1024, None, false),
            (501, 0, None, true),
            (0, 900 * 1024 + 1, None, true),
        ] {
            let batch = RawBatch {
                body: vec![0; bytes].into(),
                request_id: String::new(),
                next_token: String::new(),
                may_more_record: may_more,
                record_count: records,
            };
            assert_eq!(is_full(&batch), full);
        }
    }

    #[test]
    fn pauses_of_about_the_same_time_end_together() {
        let ends = |about: u64| -> Vec<u64> {
            let about = Duration::from_millis(about);
            let end = |now| now + together(Duration::from_micros(now), about).as_micros() as u64;
            let mut ends: Vec<_> = (0..200).map(|n| end(n * 1000 + 7)).collect();
            ends.dedup();
            ends
        };
        // 2^17 and 2^16 microseconds apart.
        assert_eq!(ends(5000).len(), 3);
        assert_eq!(ends(2500).len(), 4);
        assert!(ends(5000).iter().all(|end| end % (1 << 17) == 0));
    }

    #[test]
    fn a_pause_is_hardly_longer_or_shorter() {
        for about in [0, 1, 31, 32, 20_000, 5_000_000, 3_600_000_000] {
            for now in [0, 1, 12_345, 99_999_999] {
                let now = Duration::from_micros(now);
                let pause = together(now, Duration::from_micros(about)).as_micros() as u64;
                assert!(
                    pause.abs_diff(about) <= about / 64,
                    "{about} at {now:?}: {pause}"
                );
            }
        }
        let now = Duration::from_micros(7);
        assert!(together(now, Duration::MAX) > Duration::from_secs(1 << 40));
    }
}
