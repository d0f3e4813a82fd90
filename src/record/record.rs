//! [`Record`]: a checked record, which borrows the bytes of its response.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use super::kind::{ActionType, ColumnKind};
use super::plainbuffer::cells::{Cells, CheckedCell};
use super::plainbuffer::cursor::{Cursor, DecodeError, Problem};
use super::plainbuffer::fast::decode_cache::DecodeCache;
use super::plainbuffer::layout::{Parts, Row, Section, parse_sequence_info};
use super::sequence::SequenceInfo;
use super::value::ValueRef;

/// One change of one row, or one row of base data. Go: `Record`.
///
/// A record borrows from the response in which it arrived. Cloning it copies no data.
/// Reading it iterates over the cells, and allocates nothing. The structure, both
/// checksums and UTF-8 were checked when the batch was decoded.
///
/// The records passed to a callback are valid while the callback runs. To keep a record
/// longer, for example on another thread, convert it to a `Record<'static>`:
/// [`share`](Record::share) copies nothing, but keeps the whole response in memory;
/// [`detach`](Record::detach) copies the record.
/// [`to_owned_record`](Record::to_owned_record) returns parts that can be changed. (In
/// Go, all records can be kept, and each keeps the data that it points to.)
///
/// `Display` and `Debug` print the contents of Go's `String()`, with values as
/// [`ValueRef`] prints them.
#[derive(Clone)]
pub struct Record<'a> {
    storage: Storage<'a>,
    parts: Parts,
}

/// The bytes of a record, borrowed or owned.
///
/// A reference count per record would be simpler, but incrementing and decrementing it
/// takes a fifth of the time of decoding.
#[derive(Clone)]
enum Storage<'a> {
    /// A part of a response that the caller owns.
    Borrowed {
        bytes: &'a [u8],
        /// The whole response, from which [`Record::share`] makes an owner.
        response: &'a Bytes,
    },
    Owned(Bytes),
}

impl Storage<'_> {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Storage::Borrowed { bytes, .. } => bytes,
            Storage::Owned(bytes) => bytes,
        }
    }
}

/// Spans of the parts of a record that is not decoded yet.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// Span of the whole record.
    pub(crate) window: Range<usize>,
    pub(crate) action: ActionType,
    pub(crate) row: Range<usize>,
    /// Whether the fast path has already declined the row.
    pub(crate) needs_slow_path: bool,
    pub(crate) origin_row: Option<Range<usize>>,
}

impl Parts {
    /// Decodes and checks a record.
    pub(crate) fn check<'a>(
        bytes: &'a [u8],
        layout: Layout,
        cache: &mut Option<DecodeCache<'a>>,
    ) -> Result<Parts, DecodeError> {
        let base = layout.window.start;
        let whole = || Cursor::over(bytes, layout.window.clone());
        // `Section` stores offsets as `u32`.
        if u32::try_from(layout.window.len()).is_err() {
            return Err(whole().error("record of 4 GiB or more", Problem::NotAllowed));
        }
        let row = match layout.needs_slow_path {
            true => Row::check_slow(bytes, base, layout.row, cache)?,
            false => Row::check(bytes, base, layout.row, cache)?,
        };
        if row.primary_key.span().is_empty() {
            return Err(whole().error("primary key", Problem::Missing));
        }
        let origin_columns = match layout.origin_row {
            Some(span) => Some(origin_columns(bytes, base, span, cache)?),
            None => None,
        };
        Ok(Parts {
            origin_columns,
            ..Parts::of_row(layout.action, row)
        })
    }
}

#[inline(never)]
fn origin_columns<'a>(
    bytes: &'a [u8],
    base: usize,
    span: Range<usize>,
    cache: &mut Option<DecodeCache<'a>>,
) -> Result<Section, DecodeError> {
    Row::check(bytes, base, span, cache).map(|row| row.columns)
}

impl<'a> Record<'a> {
    /// Creates a record that borrows the span `window` of `response`.
    #[inline]
    pub(crate) fn borrowed(response: &'a Bytes, window: Range<usize>, parts: Parts) -> Record<'a> {
        let bytes = response.get(window).unwrap_or_default();
        let storage = Storage::Borrowed { bytes, response };
        Record { storage, parts }
    }
}

impl Record<'static> {
    /// Creates a record that owns its bytes.
    pub(crate) fn new(bytes: Bytes, parts: Parts) -> Record<'static> {
        let storage = Storage::Owned(bytes);
        Record { storage, parts }
    }
}

impl Record<'_> {
    /// The action on the row. Go: `Type`.
    pub fn action(&self) -> ActionType {
        self.parts.action
    }

    /// Position of the record in the log of its channel; `None` for base data.
    pub fn sequence_info(&self) -> Option<SequenceInfo> {
        let at = self.parts.sequence_info?.get() as usize;
        parse_sequence_info(self.storage.bytes().get(at..)?.first_chunk()?)
    }

    /// Time of the change, in microseconds since 1970; 0 for base data, as in Go.
    pub fn timestamp(&self) -> i64 {
        self.sequence_info()
            .map_or(0, |sequence| sequence.timestamp)
    }

    /// The primary key columns, in the order of the table. There is at least one.
    pub fn primary_key(&self) -> PrimaryKeyColumns<'_> {
        PrimaryKeyColumns(self.cells(self.parts.primary_key))
    }

    /// The changed columns, in the order of the service. Several versions of a column
    /// are several items.
    pub fn columns(&self) -> RecordColumns<'_> {
        RecordColumns(self.cells(self.parts.columns))
    }

    /// The columns before the change, as far as the table's stream includes them; empty
    /// otherwise.
    pub fn origin_columns(&self) -> RecordColumns<'_> {
        RecordColumns(
            self.parts
                .origin_columns
                .map_or(Cells::NONE, |section| self.cells(section)),
        )
    }

    /// Whether the service sent the row before the change. That row may have no columns.
    pub fn has_origin(&self) -> bool {
        self.parts.origin_columns.is_some()
    }

    /// Whether the row has the delete marker of PlainBuffer.
    ///
    /// The service does not guarantee a marker for every deletion. To find out whether a
    /// row was deleted, use [`Record::action`].
    pub fn has_delete_marker(&self) -> bool {
        self.parts.delete_marker
    }

    /// The value of the column with this name.
    ///
    /// If the record puts the column, returns the newest version; of several versions
    /// with the same timestamp, the first. Otherwise returns the value of the primary key
    /// column with this name. `None` if there is neither. Ignores deletions and
    /// increments.
    ///
    /// Iterates over the cells. To read most columns of a record, use
    /// [`columns`](Record::columns) instead.
    pub fn get(&self, name: &str) -> Option<ValueRef<'_>> {
        let named = |cell: &CheckedCell<'_>| cell.has_name(name);
        let put = |cell: &CheckedCell<'_>| named(cell) && cell.kind() == ColumnKind::Put;
        self.cells(self.parts.columns)
            .filter(put)
            .reduce(|best, cell| {
                // Not `>=`: of equal timestamps, the first cell wins.
                if cell.timestamp() > best.timestamp() {
                    cell
                } else {
                    best
                }
            })
            .or_else(|| self.cells(self.parts.primary_key).find(named))
            .and_then(|cell| cell.value())
    }

    /// Converts the record to one that can be kept, without copying data.
    ///
    /// Suitable to keep most records of a batch: a shared record keeps the whole response
    /// in memory. That memory no longer counts towards the memory budget once the
    /// callback has returned.
    pub fn share(&self) -> Record<'static> {
        let bytes = match &self.storage {
            Storage::Borrowed { bytes, response } => response.slice_ref(bytes),
            Storage::Owned(bytes) => bytes.clone(),
        };
        Record::new(bytes, self.parts)
    }

    /// Copies the record into memory of its own, as large as the record.
    ///
    /// Suitable to keep a few records out of many; see [`share`](Record::share).
    pub fn detach(&self) -> Record<'static> {
        Record::new(Bytes::copy_from_slice(self.storage.bytes()), self.parts)
    }

    fn cells(&self, section: Section) -> Cells<'_> {
        Cells::new(self.storage.bytes().get(section.span()).unwrap_or_default())
    }
}

/// Iterator over [`Record::primary_key`].
#[derive(Clone, Debug)]
pub struct PrimaryKeyColumns<'a>(Cells<'a>);

impl<'a> Iterator for PrimaryKeyColumns<'a> {
    type Item = PrimaryKeyColumn<'a>;

    #[inline]
    fn next(&mut self) -> Option<PrimaryKeyColumn<'a>> {
        self.0
            .next()
            .filter(CheckedCell::has_value)
            .map(PrimaryKeyColumn)
    }
}

/// A column of the primary key. Go: `PrimaryKeyColumn`.
#[derive(Clone, Copy)]
pub struct PrimaryKeyColumn<'a>(CheckedCell<'a>);

impl<'a> PrimaryKeyColumn<'a> {
    /// Name of the column.
    #[inline]
    pub fn name(&self) -> &'a str {
        self.0.name()
    }

    /// Value of the column.
    #[inline(always)]
    pub fn value(&self) -> ValueRef<'a> {
        // The fallback is unreachable: the iterator yields only cells with a value, and
        // the value was checked with the record.
        self.0.value().unwrap_or(ValueRef::InfMin)
    }
}

impl PartialEq for PrimaryKeyColumn<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name() && self.value() == other.value()
    }
}

impl fmt::Debug for PrimaryKeyColumn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrimaryKeyColumn")
            .field("name", &self.name())
            .field("value", &self.value())
            .finish()
    }
}

/// Iterator over [`Record::columns`] and [`Record::origin_columns`].
#[derive(Clone, Debug)]
pub struct RecordColumns<'a>(Cells<'a>);

impl<'a> Iterator for RecordColumns<'a> {
    type Item = RecordColumn<'a>;

    #[inline]
    fn next(&mut self) -> Option<RecordColumn<'a>> {
        self.0.next().map(RecordColumn)
    }
}

/// The change of one column. Go: `RecordColumn`.
#[derive(Clone, Copy)]
pub struct RecordColumn<'a>(CheckedCell<'a>);

impl<'a> RecordColumn<'a> {
    /// Name of the column.
    #[inline]
    pub fn name(&self) -> &'a str {
        self.0.name()
    }

    /// The action on the column. Go: `Type`.
    #[inline]
    pub fn kind(&self) -> ColumnKind {
        self.0.kind()
    }

    /// The value of a put or an increment; `None` for a deletion.
    #[inline(always)]
    pub fn value(&self) -> Option<ValueRef<'a>> {
        self.0.value()
    }

    /// The version, in milliseconds since 1970; `None` for a deletion of all versions.
    #[inline]
    pub fn timestamp(&self) -> Option<i64> {
        self.0.timestamp()
    }
}
