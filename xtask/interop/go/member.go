package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/segmentio/kafka-go"
)

// member is kafka-go as the member of a group with its rack-affinity balancer, until standard input ends. It prints the
// partition and the offset of each message before it commits it.
func member(brokers []string, topic, group, sessionTimeout, heartbeatInterval string) error {
	session, err := milliseconds(sessionTimeout)
	if err != nil {
		return err
	}
	heartbeat, err := milliseconds(heartbeatInterval)
	if err != nil {
		return err
	}
	reader := kafka.NewReader(kafka.ReaderConfig{
		Brokers: brokers, GroupID: group, GroupTopics: []string{topic}, MaxWait: 500 * time.Millisecond,
		GroupBalancers: []kafka.GroupBalancer{kafka.RackAffinityGroupBalancer{}},
		SessionTimeout: session, HeartbeatInterval: heartbeat, RebalanceTimeout: 10 * time.Second,
		JoinGroupBackoff: 200 * time.Millisecond, StartOffset: kafka.FirstOffset,
	})
	ctx, end := context.WithCancel(context.Background())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		end()
	}()
	for ctx.Err() == nil {
		message, err := reader.FetchMessage(ctx)
		if errors.Is(err, io.EOF) || ctx.Err() != nil {
			break
		}
		if err != nil {
			// It tries on by itself.
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		fmt.Println(message.Partition, message.Offset)
		// Where the generation has ended, another member processes it again.
		if err := reader.CommitMessages(ctx, message); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	return reader.Close()
}

func milliseconds(text string) (time.Duration, error) {
	number, err := strconv.Atoi(text)
	return time.Duration(number) * time.Millisecond, err
}
