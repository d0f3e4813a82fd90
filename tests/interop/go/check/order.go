package main

// order holds deliveries to what the service promises. It is told of each
// record when it is delivered for the first time: what comes again after a
// hand-over may be older.
type order struct {
	channels map[string]place // newest change of each channel
	rows     map[string]place // newest change of each row, across splits
	stream   bool             // a change was delivered
}

// place is a position in the log.
type place struct {
	timestamp int64
	rowIndex  int32
}

func newOrder() *order {
	return &order{channels: map[string]place{}, rows: map[string]place{}}
}

// next says which promise the record breaks, "" if none.
func (o *order) next(r *record) string {
	if r.isBase() {
		if o.stream {
			return "base row after a change"
		}
		return ""
	}
	o.stream = true
	here := place{r.Timestamp, r.RowIndex}
	inChannel := o.advance(o.channels, r.Channel, here)
	inRow := o.advance(o.rows, canonical(r.Key), here)
	switch {
	case !inChannel:
		return "older than its channel"
	case !inRow:
		return "older than its row"
	}
	return ""
}

func (o *order) advance(newest map[string]place, id string, here place) bool {
	last, known := newest[id]
	if known && !last.before(here) {
		return false
	}
	newest[id] = here
	return true
}

func (p place) before(q place) bool {
	return p.timestamp < q.timestamp || p.timestamp == q.timestamp && p.rowIndex < q.rowIndex
}
