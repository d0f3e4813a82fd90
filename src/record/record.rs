//! [`Record`]: a checked window into the batch it arrived in.

use std::fmt;
use std::num::NonZeroU32;
use std::ops::Range;

use bytes::Bytes;

use super::kind::{ActionType, ColumnKind};
use super::plainbuffer::cells::{Cells, CheckedCell};
use super::plainbuffer::cursor::{Cursor, DecodeError, Problem};
use super::plainbuffer::fast::decode_cache::DecodeCache;
use super::plainbuffer::row::{self, Row, Section};
use super::sequence::SequenceInfo;
use super::value::ValueRef;

/// One change of one row, or one row of base data. Go: `Record`.
///
/// A window into the answer it arrived in: cloning copies no data, and neither
/// does reading, which walks the cells and allocates nothing. Everything was
/// checked when the batch was decoded: structure, both checksums, UTF-8.
///
/// The records that a callback gets are lent for as long as it runs. One that is
/// to live longer, say on another thread, is a `Record<'static>`: from
/// [`share`](Record::share), which copies nothing and keeps the memory of the whole
/// batch, or from [`detach`](Record::detach), which copies the record.
/// [`to_owned_record`](Record::to_owned_record) takes it apart. (In Go all records
/// may be kept, and keep what they point at.)
///
/// `Display` prints what Go's `String()` tells, values as [`ValueRef`] prints
/// them; so does `Debug`.
#[derive(Clone)]
pub struct Record<'a> {
    window: Window<'a>,
    parts: Parts,
}

/// The bytes of a record, and what keeps them.
///
/// To count every record of a batch as an owner of the batch, and then as one no
/// more, would take as long as a fifth of decoding it.
#[derive(Clone)]
enum Window<'a> {
    /// The bytes of an answer that somebody else keeps.
    Lent {
        bytes: &'a [u8],
        answer: &'a Bytes,
    },
    Own(Bytes),
}

impl Window<'_> {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Window::Lent { bytes, .. } => bytes,
            Window::Own(bytes) => bytes,
        }
    }
}

/// A checked record of an answer, without the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Checked {
    start: usize,
    len: u32,
    parts: Parts,
}

/// What was found in a window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parts {
    action: ActionType,
    delete_marker: bool,
    /// Offset of what is read when it is asked for.
    sequence_info: Option<NonZeroU32>,
    primary_key: Section,
    columns: Section,
    origin_columns: Option<Section>,
}

/// Where in some bytes the parts of an undecoded record lie.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// All of it, which is to become the window.
    pub(crate) window: Range<usize>,
    pub(crate) action: ActionType,
    pub(crate) row: Range<usize>,
    /// Whether the row is known not to be of the usual form.
    pub(crate) is_unusual: bool,
    pub(crate) origin_row: Option<Range<usize>>,
}

impl Parts {
    /// Checks all of a record.
    pub(crate) fn check<'a>(
        bytes: &'a [u8],
        layout: Layout,
        help: &mut Option<DecodeCache<'a>>,
    ) -> Result<Parts, DecodeError> {
        let base = layout.window.start;
        let whole = || Cursor::over(bytes, layout.window.clone());
        if u32::try_from(layout.window.len()).is_err() {
            return Err(whole().error("record of 4 GiB or more", Problem::NotAllowed));
        }
        let row = match layout.is_unusual {
            true => Row::check_slow(bytes, base, layout.row, help)?,
            false => Row::check(bytes, base, layout.row, help)?,
        };
        if row.primary_key.span().is_empty() {
            return Err(whole().error("primary key", Problem::Missing));
        }
        let origin_columns = match layout.origin_row {
            Some(span) => Some(origin_columns(bytes, base, span, help)?),
            None => None,
        };
        Ok(Parts {
            origin_columns,
            ..Parts::of_row(layout.action, row)
        })
    }

    /// A record of one row.
    #[inline(always)]
    pub(crate) fn of_row(action: ActionType, row: Row) -> Parts {
        Parts {
            action,
            delete_marker: row.delete_marker,
            sequence_info: row.sequence_info,
            primary_key: row.primary_key,
            columns: row.columns,
            origin_columns: None,
        }
    }
}

#[inline(never)]
fn origin_columns<'a>(
    bytes: &'a [u8],
    base: usize,
    span: Range<usize>,
    help: &mut Option<DecodeCache<'a>>,
) -> Result<Section, DecodeError> {
    Row::check(bytes, base, span, help).map(|row| row.columns)
}

impl Checked {
    /// The window of a record is less than 4 GiB.
    pub(crate) fn new(window: Range<usize>, parts: Parts) -> Checked {
        let (start, len) = (window.start, window.len() as u32);
        Checked { start, len, parts }
    }

    /// The record of this answer.
    pub(crate) fn of(self, answer: &Bytes) -> Record<'_> {
        let end = self.start.saturating_add(self.len as usize);
        Record::lent(answer, self.start..end, self.parts)
    }
}

impl<'a> Record<'a> {
    /// A window of an answer and what was found in it.
    #[inline]
    pub(crate) fn lent(answer: &'a Bytes, window: Range<usize>, parts: Parts) -> Record<'a> {
        let bytes = answer.get(window).unwrap_or_default();
        let window = Window::Lent { bytes, answer };
        Record { window, parts }
    }
}

impl Record<'static> {
    /// A window and what was found in it.
    pub(crate) fn new(window: Bytes, parts: Parts) -> Record<'static> {
        let window = Window::Own(window);
        Record { window, parts }
    }
}

impl Record<'_> {
    /// What was done to the row. Go: `Type`.
    pub fn action(&self) -> ActionType {
        self.parts.action
    }

    /// Where the record stands in the log of its channel; `None` for base data.
    pub fn sequence_info(&self) -> Option<SequenceInfo> {
        let at = self.parts.sequence_info?.get() as usize;
        row::parse_sequence_info(self.window.bytes().get(at..)?.first_chunk()?)
    }

    /// Time of the change in microseconds since 1970; 0 for base data, as in Go.
    pub fn timestamp(&self) -> i64 {
        self.sequence_info()
            .map_or(0, |sequence| sequence.timestamp)
    }

    /// The primary key, in the order of the table; at least one column.
    pub fn primary_key(&self) -> PrimaryKeyColumns<'_> {
        PrimaryKeyColumns(self.cells(self.parts.primary_key))
    }

    /// What was done to the columns, in the order of the service; several
    /// versions of a column are several items.
    pub fn columns(&self) -> RecordColumns<'_> {
        RecordColumns(self.cells(self.parts.columns))
    }

    /// The columns before the change, as far as the table's stream carries
    /// them; else nothing.
    pub fn origin_columns(&self) -> RecordColumns<'_> {
        RecordColumns(
            self.parts
                .origin_columns
                .map_or(Cells::NONE, |section| self.cells(section)),
        )
    }

    /// Whether the service sent the row before the change, be it without
    /// columns.
    pub fn has_origin(&self) -> bool {
        self.parts.origin_columns.is_some()
    }

    /// Whether the row carries the delete marker of PlainBuffer.
    ///
    /// The service does not promise one with every deletion: whether a row was
    /// deleted is what [`Record::action`] tells.
    pub fn has_delete_marker(&self) -> bool {
        self.parts.delete_marker
    }

    /// The value of the column of that name: the newest version that was put,
    /// the first of these if several are equally new; else the value of the
    /// primary-key column of that name.
    ///
    /// `None` if the record neither puts such a column nor has such a key.
    /// Deletions and increments are not looked at. Walks the cells: to read
    /// most columns, iterate instead.
    pub fn get(&self, name: &str) -> Option<ValueRef<'_>> {
        let named = |cell: &CheckedCell<'_>| cell.has_name(name);
        let put = |cell: &CheckedCell<'_>| named(cell) && cell.kind() == ColumnKind::Put;
        self.cells(self.parts.columns)
            .filter(put)
            .reduce(|best, cell| {
                if cell.timestamp() > best.timestamp() {
                    cell
                } else {
                    best
                }
            })
            .or_else(|| self.cells(self.parts.primary_key).find(named))
            .and_then(|cell| cell.value())
    }

    /// The same record, to be kept; copies nothing.
    ///
    /// For those who keep most of a batch: as long as one of its records is kept,
    /// so is the whole answer that the batch came in. That is not counted in the
    /// memory budget once the callback has returned.
    pub fn share(&self) -> Record<'static> {
        let window = match &self.window {
            Window::Lent { bytes, answer } => answer.slice_ref(bytes),
            Window::Own(bytes) => bytes.clone(),
        };
        Record::new(window, self.parts)
    }

    /// The same record in memory of its own, as large as the record.
    ///
    /// For those who keep a few of many; see [`share`](Record::share).
    pub fn detach(&self) -> Record<'static> {
        Record::new(Bytes::copy_from_slice(self.window.bytes()), self.parts)
    }

    fn cells(&self, section: Section) -> Cells<'_> {
        Cells::new(self.window.bytes().get(section.span()).unwrap_or_default())
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
        // Never the bound: it was checked with the record.
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

/// What was done to one column. Go: `RecordColumn`.
#[derive(Clone, Copy)]
pub struct RecordColumn<'a>(CheckedCell<'a>);

impl<'a> RecordColumn<'a> {
    /// Name of the column.
    #[inline]
    pub fn name(&self) -> &'a str {
        self.0.name()
    }

    /// What was done to the column. Go: `Type`.
    #[inline]
    pub fn kind(&self) -> ColumnKind {
        self.0.kind()
    }

    /// The value of a put or an increment; deletions have none.
    #[inline(always)]
    pub fn value(&self) -> Option<ValueRef<'a>> {
        self.0.value()
    }

    /// The version in milliseconds since 1970; a deletion of all versions has
    /// none.
    #[inline]
    pub fn timestamp(&self) -> Option<i64> {
        self.0.timestamp()
    }
}
