package interop;

import com.alicloud.openservices.tablestore.TunnelClient;
import com.alicloud.openservices.tablestore.model.tunnel.ChannelInfo;
import com.alicloud.openservices.tablestore.model.tunnel.ChannelType;
import com.alicloud.openservices.tablestore.model.tunnel.CreateTunnelRequest;
import com.alicloud.openservices.tablestore.model.tunnel.DeleteTunnelRequest;
import com.alicloud.openservices.tablestore.model.tunnel.DescribeTunnelRequest;
import com.alicloud.openservices.tablestore.model.tunnel.DescribeTunnelResponse;
import com.alicloud.openservices.tablestore.model.tunnel.ListTunnelRequest;
import com.alicloud.openservices.tablestore.model.tunnel.StreamTunnelConfig;
import com.alicloud.openservices.tablestore.model.tunnel.TunnelInfo;
import com.alicloud.openservices.tablestore.model.tunnel.TunnelType;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * Calls every method of the meta API with the official SDK and checks the responses. The table must
 * exist, with rows and without tunnels. At the end it has no tunnels again.
 *
 * <p>The SDK decodes the body of an error as another message than the service writes. If the
 * messages are incompatible, the SDK reports a network error instead of a code. Every code checked
 * here shows that they are compatible.
 */
public final class Meta {
  /** The time limit in milliseconds for a new tunnel to get its channels. */
  private static final long MAX_WAIT = 30_000;

  private static final long HOUR = 3_600_000;

  private final TunnelClient client;
  private final String table;
  private final Map<TunnelType, String> ids = new EnumMap<>(TunnelType.class);

  private Meta(TunnelClient client, String table) {
    this.client = client;
    this.table = table;
  }

  public static void main(String[] arguments) throws Exception {
    TunnelClient client = Service.client();
    Meta meta = new Meta(client, new Options(arguments).text("table", "orders"));
    meta.create();
    meta.createTwice();
    meta.list();
    meta.describe();
    meta.offsets();
    meta.missing();
    meta.wrongSecret();
    new Calls(client, meta.ids.get(TunnelType.BaseData)).all(meta.channels(TunnelType.BaseData));
    meta.delete();
    client.shutdown();
    System.out.println("9 steps passed");
  }

  private void create() {
    for (TunnelType type : TunnelType.values()) {
      String id = client.createTunnel(creation(type)).getTunnelId();
      Check.that(!id.isEmpty(), "a tunnel without id");
      ids.put(type, id);
    }
  }

  private CreateTunnelRequest creation(TunnelType type) {
    return new CreateTunnelRequest(table, type.name(), type);
  }

  private void createTwice() {
    Check.code("OTSTunnelExist", () -> client.createTunnel(creation(TunnelType.Stream)));
  }

  private void list() {
    List<TunnelInfo> tunnels = client.listTunnel(new ListTunnelRequest(table)).getTunnelInfos();
    Check.equal(ids.size(), tunnels.size(), "tunnels");
    tunnels.forEach(this::checkInfo);
  }

  private void checkInfo(TunnelInfo info) {
    long age = System.currentTimeMillis() - info.getCreateTime();
    boolean matches =
        info.getTunnelId().equals(ids.get(info.getTunnelType()))
            && info.getTunnelName().equals(info.getTunnelType().name())
            && info.getTableName().equals(table)
            && info.getStage() != null
            && !info.isExpired()
            && Math.abs(age) < HOUR;
    Check.that(matches, "differs from the created tunnel: " + info);
  }

  private void describe() throws InterruptedException {
    for (TunnelType type : TunnelType.values()) {
      DescribeTunnelResponse described = withChannels(type);
      checkInfo(described.getTunnelInfo());
      for (ChannelInfo channel : described.getChannelInfos()) {
        boolean base = channel.getChannelType() == ChannelType.BaseData;
        boolean fits = base ? type != TunnelType.Stream : type != TunnelType.BaseData;
        Check.that(fits && channel.getChannelStatus() != null, type + " has " + channel);
      }
    }
  }

  private DescribeTunnelResponse withChannels(TunnelType type) throws InterruptedException {
    long deadline = System.currentTimeMillis() + MAX_WAIT;
    while (System.currentTimeMillis() < deadline) {
      DescribeTunnelResponse described =
          client.describeTunnel(new DescribeTunnelRequest(table, type.name()));
      if (!described.getChannelInfos().isEmpty()) {
        return described;
      }
      Thread.sleep(50);
    }
    throw new AssertionError(type + " still has no channels");
  }

  private List<ChannelInfo> channels(TunnelType type) throws InterruptedException {
    return withChannels(type).getChannelInfos();
  }

  /** Offsets are milliseconds in the SDK and nanoseconds on the wire. */
  private void offsets() {
    long now = System.currentTimeMillis();
    createBetween("part", now - HOUR, now + HOUR);
    TunnelInfo info = client.describeTunnel(new DescribeTunnelRequest(table, "part")).getTunnelInfo();
    Check.equal(now - HOUR, info.getStreamTunnelConfig().getStartOffset(), "start");
    Check.equal(now + HOUR, info.getStreamTunnelConfig().getEndOffset(), "end");
    client.deleteTunnel(new DeleteTunnelRequest(table, "part"));
    Check.code("OTSParameterInvalid", () -> createBetween("late", now + HOUR, now + 2 * HOUR));
    Check.code("OTSParameterInvalid", () -> createBetween("bent", now - HOUR, now - 2 * HOUR));
  }

  private void createBetween(String name, long start, long end) {
    CreateTunnelRequest request = new CreateTunnelRequest(table, name, TunnelType.Stream);
    request.setStreamTunnelConfig(new StreamTunnelConfig(start, end));
    client.createTunnel(request);
  }

  private void missing() {
    Check.code(
        "OTSParameterInvalid",
        () -> client.describeTunnel(new DescribeTunnelRequest(table, "nothing")));
    Check.code(
        "OTSParameterInvalid", () -> client.deleteTunnel(new DeleteTunnelRequest(table, "nothing")));
    Check.code(
        "OTSParameterInvalid",
        () -> client.createTunnel(new CreateTunnelRequest("nowhere", "t", TunnelType.Stream)));
  }

  private void wrongSecret() {
    TunnelClient wrong = Service.clientWithSecret("wrong");
    Check.code("OTSAuthFailed", () -> wrong.listTunnel(new ListTunnelRequest(table)));
    wrong.shutdown();
  }

  private void delete() {
    for (TunnelType type : TunnelType.values()) {
      client.deleteTunnel(new DeleteTunnelRequest(table, type.name()));
    }
    int left = client.listTunnel(new ListTunnelRequest(table)).getTunnelInfos().size();
    Check.equal(0, left, "tunnels that are left");
  }
}
