import java.io.IOException;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.RetriableCommitFailedException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * A member of a consumer group until the end of standard input; then it leaves.
 *
 * <p>Prints the partition and the offset of each message when it has processed it, and commits afterwards, at the latest
 * when it gives the partition up.
 *
 * <pre>
 *   Member BOOTSTRAP_SERVERS TOPIC GROUP ASSIGNOR_CLASS SESSION_TIMEOUT_MS HEARTBEAT_INTERVAL_MS
 * </pre>
 */
public final class Member {
    public static void main(String[] args) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", args[0]);
        properties.put("group.id", args[2]);
        properties.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer." + args[3]);
        properties.put("session.timeout.ms", args[4]);
        properties.put("heartbeat.interval.ms", args[5]);
        properties.put("enable.auto.commit", "false");
        properties.put("auto.offset.reset", "earliest");
        AtomicBoolean ended = new AtomicBoolean();
        Thread watch = new Thread(() -> awaitEnd(ended));
        watch.setDaemon(true);
        watch.start();
        ByteArrayDeserializer bytes = new ByteArrayDeserializer();
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(properties, bytes, bytes)) {
            consumer.subscribe(List.of(args[1]), new ConsumerRebalanceListener() {
                @Override
                public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                    commit(consumer);
                }

                @Override
                public void onPartitionsLost(Collection<TopicPartition> partitions) {
                    // Others have them.
                }

                @Override
                public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                    // They are polled.
                }
            });
            while (!ended.get()) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                    System.out.println(record.partition() + " " + record.offset());
                }
                System.out.flush();
                commit(consumer);
            }
            commit(consumer);
        }
    }

    private static void commit(KafkaConsumer<byte[], byte[]> consumer) {
        try {
            consumer.commitSync();
        } catch (RebalanceInProgressException | RetriableCommitFailedException e) {
            // The next one says the same, and more.
        } catch (org.apache.kafka.clients.consumer.CommitFailedException e) {
            // The group has gone on without it: others process what was not committed.
        }
    }

    private static void awaitEnd(AtomicBoolean ended) {
        try {
            while (System.in.read() >= 0) {
                // Only the end counts.
            }
        } catch (IOException e) {
            // As good as the end.
        }
        ended.set(true);
    }
}
