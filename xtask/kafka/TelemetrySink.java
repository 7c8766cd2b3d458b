import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.metrics.KafkaMetric;
import org.apache.kafka.common.metrics.MetricsReporter;
import org.apache.kafka.server.authorizer.AuthorizableRequestContext;
import org.apache.kafka.server.telemetry.ClientTelemetry;
import org.apache.kafka.server.telemetry.ClientTelemetryPayload;
import org.apache.kafka.server.telemetry.ClientTelemetryReceiver;

/**
 * A reporter that makes a broker ask clients for their metrics (KIP-714), and prints a line for each push:
 * {@code telemetry INSTANCE_ID CONTENT_TYPE terminating|running HEX}.
 */
@SuppressWarnings("removal")
public final class TelemetrySink implements MetricsReporter, ClientTelemetry, ClientTelemetryReceiver {
    @Override
    public ClientTelemetryReceiver clientReceiver() {
        return this;
    }

    @Override
    public void exportMetrics(AuthorizableRequestContext context, ClientTelemetryPayload payload) {
        byte[] bytes = new byte[payload.data().remaining()];
        payload.data().duplicate().get(bytes);
        String end = payload.isTerminating() ? "terminating" : "running";
        System.out.println("telemetry " + payload.clientInstanceId() + " " + payload.contentType() + " " + end + " "
            + HexFormat.of().formatHex(bytes));
    }

    @Override
    public void init(List<KafkaMetric> metrics) {}

    @Override
    public void metricChange(KafkaMetric metric) {}

    @Override
    public void metricRemoval(KafkaMetric metric) {}

    @Override
    public void close() {}

    @Override
    public void configure(Map<String, ?> configs) {}
}
