// Command meta calls every method of the meta API with the official SDK and checks
// the responses.
//
//	meta -table orders
//
// The table must exist and have no tunnels. At the end it has no tunnels again.
package main

import (
	"flag"
	"fmt"
	"log"
	"time"

	"github.com/aliyun/aliyun-tablestore-go-sdk/tunnel"

	"tunnel-interop/service"
)

// maxWait is the time limit for a new tunnel to get its channels.
const maxWait = 30 * time.Second

var types = []tunnel.TunnelType{
	tunnel.TunnelTypeBaseData, tunnel.TunnelTypeStream, tunnel.TunnelTypeBaseStream,
}

type check struct {
	client tunnel.TunnelClient
	table  string
	ids    map[string]string // tunnel ids by name; a tunnel's name is its type
}

func main() {
	table := flag.String("table", "orders", "table without tunnels")
	flag.Parse()
	client, err := service.Client()
	if err != nil {
		log.Fatal("meta: ", err)
	}
	c := &check{client: client, table: *table, ids: map[string]string{}}
	steps := []struct {
		name string
		run  func() error
	}{
		{"create", c.create}, {"create twice", c.createTwice}, {"list", c.list},
		{"describe", c.describe}, {"offsets", c.offsets}, {"missing tunnel or table", c.missing},
		{"rpo", c.rpo}, {"schedule", c.schedule}, {"wrong secret", c.wrongSecret},
		{"read without a worker", c.read}, {"delete", c.delete},
	}
	for _, step := range steps {
		if err := step.run(); err != nil {
			log.Fatalf("meta: %s: %v", step.name, err)
		}
	}
	fmt.Printf("%d steps passed\n", len(steps))
}

func (c *check) create() error {
	for _, kind := range types {
		created, err := c.client.CreateTunnel(c.creation(kind))
		if err != nil {
			return err
		}
		if created.TunnelId == "" || created.RequestId == "" {
			return fmt.Errorf("ids are missing: %+v", created)
		}
		c.ids[string(kind)] = created.TunnelId
	}
	return nil
}

func (c *check) creation(kind tunnel.TunnelType) *tunnel.CreateTunnelRequest {
	return &tunnel.CreateTunnelRequest{TableName: c.table, TunnelName: string(kind), Type: kind}
}

func (c *check) createTwice() error {
	_, err := c.client.CreateTunnel(c.creation(types[0]))
	return wantCode(err, tunnel.ErrCodeTunnelExist)
}

func (c *check) list() error {
	listed, err := c.client.ListTunnel(&tunnel.ListTunnelRequest{TableName: c.table})
	if err != nil {
		return err
	}
	if len(listed.Tunnels) != len(types) {
		return fmt.Errorf("%d tunnels instead of %d", len(listed.Tunnels), len(types))
	}
	for _, info := range listed.Tunnels {
		if err := c.checkInfo(info); err != nil {
			return err
		}
	}
	return nil
}

func (c *check) checkInfo(info *tunnel.TunnelInfo) error {
	age := time.Since(info.CreateTime)
	if info.TunnelId != c.ids[info.TunnelName] || info.TunnelType != info.TunnelName ||
		info.TableName != c.table || info.Stage == "" || info.Expired || age < -time.Minute || age > time.Hour {
		return fmt.Errorf("differs from the created tunnel: %+v", info)
	}
	return nil
}

func (c *check) describe() error {
	for _, kind := range types {
		described, err := c.describeWithChannels(kind)
		if err != nil {
			return err
		}
		if err := c.checkInfo(described.Tunnel); err != nil {
			return err
		}
		if err := checkChannels(kind, described.Channels); err != nil {
			return err
		}
	}
	return nil
}

func (c *check) describeWithChannels(kind tunnel.TunnelType) (*tunnel.DescribeTunnelResponse, error) {
	request := &tunnel.DescribeTunnelRequest{TableName: c.table, TunnelName: string(kind)}
	for deadline := time.Now().Add(maxWait); ; time.Sleep(50 * time.Millisecond) {
		described, err := c.client.DescribeTunnel(request)
		if err != nil || len(described.Channels) > 0 {
			return described, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%s still has no channels", kind)
		}
	}
}

// checkChannels checks that the channels fit the type of the tunnel.
func checkChannels(kind tunnel.TunnelType, channels []*tunnel.ChannelInfo) error {
	counts := map[string]int{}
	for _, channel := range channels {
		counts[channel.ChannelType]++
		if channel.ChannelId == "" || channel.ChannelStatus == "" {
			return fmt.Errorf("%s has a channel without id or status: %+v", kind, channel)
		}
	}
	base, stream := counts["BaseData"], counts["Stream"]
	if base+stream != len(channels) ||
		kind == tunnel.TunnelTypeBaseData && stream > 0 || kind == tunnel.TunnelTypeStream && base > 0 {
		return fmt.Errorf("%s has channels %v", kind, counts)
	}
	return nil
}

func (c *check) missing() error {
	_, err := c.client.DescribeTunnel(&tunnel.DescribeTunnelRequest{TableName: c.table, TunnelName: "nothing"})
	if err := wantCode(err, tunnel.ErrCodeParamInvalid); err != nil {
		return err
	}
	_, err = c.client.DeleteTunnel(&tunnel.DeleteTunnelRequest{TableName: c.table, TunnelName: "nothing"})
	if err := wantCode(err, tunnel.ErrCodeParamInvalid); err != nil {
		return err
	}
	_, err = c.client.CreateTunnel(&tunnel.CreateTunnelRequest{
		TableName: "nowhere", TunnelName: "t", Type: tunnel.TunnelTypeStream})
	return wantCode(err, tunnel.ErrCodeParamInvalid)
}

// rpo checks that both RPO calls return an entry for each channel.
func (c *check) rpo() error {
	described, err := c.describeWithChannels(tunnel.TunnelTypeBaseStream)
	if err != nil {
		return err
	}
	request := &tunnel.GetRpoRequest{TunnelId: described.Tunnel.TunnelId}
	for _, call := range []func(*tunnel.GetRpoRequest) (*tunnel.GetRpoResponse, error){
		c.client.GetRpo, c.client.GetRpoByOffset,
	} {
		rpo, err := call(request)
		if err != nil {
			return err
		}
		entries := 0
		for _, channels := range rpo.RpoInfos {
			entries += len(channels)
		}
		if entries != len(described.Channels) || len(rpo.TunnelRpoInfos) != 1 {
			return fmt.Errorf("%d entries for %d channels, %d for the tunnel",
				entries, len(described.Channels), len(rpo.TunnelRpoInfos))
		}
	}
	return nil
}

// schedule suspends, resumes and terminates a channel.
func (c *check) schedule() error {
	described, err := c.describeWithChannels(tunnel.TunnelTypeStream)
	if err != nil {
		return err
	}
	id := described.Channels[0].ChannelId
	steps := []struct {
		change *tunnel.ScheduleChannel
		status []string
	}{
		// No client holds the channel, so it may be closed immediately.
		{tunnel.SuspendChannel(id), []string{"CLOSING", "CLOSE"}},
		{tunnel.ResumeChannel(id), []string{"OPEN", "WAIT"}},
		{tunnel.TerminateChannel(id), []string{"TERMINATED"}},
	}
	for _, step := range steps {
		if err := c.scheduleOne(step.change, step.status); err != nil {
			return err
		}
	}
	_, err = c.client.Schedule(&tunnel.ScheduleRequest{
		TunnelId: described.Tunnel.TunnelId, Channels: []*tunnel.ScheduleChannel{tunnel.SuspendChannel("nothing")}})
	return wantCode(err, tunnel.ErrCodeParamInvalid)
}

func (c *check) scheduleOne(change *tunnel.ScheduleChannel, wanted []string) error {
	_, err := c.client.Schedule(&tunnel.ScheduleRequest{
		TunnelId: c.ids[string(tunnel.TunnelTypeStream)], Channels: []*tunnel.ScheduleChannel{change}})
	if err != nil {
		return err
	}
	described, err := c.describeWithChannels(tunnel.TunnelTypeStream)
	if err != nil {
		return err
	}
	for _, channel := range described.Channels {
		if channel.ChannelId != change.ChannelId {
			continue
		}
		for _, status := range wanted {
			if channel.ChannelStatus == status {
				return nil
			}
		}
		return fmt.Errorf("after %v the channel is %s, not %v", change.ChannelStatus, channel.ChannelStatus, wanted)
	}
	return fmt.Errorf("channel %s is missing", change.ChannelId)
}

func (c *check) wrongSecret() error {
	client, err := service.ClientWithSecret("wrong")
	if err != nil {
		return err
	}
	_, err = client.ListTunnel(&tunnel.ListTunnelRequest{TableName: c.table})
	return wantCode(err, "OTSAuthFailed")
}

func (c *check) delete() error {
	for _, kind := range types {
		request := &tunnel.DeleteTunnelRequest{TableName: c.table, TunnelName: string(kind)}
		if _, err := c.client.DeleteTunnel(request); err != nil {
			return err
		}
	}
	listed, err := c.client.ListTunnel(&tunnel.ListTunnelRequest{TableName: c.table})
	if err != nil {
		return err
	}
	if len(listed.Tunnels) != 0 {
		return fmt.Errorf("%d tunnels are left", len(listed.Tunnels))
	}
	return nil
}

func wantCode(err error, code string) error {
	if got := service.Code(err); got != code {
		return fmt.Errorf("error code %q instead of %q: %v", got, code, err)
	}
	return nil
}
