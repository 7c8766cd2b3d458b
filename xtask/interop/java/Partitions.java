// Java's partitioner, asked one key at a time. For Kafka 3.3 and later.
//
//   java Partitions partitions COUNT,… < keys     a line for each number of partitions: sticky COUNT, where each key goes
//   java Partitions picks COUNT        < keys     sticky, and the nanoseconds that a choice takes
//
// A key is a line: in hex, or - for an absent one, whose partition the producer's accumulator chooses later: -1.

import java.io.*;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.kafka.clients.producer.internals.BuiltInPartitioner;

public final class Partitions {
    public static void main(String[] args) throws IOException {
        if (args.length != 2) {
            System.err.println("usage: Partitions partitions COUNT,… or Partitions picks COUNT");
            System.exit(2);
        }
        List<byte[]> keys = new ArrayList<>();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            keys.add(line.equals("-") ? null : HexFormat.of().parseHex(line));
        }
        if (args[0].equals("partitions")) {
            choose(keys, args[1]);
        } else {
            time(keys, Integer.parseInt(args[1]));
        }
    }

    static void choose(List<byte[]> keys, String counts) {
        PrintStream out = new PrintStream(new BufferedOutputStream(new FileOutputStream(FileDescriptor.out)), false);
        for (String count : counts.split(",")) {
            out.print("sticky " + count);
            for (byte[] key : keys) out.print(" " + pick(key, Integer.parseInt(count)));
            out.println();
        }
        out.flush();
    }

    static int pick(byte[] key, int count) {
        return key == null ? -1 : BuiltInPartitioner.partitionForKey(key, count);
    }

    static void time(List<byte[]> keys, int count) {
        long sum = 0;
        long fastest = Long.MAX_VALUE;
        for (int round = 0; round < ROUNDS; round++) {
            long begin = System.nanoTime();
            for (byte[] key : keys) sum += pick(key, count);
            fastest = Math.min(fastest, System.nanoTime() - begin);
        }
        if (sum < 0) throw new IllegalStateException("a partition is negative");
        System.out.printf(Locale.ROOT, "sticky %.3f%n", (double) fastest / keys.size());
    }

    // The first ones are for the compiler. The fastest one counts, in which nobody else was in the way.
    static final int ROUNDS = 1000;
}
