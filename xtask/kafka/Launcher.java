import java.io.File;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Starts Kafka's own main classes inside a JVM that ends when its parent does.
 *
 * <p>The parent holds the other end of standard input. However the parent dies, SIGKILL included, the kernel closes that
 * pipe, and the end of file halts this JVM. One byte on the pipe lets it live on by itself.
 *
 * <pre>
 *   Launcher node SERVER_PROPERTIES LOG_DIR CLUSTER_ID FORMAT_ARGS...   formats LOG_DIR if it is new, then runs kafka.Kafka
 *   Launcher tool MAIN_CLASS ARGS...                                    runs a command-line tool
 * </pre>
 */
public final class Launcher {
    private Launcher() {}

    public static void main(String[] args) throws Throwable {
        Thread watch = new Thread(Launcher::haltWithParent, "parent-watch");
        watch.setDaemon(true);
        watch.start();
        switch (args[0]) {
            case "node" -> node(args[1], args[2], args[3], Arrays.copyOfRange(args, 4, args.length));
            case "tool" -> tool(args[1], Arrays.copyOfRange(args, 2, args.length));
            default -> throw new IllegalArgumentException(args[0]);
        }
    }

    private static void haltWithParent() {
        int next;
        try {
            next = System.in.read();
        } catch (IOException e) {
            next = -1;
        }
        if (next < 0) {
            // Not exit(): a shutdown hook may wait for a controller that is dying too.
            Runtime.getRuntime().halt(1);
        }
    }

    /** Formats in the same JVM: starting a second one for it would double the time to a running broker. */
    private static void node(String properties, String logDir, String clusterId, String[] more) {
        if (!new File(logDir, "meta.properties").exists()) {
            List<String> format = new ArrayList<>(List.of("format", "--config", properties, "--cluster-id", clusterId));
            format.addAll(List.of(more));
            int status = kafka.tools.StorageTool.execute(format.toArray(new String[0]), System.out);
            if (status != 0) {
                System.exit(status);
            }
        }
        kafka.Kafka.main(new String[] {properties});
    }

    private static void tool(String mainClass, String[] args) throws Throwable {
        try {
            Class.forName(mainClass).getMethod("main", String[].class).invoke(null, (Object) args);
        } catch (java.lang.reflect.InvocationTargetException e) {
            throw e.getCause();
        }
    }
}
