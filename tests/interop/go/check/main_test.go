package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	row     = `{"channel":"","key":[1],"columns":[{"name":"a","value":1},{"name":"b","value":"é<"}]}`
	first   = `{"channel":"p","action":"PutRow","timestamp":5,"row_index":0,"key":[1],"columns":[]}`
	second  = `{"channel":"p","action":"DeleteRow","timestamp":5,"row_index":1,"key":[1],"columns":[]}`
	inChild = `{"channel":"q","action":"PutRow","timestamp":6,"row_index":0,"key":[1],"columns":[]}`
	end     = `{"end":true}`
)

// at turns a written record into a record delivered at this time through a channel
// of its partition.
func at(time, line string) string {
	line = strings.Replace(line, `"channel":"p"`, `"channel":"p_1"`, 1)
	line = strings.Replace(line, `"channel":"q"`, `"channel":"q_1"`, 1)
	return strings.Replace(line, `{`, `{"at":`+time+`,`, 1)
}

func TestVerdicts(t *testing.T) {
	written := []string{row, first, second, inChild, end}
	reordered := `{"channel":"","key":[ 1 ],"columns":[{"name":"b","value":"\u00e9\u003c"},{"name":"a","value":1}]}`
	correct := []string{at("1", reordered), at("2", first), at("3", second), at("4", inChild)}
	cases := []struct {
		name      string
		delivered []string
		written   []string
		want      verdict
		passed    bool
	}{
		{"all", correct, written, verdict{}, true},
		{"redelivered", append([]string{at("9", first)}, correct...), written, verdict{redelivered: 1}, true},
		{"lost", correct[:3], written, verdict{lost: 1}, false},
		{"not ended", correct, written[:4], verdict{}, false},
		{"unknown", correct, []string{row, first, second, end}, verdict{unknown: 1}, false},
		{"altered", []string{at("1", strings.Replace(row, `"value":1`, `"value":2`, 1)), correct[1], correct[2], correct[3]},
			written, verdict{altered: 1, lost: 1}, false},
		{"channel out of order", []string{correct[0], at("2", second), at("3", first), correct[3]},
			written, verdict{disorder: 1}, false},
		{"child first", []string{correct[0], at("2", inChild), at("3", first), at("4", second)},
			written, verdict{disorder: 2}, false},
		{"base after stream", []string{at("5", row), correct[1], correct[2], correct[3]}, written, verdict{disorder: 1}, false},
		{"nothing", nil, []string{end}, verdict{}, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := evaluate(file(t, c.written), "BaseAndStream", []string{file(t, c.delivered)})
			if err != nil {
				t.Fatal(err)
			}
			if got.lost != c.want.lost || got.altered != c.want.altered || got.unknown != c.want.unknown ||
				got.disorder != c.want.disorder || got.redelivered != c.want.redelivered {
				t.Errorf("got %v", got)
			}
			if got.passed(false) != c.passed {
				t.Errorf("passed: %v, %v", !c.passed, got)
			}
		})
	}
}

func TestEachConsumerMustShare(t *testing.T) {
	written := file(t, []string{row, end})
	got, err := evaluate(written, "BaseAndStream", []string{file(t, []string{at("1", row)}), file(t, nil)})
	if err != nil {
		t.Fatal(err)
	}
	if !got.passed(false) || got.passed(true) {
		t.Errorf("a consumer without records: %v", got)
	}
}

func TestTypesOfTunnels(t *testing.T) {
	written := file(t, []string{row, first, end})
	for kind, delivered := range map[string]string{"BaseData": row, "Stream": first} {
		got, err := evaluate(written, kind, []string{file(t, []string{at("1", delivered)})})
		if err != nil {
			t.Fatal(err)
		}
		if !got.passed(false) {
			t.Errorf("%s: %v", kind, got)
		}
	}
}

// A consumer may be writing the last line.
func TestIncompleteLineIsIgnored(t *testing.T) {
	name := file(t, []string{at("1", row)})
	half, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	if _, err := half.WriteString(first[:20]); err != nil {
		t.Fatal(err)
	}
	records, err := read(name)
	if err != nil || len(records) != 1 {
		t.Errorf("%d records, %v", len(records), err)
	}
}

func file(t *testing.T, lines []string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "lines")
	text := strings.Join(lines, "\n")
	if len(lines) > 0 {
		text += "\n"
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
