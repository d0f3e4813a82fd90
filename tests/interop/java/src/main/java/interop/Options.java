package interop;

import java.util.HashMap;
import java.util.Map;

/** {@code -name=value}, as often as it takes. Those of another client's program are let be. */
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

  String text(String name, String otherwise) {
    return values.getOrDefault(name, otherwise);
  }

  /** 0 stands for the SDK's default. */
  int number(String name) {
    return Integer.parseInt(text(name, "0"));
  }
}
