package interop;

import java.util.HashMap;
import java.util.Map;

/**
 * Options of the form {@code -name=value}. Unknown names are ignored, because the programs of the
 * other clients have more options.
 */
final class Options {
  private final Map<String, String> values = new HashMap<>();

  Options(String[] arguments) {
    for (String argument : arguments) {
      int equals = argument.indexOf('=');
      if (!argument.startsWith("-") || equals < 0) {
        throw new IllegalArgumentException(argument + " is not -name=value");
      }
      values.put(argument.substring(1, equals), argument.substring(equals + 1));
    }
  }

  String text(String name, String defaultValue) {
    return values.getOrDefault(name, defaultValue);
  }

  /** 0 selects the SDK's default. */
  int number(String name) {
    return Integer.parseInt(text(name, "0"));
  }
}
