package interop;

import com.alicloud.openservices.tablestore.TableStoreException;
import com.alicloud.openservices.tablestore.TunnelClient;
import com.alicloud.openservices.tablestore.model.tunnel.CreateTunnelRequest;
import com.alicloud.openservices.tablestore.model.tunnel.DescribeTunnelRequest;
import com.alicloud.openservices.tablestore.model.tunnel.TunnelType;
import com.alicloud.openservices.tablestore.tunnel.worker.TunnelWorker;
import com.alicloud.openservices.tablestore.tunnel.worker.TunnelWorkerConfig;

/**
 * Runs the official SDK's worker on a tunnel and writes the delivered records as JSON lines, until
 * SIGTERM. The options are the same as in {@code ../go/consume}. Settings without an option have
 * the SDK's default.
 */
public final class Consume {
  private Consume() {}

  public static void main(String[] arguments) throws Exception {
    Options options = new Options(arguments);
    TunnelClient client = Service.client();
    String id = tunnelId(client, options);
    TunnelWorkerConfig config = config(options);
    TunnelWorker worker = new TunnelWorker(id, client, config);
    Runtime.getRuntime().addShutdownHook(new Thread(() -> shutdown(worker, config, client)));
    worker.connectAndWorking();
  }

  private static TunnelWorkerConfig config(Options options) throws Exception {
    TunnelWorkerConfig config = new TunnelWorkerConfig(new Sink(options));
    if (options.number("heartbeat") > 0) {
      config.setHeartbeatIntervalInSec(options.number("heartbeat"));
    }
    if (options.number("timeout") > 0) {
      config.setHeartbeatTimeoutInSec(options.number("timeout"));
    }
    if (options.number("checkpoint") > 0) {
      config.setCheckpointIntervalInMillis(options.number("checkpoint"));
    }
    return config;
  }

  /** Ends with exit status 0, not with the status of a program killed by a signal. */
  private static void shutdown(TunnelWorker worker, TunnelWorkerConfig config, TunnelClient client) {
    worker.shutdown();
    config.shutdown();
    client.shutdown();
    Runtime.getRuntime().halt(0);
  }

  /** Creates the tunnel, or finds it if another consumer has created it. */
  private static String tunnelId(TunnelClient client, Options options) {
    String table = options.text("table", "orders");
    String name = options.text("tunnel", "interop");
    TunnelType type = TunnelType.valueOf(options.text("type", "BaseAndStream"));
    try {
      return client.createTunnel(new CreateTunnelRequest(table, name, type)).getTunnelId();
    } catch (TableStoreException error) {
      if (!"OTSTunnelExist".equals(error.getErrorCode())) {
        throw error;
      }
      return client.describeTunnel(new DescribeTunnelRequest(table, name)).getTunnelInfo().getTunnelId();
    }
  }
}
