package interop;

import com.alicloud.openservices.tablestore.TunnelClient;
import com.alicloud.openservices.tablestore.model.tunnel.ChannelInfo;
import com.alicloud.openservices.tablestore.model.tunnel.internal.Channel;
import com.alicloud.openservices.tablestore.model.tunnel.internal.CheckpointRequest;
import com.alicloud.openservices.tablestore.model.tunnel.internal.ConnectTunnelRequest;
import com.alicloud.openservices.tablestore.model.tunnel.internal.GetCheckpointRequest;
import com.alicloud.openservices.tablestore.model.tunnel.internal.GetCheckpointResponse;
import com.alicloud.openservices.tablestore.model.tunnel.internal.HeartbeatRequest;
import com.alicloud.openservices.tablestore.model.tunnel.internal.ReadRecordsRequest;
import com.alicloud.openservices.tablestore.model.tunnel.internal.ReadRecordsResponse;
import com.alicloud.openservices.tablestore.model.tunnel.internal.ShutdownTunnelRequest;
import com.alicloud.openservices.tablestore.tunnel.worker.TunnelClientConfig;
import java.util.List;

/** Makes the calls of the SDK's worker without a worker. They are public in this SDK. */
final class Calls {
  private final TunnelClient client;
  private final String tunnel;

  Calls(TunnelClient client, String tunnel) {
    this.client = client;
    this.tunnel = tunnel;
  }

  void all(List<ChannelInfo> described) {
    String id =
        client.connectTunnel(new ConnectTunnelRequest(tunnel, new TunnelClientConfig(60, "interop"))).getClientId();
    List<Channel> channels =
        client.heartbeat(new HeartbeatRequest(tunnel, id, List.of())).getChannels();
    Check.equal(described.size(), channels.size(), "channels in a heartbeat");
    int rows = 0;
    for (Channel channel : channels) {
      rows += readAll(id, channel.getChannelId());
    }
    Check.that(rows > 0, "no rows were read");
    client.shutdownTunnel(new ShutdownTunnelRequest(tunnel, id));
    Check.code(
        "OTSResourceGone",
        () -> client.heartbeat(new HeartbeatRequest(tunnel, id, List.of())));
  }

  /** Reads a channel to its end, and saves a checkpoint after each read. Returns the row count. */
  private int readAll(String id, String channel) {
    int rows = 0;
    GetCheckpointResponse stored = stored(id, channel);
    String token = stored.getCheckpoint();
    long number = stored.getSequenceNumber();
    while (token != null) {
      ReadRecordsResponse read =
          client.readRecords(new ReadRecordsRequest(tunnel, id, channel, token));
      rows += read.getRecords().size();
      token = read.getNextToken();
      number++;
      save(id, channel, token, number);
    }
    checkNumbers(id, channel, number);
    return rows;
  }

  private GetCheckpointResponse stored(String id, String channel) {
    return client.getCheckpoint(new GetCheckpointRequest(tunnel, id, channel));
  }

  /** The SDK represents the token {@code finished} by null. */
  private void save(String id, String channel, String token, long number) {
    String text = token == null ? "finished" : token;
    client.checkpoint(new CheckpointRequest(tunnel, id, channel, text, number));
  }

  private void checkNumbers(String id, String channel, long number) {
    GetCheckpointResponse stored = stored(id, channel);
    Check.equal(number, stored.getSequenceNumber(), "the stored number");
    Check.equal("finished", stored.getCheckpoint(), "the stored token");
    Check.code("OTSSequenceNumberNotMatch", () -> save(id, channel, null, number));
  }
}
