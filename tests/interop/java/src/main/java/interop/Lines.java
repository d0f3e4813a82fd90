package interop;

import com.alicloud.openservices.tablestore.model.ColumnValue;
import com.alicloud.openservices.tablestore.model.PrimaryKeyColumn;
import com.alicloud.openservices.tablestore.model.RecordColumn;
import com.alicloud.openservices.tablestore.model.StreamRecord;
import com.alicloud.openservices.tablestore.tunnel.worker.IChannelProcessor;
import com.alicloud.openservices.tablestore.tunnel.worker.ProcessRecordsInput;
import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Base64;

/** Writes records as JSON lines, as the crate's `tail` example does. All channels share it. */
final class Lines implements IChannelProcessor {
  private final Gson gson = new GsonBuilder().disableHtmlEscaping().create();
  private final Path file;

  Lines(Path file) {
    this.file = file;
  }

  /** The lines are in the file when it returns, so that no kill undoes what a checkpoint says. */
  @Override
  public synchronized void process(ProcessRecordsInput input) {
    long at = ChronoUnit.MICROS.between(Instant.EPOCH, Instant.now());
    StringBuilder lines = new StringBuilder();
    try {
      for (StreamRecord record : input.getRecords()) {
        lines.append(gson.toJson(line(at, input.getChannelId(), record))).append('\n');
      }
      byte[] bytes = lines.toString().getBytes(StandardCharsets.UTF_8);
      Files.write(file, bytes, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  @Override
  public void shutdown() {}

  private static JsonObject line(long at, String channel, StreamRecord record)
      throws IOException {
    JsonObject line = new JsonObject();
    line.addProperty("at", at);
    line.addProperty("channel", channel);
    if (isChange(record)) {
      line.addProperty("action", action(record.getRecordType()));
      line.addProperty("timestamp", record.getSequenceInfo().getTimestamp());
      line.addProperty("row_index", record.getSequenceInfo().getRowIndex());
    }
    JsonArray key = new JsonArray();
    for (PrimaryKeyColumn column : record.getPrimaryKey().getPrimaryKeyColumns()) {
      key.add(value(column.getValue().toColumnValue()));
    }
    line.add("key", key);
    JsonArray columns = new JsonArray();
    for (RecordColumn column : record.getColumns()) {
      columns.add(column(column));
    }
    line.add("columns", columns);
    return line;
  }

  /** The SDK gives base rows a sequence info too, of zeros. */
  private static boolean isChange(StreamRecord record) {
    return record.getSequenceInfo() != null && record.getSequenceInfo().getTimestamp() != 0;
  }

  private static String action(StreamRecord.RecordType type) {
    return switch (type) {
      case PUT -> "PutRow";
      case UPDATE -> "UpdateRow";
      case DELETE -> "DeleteRow";
    };
  }

  private static JsonObject column(RecordColumn column) {
    JsonObject object = new JsonObject();
    object.addProperty("name", column.getColumn().getName());
    switch (column.getColumnType()) {
      case PUT -> object.add("value", value(column.getColumn().getValue()));
      case DELETE_ONE_VERSION -> object.addProperty("deleted", column.getColumn().getTimestamp());
      case DELETE_ALL_VERSION -> object.addProperty("deleted", "all");
    }
    return object;
  }

  private static JsonElement value(ColumnValue value) {
    return switch (value.getType()) {
      case INTEGER -> new JsonPrimitive(value.asLong());
      case DOUBLE -> new JsonPrimitive(value.asDouble());
      case BOOLEAN -> new JsonPrimitive(value.asBoolean());
      case STRING -> new JsonPrimitive(value.asString());
      case BINARY -> {
        JsonObject binary = new JsonObject();
        binary.addProperty("base64", Base64.getEncoder().encodeToString(value.asBinary()));
        yield binary;
      }
      default -> throw new IllegalArgumentException("no rows here have a " + value.getType());
    };
  }
}
