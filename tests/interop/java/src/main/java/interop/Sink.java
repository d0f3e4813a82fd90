package interop;

import com.alicloud.openservices.tablestore.model.StreamRecord;
import com.alicloud.openservices.tablestore.tunnel.worker.IChannelProcessor;
import com.alicloud.openservices.tablestore.tunnel.worker.ProcessRecordsInput;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;

/** The file that all channels write to. Optionally, one callback fails. */
final class Sink implements IChannelProcessor {
  private final Gson gson = new GsonBuilder().disableHtmlEscaping().create();
  private final AtomicLong batches = new AtomicLong();
  private final Options options;
  private final Path file;

  Sink(Options options) throws IOException {
    this.options = options;
    this.file = Path.of(options.text("out", "records.jsonl"));
    Files.write(file, new byte[0]);
  }

  /** Returns after the lines are written, so that a kill loses no record that a checkpoint covers. */
  @Override
  public void process(ProcessRecordsInput input) {
    // The SDK also calls the processor without records.
    if (input.getRecords().isEmpty()) {
      return;
    }
    try {
      if (batches.incrementAndGet() == options.number("fail-at")) {
        fail(input.getChannelId());
      }
      note(input.getChannelId(), "enter");
      sleep(options.number("callback-ms"));
      List<JsonObject> lines = new ArrayList<>();
      for (StreamRecord record : input.getRecords()) {
        lines.add(Line.of(input.getChannelId(), record));
      }
      write(lines);
      note(input.getChannelId(), "leave");
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** The SDK does not pass the channel to this method. */
  @Override
  public void shutdown() {
    try {
      note("", "shutdown");
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  private void fail(String channel) throws IOException {
    noteAlways(channel, "failure");
    if (options.text("fail", "error").equals("panic")) {
      throw new AssertionError("on purpose");
    }
    throw new IllegalStateException("on purpose");
  }

  /** Continues to sleep after an interrupt, as uninterruptible work would. */
  private static void sleep(int millis) {
    long end = System.nanoTime() + millis * 1_000_000L;
    boolean interrupted = false;
    for (long left = millis; left > 0; left = (end - System.nanoTime()) / 1_000_000) {
      try {
        Thread.sleep(left);
      } catch (InterruptedException error) {
        interrupted = true;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  /** Writes an event of a channel's callbacks if {@code -events} is set. */
  private void note(String channel, String event) throws IOException {
    if (options.text("events", "false").equals("true")) {
      noteAlways(channel, event);
    }
  }

  private void noteAlways(String channel, String event) throws IOException {
    JsonObject line = new JsonObject();
    line.addProperty("channel", channel);
    line.addProperty("event", event);
    write(List.of(line));
  }

  /** Reads the clock under the lock, so that the times are in the order of the lines. */
  private synchronized void write(List<JsonObject> lines) throws IOException {
    long at = ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now());
    StringBuilder text = new StringBuilder();
    for (JsonObject line : lines) {
      line.addProperty("at", at);
      text.append(gson.toJson(line)).append('\n');
    }
    byte[] bytes = text.toString().getBytes(StandardCharsets.UTF_8);
    Files.write(file, bytes, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
  }
}
