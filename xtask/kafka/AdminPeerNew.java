import com.fasterxml.jackson.databind.JsonNode;
import java.util.Collection;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;

/** The calls of {@link AdminPeer} that Java's {@code Admin} has since Kafka 4. */
public final class AdminPeerNew {
    private AdminPeerNew() {}

    /** Runs a call by its name. */
    public static Object run(Admin admin, String call, JsonNode args) throws Exception {
        return switch (call) {
            case "groups.all" -> AdminPeer.sorted(admin.listGroups().all().get().stream().map(group ->
                String.join(" ", group.groupId(), group.type().map(Object::toString).orElse("").toLowerCase(),
                    group.groupState().map(Object::toString).orElse(""))).toList());
            case "configs.list" -> AdminPeer.sorted(admin.listConfigResources(AdminPeer.strings(args.get("kinds")).stream()
                .map(ConfigResource.Type::valueOf).collect(Collectors.toSet()), new ListConfigResourcesOptions())
                .all().get().stream().map(one -> one.type().name() + " " + one.name()).toList());
            case "groups.share" -> AdminPeer.each(admin.describeShareGroups(AdminPeer.strings(args.get("ids")),
                new DescribeShareGroupsOptions().includeAuthorizedOperations(true)).describedGroups(), AdminPeerNew::share);
            case "groups.streams" -> AdminPeer.each(admin.describeStreamsGroups(AdminPeer.strings(args.get("ids")),
                new DescribeStreamsGroupsOptions().includeAuthorizedOperations(true)).describedGroups(), AdminPeerNew::streams);
            case "shared.list" -> {
                String group = args.get("group").asText();
                ListShareGroupOffsetsResult result =
                    admin.listShareGroupOffsets(Map.of(group, new ListShareGroupOffsetsSpec()));
                yield AdminPeer.map(result.partitionsToOffsetInfo(group).get(), offset -> offset == null ? null
                    : AdminPeer.list(offset.startOffset(), offset.leaderEpoch().orElse(null), offset.lag().orElse(null)));
            }
            case "shared.alter" -> {
                TopicPartition partition = AdminPeer.partition(args);
                AlterShareGroupOffsetsResult result = admin.alterShareGroupOffsets(args.get("group").asText(),
                    Map.of(partition, args.get("offset").asLong()));
                yield AdminPeer.each(Map.of(partition, result.partitionResult(partition)));
            }
            case "shared.delete" -> {
                String topic = args.get("topic").asText();
                DeleteShareGroupOffsetsResult result =
                    admin.deleteShareGroupOffsets(args.get("group").asText(), Set.of(topic));
                yield AdminPeer.each(Map.of(topic, result.topicResult(topic)));
            }
            default -> throw new IllegalArgumentException(call);
        };
    }

    private static Object share(ShareGroupDescription group) {
        Map<String, Object> shown = new TreeMap<>();
        shown.put("state", group.groupState().toString());
        shown.put("epoch", group.groupEpoch());
        shown.put("operations", AdminPeer.operations(group.authorizedOperations()));
        shown.put("members", group.members().stream().map(member -> AdminPeer.list(member.consumerId(), member.memberEpoch(),
            member.clientId(), member.host(), AdminPeer.sorted(member.assignment().topicPartitions()))).toList());
        return shown;
    }

    private static Object streams(StreamsGroupDescription group) {
        Map<String, Object> shown = new TreeMap<>();
        shown.put("state", group.groupState().toString());
        shown.put("epoch", group.groupEpoch());
        shown.put("target", group.targetAssignmentEpoch());
        shown.put("topology", group.topologyEpoch());
        shown.put("operations", AdminPeer.operations(group.authorizedOperations()));
        shown.put("subtopologies", group.subtopologies().stream().map(part -> AdminPeer.list(part.subtopologyId(),
            part.sourceTopics(), part.repartitionSinkTopics(), AdminPeer.sorted(part.stateChangelogTopics().keySet()),
            AdminPeer.sorted(part.repartitionSourceTopics().keySet()))).toList());
        shown.put("members", group.members().stream().map(member -> AdminPeer.list(member.memberId(), member.memberEpoch(),
            member.instanceId().orElse(null), member.clientId(), member.clientHost(), member.topologyEpoch(),
            member.processId(), member.clientTags(), tasks(member.assignment().activeTasks()),
            tasks(member.targetAssignment().activeTasks()), member.isClassic())).toList());
        return shown;
    }

    private static Object tasks(Collection<StreamsGroupMemberAssignment.TaskIds> ids) {
        return ids.stream().flatMap(task -> task.partitions().stream().map(index -> task.subtopologyId() + "_" + index))
            .sorted().toList();
    }
}
