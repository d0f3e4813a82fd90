package main

import (
	"fmt"

	"github.com/aliyun/aliyun-tablestore-go-sdk/tunnel"

	"tunnel-interop/service"
)

// hand stands for a client that never connected: the service answers anyone.
const hand = "by-hand"

// read makes the public calls that the SDK's worker makes: it reads the rows
// of every channel to their end and saves every place.
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
	token, number, err := api.GetCheckpoint(id, hand, channel)
	for err == nil && token != tunnel.FinishTag {
		var read *tunnel.ReadRecordResponse
		read, err = api.ReadRecords(&tunnel.ReadRecordRequest{
			TunnelId: id, ClientId: hand, ChannelId: channel, Token: token})
		if err != nil {
			break
		}
		rows += len(read.Records)
		token = read.NextToken
		number++
		err = api.Checkpoint(id, hand, channel, token, number)
	}
	if err != nil {
		return rows, err
	}
	stored, last, err := api.GetCheckpoint(id, hand, channel)
	if err != nil || stored != tunnel.FinishTag || last != number {
		return rows, fmt.Errorf("stored %q, %d instead of %d: %v", stored, last, number, err)
	}
	return rows, wantCode(api.Checkpoint(id, hand, channel, token, number), tunnel.ErrCodeSequenceNotMatch)
}
