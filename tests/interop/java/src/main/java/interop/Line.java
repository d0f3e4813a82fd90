package interop;

import com.alicloud.openservices.tablestore.model.ColumnValue;
import com.alicloud.openservices.tablestore.model.PrimaryKeyColumn;
import com.alicloud.openservices.tablestore.model.RecordColumn;
import com.alicloud.openservices.tablestore.model.StreamRecord;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import java.io.IOException;
import java.util.Base64;

/** Formats a record as a line of JSON, in the same format as the programs of the crate. */
final class Line {
  private Line() {}

  static JsonObject of(String channel, StreamRecord record) throws IOException {
    JsonObject line = new JsonObject();
    line.addProperty("channel", channel);
    if (isChange(record)) {
      line.addProperty("action", action(record.getRecordType()));
      line.addProperty("timestamp", record.getSequenceInfo().getTimestamp());
      line.addProperty("row_index", record.getSequenceInfo().getRowIndex());
      line.addProperty("epoch", record.getSequenceInfo().getEpoch());
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

  /** The SDK gives base rows a sequence info of zeros. */
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
      default -> throw new IllegalArgumentException("unexpected type: " + value.getType());
    };
  }
}
