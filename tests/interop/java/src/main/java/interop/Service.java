package interop;

import com.alicloud.openservices.tablestore.TableStoreException;
import com.alicloud.openservices.tablestore.TunnelClient;

/** Connects to the emulator named by the environment. */
final class Service {
  private Service() {}

  static TunnelClient client() {
    return clientWithSecret(variable("OTS_ACCESS_KEY_SECRET"));
  }

  static TunnelClient clientWithSecret(String secret) {
    return new TunnelClient(
        variable("OTS_ENDPOINT"), variable("OTS_ACCESS_KEY_ID"), secret, variable("OTS_INSTANCE"));
  }

  /** Returns the error code of the service, or {@code ""} without an error. */
  static String code(Runnable call) {
    try {
      call.run();
      return "";
    } catch (TableStoreException error) {
      return error.getErrorCode();
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
