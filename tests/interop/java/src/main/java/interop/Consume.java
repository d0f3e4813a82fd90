package interop;

import com.alicloud.openservices.tablestore.TableStoreException;
import com.alicloud.openservices.tablestore.TunnelClient;
import com.alicloud.openservices.tablestore.model.tunnel.CreateTunnelRequest;
import com.alicloud.openservices.tablestore.model.tunnel.DescribeTunnelRequest;
import com.alicloud.openservices.tablestore.model.tunnel.TunnelType;
import com.alicloud.openservices.tablestore.tunnel.worker.TunnelWorker;
import com.alicloud.openservices.tablestore.tunnel.worker.TunnelWorkerConfig;
import java.nio.file.Path;

/**
 * Runs the official SDK's worker on a tunnel and writes what it delivers as JSON lines, until
 * SIGTERM. Arguments: table, tunnel (created if there is none), its type, the file to write.
 */
public final class Consume {
  /** The shortest that the SDK allows, in seconds. */
  private static final int HEARTBEAT = 5;

  private Consume() {}

  public static void main(String[] arguments) throws Exception {
    if (arguments.length != 4) {
      throw new IllegalArgumentException("arguments: TABLE TUNNEL TYPE FILE");
    }
    TunnelClient client =
        new TunnelClient(
            variable("OTS_ENDPOINT"),
            variable("OTS_ACCESS_KEY_ID"),
            variable("OTS_ACCESS_KEY_SECRET"),
            variable("OTS_INSTANCE"));
    String id = tunnelId(client, arguments[0], arguments[1], TunnelType.valueOf(arguments[2]));
    Lines lines = new Lines(Path.of(arguments[3]));
    TunnelWorkerConfig config = new TunnelWorkerConfig(lines);
    config.setHeartbeatIntervalInSec(HEARTBEAT);
    config.setHeartbeatTimeoutInSec(4 * HEARTBEAT);
    config.setCheckpointIntervalInMillis(1000);
    TunnelWorker worker = new TunnelWorker(id, client, config);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> shutdown(worker, config, client)));
    worker.connectAndWorking();
  }

  /** Ends as a program that was asked to and could, not as one that was killed by a signal. */
  private static void shutdown(TunnelWorker worker, TunnelWorkerConfig config, TunnelClient client) {
    worker.shutdown();
    config.shutdown();
    client.shutdown();
    Runtime.getRuntime().halt(0);
  }

  /** Creates the tunnel, or finds it if another consumer was faster. */
  private static String tunnelId(TunnelClient client, String table, String name, TunnelType type) {
    try {
      return client.createTunnel(new CreateTunnelRequest(table, name, type)).getTunnelId();
    } catch (TableStoreException error) {
      if (!"OTSTunnelExist".equals(error.getErrorCode())) {
        throw error;
      }
      return client.describeTunnel(new DescribeTunnelRequest(table, name)).getTunnelInfo().getTunnelId();
    }
  }

  private static String variable(String name) {
    String value = System.getenv(name);
    if (value == null || value.isEmpty()) {
      throw new IllegalStateException(name + " is not set");
    }
    return value;
  }
}
