package main

import (
	"fmt"
	"time"

	"github.com/aliyun/aliyun-tablestore-go-sdk/tunnel"
)

// offsets creates tunnels on a part of the log. Offsets are nanoseconds, both in the
// SDK and on the wire.
func (c *check) offsets() error {
	now := time.Now()
	start, end := now.Add(-time.Hour), now.Add(time.Hour)
	if err := c.createBetween("part", start, end); err != nil {
		return err
	}
	described, err := c.client.DescribeTunnel(&tunnel.DescribeTunnelRequest{TableName: c.table, TunnelName: "part"})
	if err != nil {
		return err
	}
	config := described.Tunnel.StreamTunnelConfig
	if config.StartOffset != uint64(start.UnixNano()) || config.EndOffset != uint64(end.UnixNano()) {
		return fmt.Errorf("offsets %v became %+v", []time.Time{start, end}, config)
	}
	if _, err := c.client.DeleteTunnel(&tunnel.DeleteTunnelRequest{TableName: c.table, TunnelName: "part"}); err != nil {
		return err
	}
	if err := wantCode(c.createBetween("late", end, end.Add(time.Hour)), tunnel.ErrCodeParamInvalid); err != nil {
		return err
	}
	return wantCode(c.createBetween("bent", start, start.Add(-time.Hour)), tunnel.ErrCodeParamInvalid)
}

func (c *check) createBetween(name string, start, end time.Time) error {
	_, err := c.client.CreateTunnel(&tunnel.CreateTunnelRequest{
		TableName: c.table, TunnelName: name, Type: tunnel.TunnelTypeStream,
		StreamTunnelConfig: &tunnel.StreamTunnelConfig{
			StartOffset: uint64(start.UnixNano()), EndOffset: uint64(end.UnixNano()),
		},
	})
	return err
}
