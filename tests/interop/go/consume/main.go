// Command consume runs the official SDK's worker on a tunnel and writes what
// it delivers as JSON lines, until SIGTERM.
//
//	consume -table orders -tunnel interop -type BaseAndStream -out seen.jsonl
//
// The lines are those of the crate's `tail` example.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"sync"
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
	Key       []any    `json:"key"`
	Columns   []column `json:"columns"`
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

// sink is the file that all channels write to.
type sink struct {
	mu   sync.Mutex
	file *os.File
}

func main() {
	table := flag.String("table", "orders", "table to consume")
	name := flag.String("tunnel", "interop", "tunnel, created if there is none")
	kind := flag.String("type", string(tunnel.TunnelTypeBaseStream), "type of a tunnel that is created")
	out := flag.String("out", "seen.jsonl", "file to write to")
	flag.Parse()
	if err := run(*table, *name, tunnel.TunnelType(*kind), *out); err != nil {
		log.Fatal("consume: ", err)
	}
}

func run(table, name string, kind tunnel.TunnelType, out string) error {
	file, err := os.Create(out)
	if err != nil {
		return err
	}
	defer file.Close()
	client, err := service.Client()
	if err != nil {
		return err
	}
	id, err := tunnelID(client, table, name, kind)
	if err != nil {
		return err
	}
	written := &sink{file: file}
	daemon := tunnel.NewTunnelDaemon(client, id, &tunnel.TunnelWorkerConfig{
		HeartbeatInterval: time.Second,
		HeartbeatTimeout:  20 * time.Second,
		ProcessorFactory: &tunnel.SimpleProcessFactory{
			CpInterval:        time.Second,
			ProcessFunc:       written.process,
			SyncCloseResource: true,
		},
	})
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-signals
		daemon.Close()
	}()
	return daemon.Run()
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

// process writes a batch. The lines are in the file when it returns, so that
// a kill afterwards cannot undo what a checkpoint says.
func (s *sink) process(ctx *tunnel.ChannelContext, records []*tunnel.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := time.Now().UnixMicro()
	var lines []byte
	for _, record := range records {
		text, err := json.Marshal(toLine(at, ctx.ChannelId, record))
		if err != nil {
			return err
		}
		lines = append(append(lines, text...), '\n')
	}
	_, err := s.file.Write(lines)
	return err
}

func toLine(at int64, channel string, record *tunnel.Record) line {
	l := line{At: at, Channel: channel, Key: []any{}, Columns: []column{}}
	if record.SequenceInfo != nil {
		l.Action = record.Type.String()
		l.Timestamp = &record.SequenceInfo.Timestamp
		l.RowIndex = &record.SequenceInfo.RowIndex
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
