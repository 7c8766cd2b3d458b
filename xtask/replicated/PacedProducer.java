import java.io.IOException;
import java.util.Arrays;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Java's producer at a steady pace, round the partitions of a topic, until the end of standard input.
 *
 * <p>Prints a line for each time in which a partition had no acknowledgement for a while, and one in the end:
 *
 * <pre>
 *   gap START_MILLISECONDS_SINCE_1970 LENGTH_MILLISECONDS PARTITION
 *   end ACKNOWLEDGED FAILED
 *
 *   PacedProducer BOOTSTRAP_SERVERS TOPIC PARTITIONS MESSAGES_PER_SECOND REQUEST_TIMEOUT_MS DELIVERY_TIMEOUT_MS LEAST_GAP_MS
 * </pre>
 */
public final class PacedProducer {
    private final long leastGapNanos;
    private final long[] lastAcks;
    private long acknowledged;
    private long failed;

    private PacedProducer(int partitions, long leastGapMs) {
        leastGapNanos = TimeUnit.MILLISECONDS.toNanos(leastGapMs);
        lastAcks = new long[partitions];
        Arrays.fill(lastAcks, System.nanoTime());
    }

    public static void main(String[] args) throws InterruptedException {
        int partitions = Integer.parseInt(args[2]);
        Properties properties = new Properties();
        properties.put("bootstrap.servers", args[0]);
        properties.put("acks", "all");
        properties.put("linger.ms", "5");
        properties.put("request.timeout.ms", args[4]);
        properties.put("delivery.timeout.ms", args[5]);
        StringSerializer text = new StringSerializer();
        PacedProducer pace = new PacedProducer(partitions, Long.parseLong(args[6]));
        AtomicBoolean ended = new AtomicBoolean();
        Thread watch = new Thread(() -> awaitEnd(ended));
        watch.setDaemon(true);
        watch.start();
        try (KafkaProducer<String, String> producer = new KafkaProducer<>(properties, text, text)) {
            pace.send(producer, args[1], Integer.parseInt(args[3]), ended);
        }
        System.out.println("end " + pace.acknowledged + " " + pace.failed);
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

    private void send(KafkaProducer<String, String> producer, String topic, int perSecond, AtomicBoolean ended)
            throws InterruptedException {
        long begin = System.nanoTime();
        for (long number = 0; !ended.get(); number++) {
            long due = begin + number * TimeUnit.SECONDS.toNanos(1) / perSecond;
            for (long left = due - System.nanoTime(); left > 0; left = due - System.nanoTime()) {
                TimeUnit.NANOSECONDS.sleep(left);
            }
            int partition = (int) (number % lastAcks.length);
            String value = number + " a message of Java's producer, as long as the other ones are";
            producer.send(new ProducerRecord<>(topic, partition, null, value), (metadata, error) -> {
                if (error == null) {
                    acknowledge(partition);
                } else {
                    fail();
                }
            });
        }
    }

    private synchronized void fail() {
        failed++;
    }

    private synchronized void acknowledge(int partition) {
        acknowledged++;
        long now = System.nanoTime();
        long gap = now - lastAcks[partition];
        lastAcks[partition] = now;
        if (gap >= leastGapNanos) {
            long length = TimeUnit.NANOSECONDS.toMillis(gap);
            System.out.println("gap " + (System.currentTimeMillis() - length) + " " + length + " " + partition);
        }
    }
}
