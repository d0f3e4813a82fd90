// Command consume runs the official SDK's worker on a tunnel and writes what
// it delivers as JSON lines, until SIGTERM.
//
//	consume -table=orders -tunnel=interop -type=BaseAndStream -out=seen.jsonl
//
// What is not said is left at the SDK's default.
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

// binary tells bytes from text.
type binary struct {
	Base64 []byte `json:"base64"`
}

type options struct {
	table, tunnel, kind, out       string
	heartbeat, timeout, checkpoint int
	callback                       int
	events, closeInBackground      bool
	trouble                        string
	troubleAt                      int64
}

func main() {
	var o options
	flag.StringVar(&o.table, "table", "orders", "table to consume")
	flag.StringVar(&o.tunnel, "tunnel", "interop", "tunnel, created if there is none")
	flag.StringVar(&o.kind, "type", string(tunnel.TunnelTypeBaseStream), "type of a tunnel that is created")
	flag.StringVar(&o.out, "out", "seen.jsonl", "file to write to")
	flag.IntVar(&o.heartbeat, "heartbeat", 0, "heartbeat interval in seconds")
	flag.IntVar(&o.timeout, "timeout", 0, "heartbeat timeout in seconds")
	flag.IntVar(&o.checkpoint, "checkpoint", 0, "checkpoint interval in milliseconds")
	flag.IntVar(&o.callback, "callback-ms", 0, "how long the callback takes for a batch")
	flag.BoolVar(&o.events, "events", false, "note when callbacks begin and end, and shutdown callbacks")
	flag.BoolVar(&o.closeInBackground, "close-in-background", false, "leave SyncCloseResource unset, as is the default")
	flag.StringVar(&o.trouble, "trouble", "error", "what the callback does once: error or panic")
	flag.Int64Var(&o.troubleAt, "trouble-at", 0, "at which batch")
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

// worker leaves out what was not asked for: 0 is the SDK's default.
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

// tunnelID creates the tunnel, or finds it if another consumer was faster.
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

// sink is the file that all channels write to, and the trouble asked for.
type sink struct {
	options *options
	batches atomic.Int64
	mu      sync.Mutex
	file    *os.File
}

// process writes a batch. The lines are in the file when it returns, so that
// a kill afterwards cannot undo what a checkpoint says.
func (s *sink) process(ctx *tunnel.ChannelContext, records []*tunnel.Record) error {
	if s.batches.Add(1) == s.options.troubleAt {
		return s.trouble(ctx.ChannelId)
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

// trouble is what was asked for, and noted.
func (s *sink) trouble(channel string) error {
	s.noteAlways(channel, "trouble")
	if s.options.trouble == "panic" {
		panic("the panic that was asked for")
	}
	return errors.New("the error that was asked for")
}

// note says where a channel's callbacks are.
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

// write takes the time under the lock, so that it is in the order of the lines.
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
