import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.StreamSupport;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.KafkaFuture;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.TopicPartitionReplica;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AccessControlEntryFilter;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclBindingFilter;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.UnknownServerException;
import org.apache.kafka.common.protocol.Errors;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourcePatternFilter;
import org.apache.kafka.common.resource.ResourceType;
import org.apache.kafka.common.security.auth.KafkaPrincipal;

/**
 * Java's {@code Admin}, asked line by line: what the suite compares kafka-admin with.
 *
 * <p>A line in is {@code {"user": NAME or null, "call": NAME, "args": {...}}}; a line out is what the call gave, or
 * {@code {"error": KAFKA_NAME}}, for the whole or in the place of an item. End of file ends the program.
 *
 * <pre>
 *   AdminPeer BOOTSTRAP SASL_BOOTSTRAP     users log in with PLAIN, and NAME-secret
 * </pre>
 */
public final class AdminPeer {
    private AdminPeer() {}

    interface Call {
        Object run(Admin admin, JsonNode args) throws Exception;
    }

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Map<String, Call> CALLS = new HashMap<>();
    private static final Map<String, Admin> ADMINS = new HashMap<>();

    public static void main(String[] args) throws Exception {
        PrintStream out = System.out;
        // Whatever else prints must not get between the answers.
        System.setOut(System.err);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode request = JSON.readTree(line);
            Admin admin = ADMINS.computeIfAbsent(request.path("user").asText(""), user -> connect(args, user));
            Object answer = outcome(() -> run(admin, request.get("call").asText(), request.path("args")));
            out.println(JSON.writeValueAsString(answer));
            out.flush();
        }
        Runtime.getRuntime().halt(0);
    }

    private static Object run(Admin admin, String name, JsonNode args) throws Exception {
        Call call = CALLS.get(name);
        if (call != null) {
            return call.run(admin, args);
        }
        // What only newer releases have is in a class of its own.
        Class<?> newer = Class.forName("AdminPeerNew");
        try {
            return newer.getMethod("run", Admin.class, String.class, JsonNode.class).invoke(null, admin, name, args);
        } catch (java.lang.reflect.InvocationTargetException e) {
            throw (Exception) e.getCause();
        }
    }

    private static Admin connect(String[] addresses, String user) {
        Properties properties = new Properties();
        properties.put("default.api.timeout.ms", "20000");
        properties.put("request.timeout.ms", "20000");
        if (user.isEmpty() || user.equals("null")) {
            properties.put("bootstrap.servers", addresses[0]);
            return Admin.create(properties);
        }
        properties.put("bootstrap.servers", addresses[1]);
        properties.put("security.protocol", "SASL_PLAINTEXT");
        properties.put("sasl.mechanism", "PLAIN");
        properties.put("sasl.jaas.config", "org.apache.kafka.common.security.plain.PlainLoginModule required username=\""
            + user + "\" password=\"" + user + "-secret\";");
        return Admin.create(properties);
    }

    /** What a call gives, or the name of the error. */
    static Object outcome(java.util.concurrent.Callable<Object> call) {
        try {
            Object value = call.call();
            return value == null ? "ok" : value;
        } catch (Throwable thrown) {
            Throwable cause = Errors.maybeUnwrapException(thrown);
            Errors error = Errors.forException(cause);
            boolean unknown = error == Errors.UNKNOWN_SERVER_ERROR && !(cause instanceof UnknownServerException);
            return Map.of("error", unknown ? cause.toString() : error.name());
        }
    }

    static <K, V> Map<String, Object> each(Map<K, KafkaFuture<V>> futures, Function<V, Object> show) {
        Map<String, Object> shown = new TreeMap<>();
        futures.forEach((key, future) -> shown.put(key.toString(), outcome(() -> show.apply(future.get()))));
        return shown;
    }

    static <K> Map<String, Object> each(Map<K, KafkaFuture<Void>> futures) {
        return each(futures, none -> "ok");
    }

    static <K, V> Map<String, Object> map(Map<K, V> values, Function<V, Object> show) {
        Map<String, Object> shown = new TreeMap<>();
        values.forEach((key, value) -> shown.put(key.toString(), show.apply(value)));
        return shown;
    }

    static List<String> strings(JsonNode list) {
        return StreamSupport.stream(list.spliterator(), false).map(JsonNode::asText).collect(Collectors.toList());
    }

    static Map<String, String> texts(JsonNode object) {
        Map<String, String> map = new TreeMap<>();
        object.fields().forEachRemaining(field ->
            map.put(field.getKey(), field.getValue().isNull() ? null : field.getValue().asText()));
        return map;
    }

    static TopicPartition partition(JsonNode args) {
        return new TopicPartition(args.get("topic").asText(), args.get("partition").asInt());
    }

    static List<String> sorted(Collection<?> values) {
        return values.stream().map(Object::toString).sorted().collect(Collectors.toList());
    }

    static Object operations(Set<AclOperation> operations) {
        return operations == null ? null : sorted(operations.stream().map(Enum::name).toList());
    }

    static List<Object> list(Object... values) {
        return Arrays.asList(values);
    }

    static Object orNull(OptionalLong value) {
        return value.isPresent() ? value.getAsLong() : null;
    }

    static Object orNull(OptionalInt value) {
        return value.isPresent() ? value.getAsInt() : null;
    }

    private static ConfigResource resource(JsonNode args) {
        return new ConfigResource(ConfigResource.Type.valueOf(args.get("kind").asText()), args.get("name").asText());
    }

    static {
        CALLS.put("topics.list", (admin, args) ->
            sorted(admin.listTopics(new ListTopicsOptions().listInternal(true)).names().get()));
        CALLS.put("topics.describe", (admin, args) -> {
            DescribeTopicsOptions options = new DescribeTopicsOptions().includeAuthorizedOperations(true);
            return each(admin.describeTopics(strings(args.get("names")), options).topicNameValues(), AdminPeer::topic);
        });
        CALLS.put("topics.create", (admin, args) -> {
            NewTopic topic = new NewTopic(args.get("name").asText(), args.get("partitions").asInt(),
                (short) args.get("replication").asInt()).configs(texts(args.path("configs")));
            CreateTopicsOptions options = new CreateTopicsOptions().validateOnly(args.path("validate").asBoolean());
            return each(admin.createTopics(List.of(topic), options).values());
        });
        CALLS.put("topics.delete", (admin, args) -> each(admin.deleteTopics(strings(args.get("names"))).topicNameValues()));
        CALLS.put("partitions.create", (admin, args) -> {
            CreatePartitionsOptions options =
                new CreatePartitionsOptions().validateOnly(args.path("validate").asBoolean());
            Map<String, NewPartitions> more =
                Map.of(args.get("name").asText(), NewPartitions.increaseTo(args.get("total").asInt()));
            return each(admin.createPartitions(more, options).values());
        });
        CALLS.put("records.delete", (admin, args) -> {
            RecordsToDelete before = RecordsToDelete.beforeOffset(args.get("before").asLong());
            return each(admin.deleteRecords(Map.of(partition(args), before)).lowWatermarks(),
                DeletedRecords::lowWatermark);
        });
        CALLS.put("offsets.list", (admin, args) -> {
            TopicPartition partition = partition(args);
            OffsetSpec spec = switch (args.get("at").asText()) {
                case "earliest" -> OffsetSpec.earliest();
                case "latest" -> OffsetSpec.latest();
                case "max-timestamp" -> OffsetSpec.maxTimestamp();
                default -> OffsetSpec.forTimestamp(args.get("at").asLong());
            };
            ListOffsetsResult result = admin.listOffsets(Map.of(partition, spec));
            return each(Map.of(partition, result.partitionResult(partition)), offset ->
                list(known(offset.offset()), known(offset.timestamp()), offset.leaderEpoch().orElse(null)));
        });
        CALLS.put("configs.describe", (admin, args) ->
            each(admin.describeConfigs(List.of(resource(args))).values(), AdminPeer::settings).values().iterator().next());
        CALLS.put("configs.alter", (admin, args) -> {
            List<AlterConfigOp> ops = new ArrayList<>();
            texts(args.get("set")).forEach((name, value) -> ops.add(new AlterConfigOp(new ConfigEntry(name, value),
                value == null ? AlterConfigOp.OpType.DELETE : AlterConfigOp.OpType.SET)));
            AlterConfigsOptions options = new AlterConfigsOptions().validateOnly(args.path("validate").asBoolean());
            return each(admin.incrementalAlterConfigs(Map.of(resource(args), ops), options).values())
                .values().iterator().next();
        });
        CALLS.put("metrics.list", (admin, args) ->
            sorted(admin.listClientMetricsResources().all().get().stream().map(one -> one.name()).toList()));
    }

    private static Object known(long number) {
        return number < 0 ? null : number;
    }

    private static Object topic(TopicDescription topic) {
        Map<String, Object> shown = new TreeMap<>();
        shown.put("id", topic.topicId().toString());
        shown.put("internal", topic.isInternal());
        shown.put("operations", operations(topic.authorizedOperations()));
        shown.put("partitions", topic.partitions().stream().map(partition -> list(
            partition.partition(),
            partition.leader() == null ? null : partition.leader().id(),
            partition.replicas().stream().map(node -> node.id()).toList(),
            partition.isr().stream().map(node -> node.id()).sorted().toList())).toList());
        return shown;
    }

    private static Object settings(Config config) {
        Map<String, Object> shown = new TreeMap<>();
        config.entries().forEach(entry -> shown.put(entry.name(), list(
            entry.value(), entry.source().name(), entry.type().name(), entry.isSensitive(), entry.isReadOnly())));
        return shown;
    }

    static {
        CALLS.put("cluster.describe", (admin, args) -> {
            DescribeClusterOptions options = new DescribeClusterOptions().includeAuthorizedOperations(true);
            DescribeClusterResult result = admin.describeCluster(options);
            Map<String, Object> shown = new TreeMap<>();
            shown.put("id", result.clusterId().get());
            shown.put("operations", operations(result.authorizedOperations().get()));
            shown.put("brokers", result.nodes().get().stream()
                .sorted(java.util.Comparator.comparingInt(node -> node.id()))
                .map(node -> list(node.id(), node.host(), node.port(), node.rack())).toList());
            return shown;
        });
        CALLS.put("cluster.unregister", (admin, args) -> admin.unregisterBroker(args.get("id").asInt()).all().get());
        CALLS.put("features.describe", (admin, args) -> {
            FeatureMetadata metadata = admin.describeFeatures().featureMetadata().get();
            Map<String, Object> shown = new TreeMap<>();
            shown.put("finalized", map(metadata.finalizedFeatures(), range -> range.maxVersionLevel()));
            shown.put("supported",
                map(metadata.supportedFeatures(), range -> list(range.minVersion(), range.maxVersion())));
            return shown;
        });
        CALLS.put("features.update", (admin, args) -> {
            FeatureUpdate update =
                new FeatureUpdate((short) args.get("level").asInt(), FeatureUpdate.UpgradeType.valueOf(args.get("way").asText()));
            UpdateFeaturesOptions options = new UpdateFeaturesOptions().validateOnly(true);
            return each(admin.updateFeatures(Map.of(args.get("feature").asText(), update), options).values());
        });
        CALLS.put("quorum.describe", (admin, args) -> {
            QuorumInfo quorum = admin.describeMetadataQuorum().quorumInfo().get();
            Map<String, Object> shown = new TreeMap<>();
            shown.put("leader", quorum.leaderId());
            shown.put("voters", replicas(quorum.voters()));
            shown.put("observers", replicas(quorum.observers()));
            return shown;
        });
        CALLS.put("quorum.add", (admin, args) -> admin.addRaftVoter(args.get("id").asInt(),
            Uuid.fromString(args.get("directory").asText()),
            Set.of(new RaftVoterEndpoint("CONTROLLER", "localhost", 1))).all().get());
        CALLS.put("quorum.remove", (admin, args) -> admin.removeRaftVoter(args.get("id").asInt(),
            Uuid.fromString(args.get("directory").asText())).all().get());
        CALLS.put("folders.describe", (admin, args) -> {
            int broker = args.get("broker").asInt();
            String topic = args.get("topic").asText();
            return each(admin.describeLogDirs(List.of(broker)).descriptions(), folders ->
                map(folders, folder -> {
                    Map<String, Object> replicas = new TreeMap<>();
                    folder.replicaInfos().forEach((partition, replica) -> {
                        if (partition.topic().equals(topic)) {
                            replicas.put(partition.toString(), list(replica.size(), replica.offsetLag(), replica.isFuture()));
                        }
                    });
                    return replicas;
                })).values().iterator().next();
        });
        CALLS.put("folders.move", (admin, args) -> {
            TopicPartition partition = partition(args);
            TopicPartitionReplica replica =
                new TopicPartitionReplica(partition.topic(), partition.partition(), args.get("broker").asInt());
            return each(admin.alterReplicaLogDirs(Map.of(replica, args.get("folder").asText())).values())
                .values().iterator().next();
        });
        CALLS.put("leaders.elect", (admin, args) -> {
            Map<TopicPartition, Optional<Throwable>> elected =
                admin.electLeaders(ElectionType.PREFERRED, Set.of(partition(args))).partitions().get();
            return map(elected, thrown -> outcome(() -> {
                if (thrown.isPresent()) {
                    throw (Exception) thrown.get();
                }
                return "ok";
            }));
        });
        CALLS.put("moves.list", (admin, args) ->
            map(admin.listPartitionReassignments().reassignments().get(), move ->
                list(move.replicas(), move.addingReplicas(), move.removingReplicas())));
        CALLS.put("moves.alter", (admin, args) -> {
            JsonNode replicas = args.get("replicas");
            Optional<NewPartitionReassignment> target = replicas.isNull() ? Optional.empty() : Optional.of(
                new NewPartitionReassignment(strings(replicas).stream().map(Integer::valueOf).toList()));
            return each(admin.alterPartitionReassignments(Map.of(partition(args), target)).values());
        });
    }

    private static Object replicas(List<QuorumInfo.ReplicaState> states) {
        return states.stream().sorted(java.util.Comparator.comparingInt(state -> state.replicaId()))
            .map(state -> list(state.replicaId(), state.replicaDirectoryId().toString())).toList();
    }

    static {
        CALLS.put("groups.list", (admin, args) -> sorted(admin.listConsumerGroups().all().get().stream().map(group ->
            String.join(" ", group.groupId(), group.type().map(Object::toString).orElse("").toLowerCase(), group.state().map(Object::toString).orElse("")))
            .toList()));
        CALLS.put("groups.describe", (admin, args) -> {
            DescribeConsumerGroupsOptions options = new DescribeConsumerGroupsOptions().includeAuthorizedOperations(true);
            return each(admin.describeConsumerGroups(strings(args.get("ids")), options).describedGroups(), AdminPeer::group);
        });
        CALLS.put("groups.delete", (admin, args) ->
            each(admin.deleteConsumerGroups(strings(args.get("ids"))).deletedGroups()));
        CALLS.put("groups.remove", (admin, args) -> {
            MemberToRemove member = new MemberToRemove(args.get("instance").asText());
            RemoveMembersFromConsumerGroupResult result = admin.removeMembersFromConsumerGroup(
                args.get("group").asText(), new RemoveMembersFromConsumerGroupOptions(Set.of(member)));
            return result.memberResult(member).get();
        });
        CALLS.put("committed.list", (admin, args) -> map(
            admin.listConsumerGroupOffsets(args.get("group").asText()).partitionsToOffsetAndMetadata().get(),
            AdminPeer::commit));
        CALLS.put("committed.alter", (admin, args) -> {
            TopicPartition partition = partition(args);
            AlterConsumerGroupOffsetsResult result = admin.alterConsumerGroupOffsets(args.get("group").asText(),
                Map.of(partition, new OffsetAndMetadata(args.get("offset").asLong())));
            return each(Map.of(partition, result.partitionResult(partition)));
        });
        CALLS.put("committed.delete", (admin, args) -> {
            TopicPartition partition = partition(args);
            DeleteConsumerGroupOffsetsResult result =
                admin.deleteConsumerGroupOffsets(args.get("group").asText(), Set.of(partition));
            return each(Map.of(partition, result.partitionResult(partition)));
        });
        CALLS.put("producers.describe", (admin, args) -> {
            TopicPartition partition = partition(args);
            DescribeProducersResult result = admin.describeProducers(List.of(partition));
            return each(Map.of(partition, result.partitionResult(partition)), state ->
                state.activeProducers().stream().map(producer -> list(producer.producerId(), producer.producerEpoch(),
                    producer.lastSequence() < 0 ? null : producer.lastSequence(),
                    orNull(producer.coordinatorEpoch()), orNull(producer.currentTransactionStartOffset()))).toList());
        });
        CALLS.put("transactions.list", (admin, args) -> sorted(admin.listTransactions().all().get().stream()
            .map(one -> one.transactionalId() + " " + one.producerId() + " " + one.state()).toList()));
        CALLS.put("transactions.describe", (admin, args) -> {
            List<String> ids = strings(args.get("ids"));
            DescribeTransactionsResult result = admin.describeTransactions(ids);
            Map<String, KafkaFuture<TransactionDescription>> futures = new TreeMap<>();
            ids.forEach(id -> futures.put(id, result.description(id)));
            return each(futures, one -> list(one.state().toString(), one.producerId(), one.producerEpoch(),
                one.transactionTimeoutMs(), orNull(one.transactionStartTimeMs()), sorted(one.topicPartitions())));
        });
        CALLS.put("transactions.abort", (admin, args) -> admin.abortTransaction(new AbortTransactionSpec(partition(args),
            args.get("producer").asLong(), (short) args.get("epoch").asInt(), args.get("coordinator").asInt())).all().get());
        CALLS.put("transactions.fence", (admin, args) ->
            each(admin.fenceProducers(strings(args.get("ids"))).fencedProducers()));
    }

    static Object commit(OffsetAndMetadata commit) {
        return commit == null ? null : list(commit.offset(), commit.leaderEpoch().orElse(null), commit.metadata());
    }

    private static Object group(ConsumerGroupDescription group) {
        Map<String, Object> shown = new TreeMap<>();
        shown.put("state", group.state().toString());
        shown.put("type", group.type().toString().toLowerCase());
        shown.put("assignor", group.partitionAssignor());
        shown.put("operations", operations(group.authorizedOperations()));
        shown.put("members", group.members().stream().sorted(java.util.Comparator.comparing(MemberDescription::consumerId))
            .map(member -> list(member.consumerId(), member.groupInstanceId().orElse(null), member.clientId(),
                member.host(), sorted(member.assignment().topicPartitions()))).toList());
        return shown;
    }

    static {
        CALLS.put("acls.list", (admin, args) -> sorted(admin.describeAcls(filter(args)).values().get().stream()
            .map(AdminPeer::entry).toList()));
        CALLS.put("acls.create", (admin, args) -> {
            List<String> entry = strings(args.get("entry"));
            AclBinding binding = new AclBinding(
                new ResourcePattern(ResourceType.valueOf(entry.get(0)), entry.get(1), PatternType.valueOf(entry.get(2))),
                new AccessControlEntry(entry.get(3), entry.get(4), AclOperation.valueOf(entry.get(5)),
                    AclPermissionType.valueOf(entry.get(6))));
            return admin.createAcls(List.of(binding)).all().get();
        });
        CALLS.put("acls.delete", (admin, args) ->
            sorted(admin.deleteAcls(List.of(filter(args))).all().get().stream().map(AdminPeer::entry).toList()));
        CALLS.put("quotas.list", (admin, args) ->
            new TreeMap<>(admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get().entrySet().stream()
                .collect(Collectors.toMap(entity -> quotaEntity(entity.getKey()), entity -> entity.getValue()))));
        CALLS.put("quotas.alter", (admin, args) -> {
            List<ClientQuotaAlteration.Op> ops = new ArrayList<>();
            args.get("set").fields().forEachRemaining(field -> ops.add(new ClientQuotaAlteration.Op(field.getKey(),
                field.getValue().isNull() ? null : field.getValue().asDouble())));
            ClientQuotaEntity entity = new ClientQuotaEntity(texts(args.get("entity")));
            AlterClientQuotasOptions options = new AlterClientQuotasOptions().validateOnly(args.path("validate").asBoolean());
            return admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, ops)), options).all().get();
        });
        CALLS.put("users.list", (admin, args) -> map(admin.describeUserScramCredentials(strings(args.path("users"))).all().get(),
            user -> user.credentialInfos().stream().map(info -> list(info.mechanism().mechanismName(), info.iterations()))
                .sorted(java.util.Comparator.comparing(Object::toString)).toList()));
        CALLS.put("users.delete", (admin, args) -> each(admin.alterUserScramCredentials(List.of(
            new UserScramCredentialDeletion(args.get("user").asText(), ScramMechanism.SCRAM_SHA_512))).values()));
        CALLS.put("tokens.create", (admin, args) -> {
            CreateDelegationTokenOptions options = new CreateDelegationTokenOptions();
            if (args.has("owner")) {
                options.owner(new KafkaPrincipal("User", args.get("owner").asText()));
            }
            return admin.createDelegationToken(options).delegationToken().get().tokenInfo().owner().toString();
        });
        CALLS.put("tokens.list", (admin, args) -> sorted(admin.describeDelegationToken().delegationTokens().get().stream()
            .map(token -> token.tokenInfo()).map(token -> String.join(" ", token.tokenId(), token.owner().toString(),
                token.tokenRequester().toString(), token.renewersAsString().toString(), "" + token.issueTimestamp(),
                "" + token.expiryTimestamp(), "" + token.maxTimestamp())).toList()));
        CALLS.put("tokens.renew", (admin, args) ->
            admin.renewDelegationToken(Base64.getDecoder().decode(args.get("hmac").asText())).expiryTimestamp().get());
        CALLS.put("tokens.expire", (admin, args) ->
            admin.expireDelegationToken(Base64.getDecoder().decode(args.get("hmac").asText())).expiryTimestamp().get());
    }

    private static AclBindingFilter filter(JsonNode args) {
        String principal = args.has("principal") ? args.get("principal").asText() : null;
        return new AclBindingFilter(ResourcePatternFilter.ANY,
            new AccessControlEntryFilter(principal, null, AclOperation.ANY, AclPermissionType.ANY));
    }

    private static String entry(AclBinding binding) {
        ResourcePattern pattern = binding.pattern();
        AccessControlEntry entry = binding.entry();
        return String.join(" ", pattern.resourceType().name(), pattern.name(), pattern.patternType().name(),
            entry.principal(), entry.host(), entry.operation().name(), entry.permissionType().name());
    }

    private static String quotaEntity(ClientQuotaEntity entity) {
        return new TreeMap<>(entity.entries()).entrySet().stream()
            .map(part -> part.getKey() + "=" + (part.getValue() == null ? "<default>" : part.getValue()))
            .collect(Collectors.joining(","));
    }
}
