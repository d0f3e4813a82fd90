// Command consume runs the official SDK's worker against the server of the
// benchmark, counts the records, and prints the count for every line that
// comes in, until there are no more lines.
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
		log.Fatal("consume: want the endpoint")
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
	// Its log goes nowhere; all else is as it comes.
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
