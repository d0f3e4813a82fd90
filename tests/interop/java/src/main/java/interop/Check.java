package interop;

/** What is not as it should be ends the program. */
final class Check {
  private Check() {}

  static void that(boolean right, String otherwise) {
    if (!right) {
      throw new AssertionError(otherwise);
    }
  }

  static void equal(Object wanted, Object got, String what) {
    that(wanted.equals(got), what + ": " + got + " instead of " + wanted);
  }

  static void code(String wanted, Runnable call) {
    equal(wanted, Service.code(call), "error code");
  }
}
