// Command check compares what consumers have seen with what was written.
//
//	check -expect expect.jsonl -type BaseAndStream -wait 60s seen-1.jsonl seen-2.jsonl
//
// It waits until everything written was seen, then gives its verdict: nothing
// lost, nothing altered, nothing that was never written, everything in order.
// Records that came again are counted, as the service promises each at least
// once. Each file is what one consumer delivered.
package main

import (
	"flag"
	"fmt"
	"os"
	"sort"
	"time"
)

// between two looks at the files.
const look = 100 * time.Millisecond

func main() {
	expectFile := flag.String("expect", "expect.jsonl", "what was written")
	kind := flag.String("type", "BaseAndStream", "type of the tunnel")
	wait := flag.Duration("wait", 0, "how long to wait until everything was seen")
	share := flag.Bool("share", false, "every consumer must have got something")
	atLeast := flag.Int("at-least", 0, "only wait until that many records were seen, and do not judge")
	flag.Parse()
	deadline := time.Now().Add(*wait)
	for {
		v, err := judge(*expectFile, *kind, flag.Args())
		if err != nil {
			fmt.Println("check:", err)
			os.Exit(2)
		}
		late := time.Now().After(deadline)
		if *atLeast > 0 && (v.delivered >= *atLeast || late) {
			exit(v.delivered >= *atLeast, v)
		}
		if *atLeast == 0 && (v.complete() || late) {
			exit(v.right(*share), v)
		}
		time.Sleep(look)
	}
}

func exit(right bool, v *verdict) {
	fmt.Println(v)
	if !right {
		os.Exit(1)
	}
	os.Exit(0)
}

// verdict is what a comparison found.
type verdict struct {
	ended                             bool // the writer is done
	written, delivered, lost          int
	altered, unknown, disorder, again int
	perConsumer                       []int
	example                           string // the first of what is wrong
}

func judge(expectFile, kind string, seenFiles []string) (*verdict, error) {
	v := &verdict{}
	expected, err := v.readExpected(expectFile, kind)
	if err != nil {
		return nil, err
	}
	all, err := v.readSeen(seenFiles)
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

// readSeen merges what the consumers saw in the order in which they saw it;
// they run on one machine, so one clock orders them.
func (v *verdict) readSeen(files []string) ([]*record, error) {
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
	seen := map[string]bool{}
	order := newOrder()
	for _, r := range all {
		v.delivered++
		want, known := expected[r.id()]
		switch {
		case !known:
			v.wrong(&v.unknown, "never written", r)
		case r.content() != want.content():
			v.wrong(&v.altered, "altered from "+want.content()+" to", r)
		case seen[r.id()]:
			v.again++
		default:
			seen[r.id()] = true
			if broken := order.next(r); broken != "" {
				v.wrong(&v.disorder, broken, r)
			}
		}
	}
	for id, r := range expected {
		if !seen[id] {
			v.wrong(&v.lost, "not seen", r)
		}
	}
}

func (v *verdict) wrong(count *int, what string, r *record) {
	*count++
	if v.example == "" {
		v.example = what + ": " + r.raw
	}
}

func (v *verdict) complete() bool { return v.ended && v.lost == 0 }

func (v *verdict) right(share bool) bool {
	for _, count := range v.perConsumer {
		if share && count == 0 {
			v.example = "a consumer got nothing"
			return false
		}
	}
	// A comparison of nothing with nothing proves nothing.
	return v.complete() && v.written > 0 && v.altered+v.unknown+v.disorder == 0
}

func (v *verdict) String() string {
	text := fmt.Sprintf("written %d, delivered %d %v, lost %d, altered %d, unknown %d, out of order %d, again %d",
		v.written, v.delivered, v.perConsumer, v.lost, v.altered, v.unknown, v.disorder, v.again)
	if !v.ended {
		text += ", the writer has not ended"
	}
	if v.example != "" {
		text += "\n  " + v.example
	}
	return text
}
