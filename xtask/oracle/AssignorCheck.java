// Test oracle for assignors: divides the partitions of groups with Apache Kafka's own classes, and compares with what
// another implementation came to. For Kafka 3.5 and later.
//
//   java AssignorCheck check < F.jsonl
//
// One line per group:
//   {"name":"...","assignor":"range","topics":{"t":[["r1","r2"],[]]},
//    "members":[{"id":"m","instance":null,"topics":["t"],"userData":null,"owned":[["t",0]],"generation":-1,"rack":null}],
//    "assignment":{"m":[["t",0],["t",1]]}}
// where `topics` has the racks of each partition's replicas. Members are in the order in which the leader gets them.
// A line is good where both results are the same, whatever the order within a member. It is good too, and counted by
// itself, where sticky members in racks subscribe to different topics, and keep more of what they own than Java leaves
// them: Java moves for the sake of racks also where it wins nothing.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.*;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.GroupSubscription;
import org.apache.kafka.clients.consumer.ConsumerPartitionAssignor.Subscription;
import org.apache.kafka.common.*;

public final class AssignorCheck {
    static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] args) throws Exception {
        if (args.length != 1 || !args[0].equals("check")) {
            System.err.println("usage: AssignorCheck check");
            System.exit(2);
        }
        // Java's assignors tell every result they come to.
        System.setProperty("org.slf4j.simpleLogger.defaultLogLevel", "off");
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        int good = 0, bad = 0, kept = 0;
        Map<String, Integer> kinds = new TreeMap<>();
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode group = JSON.readTree(line);
            Map<String, TreeSet<String>> ours = ours(group);
            Map<String, TreeSet<String>> java = java(group);
            if (ours.equals(java)) {
                good++;
            } else if (mayKeepMore(group) && owned(group, ours) > owned(group, java)) {
                good++;
                kept++;
            } else {
                kinds.merge(group.get("assignor").asText(), 1, Integer::sum);
                if (++bad > 5) continue;
                System.err.printf("%s: Java has %s, not %s, for %s%n", group.get("name").asText(), java, ours, line);
            }
        }
        if (bad > 0) System.err.println(kinds);
        System.out.printf("%d keep more%n%d good, %d bad%n", kept, good, bad);
        System.exit(bad == 0 ? 0 : 1);
    }

    static boolean mayKeepMore(JsonNode group) {
        Set<Set<String>> subscriptions = new HashSet<>();
        boolean racks = false;
        for (JsonNode member : group.get("members")) {
            Set<String> topics = new HashSet<>();
            member.get("topics").forEach(t -> topics.add(t.asText()));
            subscriptions.add(topics);
            racks |= !member.get("rack").isNull();
        }
        return racks && subscriptions.size() > 1 && group.get("assignor").asText().endsWith("sticky");
    }

    // How many partitions members get that they say they have.
    static int owned(JsonNode group, Map<String, TreeSet<String>> assignment) {
        int count = 0;
        for (JsonNode member : group.get("members")) {
            Set<String> said = new HashSet<>();
            said(group.get("assignor").asText(), member).forEach(p -> said.add(p.toString()));
            said.retainAll(assignment.getOrDefault(member.get("id").asText(), new TreeSet<>()));
            count += said.size();
        }
        return count;
    }

    // The eager one tells it in its user data: topics, each with its partitions.
    static List<TopicPartition> said(String assignor, JsonNode member) {
        ByteBuffer data = subscription(member).userData();
        if (!assignor.equals("sticky") || data == null) return subscription(member).ownedPartitions();
        List<TopicPartition> all = new ArrayList<>();
        for (int topics = data.getInt(); topics > 0; topics--) {
            byte[] name = new byte[data.getShort()];
            data.get(name);
            String topic = new String(name, StandardCharsets.UTF_8);
            for (int count = data.getInt(); count > 0; count--) all.add(new TopicPartition(topic, data.getInt()));
        }
        return all;
    }

    static Map<String, TreeSet<String>> ours(JsonNode group) {
        Map<String, TreeSet<String>> all = new TreeMap<>();
        group.get("assignment").fields().forEachRemaining(member -> {
            TreeSet<String> partitions = new TreeSet<>();
            member.getValue().forEach(p -> partitions.add(p.get(0).asText() + "-" + p.get(1).asInt()));
            all.put(member.getKey(), partitions);
        });
        return all;
    }

    static Map<String, TreeSet<String>> java(JsonNode group) {
        Map<String, Subscription> subscriptions = new HashMap<>();
        group.get("members").forEach(m -> subscriptions.put(m.get("id").asText(), subscription(m)));
        ConsumerPartitionAssignor assignor = assignor(group.get("assignor").asText());
        Map<String, TreeSet<String>> all = new TreeMap<>();
        assignor.assign(cluster(group.get("topics")), new GroupSubscription(subscriptions)).groupAssignment()
            .forEach((member, assignment) -> {
                TreeSet<String> partitions = new TreeSet<>();
                assignment.partitions().forEach(p -> partitions.add(p.toString()));
                all.put(member, partitions);
            });
        return all;
    }

    static ConsumerPartitionAssignor assignor(String name) {
        switch (name) {
            case "range": return new RangeAssignor();
            case "roundrobin": return new RoundRobinAssignor();
            case "sticky": return new StickyAssignor();
            case "cooperative-sticky": return new CooperativeStickyAssignor();
            default: throw new IllegalArgumentException(name);
        }
    }

    static Subscription subscription(JsonNode member) {
        List<String> topics = new ArrayList<>();
        member.get("topics").forEach(t -> topics.add(t.asText()));
        List<TopicPartition> owned = new ArrayList<>();
        member.get("owned").forEach(p -> owned.add(new TopicPartition(p.get(0).asText(), p.get(1).asInt())));
        JsonNode data = member.get("userData");
        ByteBuffer userData = data.isNull() ? null : ByteBuffer.wrap(HexFormat.of().parseHex(data.asText()));
        Optional<String> rack = Optional.ofNullable(member.get("rack").asText(null));
        Subscription subscription =
            new Subscription(topics, userData, owned, member.get("generation").asInt(), rack);
        subscription.setGroupInstanceId(Optional.ofNullable(member.get("instance").asText(null)));
        return subscription;
    }

    static Cluster cluster(JsonNode topics) {
        Map<String, Node> nodes = new TreeMap<>();
        Node nowhere = new Node(0, "localhost", 9092);
        List<PartitionInfo> partitions = new ArrayList<>();
        topics.fields().forEachRemaining(topic -> {
            int index = 0;
            for (JsonNode racks : topic.getValue()) {
                List<Node> replicas = new ArrayList<>();
                racks.forEach(r -> replicas.add(nodes.computeIfAbsent(r.asText(),
                    rack -> new Node(nodes.size() + 1, "localhost", 9092, rack))));
                Node[] array = replicas.isEmpty() ? new Node[] {nowhere} : replicas.toArray(new Node[0]);
                partitions.add(new PartitionInfo(topic.getKey(), index++, array[0], array, array));
            }
        });
        List<Node> all = new ArrayList<>(nodes.values());
        all.add(nowhere);
        return new Cluster("oracle", all, partitions, Set.of(), Set.of());
    }
}
