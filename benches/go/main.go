// Command consume runs the official SDK's worker against the server of the
// benchmark and counts the records. It prints the count for every line read from
// standard input, until its end.
//
//	consume http://127.0.0.1:1234
package main

import (
	"bufio"
	"fmt"
	"log"
	"os"
	"sync/atomic"

	"github.com/aliyun/aliyun-tablestore-go-sdk/tunnel"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("consume: missing argument: the endpoint")
	}
	var count atomic.Int64
	go consume(os.Args[1], &count)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		fmt.Println(count.Load())
	}
}

func consume(endpoint string, count *atomic.Int64) {
	client := tunnel.NewTunnelClient(endpoint, "bench", "id", "secret")
	// The log is discarded; all other settings are the defaults.
	quiet := tunnel.DefaultLogConfig
	quiet.Level = zap.NewAtomicLevelAt(zap.FatalLevel)
	daemon := tunnel.NewTunnelDaemon(client, "tunnel", &tunnel.TunnelWorkerConfig{
		LogConfig:      &quiet,
		LogWriteSyncer: zapcore.AddSync(os.Stderr),
		ProcessorFactory: &tunnel.SimpleProcessFactory{
			Logger: zap.NewNop(),
			ProcessFunc: func(_ *tunnel.ChannelContext, records []*tunnel.Record) error {
				count.Add(int64(len(records)))
				return nil
			},
		},
	})
	if err := daemon.Run(); err != nil {
		log.Fatal("consume: ", err)
	}
}
