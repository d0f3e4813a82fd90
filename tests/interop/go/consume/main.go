// Command consume runs the official SDK's worker on a tunnel and writes the
// delivered records as JSON lines, until SIGTERM.
//
//	consume -table=orders -tunnel=interop -type=BaseAndStream -out=records.jsonl
//
// Settings without an option have the SDK's default.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aliyun/aliyun-tablestore-go-sdk/tunnel"

	"tunnel-interop/service"
)

type line struct {
	At        int64    `json:"at"`
	Channel   string   `json:"channel"`
	Action    string   `json:"action,omitempty"`
	Timestamp *int64   `json:"timestamp,omitempty"`
	RowIndex  *int32   `json:"row_index,omitempty"`
	Epoch     int32    `json:"epoch"`
	Key       []any    `json:"key"`
	Columns   []column `json:"columns"`
	Event     string   `json:"event,omitempty"`
}

type column struct {
	Name    string `json:"name"`
	Value   any    `json:"value,omitempty"`
	Deleted any    `json:"deleted,omitempty"`
}

// binary distinguishes bytes from text.
type binary struct {
	Base64 []byte `json:"base64"`
}

type options struct {
	table, tunnel, kind, out       string
	heartbeat, timeout, checkpoint int
	callback                       int
	events, closeInBackground      bool
	fail                           string
	failAt                         int64
}

func main() {
	var o options
	flag.StringVar(&o.table, "table", "orders", "table to consume")
	flag.StringVar(&o.tunnel, "tunnel", "interop", "tunnel, created if it does not exist")
	flag.StringVar(&o.kind, "type", string(tunnel.TunnelTypeBaseStream), "type of the tunnel if it is created")
	flag.StringVar(&o.out, "out", "records.jsonl", "file to write to")
	flag.IntVar(&o.heartbeat, "heartbeat", 0, "heartbeat interval in seconds")
	flag.IntVar(&o.timeout, "timeout", 0, "heartbeat timeout in seconds")
	flag.IntVar(&o.checkpoint, "checkpoint", 0, "checkpoint interval in milliseconds")
	flag.IntVar(&o.callback, "callback-ms", 0, "how long the callback takes for a batch")
	flag.BoolVar(&o.events, "events", false, "write events when callbacks start and end, and for shutdown callbacks")
	flag.BoolVar(&o.closeInBackground, "close-in-background", false, "leave SyncCloseResource at its default, false")
	flag.StringVar(&o.fail, "fail", "error", "how one callback fails: error or panic")
	flag.Int64Var(&o.failAt, "fail-at", 0, "number of the batch whose callback fails")
	flag.Parse()
	if err := run(&o); err != nil {
		log.Fatal("consume: ", err)
	}
}

func run(o *options) error {
	file, err := os.Create(o.out)
	if err != nil {
		return err
	}
	defer file.Close()
	client, err := service.Client()
	if err != nil {
		return err
	}
	id, err := tunnelID(client, o.table, o.tunnel, tunnel.TunnelType(o.kind))
	if err != nil {
		return err
	}
	daemon := tunnel.NewTunnelDaemon(client, id, o.worker(&sink{file: file, options: o}))
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-signals
		daemon.Close()
	}()
	return daemon.Run()
}

// worker returns the configuration. 0 selects the SDK's default.
func (o *options) worker(s *sink) *tunnel.TunnelWorkerConfig {
	return &tunnel.TunnelWorkerConfig{
		HeartbeatInterval: time.Duration(o.heartbeat) * time.Second,
		HeartbeatTimeout:  time.Duration(o.timeout) * time.Second,
		ProcessorFactory: &tunnel.SimpleProcessFactory{
			CpInterval:        time.Duration(o.checkpoint) * time.Millisecond,
			ProcessFunc:       s.process,
			ShutdownFunc:      func(ctx *tunnel.ChannelContext) { s.note(ctx.ChannelId, "shutdown") },
			SyncCloseResource: !o.closeInBackground,
		},
	}
}

// tunnelID creates the tunnel, or finds it if another consumer has created it.
func tunnelID(client tunnel.TunnelClient, table, name string, kind tunnel.TunnelType) (string, error) {
	created, err := client.CreateTunnel(&tunnel.CreateTunnelRequest{TableName: table, TunnelName: name, Type: kind})
	if err == nil {
		return created.TunnelId, nil
	}
	if service.Code(err) != tunnel.ErrCodeTunnelExist {
		return "", err
	}
	found, err := client.DescribeTunnel(&tunnel.DescribeTunnelRequest{TableName: table, TunnelName: name})
	if err != nil {
		return "", err
	}
	return found.Tunnel.TunnelId, nil
}

// sink is the file that all channels write to. Optionally, one callback fails.
type sink struct {
	options *options
	batches atomic.Int64
	mu      sync.Mutex
	file    *os.File
}

// process writes a batch. It returns after the lines have been written, so that a
// kill cannot lose records that a checkpoint covers.
func (s *sink) process(ctx *tunnel.ChannelContext, records []*tunnel.Record) error {
	if s.batches.Add(1) == s.options.failAt {
		return s.fail(ctx.ChannelId)
	}
	s.note(ctx.ChannelId, "enter")
	time.Sleep(time.Duration(s.options.callback) * time.Millisecond)
	lines := make([]*line, 0, len(records))
	for _, record := range records {
		lines = append(lines, toLine(ctx.ChannelId, record))
	}
	if err := s.write(lines...); err != nil {
		return err
	}
	s.note(ctx.ChannelId, "leave")
	return nil
}

// fail writes an event, and then fails.
func (s *sink) fail(channel string) error {
	s.noteAlways(channel, "failure")
	if s.options.fail == "panic" {
		panic("on purpose")
	}
	return errors.New("on purpose")
}

// note writes an event of a channel's callbacks if -events is set.
func (s *sink) note(channel, event string) {
	if s.options.events {
		s.noteAlways(channel, event)
	}
}

func (s *sink) noteAlways(channel, event string) {
	if err := s.write(&line{Channel: channel, Event: event}); err != nil {
		log.Fatal("consume: ", err)
	}
}

// write reads the clock under the lock, so that the times are in the order of the
// lines.
func (s *sink) write(lines ...*line) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := time.Now().UnixMicro()
	var text []byte
	for _, l := range lines {
		l.At = at
		one, err := json.Marshal(l)
		if err != nil {
			return err
		}
		text = append(append(text, one...), '\n')
	}
	_, err := s.file.Write(text)
	return err
}

func toLine(channel string, record *tunnel.Record) *line {
	l := &line{Channel: channel, Key: []any{}, Columns: []column{}}
	if record.SequenceInfo != nil {
		l.Action = record.Type.String()
		l.Timestamp = &record.SequenceInfo.Timestamp
		l.RowIndex = &record.SequenceInfo.RowIndex
		l.Epoch = record.SequenceInfo.Epoch
	}
	for _, part := range record.PrimaryKey.PrimaryKeys {
		l.Key = append(l.Key, value(part.Value))
	}
	for _, c := range record.Columns {
		l.Columns = append(l.Columns, toColumn(c))
	}
	return l
}

func toColumn(c *tunnel.RecordColumn) column {
	switch c.Type {
	case tunnel.RCT_Put:
		return column{Name: *c.Name, Value: value(c.Value)}
	case tunnel.RCT_DeleteOneVersion:
		return column{Name: *c.Name, Deleted: *c.Timestamp}
	case tunnel.RCT_DeleteAllVersions:
		return column{Name: *c.Name, Deleted: "all"}
	default:
		panic(fmt.Sprintf("unknown column type %d", c.Type))
	}
}

func value(v any) any {
	if bytes, ok := v.([]byte); ok {
		return binary{bytes}
	}
	return v
}
