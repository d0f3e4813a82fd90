package interop;

/** Checks that end the program if they fail. */
final class Check {
  private Check() {}

  static void that(boolean condition, String message) {
    if (!condition) {
      throw new AssertionError(message);
    }
  }

  static void equal(Object wanted, Object got, String what) {
    that(wanted.equals(got), what + ": " + got + " instead of " + wanted);
  }

  static void code(String wanted, Runnable call) {
    equal(wanted, Service.code(call), "error code");
  }
}
