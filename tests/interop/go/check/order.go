package main

// order checks the order that the service promises. It checks only the first
// delivery of each record, because redelivered records may be older.
type order struct {
	channels map[string]position // last change of each channel
	rows     map[string]position // last change of each row, across splits
	stream   bool                // a change was delivered
}

// position is a position in the log.
type position struct {
	timestamp int64
	rowIndex  int32
}

func newOrder() *order {
	return &order{channels: map[string]position{}, rows: map[string]position{}}
}

// next returns the violation of a record, or "" if it is in order.
func (o *order) next(r *record) string {
	if r.isBase() {
		if o.stream {
			return "base row after a change"
		}
		return ""
	}
	o.stream = true
	here := position{r.Timestamp, r.RowIndex}
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

func (o *order) advance(positions map[string]position, id string, here position) bool {
	last, known := positions[id]
	if known && !last.before(here) {
		return false
	}
	positions[id] = here
	return true
}

func (p position) before(q position) bool {
	return p.timestamp < q.timestamp || p.timestamp == q.timestamp && p.rowIndex < q.rowIndex
}
