package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
)

// record is a line of a file.
type record struct {
	At        int64           `json:"at"`
	End       bool            `json:"end"`
	Channel   string          `json:"channel"`
	Action    string          `json:"action"`
	Timestamp int64           `json:"timestamp"`
	RowIndex  int32           `json:"row_index"`
	Key       json.RawMessage `json:"key"`
	Columns   []column        `json:"columns"`
	raw       string
}

type column struct {
	Name    string          `json:"name"`
	Value   json.RawMessage `json:"value"`
	Deleted json.RawMessage `json:"deleted"`
}

// read returns the complete lines of a file. A consumer may be writing the last line.
func read(file string) ([]*record, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	text = text[:bytes.LastIndexByte(text, '\n')+1]
	var records []*record
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		r := &record{raw: lines.Text()}
		if err := json.Unmarshal(lines.Bytes(), r); err != nil {
			return nil, fmt.Errorf("%s: %w: %s", file, err, r.raw)
		}
		records = append(records, r)
	}
	return records, lines.Err()
}

func (r *record) isBase() bool { return r.Action == "" }

// id identifies a record: a base row by its key, a change by its partition and its
// position in the log. The partition is the first part of a channel's id.
func (r *record) id() string {
	if r.isBase() {
		return "base " + canonical(r.Key)
	}
	partition, _, _ := strings.Cut(r.Channel, "_")
	return fmt.Sprintf("%s %d %d", partition, r.Timestamp, r.RowIndex)
}

// content describes the change, independently of the order of the columns and the
// spelling of the JSON.
func (r *record) content() string {
	columns := make([]string, 0, len(r.Columns))
	for _, c := range r.Columns {
		columns = append(columns, fmt.Sprintf("%q=%s%s", c.Name, canonical(c.Value), canonical(c.Deleted)))
	}
	sort.Strings(columns)
	return fmt.Sprintf("%s %s %s", r.Action, canonical(r.Key), strings.Join(columns, " "))
}

// canonical rewrites JSON with Go's escapes. It does not change numbers.
func canonical(text json.RawMessage) string {
	if len(text) == 0 {
		return ""
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return string(text)
	}
	again, err := json.Marshal(value)
	if err != nil {
		return string(text)
	}
	return string(again)
}
