// Command check compares the records delivered to consumers with the records
// written.
//
//	check -expect expect.jsonl -type BaseAndStream -wait 60s consumer-1.jsonl consumer-2.jsonl
//
// Each file contains the records of one consumer. The command waits until every
// written record was delivered. It passes if no record is lost, altered or unknown,
// and all records are in order. Redelivered records are only counted, because the
// service promises at-least-once delivery.
package main

import (
	"flag"
	"fmt"
	"os"
	"sort"
	"time"
)

// pollInterval is how often the files are read.
const pollInterval = 100 * time.Millisecond

func main() {
	expectFile := flag.String("expect", "expect.jsonl", "file of the written records")
	kind := flag.String("type", "BaseAndStream", "type of the tunnel")
	wait := flag.Duration("wait", 0, "how long to wait until every record is delivered")
	share := flag.Bool("share", false, "require that every consumer has received records")
	atLeast := flag.Int("at-least", 0, "only wait until this number of records is delivered")
	flag.Parse()
	deadline := time.Now().Add(*wait)
	for {
		v, err := evaluate(*expectFile, *kind, flag.Args())
		if err != nil {
			fmt.Println("check:", err)
			os.Exit(2)
		}
		late := time.Now().After(deadline)
		if *atLeast > 0 && (v.delivered >= *atLeast || late) {
			exit(v.delivered >= *atLeast, v)
		}
		if *atLeast == 0 && (v.complete() || late) {
			exit(v.passed(*share), v)
		}
		time.Sleep(pollInterval)
	}
}

func exit(passed bool, v *verdict) {
	fmt.Println(v)
	if !passed {
		os.Exit(1)
	}
	os.Exit(0)
}

// verdict is the result of a comparison.
type verdict struct {
	ended                                   bool // the writer has ended
	written, delivered, lost                int
	altered, unknown, disorder, redelivered int
	perConsumer                             []int
	example                                 string // the first problem
}

func evaluate(expectFile, kind string, deliveredFiles []string) (*verdict, error) {
	v := &verdict{}
	expected, err := v.readExpected(expectFile, kind)
	if err != nil {
		return nil, err
	}
	all, err := v.readDelivered(deliveredFiles)
	if err != nil {
		return nil, err
	}
	v.compare(expected, all)
	return v, nil
}

func (v *verdict) readExpected(file, kind string) (map[string]*record, error) {
	records, err := read(file)
	if err != nil {
		return nil, err
	}
	expected := map[string]*record{}
	for _, r := range records {
		switch {
		case r.End:
			v.ended = true
		case r.isBase() && kind == "Stream", !r.isBase() && kind == "BaseData":
		default:
			expected[r.id()] = r
		}
	}
	v.written = len(expected)
	return expected, nil
}

// readDelivered merges the records of all consumers in the order of their delivery.
// The consumers run on one machine, so their clocks agree.
func (v *verdict) readDelivered(files []string) ([]*record, error) {
	var all []*record
	for _, file := range files {
		records, err := read(file)
		if err != nil {
			return nil, err
		}
		v.perConsumer = append(v.perConsumer, len(records))
		all = append(all, records...)
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].At < all[j].At })
	return all, nil
}

func (v *verdict) compare(expected map[string]*record, all []*record) {
	delivered := map[string]bool{}
	order := newOrder()
	for _, r := range all {
		v.delivered++
		want, known := expected[r.id()]
		switch {
		case !known:
			v.report(&v.unknown, "never written", r)
		case r.content() != want.content():
			v.report(&v.altered, "altered from "+want.content()+" to", r)
		case delivered[r.id()]:
			v.redelivered++
		default:
			delivered[r.id()] = true
			if violation := order.next(r); violation != "" {
				v.report(&v.disorder, violation, r)
			}
		}
	}
	for id, r := range expected {
		if !delivered[id] {
			v.report(&v.lost, "not delivered", r)
		}
	}
}

// report counts a problem, and keeps the first one as an example.
func (v *verdict) report(count *int, what string, r *record) {
	*count++
	if v.example == "" {
		v.example = what + ": " + r.raw
	}
}

func (v *verdict) complete() bool { return v.ended && v.lost == 0 }

func (v *verdict) passed(share bool) bool {
	for _, count := range v.perConsumer {
		if share && count == 0 {
			v.example = "a consumer has received no records"
			return false
		}
	}
	// Without written records, the comparison would prove nothing.
	return v.complete() && v.written > 0 && v.altered+v.unknown+v.disorder == 0
}

func (v *verdict) String() string {
	text := fmt.Sprintf("written %d, delivered %d %v, lost %d, altered %d, unknown %d, out of order %d, redelivered %d",
		v.written, v.delivered, v.perConsumer, v.lost, v.altered, v.unknown, v.disorder, v.redelivered)
	if !v.ended {
		text += ", the writer has not ended"
	}
	if v.example != "" {
		text += "\n  " + v.example
	}
	return text
}
