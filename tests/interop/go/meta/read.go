package main

import (
	"fmt"

	"github.com/aliyun/aliyun-tablestore-go-sdk/tunnel"

	"tunnel-interop/service"
)

// clientID is the id of a client that has never connected. The service accepts it.
const clientID = "unconnected"

// read makes the calls of the SDK's worker without a worker: it reads every channel
// to its end, and saves a checkpoint after each read.
func (c *check) read() error {
	described, err := c.describeWithChannels(tunnel.TunnelTypeBaseData)
	if err != nil {
		return err
	}
	api := service.API()
	rows := 0
	for _, channel := range described.Channels {
		read, err := readChannel(api, described.Tunnel.TunnelId, channel.ChannelId)
		if err != nil {
			return err
		}
		rows += read
	}
	if rows == 0 {
		return fmt.Errorf("no rows were read")
	}
	return nil
}

func readChannel(api *tunnel.TunnelApi, id, channel string) (rows int, err error) {
	token, number, err := api.GetCheckpoint(id, clientID, channel)
	for err == nil && token != tunnel.FinishTag {
		var read *tunnel.ReadRecordResponse
		read, err = api.ReadRecords(&tunnel.ReadRecordRequest{
			TunnelId: id, ClientId: clientID, ChannelId: channel, Token: token})
		if err != nil {
			break
		}
		rows += len(read.Records)
		token = read.NextToken
		number++
		err = api.Checkpoint(id, clientID, channel, token, number)
	}
	if err != nil {
		return rows, err
	}
	stored, last, err := api.GetCheckpoint(id, clientID, channel)
	if err != nil || stored != tunnel.FinishTag || last != number {
		return rows, fmt.Errorf("stored %q, %d instead of %d: %v", stored, last, number, err)
	}
	return rows, wantCode(api.Checkpoint(id, clientID, channel, token, number), tunnel.ErrCodeSequenceNotMatch)
}
