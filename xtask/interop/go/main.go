// Command interop is franz-go and kafka-go as console producers and consumers, in the text format of Java's own (see
// xtask/src/interop/lines.rs), and the balancers of both and of sarama.
//
//	interop franz-go|kafka-go write BROKERS TOPIC CODEC < lines     headers, key, value
//	interop franz-go|kafka-go read  BROKERS TOPIC COUNT > lines     partition, offset, headers, key, value
//	interop sarama|franz-go|kafka-go partitions COUNT,… < keys      where they go among so many partitions
//	interop sarama|franz-go|kafka-go picks COUNT        < keys      how long each choice takes
//
// and kafka-go as the member of a group, until its standard input ends:
//
//	interop kafka-go member BROKERS TOPIC GROUP SESSION_TIMEOUT_MS HEARTBEAT_INTERVAL_MS > lines   partition offset
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// client is what both libraries are made to do.
type client interface {
	// write sends the messages, in order within a partition, and returns when all are acknowledged.
	write(ctx context.Context, brokers []string, topic, codec string, messages []message) error
	// read calls each with the first count messages of the topic, from its beginning, in order within a partition.
	read(ctx context.Context, brokers []string, topic string, count int, each func(message)) error
}

var clients = map[string]client{"franz-go": franz{}, "kafka-go": kafkaGo{}}

const limit = 2 * time.Minute

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) == 3 {
		return runBalancers(arguments[0], arguments[1], arguments[2])
	}
	if len(arguments) == 7 && arguments[0] == "kafka-go" && arguments[1] == "member" {
		return member(strings.Split(arguments[2], ","), arguments[3], arguments[4], arguments[5], arguments[6])
	}
	if len(arguments) != 5 {
		return errors.New("CLIENT write BROKERS TOPIC CODEC, CLIENT read BROKERS TOPIC COUNT, " +
			"CLIENT partitions COUNT,…, or CLIENT picks COUNT")
	}
	client, ok := clients[arguments[0]]
	if !ok {
		return fmt.Errorf("no client %q", arguments[0])
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	brokers, topic := strings.Split(arguments[2], ","), arguments[3]
	switch arguments[1] {
	case "write":
		messages, err := parseLines(os.Stdin)
		if err != nil {
			return err
		}
		return client.write(ctx, brokers, topic, arguments[4], messages)
	case "read":
		count, err := strconv.Atoi(arguments[4])
		if err != nil {
			return err
		}
		out := newPrinter(os.Stdout)
		if err := client.read(ctx, brokers, topic, count, out.print); err != nil {
			return err
		}
		return out.flush()
	}
	return fmt.Errorf("no operation %q", arguments[1])
}

func runBalancers(client, operation, counts string) error {
	balancers, ok := balancers[client]
	if !ok {
		return fmt.Errorf("no client %q", client)
	}
	out := bufio.NewWriter(os.Stdout)
	switch operation {
	case "partitions":
		return choose(balancers, counts, os.Stdin, out)
	case "picks":
		return timePicks(balancers, counts, os.Stdin, out)
	}
	return fmt.Errorf("no operation %q", operation)
}
